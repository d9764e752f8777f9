/** Which flags an authority votes for a relay (dir-spec §3.4.2), as C tor's `voteflags.c` decides it. */

import { bytesCompare } from '../base/encoding.ts'
import { wallToSec, type WallMs } from '../base/time.ts'
import { declaredUptime, isActive, type FlagThresholds } from './thresholds.ts'
import { advertisedBandwidth, credibleBandwidth, isGeneralExit, type FlagRules, type VotedRelay } from './voted-relay.ts'

/** A successful reachability test is good for this long. */
export const REACHABLE_TIMEOUT_SEC = 45 * 60
/** A relay that says it hibernates is believed up only if it was reached this much later. */
export const HIBERNATION_SKEW_SEC = 60 * 60
/** A descriptor older than this earns StaleDesc. */
const STALE_DESCRIPTOR_SEC = 18 * 60 * 60

const UNIVERSAL_FLAGS: readonly string[] = Object.freeze(['Authority', 'Exit', 'Fast', 'Guard', 'HSDir', 'Stable', 'StaleDesc', 'Sybil', 'V2Dir', 'Valid'])

/** The flags an authority has an opinion on, sorted: `known-flags` of its vote. */
export function knownFlags(rules: FlagRules): string[] {
  const flags = [...UNIVERSAL_FLAGS]
  if (knowsReachability(rules)) flags.push('Running')
  if (rules.listBadExits) flags.push('BadExit')
  if (rules.listMiddleOnly) flags.push('MiddleOnly')
  return flags.sort()
}

/** An authority that has just started has no opinion on Running. */
export const knowsReachability = (rules: FlagRules): boolean => rules.timeToLearnReachability < rules.uptime

/** Whether a relay counts as running now. */
export function isRunning(relay: VotedRelay, rules: FlagRules, now: WallMs): boolean {
  const nowSec = wallToSec(now)
  if (relay.isSelf) return !relay.descriptor.hibernating
  const reachedSec = relay.reachedAt === undefined ? 0 : wallToSec(relay.reachedAt)
  if (relay.descriptor.hibernating && wallToSec(relay.descriptor.published) + HIBERNATION_SKEW_SEC > reachedSec) return false
  if (!rules.testReachability) return true
  const reachable = nowSec < reachedSec + REACHABLE_TIMEOUT_SEC
  const hasIpv6 = relay.descriptor.orAddresses.some((address) => address.host.includes(':'))
  return reachable && (!rules.hasIpv6 || !hasIpv6 || isReachableOverIpv6(relay, nowSec))
}

const isReachableOverIpv6 = (relay: VotedRelay, nowSec: number): boolean =>
  relay.reachedIpv6At !== undefined && nowSec < wallToSec(relay.reachedIpv6At) + REACHABLE_TIMEOUT_SEC

/** Whether the vote lists a relay's IPv6 address. */
export const publishesIpv6 = (relay: VotedRelay, rules: FlagRules, now: WallMs): boolean =>
  rules.hasIpv6 && (relay.isSelf || isReachableOverIpv6(relay, wallToSec(now)))

/** The flags of one relay, sorted. */
export function relayFlags(relay: VotedRelay, running: boolean, isSybil: boolean, thresholds: FlagThresholds, rules: FlagRules, now: WallMs): Set<string> {
  const nowSec = wallToSec(now)
  const { descriptor, judgement } = relay
  const middleOnly = rules.listMiddleOnly && judgement.middleOnly
  const badExit = rules.listBadExits && (judgement.badExit || middleOnly)
  const staleDesc = wallToSec(descriptor.published) + STALE_DESCRIPTOR_SEC < nowSec
  if (isSybil) return sorted({ BadExit: badExit, MiddleOnly: middleOnly, StaleDesc: staleDesc, Sybil: true })

  const stable = isStable(relay, thresholds, rules, nowSec)
  const fast = credibleBandwidth(relay, thresholds.ignoreAdvertised) >= thresholds.fastBandwidth
  let exit = !descriptor.exitPolicy.rejectsAll(4) && isGeneralExit(descriptor.exitPolicy, rules.allowPrivateAddresses)
  let guard = isGuard(relay, stable && fast, thresholds, rules, nowSec)
  let hsDir = isHsDir(relay, stable && fast && isActive(relay, running, nowSec), rules, nowSec)
  let v2Dir = descriptor.tunnelledDirServer
  if (middleOnly) exit = guard = hsDir = v2Dir = false
  if (judgement.stripGuard) guard = false
  if (judgement.stripHsDir) hsDir = false
  if (judgement.stripV2Dir) v2Dir = false
  if (rules.testing) {
    exit = rules.voteExit(descriptor) || (exit && !rules.voteExitIsStrict)
    guard = rules.voteGuard(descriptor) || (guard && !rules.voteGuardIsStrict)
    hsDir = rules.voteHsDir(descriptor) || (hsDir && !rules.voteHsDirIsStrict)
  } else if (rules.voteGuard(descriptor)) {
    guard = true
  }
  return sorted({
    Authority: relay.isAuthority,
    BadExit: badExit,
    Exit: exit,
    Fast: fast,
    Guard: guard,
    HSDir: hsDir,
    MiddleOnly: middleOnly,
    Running: running && knowsReachability(rules),
    Stable: stable,
    StaleDesc: staleDesc,
    V2Dir: v2Dir,
    Valid: judgement.valid,
  })
}

