/** One relay's entry in a consensus, from the entries that votes have of it (dir-spec §3.8). */

import { bytesCompare, bytesEqual } from '../base/encoding.ts'
import { wallMs } from '../base/time.ts'
import { parseIp } from '../ident/address.ts'
import { decodeBase64Fixed } from '../netdoc/base64.ts'
import type { ConsensusFlavour } from '../netdoc/consensus.ts'
import type { PortPolicy } from '../netdoc/port-policy.ts'
import type { RouterStatus, VoteRouterStatus } from '../netdoc/router-status.ts'
import type { OrAddress } from '../netdoc/server-descriptor.ts'
import type { BandwidthTotals } from './bandwidth-weights.ts'
import type { CollatedRelay } from './collate.ts'
import { FIRST_METHOD_WITHOUT_MICRODESC_TIMES } from './limits.ts'
import { compareText, lowMedian, mostFrequent } from './order-statistics.ts'
import { compareVersionText } from './tor-version.ts'

/** What deciding on a relay needs to know of the votes as a whole. */
export interface VotingRules {
  readonly method: number
  readonly totalAuthorities: number
  /** All flags of the consensus, sorted. */
  readonly flags: readonly string[]
  /** How many votes have an opinion on each flag. */
  readonly flagVoters: ReadonlyMap<string, number>
  /** Which flags each vote has an opinion on. */
  readonly knownFlags: readonly ReadonlySet<string>[]
  /** Votes with measured bandwidths. */
  readonly measuringVotes: number
  /** Cap on bandwidths nobody measured, in kilobytes a second. */
  readonly maxUnmeasuredBandwidth: number
}

/** 2038-01-01 00:00:00, in place of a publication time. */
const NO_TIME = wallMs(Date.UTC(2038, 0, 1))

export interface DecidedRelay {
  /** The entry in each flavour; none in the microdesc flavour when no microdescriptor was agreed on. */
  readonly ns: RouterStatus
  readonly microdesc: RouterStatus | undefined
  /** Adds the relay's bandwidth to what weights are computed from. */
  addBandwidth(totals: BandwidthTotals): void
}

/** The entry, or undefined when the relay is not listed. */
export function decideRelay(entries: CollatedRelay, rules: VotingRules): DecidedRelay | undefined {
  // dir-spec §3.8: a relay is included if listed by more than half of all authorities.
  if (entries.length <= Math.floor(rules.totalAuthorities / 2)) return undefined
  const statuses = entries.map((entry) => entry.entry)
  const chosen = chooseDescriptor(statuses)
  const flags = chooseFlags(entries, rules)
  // dir-spec §3.8: relays that are not Running (method 4) or not Valid (method 24) are not listed.
  if (!flags.has('Running') || !flags.has('Valid')) return undefined

  const agreeing = statuses.filter((status) => compareDescriptors(status, chosen) === 0)
  const address6 = chooseIpv6Address(agreeing)
  const version = mostFrequent(statuses.flatMap((status) => (status.version ? [status.version] : [])), compareVersionThenText)?.item
  const protocols = mostFrequent(statuses.flatMap((status) => status.protocols ?? []), (a, b) => compareText(a.text, b.text))?.item
  const bandwidth = chooseBandwidth(statuses, rules)
  const guardFraction = flags.has('Guard') ? chooseGuardFraction(statuses) : undefined

  const common = {
    nickname: chosen.nickname,
    rsaIdentity: chosen.rsaIdentity,
    fingerprint: chosen.fingerprint,
    address: chosen.address,
    orPort: chosen.orPort,
    dirPort: chosen.dirPort,
    orAddresses: address6 === undefined ? [] : [address6],
    flags,
    ...(version === undefined ? {} : { version }),
    ...(protocols === undefined ? {} : { protocols }),
    ...(bandwidth === undefined ? { unmeasured: false } : bandwidth),
    ...(guardFraction === undefined ? {} : { guardFraction }),
  }
  const exitPolicy = chooseExitPolicy(statuses, chosen)
  const digest = chooseMicrodescriptor(agreeing, rules.method)
  return {
    ns: { ...common, descriptorDigest: chosen.descriptorDigest, published: chosen.published, ...(exitPolicy === undefined ? {} : { exitPolicy }) },
    microdesc:
      digest === undefined
        ? undefined
        : { ...common, microdescriptorDigest: digest, published: publicationTime(chosen, rules.method, 'microdesc') },
    addBandwidth: (totals) => addBandwidth(totals, common),
  }
}

