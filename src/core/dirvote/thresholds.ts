/** The cut-offs for Stable, Fast and Guard, from all relays an authority knows (dir-spec §3.4.2). */

import type { WallMs } from '../base/time.ts'
import { wallToSec } from '../base/time.ts'
import { lowMedian, nthSmallest } from './order-statistics.ts'
import { credibleBandwidth, isGeneralExit, type FlagRules, type VotedRelay } from './voted-relay.ts'

/** Times in seconds, bandwidths in kilobytes a second. */
export interface FlagThresholds {
  readonly stableUptime: number
  readonly stableMtbf: number
  readonly enoughMtbf: boolean
  readonly fastBandwidth: number
  readonly guardWfu: number
  readonly guardTimeKnown: number
  readonly guardBandwidthWithExits: number
  readonly guardBandwidthWithoutExits: number
  /** Enough relays are measured that what relays say of themselves counts for nothing. */
  readonly ignoreAdvertised: boolean
}

/** Descriptors older than a day are not voted on. */
export const MAX_DESCRIPTOR_AGE_SEC = 24 * 60 * 60
/** Relays with less are left out of the statistics. Kilobytes a second. */
const MIN_BANDWIDTH_CONSIDERED = 4
/** A Fast threshold below half of what relays must have gives way to a higher percentile. Kilobytes a second. */
const LOW_FAST_BANDWIDTH = Math.floor((75 * 1024) / 2000)

/** Whether a relay is up, allowed and willing, with a descriptor of today. */
export function isActive(relay: VotedRelay, running: boolean, nowSec: number): boolean {
  return wallToSec(relay.descriptor.published) >= nowSec - MAX_DESCRIPTOR_AGE_SEC && running && relay.judgement.valid && !relay.descriptor.hibernating
}

/** Seconds a relay has been up by its own account, continued until now. */
export function declaredUptime(relay: VotedRelay, nowSec: number): number {
  const uptime = relay.descriptor.uptimeSec ?? 0
  return uptime + Math.max(0, nowSec - wallToSec(relay.descriptor.published))
}

export interface ThresholdInput {
  readonly relays: readonly VotedRelay[]
  /** Fingerprints of relays found running. */
  readonly running: ReadonlySet<string>
  /** Fingerprints of relays that share an address with too many others. */
  readonly sybils: ReadonlySet<string>
  readonly rules: FlagRules
  readonly enoughMtbf: boolean
  readonly now: WallMs
}

export function computeThresholds(input: ThresholdInput): FlagThresholds {
  const { relays, rules } = input
  const nowSec = wallToSec(input.now)
  const measured = relays.filter((relay) => relay.measuredBandwidth !== undefined).length
  const ignoreAdvertised = measured > rules.minMeasuredToIgnoreAdvertised
  const minBandwidth = rules.testing ? Math.floor(rules.minExitFlagThreshold / 1000) : MIN_BANDWIDTH_CONSIDERED
  const bandwidthOf = (relay: VotedRelay): number => credibleBandwidth(relay, ignoreAdvertised)
  const counted = relays.filter(
    (relay) =>
      isActive(relay, input.running.has(relay.descriptor.fingerprint), nowSec) &&
      !input.sybils.has(relay.descriptor.fingerprint) &&
      bandwidthOf(relay) >= minBandwidth &&
      (relay.measuredBandwidth !== undefined || !ignoreAdvertised),
  )
  const bandwidths = counted.map(bandwidthOf)
  const withoutExits = counted
    .filter((relay) => relay.judgement.badExit || !isGeneralExit(relay.descriptor.exitPolicy, rules.allowPrivateAddresses))
    .map(bandwidthOf)
  const eighth = Math.floor(counted.length / 8)
  const timesKnown = counted.map((relay) => relay.history.weightedTimeKnown(nowSec))
  const guardTimeKnown = Math.min(nthSmallest(timesKnown, eighth) ?? 0, rules.guardGuaranteeTimeKnown / 1000)
  const familiar = counted.filter((relay) => relay.history.weightedTimeKnown(nowSec) >= guardTimeKnown)
  const wfu = lowMedian(familiar.map((relay) => relay.history.weightedFractionalUptime(nowSec))) ?? 0
  const nthForGuards = (values: readonly number[]): number => nthSmallest(values, Math.trunc(values.length * rules.guardBandwidthThresholdFraction)) ?? 0
  return {
    stableUptime: lowMedian(counted.map((relay) => declaredUptime(relay, nowSec))) ?? 0,
    stableMtbf: lowMedian(counted.map((relay) => relay.history.meanTimeBetweenFailures(nowSec))) ?? 0,
    enoughMtbf: input.enoughMtbf,
    fastBandwidth: fastThreshold(bandwidths, rules),
    guardWfu: Math.min(wfu, rules.guardGuaranteeWfu),
    guardTimeKnown,
    guardBandwidthWithExits: nthForGuards(bandwidths),
    guardBandwidthWithoutExits: nthForGuards(withoutExits),
    ignoreAdvertised,
  }
}

/** The bandwidth of the seventh octile from above, within what the parameters and the guarantee allow. */
function fastThreshold(bandwidths: readonly number[], rules: FlagRules): number {
  let fast = nthSmallest(bandwidths, Math.floor(bandwidths.length / 8)) ?? 0
  if (bandwidths.length > 0 && fast < LOW_FAST_BANDWIDTH) fast = nthSmallest(bandwidths, Math.floor(bandwidths.length / 4)) ?? 0
  const minimum = rules.testing ? rules.minFastFlagThreshold : rules.fastFlagMinParam
  fast = Math.max(fast, Math.floor(minimum / 1000))
  fast = Math.min(fast, Math.floor(Math.max(rules.fastFlagMaxParam, minimum) / 1000))
  return rules.fastGuarantee > 0 ? Math.min(fast, Math.floor(rules.fastGuarantee / 1000)) : fast
}

/** The `flag-thresholds` line of a vote (dir-spec §3.4.1). */
export function formatThresholds(thresholds: FlagThresholds): string {
  return [
    `stable-uptime=${Math.trunc(thresholds.stableUptime)}`,
    `stable-mtbf=${Math.trunc(thresholds.stableMtbf)}`,
    `fast-speed=${thresholds.fastBandwidth * 1000}`,
    `guard-wfu=${(thresholds.guardWfu * 100).toFixed(3)}%`,
    `guard-tk=${Math.trunc(thresholds.guardTimeKnown)}`,
    `guard-bw-inc-exits=${thresholds.guardBandwidthWithExits * 1000}`,
    `guard-bw-exc-exits=${thresholds.guardBandwidthWithoutExits * 1000}`,
    `enough-mtbf=${thresholds.enoughMtbf ? 1 : 0}`,
    `ignoring-advertised-bws=${thresholds.ignoreAdvertised ? 1 : 0}`,
  ].join(' ')
}
