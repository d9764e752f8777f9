/**
 * A consensus from votes (dir-spec §3.8): what C tor's `networkstatus_compute_consensus` computes, for the same votes the
 * same document to the byte, in both flavours. Who may vote, and whether there are enough votes, is decided before;
 * signing comes after.
 */

import { bytesCompare, hexDecode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { wallMs, type WallMs } from '../base/time.ts'
import type { ConsensusContent, ConsensusFlavour, ConsensusSource } from '../netdoc/consensus.ts'
import { formatProtocolEntries, ProtocolList, type ProtocolEntry } from '../netdoc/protocol-list.ts'
import type { SharedRandomValue } from '../netdoc/network-status.ts'
import type { RouterStatus } from '../netdoc/router-status.ts'
import type { VoteContent } from '../netdoc/vote.ts'
import { computeBandwidthWeights, type BandwidthTotals } from './bandwidth-weights.ts'
import { collateVotes } from './collate.ts'
import { decideRelay, type VotingRules } from './consensus-relay.ts'
import { MAX_CONSENSUS_METHOD, MIN_CONSENSUS_METHOD } from './limits.ts'
import { compareText, frequentItems, lowMedian, mostFrequent } from './order-statistics.ts'
import { compareVersionText } from './tor-version.ts'

/** A vote that counts: its content and the SHA-1 of its signed part. */
export type CountedVote = VoteContent & { readonly digest: Uint8Array }

export interface ConsensusInput {
  /** One of each authority that voted; at least one. */
  readonly votes: readonly CountedVote[]
  /** Authorities there are, whether they voted or not. */
  readonly totalAuthorities: number
  /** Whether this authority takes part in the shared-random protocol (`AuthDirSharedRandomness`). */
  readonly sharedRandomEnabled: boolean
  /** Whether this period's shared random value is new, so that more than a majority must agree on it (srv-spec §2.3.1). */
  readonly sharedRandomIsFresh: boolean
}

/** The same consensus in both flavours. */
export interface ComputedConsensus {
  readonly ns: ConsensusContent
  readonly microdesc: ConsensusContent
}

/** `maxunmeasuredbw` where the parameters do not say. */
const DEFAULT_MAX_UNMEASURED_BANDWIDTH = 20
/** `bwweightscale` where the parameters do not say. */
const DEFAULT_WEIGHT_SCALE = 10_000
/** Votes that make a parameter however many authorities there are (proposal 178). */
const MIN_VOTES_FOR_PARAM = 3

export function computeConsensus(input: ConsensusInput): ComputedConsensus {
  // dir-spec §3.8: sorted by the authorities' identities.
  const votes = [...input.votes].sort((a, b) => bytesCompare(a.source.identity, b.source.identity))
  if (votes.length === 0) throw new RelishError('unavailable', 'no votes to compute a consensus from')
  const method = chooseMethod(votes)
  const params = chooseParams(votes, input.totalAuthorities)
  const { flags, rules } = votingRules(votes, method, params, input.totalAuthorities)
  const totals: BandwidthTotals = { guard: 1n, middle: 1n, exit: 1n, both: 1n, total: 4n }
  const ns: RouterStatus[] = []
  const microdesc: RouterStatus[] = []
  for (const entries of collateVotes(votes.map((vote) => vote.relays), input.totalAuthorities)) {
    const relay = decideRelay(entries, rules)
    if (relay === undefined) continue
    relay.addBandwidth(totals)
    ns.push(relay.ns)
    if (relay.microdesc !== undefined) microdesc.push(relay.microdesc)
  }
  const scale = Math.max(1, params.get('bwweightscale') ?? DEFAULT_WEIGHT_SCALE)
  const common = {
    consensusMethod: method,
    ...chooseTimes(votes),
    clientVersions: chooseVersions(votes.flatMap((vote) => (vote.clientVersions === undefined ? [] : [vote.clientVersions]))),
    serverVersions: chooseVersions(votes.flatMap((vote) => (vote.serverVersions === undefined ? [] : [vote.serverVersions]))),
    knownFlags: flags,
    ...chooseProtocols(votes, input.totalAuthorities),
    params,
    ...(input.sharedRandomEnabled ? chooseSharedRandom(votes, params, input) : {}),
    sources: listSources(votes),
    bandwidthWeights: computeBandwidthWeights(totals, scale),
  }
  return { ns: { ...common, flavour: 'ns', relays: ns }, microdesc: { ...common, flavour: 'microdesc', relays: microdesc } }
}

/** The consensus of one flavour. */
export const consensusOfFlavour = (computed: ComputedConsensus, flavour: ConsensusFlavour): ConsensusContent => computed[flavour]

/**
 * The highest method that more than two thirds of the votes support (dir-spec §3.8.1). If it is one this program lacks,
 * its own highest, like C tor: nobody will sign the result, but it can be looked at.
 */
export function chooseMethod(votes: readonly Pick<VoteContent, 'consensusMethods'>[]): number {
  const minimum = Math.floor((votes.length * 2) / 3)
  const counts = new Map<number, number>()
  for (const vote of votes) for (const method of new Set(vote.consensusMethods)) counts.set(method, (counts.get(method) ?? 0) + 1)
  const best = Math.max(1, ...[...counts].filter(([, count]) => count > minimum).map(([method]) => method))
  return best >= MIN_CONSENSUS_METHOD && best <= MAX_CONSENSUS_METHOD ? best : MAX_CONSENSUS_METHOD
}

function chooseTimes(votes: readonly CountedVote[]): Pick<ConsensusContent, 'validAfter' | 'freshUntil' | 'validUntil' | 'votingDelay'> {
  const median = (values: readonly number[]): number => lowMedian(values) as number
  const time = (of: (vote: CountedVote) => WallMs): WallMs => wallMs(median(votes.map(of)))
  return {
    validAfter: time((vote) => vote.validAfter),
    freshUntil: time((vote) => vote.freshUntil),
    validUntil: time((vote) => vote.validUntil),
    votingDelay: { voteSec: median(votes.map((vote) => vote.votingDelay.voteSec)), distSec: median(votes.map((vote) => vote.votingDelay.distSec)) },
  }
}

/** Versions that more than half of the authorities with an opinion recommend, in order of versions. */
function chooseVersions(lists: readonly (readonly string[])[]): string[] {
  const all: string[] = []
  for (const list of lists) {
    const sorted = list.filter((version) => version !== '').sort(compareVersionText)
    all.push(...sorted.filter((version, i) => i === 0 || compareVersionText(version, sorted[i - 1] as string) !== 0))
  }
  return frequentItems(all.sort(compareVersionText), Math.floor(lists.length / 2))
}

/** Medians of the parameters that more than half of all authorities, or three of them, vote for. Ascending by `name=`. */
export function chooseParams(votes: readonly Pick<VoteContent, 'params'>[], totalAuthorities: number): Map<string, number> {
  const values = new Map<string, number[]>()
  for (const vote of votes) {
    for (const [name, value] of vote.params) {
      const list = values.get(name)
      if (list === undefined) values.set(name, [value])
      else list.push(value)
    }
  }
  const chosen = new Map<string, number>()
  for (const name of [...values.keys()].sort((a, b) => compareText(`${a}=`, `${b}=`))) {
    const list = values.get(name) ?? []
    if (list.length > Math.floor(totalAuthorities / 2) || list.length >= MIN_VOTES_FOR_PARAM) chosen.set(name, lowMedian(list) as number)
  }
  return chosen
}

type ProtocolKind = 'recommendedClientProtocols' | 'recommendedRelayProtocols' | 'requiredClientProtocols' | 'requiredRelayProtocols'

/** dir-spec §3.8: half of all authorities must recommend a protocol version, two thirds require it. */
function chooseProtocols(votes: readonly CountedVote[], totalAuthorities: number): Record<ProtocolKind, ProtocolList> {
  const half = Math.ceil(totalAuthorities / 2)
  const twoThirds = Math.ceil((totalAuthorities * 2) / 3)
  const choose = (kind: ProtocolKind, threshold: number): ProtocolList => voteOnProtocols(votes.flatMap((vote) => vote[kind] ?? []), threshold)
  return {
    recommendedClientProtocols: choose('recommendedClientProtocols', half),
    recommendedRelayProtocols: choose('recommendedRelayProtocols', half),
    requiredClientProtocols: choose('requiredClientProtocols', twoThirds),
    requiredRelayProtocols: choose('requiredRelayProtocols', twoThirds),
  }
}

/** Protocol versions that at least `threshold` of the lists have. */
export function voteOnProtocols(lists: readonly ProtocolList[], threshold: number): ProtocolList {
  const names = new Set(lists.flatMap((list) => list.entries.map((entry) => entry.name)))
  const entries: ProtocolEntry[] = []
  for (const name of [...names].sort(compareText)) {
    const counts = new Map<number, number>()
    for (const list of lists) {
      // Of an entry that is given twice the first counts.
      const entry = list.entries.find((candidate) => candidate.name === name)
      for (const { low, high } of entry?.ranges ?? []) for (let version = low; version <= high; version++) counts.set(version, (counts.get(version) ?? 0) + 1)
    }
    const versions = [...counts].filter(([, count]) => count >= threshold).map(([version]) => version)
    const ranges: { low: number; high: number }[] = []
    for (const version of versions.sort((a, b) => a - b)) {
      const last = ranges[ranges.length - 1]
      if (last !== undefined && last.high === version - 1) last.high = version
      else ranges.push({ low: version, high: version })
    }
    if (ranges.length > 0) entries.push({ name, ranges })
  }
  return ProtocolList.parse(formatProtocolEntries(entries))
}

/** The values that enough authorities hold (srv-spec §2.3.1). */
function chooseSharedRandom(
  votes: readonly CountedVote[],
  params: ReadonlyMap<string, number>,
  input: ConsensusInput,
): { sharedRandomPrevious?: SharedRandomValue; sharedRandomCurrent?: SharedRandomValue } {
  const majority = Math.floor(input.totalAuthorities / 2) + 1
  const agreements = params.get('AuthDirNumSRVAgreements') ?? Math.floor((input.totalAuthorities * 2) / 3)
  const choose = (kind: 'sharedRandomPrevious' | 'sharedRandomCurrent'): SharedRandomValue | undefined => {
    const values = votes.flatMap((vote) => (vote.sharedRandomParticipates ? (vote[kind] ?? []) : []))
    const winner = mostFrequent(values, (a, b) => bytesCompare(a.value, b.value))
    if (winner === undefined || winner.count < majority) return undefined
    return input.sharedRandomIsFresh && winner.count < agreements ? undefined : winner.item
  }
  const previous = choose('sharedRandomPrevious')
  const current = choose('sharedRandomCurrent')
  return {
    ...(previous === undefined ? {} : { sharedRandomPrevious: previous }),
    ...(current === undefined ? {} : { sharedRandomCurrent: current }),
  }
}

/** One line for each voter, and one more for each legacy key a voter still signs with, ascending by identity. */
function listSources(votes: readonly CountedVote[]): ConsensusSource[] {
  const sources: ConsensusSource[] = []
  for (const vote of votes) {
    sources.push({ ...vote.source, voteDigest: vote.digest })
    const legacy = vote.legacyKeyFingerprint
    if (legacy !== undefined) {
      sources.push({ ...vote.source, nickname: `${vote.source.nickname}-legacy`, identity: hexDecode(legacy), identityFingerprint: legacy, contact: '' })
    }
  }
  return sources.sort((a, b) => bytesCompare(a.identity, b.identity))
}

function votingRules(
  votes: readonly CountedVote[],
  method: number,
  params: ReadonlyMap<string, number>,
  totalAuthorities: number,
): { flags: string[]; rules: VotingRules } {
  const knownFlags = votes.map((vote) => new Set(vote.knownFlags))
  const flags = [...new Set([...votes.flatMap((vote) => vote.knownFlags), 'NoEdConsensus'])].sort(compareText)
  const flagVoters = new Map<string, number>()
  for (const known of knownFlags) for (const flag of known) flagVoters.set(flag, (flagVoters.get(flag) ?? 0) + 1)
  const rules: VotingRules = {
    method,
    totalAuthorities,
    flags,
    flagVoters,
    knownFlags,
    measuringVotes: votes.filter((vote) => vote.relays.some((relay) => relay.measured !== undefined)).length,
    maxUnmeasuredBandwidth: Math.max(1, params.get('maxunmeasuredbw') ?? DEFAULT_MAX_UNMEASURED_BANDWIDTH),
  }
  return { flags, rules }
}