function publicationTime(chosen: VoteRouterStatus, method: number, flavour: ConsensusFlavour): RouterStatus['published'] {
  return flavour === 'microdesc' && method >= FIRST_METHOD_WITHOUT_MICRODESC_TIMES ? NO_TIME : chosen.published
}

/** The descriptor that most votes list; of several the one published last, then the one with the smaller digest. */
function chooseDescriptor(statuses: readonly VoteRouterStatus[]): VoteRouterStatus {
  const sorted = [...statuses].sort(compareDescriptors)
  let best = sorted[0] as VoteRouterStatus
  let bestCount = 0
  for (let start = 0; start < sorted.length; ) {
    const candidate = sorted[start] as VoteRouterStatus
    let end = start
    while (end < sorted.length && compareDescriptors(sorted[end] as VoteRouterStatus, candidate) === 0) end++
    const count = end - start
    if (count > bestCount || (count === bestCount && candidate.published > best.published)) {
      best = candidate
      bestCount = count
    }
    start = end
  }
  return best
}

/** Zero for entries made from one descriptor with the same derived fields. */
function compareDescriptors(a: VoteRouterStatus, b: VoteRouterStatus): number {
  return (
    bytesCompare(a.rsaIdentity, b.rsaIdentity) ||
    bytesCompare(a.descriptorDigest, b.descriptorDigest) ||
    // From here on equal unless SHA-1 was broken; descending, as in C tor.
    b.published - a.published ||
    compareText(b.nickname, a.nickname) ||
    bytesCompare(parseIp(a.address) ?? new Uint8Array(), parseIp(b.address) ?? new Uint8Array()) ||
    b.orPort - a.orPort ||
    b.dirPort - a.dirPort
  )
}

function chooseIpv6Address(agreeing: readonly VoteRouterStatus[]): OrAddress | undefined {
  const addresses = agreeing.flatMap((status) => status.orAddresses.find((address) => address.host.includes(':')) ?? [])
  return mostFrequent(
    addresses,
    (a, b) => bytesCompare(parseIp(a.host) ?? new Uint8Array(), parseIp(b.host) ?? new Uint8Array()) || b.port - a.port,
  )?.item
}

/** Unpadded base64 of the microdescriptor's digest that most votes for the chosen descriptor give for `method`. */
function chooseMicrodescriptor(agreeing: readonly VoteRouterStatus[], method: number): string | undefined {
  const digests = agreeing.flatMap((status) => {
    const text = status.microdescriptors.find((line) => line.methods.includes(method))?.digest
    const bytes = text === undefined ? undefined : decodeBase64Fixed(text, 32)
    return text === undefined || bytes === undefined ? [] : [{ text, bytes }]
  })
  const winner = mostFrequent(digests, (a, b) => bytesCompare(a.bytes, b.bytes))?.item
  return winner === undefined || winner.bytes.every((byte) => byte === 0) ? undefined : winner.text
}

/**
 * Flags that more than half of the votes with an opinion give.
 * SPEC-DIFF: Named and Unnamed are never given: no version of C tor with these consensus methods votes on them.
 */