function sorted(flags: Readonly<Record<string, boolean>>): Set<string> {
  return new Set(Object.keys(flags).filter((flag) => flags[flag] === true).sort())
}

/** dir-spec §3.4.2, Stable: mean time between failures, or uptime while too little is known of that. */
function isStable(relay: VotedRelay, thresholds: FlagThresholds, rules: FlagRules, nowSec: number): boolean {
  if (thresholds.enoughMtbf) {
    const mtbf = relay.history.meanTimeBetweenFailures(nowSec)
    return mtbf >= thresholds.stableMtbf || mtbf >= rules.stableGuaranteeMtbf / 1000
  }
  const uptime = declaredUptime(relay, nowSec)
  return uptime >= thresholds.stableUptime || uptime >= rules.stableGuaranteeUptime / 1000
}

/** dir-spec §3.4.2, Guard. */
function isGuard(relay: VotedRelay, stableAndFast: boolean, thresholds: FlagThresholds, rules: FlagRules, nowSec: number): boolean {
  if (!stableAndFast || !relay.descriptor.tunnelledDirServer) return false
  const bandwidth = credibleBandwidth(relay, thresholds.ignoreAdvertised)
  const guaranteed = rules.guardBandwidthGuarantee > 0 && bandwidth >= Math.floor(rules.guardBandwidthGuarantee / 1000)
  if (!guaranteed && bandwidth < Math.min(thresholds.guardBandwidthWithExits, thresholds.guardBandwidthWithoutExits)) return false
  return relay.history.weightedFractionalUptime(nowSec) >= thresholds.guardWfu && Math.trunc(relay.history.weightedTimeKnown(nowSec)) >= thresholds.guardTimeKnown
}

/** dir-spec §3.4.2, HSDir. `eligible`: Stable, Fast and active. */
function isHsDir(relay: VotedRelay, eligible: boolean, rules: FlagRules, nowSec: number): boolean {
  const minimumSec = rules.minHsDirUptime / 1000
  const declared = declaredUptime(relay, nowSec)
  // An authority that has not run for long enough itself takes the relay's word.
  const uptime = rules.uptime / 1000 > minimumSec * 1.1 ? Math.min(declared, relay.history.uptime(nowSec)) : declared
  return relay.descriptor.hiddenServiceDir && relay.descriptor.tunnelledDirServer && eligible && uptime >= minimumSec
}

/**
 * Fingerprints of relays beyond the number allowed on one address (dir-spec §3.4.2, Sybil): authorities, running and
 * fast relays keep their place.
 */
export function findSybils(relays: readonly VotedRelay[], running: ReadonlySet<string>, maxRelaysPerAddress: number): Set<string> {
  const sybils = new Set<string>()
  if (maxRelaysPerAddress <= 0) return sybils
  const addressesOf = [
    (relay: VotedRelay): string | undefined => relay.descriptor.address,
    (relay: VotedRelay): string | undefined => relay.descriptor.orAddresses.find((address) => address.host.includes(':'))?.host,
  ]
  for (const addressOf of addressesOf) {
    const groups = new Map<string, VotedRelay[]>()
    for (const relay of relays) {
      const address = addressOf(relay)
      if (address === undefined) continue
      const group = groups.get(address)
      if (group === undefined) groups.set(address, [relay])
      else group.push(relay)
    }
    for (const group of groups.values()) {
      group.sort((a, b) => byUsefulness(a, b, running))
      for (const relay of group.slice(maxRelaysPerAddress)) sybils.add(relay.descriptor.fingerprint)
    }
  }
  return sybils
}

function byUsefulness(a: VotedRelay, b: VotedRelay, running: ReadonlySet<string>): number {
  return (
    Number(b.isAuthority) - Number(a.isAuthority) ||
    Number(running.has(b.descriptor.fingerprint)) - Number(running.has(a.descriptor.fingerprint)) ||
    advertisedBandwidth(b.descriptor) - advertisedBandwidth(a.descriptor) ||
    bytesCompare(a.descriptor.rsaIdentity, b.descriptor.rsaIdentity)
  )
}
