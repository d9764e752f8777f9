/** What an authority's options mean: the rules it gives flags by, and its operator's judgement of single relays. */

import { hexEncodeUpper } from '../core/base/encoding.ts'
import { wallToSec, type DurationMs } from '../core/base/time.ts'
import type { VoteInput } from '../core/dirvote/build-vote.ts'
import type { FlagRules, RelayJudgement } from '../core/dirvote/voted-relay.ts'
import { formatEd25519Identity, parseFingerprint } from '../core/ident/fingerprint.ts'
import type { AuthorityCertificate } from '../core/netdoc/authority-certificate.ts'
import type { DescriptorStatement } from '../core/netdoc/server-descriptor-emit.ts'
import type { ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import { RouterSet, type AddressPattern } from '../core/torrc/router-set.ts'

/** `params`: of the consensus in force. */
export function flagRules(options: TorOptions, uptime: DurationMs, params: ReadonlyMap<string, number>): FlagRules {
  const within = (set: RouterSet) => (descriptor: ServerDescriptor) =>
    set.contains({ rsaIdentity: descriptor.rsaIdentity, nickname: descriptor.nickname, addresses: [{ host: descriptor.address, port: descriptor.orPort }] })
  const testing = options.TestingTorNetwork
  return {
    testing,
    allowPrivateAddresses: options.DirAllowPrivateAddresses,
    testReachability: options.AuthDirTestReachability,
    hasIpv6: options.AuthDirHasIPv6Connectivity,
    uptime,
    // A network that votes as soon as its relays are reached has learnt by then what it needs to know.
    timeToLearnReachability: (options.TestingV3AuthVoteWhenRelays > 0 ? -1 : options.TestingAuthDirTimeToLearnReachability) as DurationMs,
    listBadExits: options.AuthDirListBadExits || options.AuthDirBadExit.length > 0,
    listMiddleOnly: options.AuthDirListMiddleOnly || options.AuthDirMiddleOnly.length > 0,
    maxRelaysPerAddress: options.AuthDirMaxServersPerAddr,
    minMeasuredToIgnoreAdvertised: options.MinMeasuredBWsForAuthToIgnoreAdvertised,
    minExitFlagThreshold: options.TestingMinExitFlagThreshold,
    minFastFlagThreshold: options.TestingMinFastFlagThreshold,
    fastGuarantee: options.AuthDirFastGuarantee,
    guardBandwidthGuarantee: options.AuthDirGuardBWGuarantee,
    stableGuaranteeUptime: options.AuthDirVoteStableGuaranteeMinUptime,
    stableGuaranteeMtbf: options.AuthDirVoteStableGuaranteeMTBF,
    guardGuaranteeTimeKnown: options.AuthDirVoteGuardGuaranteeTimeKnown,
    guardGuaranteeWfu: options.AuthDirVoteGuardGuaranteeWFU,
    guardBandwidthThresholdFraction: options.AuthDirVoteGuardBwThresholdFraction,
    minHsDirUptime: options.MinUptimeHidServDirectoryV2,
    fastFlagMinParam: Math.max(4, params.get('FastFlagMinThreshold') ?? 4),
    fastFlagMaxParam: params.get('FastFlagMaxThreshold') ?? 0x7fff_ffff,
    voteExit: within(options.TestingDirAuthVoteExit),
    voteExitIsStrict: options.TestingDirAuthVoteExitIsStrict,
    voteGuard: within(testing ? options.TestingDirAuthVoteGuard : options.AuthDirVoteGuard),
    voteGuardIsStrict: options.TestingDirAuthVoteGuardIsStrict,
    voteHsDir: within(options.TestingDirAuthVoteHSDir),
    voteHsDirIsStrict: options.TestingDirAuthVoteHSDirIsStrict,
  }
}

/** The part of a vote that configuration alone decides. `own`: this authority's descriptor. */
export function configuredVote(
  options: TorOptions,
  certificate: AuthorityCertificate,
  own: ServerDescriptor,
): Pick<VoteInput, 'interval' | 'intervalsValid' | 'voteDelay' | 'distDelay' | 'source' | 'clientVersions' | 'serverVersions' | 'params'> {
  const versions = votedVersions(options)
  return {
    interval: options.V3AuthVotingInterval,
    intervalsValid: options.V3AuthNIntervalsValid,
    voteDelay: options.V3AuthVoteDelay,
    distDelay: options.V3AuthDistDelay,
    source: {
      nickname: options.Nickname ?? own.nickname,
      identity: certificate.identity,
      identityFingerprint: certificate.identityFingerprint,
      hostname: own.address,
      address: own.address,
      dirPort: own.dirPort,
      orPort: own.orPort,
      contact: options.ContactInfo ?? '(none)',
    },
    clientVersions: versions?.client,
    serverVersions: versions?.server,
    params: votedParams(options),
  }
}

/** The parameters this authority votes for. */
export function votedParams(options: TorOptions): ReadonlyMap<string, number> {
  const params = new Map(options.ConsensusParams.map(({ name, value }) => [name, value]))
  // C tor shows its limit of relays per address together with parameters, and only with them.
  if (params.size > 0) params.set('AuthDirMaxServersPerAddr', options.AuthDirMaxServersPerAddr)
  return params
}

/** Recommended versions, as lists; undefined unless this authority votes on versions. */
export function votedVersions(options: TorOptions): { client: readonly string[]; server: readonly string[] } | undefined {
  if (!options.VersioningAuthoritativeDirectory) return undefined
  const split = (lines: readonly string[]): string[] => lines.flatMap((line) => line.split(/[,\s]+/)).filter((version) => version !== '')
  return {
    client: split([...options.RecommendedVersions, ...options.RecommendedClientVersions]),
    server: split([...options.RecommendedVersions, ...options.RecommendedServerVersions]),
  }
}

type Verdict = 'reject' | 'invalid' | 'badexit' | 'middleonly' | 'stripguard' | 'striphsdir' | 'stripv2dir'

/** The file `approved-routers`: `!VERDICT FINGERPRINT` lines, by RSA fingerprint or Ed25519 identity. */
export class ApprovedRouters {
  readonly #verdicts = new Map<string, Set<Verdict>>()

  /** Lines it cannot read are passed over, as in C tor; `onProblem` hears of them. */
  constructor(text: string, onProblem: (words: string) => void) {
    for (const line of text.split('\n')) {
      const trimmed = line.replace(/#.*$/, '').trim()
      if (trimmed === '') continue
      const space = trimmed.search(/\s/)
      const name = (space < 0 ? trimmed : trimmed.slice(0, space)).toLowerCase()
      const identity = space < 0 ? '' : trimmed.slice(space).replace(/\s+/g, '')
      const fingerprint = parseFingerprint(identity)
      const key = fingerprint !== undefined ? hexEncodeUpper(fingerprint) : /^[A-Za-z0-9+/]{43}=?$/.test(identity) ? identity.slice(0, 43) : undefined
      if (key === undefined) {
        onProblem(`approved-routers: no fingerprint in "${trimmed.slice(0, 80)}"`)
        continue
      }
      // Without a `!verdict` the line only names a relay.
      if (name.startsWith('!')) this.#add(key, name.slice(1) as Verdict)
    }
  }

  #add(key: string, verdict: Verdict): void {
    const verdicts = this.#verdicts.get(key)
    if (verdicts === undefined) this.#verdicts.set(key, new Set([verdict]))
    else verdicts.add(verdict)
  }

  has(descriptor: ServerDescriptor, verdict: Verdict): boolean {
    // In most networks nobody is in the file; to name a key costs more than to look it up.
    if (this.#verdicts.size === 0) return false
    return (
      this.#verdicts.get(descriptor.fingerprint)?.has(verdict) === true ||
      this.#verdicts.get(formatEd25519Identity(descriptor.ed25519Identity))?.has(verdict) === true
    )
  }
}

const matches = (patterns: readonly AddressPattern[], descriptor: ServerDescriptor): boolean =>
  patterns.length > 0 &&
  new RouterSet('', new Set(), new Set(), new Set(), patterns).contains({
    rsaIdentity: descriptor.rsaIdentity,
    addresses: [{ host: descriptor.address, port: descriptor.orPort }],
  })

export const isRejected = (descriptor: ServerDescriptor, approved: ApprovedRouters, options: TorOptions): boolean =>
  approved.has(descriptor, 'reject') || matches(options.AuthDirReject, descriptor)

export function judge(descriptor: ServerDescriptor, approved: ApprovedRouters, options: TorOptions): RelayJudgement {
  return {
    valid: !approved.has(descriptor, 'invalid') && !matches(options.AuthDirInvalid, descriptor),
    badExit: approved.has(descriptor, 'badexit') || matches(options.AuthDirBadExit, descriptor),
    middleOnly: approved.has(descriptor, 'middleonly') || matches(options.AuthDirMiddleOnly, descriptor),
    stripGuard: approved.has(descriptor, 'stripguard'),
    stripHsDir: approved.has(descriptor, 'striphsdir'),
    stripV2Dir: approved.has(descriptor, 'stripv2dir'),
  }
}

/**
 * Whether a newer descriptor says nothing new: C tor's `router_differences_are_cosmetic`. Authorities then keep the one
 * they have, so that the network does not fetch it again.
 */
export function isCosmeticChange(older: DescriptorStatement, newer: DescriptorStatement): boolean {
  const same = (of: (descriptor: DescriptorStatement) => unknown): boolean => of(older) === of(newer)
  const sameText = (of: (descriptor: DescriptorStatement) => string | undefined): boolean => of(older)?.toLowerCase() === of(newer)?.toLowerCase()
  if (!same((d) => d.address) || !same((d) => d.orPort) || !same((d) => d.dirPort) || !sameText((d) => d.nickname) || !sameText((d) => d.platform)) return false
  if (!sameText((d) => d.orAddresses.map((a) => `${a.host} ${a.port}`).join()) || !sameText((d) => d.contact) || !same((d) => d.hibernating)) return false
  if (!sameText((d) => d.onionKeyDer?.join()) || !same((d) => d.exitPolicy.toLines().join()) || !same((d) => d.tunnelledDirServer)) return false
  // SPEC-DIFF: C tor overlooks a changed ntor key, which then waits for the next descriptor; we do not.
  if (!same((d) => d.ntorOnionKey.join()) || !sameText((d) => d.family.join()) || !same((d) => d.familyIds.join())) return false
  if (!same((d) => d.bandwidth.rate) || !same((d) => d.bandwidth.burst)) return false
  const capacities = [older.bandwidth.observed, newer.bandwidth.observed]
  if (Math.min(...capacities) < Math.max(...capacities) / 2) return false
  return uptimesAgree(older, newer)
}

/** Whether the relay has been up between the two, give or take six hours or a twentieth. */
function uptimesAgree(older: DescriptorStatement, newer: DescriptorStatement): boolean {
  const elapsed = wallToSec(newer.published) - wallToSec(older.published)
  const [before, after] = [older.uptimeSec ?? 0, newer.uptimeSec ?? 0]
  const drift = Math.abs(after - (before + elapsed))
  return drift <= 6 * 60 * 60 || drift <= before * 0.05 || drift <= after * 0.05
}