function chooseFlags(entries: CollatedRelay, rules: VotingRules): Set<string> {
  const chosen = new Set<string>()
  for (const flag of rules.flags) {
    if (flag === 'Named' || flag === 'Unnamed') continue
    if (flag === 'NoEdConsensus') {
      const agreed = entries.filter((entry) => entry.ed25519Agreed).length
      if (agreed <= Math.floor(rules.totalAuthorities / 2)) chosen.add(flag)
      continue
    }
    const votes = entries.filter(({ entry, vote }) => entry.flags.has(flag) && rules.knownFlags[vote]?.has(flag) === true).length
    if (votes > Math.floor((rules.flagVoters.get(flag) ?? 0) / 2)) chosen.add(flag)
  }
  if (chosen.has('Running') && chosen.has('Valid') && chosen.has('MiddleOnly')) return restrictToMiddle(chosen, rules.flags.includes('BadExit'))
  return chosen
}

/** Method 32: a relay that is MiddleOnly has no flag that would let it be anything else. */
function restrictToMiddle(flags: Set<string>, badExitIsVoted: boolean): Set<string> {
  for (const flag of ['Exit', 'V2Dir', 'Guard', 'HSDir']) flags.delete(flag)
  if (badExitIsVoted) flags.add('BadExit')
  return new Set([...flags].sort(compareText))
}

function compareVersionThenText(a: string, b: string): number {
  return compareVersionText(a, b) || compareText(a, b)
}

/** Kilobytes a second: the median of three or more measurements, or else of what relays say of themselves, capped. */
function chooseBandwidth(statuses: readonly VoteRouterStatus[], rules: VotingRules): { bandwidth: number; unmeasured: boolean } | undefined {
  const measured = statuses.flatMap((status) => status.measured ?? [])
  if (measured.length > 2) return { bandwidth: lowMedian(measured) as number, unmeasured: false }
  const advertised = lowMedian(statuses.flatMap((status) => status.bandwidth ?? []))
  if (advertised === undefined) return undefined
  const cap = rules.measuringVotes > 2 ? rules.maxUnmeasuredBandwidth : Number.POSITIVE_INFINITY
  return { bandwidth: Math.min(advertised, cap), unmeasured: true }
}

function chooseGuardFraction(statuses: readonly VoteRouterStatus[]): number | undefined {
  const fractions = statuses.flatMap((status) => status.guardFraction ?? [])
  return fractions.length > 2 ? lowMedian(fractions) : undefined
}

/** The policy given with the chosen descriptor, or, if none was, the one given most often. */
function chooseExitPolicy(statuses: readonly VoteRouterStatus[], chosen: VoteRouterStatus): PortPolicy | undefined {
  const all = statuses.filter((status) => status.exitPolicy !== undefined)
  const withChosen = all.filter((status) => bytesEqual(status.descriptorDigest, chosen.descriptorDigest))
  const policies = (withChosen.length > 0 ? withChosen : all).flatMap((status) => status.exitPolicy ?? [])
  return mostFrequent(policies, (a, b) => compareText(a.text, b.text))?.item
}

function addBandwidth(totals: BandwidthTotals, relay: Pick<RouterStatus, 'flags' | 'bandwidth' | 'guardFraction'>): void {
  if (relay.bandwidth === undefined) return
  // A BadExit's bandwidth is not bandwidth of exits.
  const isExit = relay.flags.has('Exit') && !relay.flags.has('BadExit')
  const isGuard = relay.flags.has('Guard')
  // proposal 236: with a guard fraction, only that part of the bandwidth has the Guard flag.
  const asGuard = relay.guardFraction === undefined ? relay.bandwidth : Math.trunc((relay.guardFraction / 100) * relay.bandwidth)
  const rest = BigInt(relay.bandwidth - asGuard)
  const main = BigInt(asGuard)
  totals.total += main
  if (isExit && isGuard) {
    totals.both += main
    totals.exit += rest
  } else if (isExit) {
    totals.exit += main
  } else if (isGuard) {
    totals.guard += main
    totals.middle += rest
  } else {
    totals.middle += main
  }
}
