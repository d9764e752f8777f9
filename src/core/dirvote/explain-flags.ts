/**
 * Why an authority votes for a flag of a relay or does not (dir-spec §3.4.2): each rule with what the relay has and what
 * is asked. Says what `relay-flags.ts` decides, and decides nothing itself; a test holds the two together.
 */

import { wallToSec, type WallMs } from '../base/time.ts'
import type { VoteInput } from './build-vote.ts'
import { findSybils, HIBERNATION_SKEW_SEC, isRunning, knowsReachability, REACHABLE_TIMEOUT_SEC, relayFlags } from './relay-flags.ts'
import { computeThresholds, declaredUptime, formatThresholds, isActive, type FlagThresholds } from './thresholds.ts'
import { credibleBandwidth, isGeneralExit, type FlagRules, type VotedRelay } from './voted-relay.ts'

export interface ExplainedRule {
  readonly rule: string
  readonly has: string
  readonly needs: string
  readonly met: boolean
}

export interface ExplainedFlag {
  readonly flag: string
  readonly given: boolean
  readonly because: readonly ExplainedRule[]
}

export interface ExplainedRelay {
  readonly fingerprint: string
  readonly nickname: string
  readonly flags: readonly ExplainedFlag[]
}

/** The cut-offs of a vote (a `flag-thresholds` line), and every relay's flags, as an authority would vote with this input. */
export function explainVote(input: Pick<VoteInput, 'relays' | 'rules' | 'enoughMtbf' | 'now'>): { readonly thresholds: string; readonly relays: readonly ExplainedRelay[] } {
  const { relays, rules, now } = input
  const running = new Set(relays.filter((relay) => isRunning(relay, rules, now)).map((relay) => relay.descriptor.fingerprint))
  const sybils = findSybils(relays, running, rules.maxRelaysPerAddress)
  const thresholds = computeThresholds({ relays, running, sybils, rules, enoughMtbf: input.enoughMtbf, now })
  return {
    thresholds: formatThresholds(thresholds),
    relays: relays.map((relay) => {
      const { fingerprint, nickname } = relay.descriptor
      return { fingerprint, nickname, flags: explainFlags(relay, sybils.has(fingerprint), thresholds, rules, now) }
    }),
  }
}

/** Running, Valid, Fast, Stable, Guard, Exit, HSDir and V2Dir, in this order. */
export function explainFlags(relay: VotedRelay, isSybil: boolean, thresholds: FlagThresholds, rules: FlagRules, now: WallMs): ExplainedFlag[] {
  const running = isRunning(relay, rules, now)
  const flags = relayFlags(relay, running, isSybil, thresholds, rules, now)
  const nowSec = wallToSec(now)
  const rulesOf: Readonly<Record<string, ExplainedRule[]>> = {
    Running: runningRules(relay, running, rules, nowSec),
    Valid: [said('allowed by the operator', relay.judgement.valid)],
    Fast: [atLeast('bandwidth', credibleBandwidth(relay, thresholds.ignoreAdvertised), thresholds.fastBandwidth, 'kB/s')],
    Stable: stableRules(relay, thresholds, rules, nowSec),
    Guard: guardRules(relay, flags, thresholds, rules, nowSec),
    Exit: exitRules(relay, rules),
    HSDir: hsDirRules(relay, flags, running, rules, nowSec),
    V2Dir: [said('serves directory documents', relay.descriptor.tunnelledDirServer), ...keptToTheMiddle(relay, rules), ...stripped(relay.judgement.stripV2Dir)],
  }
  const sybil: ExplainedRule[] = isSybil ? [{ rule: 'not too many relays on its address', has: 'too many', needs: `at most ${rules.maxRelaysPerAddress}`, met: false }] : []
  return Object.entries(rulesOf).map(([flag, because]) => ({ flag, given: flags.has(flag), because: [...sybil, ...because] }))
}

function runningRules(relay: VotedRelay, running: boolean, rules: FlagRules, nowSec: number): ExplainedRule[] {
  const learnt: ExplainedRule = {
    rule: 'the authority has run long enough to know', has: seconds(rules.uptime / 1000), needs: `more than ${seconds(rules.timeToLearnReachability / 1000)}`, met: knowsReachability(rules),
  }
  const { hibernating } = relay.descriptor
  if (relay.isSelf) return [learnt, said('not hibernating', !hibernating)]
  const reachedSec = relay.reachedAt === undefined ? undefined : wallToSec(relay.reachedAt)
  const ago = reachedSec === undefined ? 'never' : `${seconds(nowSec - reachedSec)} ago`
  if (hibernating) {
    const publishedSec = wallToSec(relay.descriptor.published)
    if (reachedSec === undefined || reachedSec < publishedSec + HIBERNATION_SKEW_SEC) {
      return [learnt, { rule: 'reached since it said it hibernates', has: ago, needs: `${seconds(HIBERNATION_SKEW_SEC)} after its descriptor`, met: false }]
    }
  }
  if (!rules.testReachability) return [learnt, said('believed without a test (AssumeReachable)', true)]
  return [learnt, { rule: 'reached by a link', has: ago, needs: `within ${seconds(REACHABLE_TIMEOUT_SEC)}, over every address family`, met: running }]
}

