/** What an authority knows of a relay, and by which rules it judges relays, when it votes. */

import type { DurationMs, WallMs } from '../base/time.ts'
import type { PolicyRule, ExitPolicy } from '../netdoc/exit-policy.ts'
import type { ServerDescriptor } from '../netdoc/server-descriptor.ts'
import { formatIp, isPrivateIp } from '../ident/address.ts'
import type { RelayHistory } from './relay-history.ts'

/** An operator's judgement of a relay, from `approved-routers` and the `AuthDir…` options. */
export interface RelayJudgement {
  readonly valid: boolean
  readonly badExit: boolean
  readonly middleOnly: boolean
  readonly stripGuard: boolean
  readonly stripHsDir: boolean
  readonly stripV2Dir: boolean
}

export interface VotedRelay {
  readonly descriptor: ServerDescriptor
  readonly judgement: RelayJudgement
  readonly history: RelayHistory
  /** It is this authority. */
  readonly isSelf: boolean
  /** It is one of the authorities. */
  readonly isAuthority: boolean
  /** When an IPv4 link to it last opened; undefined if never. */
  readonly reachedAt: WallMs | undefined
  readonly reachedIpv6At: WallMs | undefined
  /** Kilobytes a second, from the bandwidth file. */
  readonly measuredBandwidth: number | undefined
}

/** What a router set is asked about a relay; `TestingDirAuthVoteExit` and its kin answer. */
export type RelayPredicate = (relay: ServerDescriptor) => boolean

/** An authority's rules: options of C tor by meaning. Bandwidths are bytes a second. */
export interface FlagRules {
  /** `TestingTorNetwork`. */
  readonly testing: boolean
  readonly allowPrivateAddresses: boolean
  readonly testReachability: boolean
  readonly hasIpv6: boolean
  /** How long ago this authority started, and from when on it trusts its own reachability tests. */
  readonly uptime: DurationMs
  readonly timeToLearnReachability: DurationMs
  readonly listBadExits: boolean
  readonly listMiddleOnly: boolean
  /** `AuthDirMaxServersPerAddr`; 0 for no limit. */
  readonly maxRelaysPerAddress: number
  readonly minMeasuredToIgnoreAdvertised: number
  readonly minExitFlagThreshold: number
  readonly minFastFlagThreshold: number
  readonly fastGuarantee: number
  readonly guardBandwidthGuarantee: number
  readonly stableGuaranteeUptime: DurationMs
  readonly stableGuaranteeMtbf: DurationMs
  readonly guardGuaranteeTimeKnown: DurationMs
  readonly guardGuaranteeWfu: number
  readonly guardBandwidthThresholdFraction: number
  readonly minHsDirUptime: DurationMs
  /** `FastFlagMinThreshold` and `FastFlagMaxThreshold` of the consensus in force. */
  readonly fastFlagMinParam: number
  readonly fastFlagMaxParam: number
  readonly voteExit: RelayPredicate
  readonly voteExitIsStrict: boolean
  readonly voteGuard: RelayPredicate
  readonly voteGuardIsStrict: boolean
  readonly voteHsDir: RelayPredicate
  readonly voteHsDirIsStrict: boolean
}

/** Bytes a second that a relay says it has: the least of what it saw, its rate, and what is believable. */
export function advertisedBandwidth(descriptor: ServerDescriptor): number {
  const believable = 10_000_000
  return Math.min(descriptor.bandwidth.observed, descriptor.bandwidth.rate, believable)
}

/** Kilobytes a second that an authority goes by: measured, or advertised while few relays are measured. */
export function credibleBandwidth(relay: VotedRelay, ignoreAdvertised: boolean): number {
  if (relay.measuredBandwidth !== undefined) return relay.measuredBandwidth
  return ignoreAdvertised ? 0 : Math.floor(advertisedBandwidth(relay.descriptor) / 1000)
}

/** dir-spec §3.4.2, Exit: allows exits to at least one /8 on ports 80 and 443, private networks aside. */
export function isGeneralExit(policy: ExitPolicy, allowPrivate: boolean): boolean {
  return [80, 443].every((port) => acceptsSomeSlash8(policy.rules, port, allowPrivate))
}

function acceptsSomeSlash8(rules: readonly PolicyRule[], port: number, allowPrivate: boolean): boolean {
  /** Networks of which some part is rejected by an earlier rule. */
  const rejected = new Set<number>()
  for (const rule of rules) {
    if (rule.family !== 4 || rule.ports.low > port || rule.ports.high < port) continue
    const first = rule.prefixBits === 0 ? 0 : (rule.address[0] ?? 0)
    const last = rule.prefixBits >= 8 ? first : first | (0xff >> rule.prefixBits)
    for (let network = first; network <= last; network++) {
      if (rejected.has(network) || (!allowPrivate && isPrivateIp(formatIp(Uint8Array.of(network, 0, 0, 0))))) continue
      if (!rule.accepts) rejected.add(network)
      else if (rule.prefixBits <= 8) return true
    }
  }
  return false
}