function stableRules(relay: VotedRelay, thresholds: FlagThresholds, rules: FlagRules, nowSec: number): ExplainedRule[] {
  if (thresholds.enoughMtbf) {
    return [atLeast('mean time between failures', relay.history.meanTimeBetweenFailures(nowSec), Math.min(thresholds.stableMtbf, rules.stableGuaranteeMtbf / 1000), 's')]
  }
  return [atLeast('uptime', declaredUptime(relay, nowSec), Math.min(thresholds.stableUptime, rules.stableGuaranteeUptime / 1000), 's')]
}

function guardRules(relay: VotedRelay, flags: ReadonlySet<string>, thresholds: FlagThresholds, rules: FlagRules, nowSec: number): ExplainedRule[] {
  const named = rules.voteGuard(relay.descriptor)
  if (named) return [said('named by TestingDirAuthVoteGuard', true)]
  if (rules.testing && rules.voteGuardIsStrict) return [said('named by TestingDirAuthVoteGuard', false)]
  const least = Math.min(thresholds.guardBandwidthWithExits, thresholds.guardBandwidthWithoutExits)
  const guarantee = rules.guardBandwidthGuarantee > 0 ? Math.floor(rules.guardBandwidthGuarantee / 1000) : least
  return [
    said('Stable', flags.has('Stable')),
    said('Fast', flags.has('Fast')),
    said('serves directory documents', relay.descriptor.tunnelledDirServer),
    atLeast('bandwidth', credibleBandwidth(relay, thresholds.ignoreAdvertised), Math.min(least, guarantee), 'kB/s'),
    atLeast('weighted fractional uptime (WFU)', relay.history.weightedFractionalUptime(nowSec), thresholds.guardWfu, ''),
    atLeast('time known', Math.trunc(relay.history.weightedTimeKnown(nowSec)), thresholds.guardTimeKnown, 's'),
    ...keptToTheMiddle(relay, rules),
    ...stripped(relay.judgement.stripGuard),
  ]
}

function exitRules(relay: VotedRelay, rules: FlagRules): ExplainedRule[] {
  if (rules.testing && rules.voteExit(relay.descriptor)) return [said('named by TestingDirAuthVoteExit', true)]
  if (rules.testing && rules.voteExitIsStrict) return [said('named by TestingDirAuthVoteExit', false)]
  const policy = relay.descriptor.exitPolicy
  return [said('lets out to some /8 on ports 80 and 443', !policy.rejectsAll(4) && isGeneralExit(policy, rules.allowPrivateAddresses)), ...keptToTheMiddle(relay, rules)]
}

function hsDirRules(relay: VotedRelay, flags: ReadonlySet<string>, running: boolean, rules: FlagRules, nowSec: number): ExplainedRule[] {
  if (rules.testing && rules.voteHsDir(relay.descriptor)) return [said('named by TestingDirAuthVoteHSDir', true)]
  if (rules.testing && rules.voteHsDirIsStrict) return [said('named by TestingDirAuthVoteHSDir', false)]
  const least = rules.minHsDirUptime / 1000
  const declared = declaredUptime(relay, nowSec)
  const uptime = rules.uptime / 1000 > least * 1.1 ? Math.min(declared, relay.history.uptime(nowSec)) : declared
  return [
    said('offers to be one', relay.descriptor.hiddenServiceDir),
    said('serves directory documents', relay.descriptor.tunnelledDirServer),
    said('Stable', flags.has('Stable')),
    said('Fast', flags.has('Fast')),
    said('running, allowed and with a descriptor of today', isActive(relay, running, nowSec)),
    atLeast('uptime', uptime, least, 's'),
    ...keptToTheMiddle(relay, rules),
    ...stripped(relay.judgement.stripHsDir),
  ]
}

const said = (rule: string, met: boolean): ExplainedRule => ({ rule, has: met ? 'yes' : 'no', needs: 'yes', met })

const keptToTheMiddle = (relay: VotedRelay, rules: FlagRules): ExplainedRule[] =>
  rules.listMiddleOnly && relay.judgement.middleOnly ? [said('not kept to the middle by the operator', false)] : []

const stripped = (isStripped: boolean): ExplainedRule[] => (isStripped ? [said('not taken away by the operator', false)] : [])

function atLeast(rule: string, has: number, needs: number, unit: string): ExplainedRule {
  const spell = (value: number): string => (unit === 's' ? seconds(value) : unit === '' ? value.toFixed(4) : `${value} ${unit}`)
  return { rule, has: spell(has), needs: `at least ${spell(needs)}`, met: has >= needs }
}

const seconds = (value: number): string => `${Math.round(value * 10) / 10} s`
