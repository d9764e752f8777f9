/**
 * Why a path is as it is: for each place, how many relays chance had to choose from, how likely the chosen one was, and
 * for what reasons the others were left out. Says what `choose-path.ts` did; decides nothing.
 */

import type { GuardInspection, GuardTicket } from '../guard/guard-manager.ts'
import type { NetDir } from '../netdir/net-dir.ts'
import type { Relay } from '../netdir/relay.ts'
import type { Position } from '../netdir/weights.ts'
import { isUsable, missingGuardFlag, type RelayNeeds } from '../relaysel/select-relay.ts'
import type { PathRequest } from './choose-path.ts'
import { exitSupports, portNeed, type ExitNeed } from './exit-choice.ts'
import { isExcluded, mayBeExit, passesGuardFilter, type PathRules } from './path-rules.ts'

export interface ExplainedPlace {
  readonly place: 'guard' | 'middle' | 'exit'
  /** Fingerprint. */
  readonly chosen: string
  readonly nickname: string
  readonly candidates: number
  /** The chosen one's share of all candidates' weight, 0 to 1. */
  readonly share: number
  /** By reason, how many relays it kept out. A relay counts once, for the first reason that holds. */
  readonly excluded: { readonly [reason: string]: number }
}

/** `request`: what the path was chosen for; undefined when the user named its relays. */
export function explainPath(netDir: NetDir, rules: PathRules, request: PathRequest | undefined, path: readonly Relay[]): ExplainedPlace[] {
  if (request === undefined || path.length < 2) return []
  const places: ExplainedPlace[] = []
  const last = path.length - 1
  for (const [index, relay] of path.entries()) {
    const others = path.filter((_, i) => i !== index)
    if (index === last) places.push(explainLast(netDir, rules, request, relay))
    else if (index === 0) places.push(explainPlace(netDir, 'guard', 'guard', relay, (one) => notAGuard(one, rules) ?? related(netDir, rules, one, path.slice(last))))
    else places.push(explainPlace(netDir, 'middle', 'middle', relay, (one) => notAMiddle(one, request.needs, rules) ?? related(netDir, rules, one, others)))
  }
  return places
}

function explainLast(netDir: NetDir, rules: PathRules, request: PathRequest, relay: Relay): ExplainedPlace {
  switch (request.kind) {
    case 'exit':
      return explainPlace(netDir, 'exit', 'exit', relay, (one) => notAnExit(one, request, rules))
    case 'internal':
      return explainPlace(netDir, 'exit', 'middle', relay, (one) => notUsable(one, request.needs) ?? (isExcluded(one, rules) ? 'excluded by the configuration' : undefined))
    case 'to-relay':
      return explainPlace(netDir, 'exit', 'unweighted', relay, (one) => (one === request.last ? undefined : 'another relay is asked for'))
  }
}

function explainPlace(netDir: NetDir, place: ExplainedPlace['place'], position: Position, chosen: Relay, whyNot: (relay: Relay) => string | undefined): ExplainedPlace {
  const excluded: Record<string, number> = {}
  let candidates = 0
  let total = 0
  for (const relay of netDir.relays) {
    const reason = whyNot(relay)
    if (reason === undefined || relay === chosen) {
      candidates++
      total += netDir.weights.of(relay, position)
    } else {
      excluded[reason] = (excluded[reason] ?? 0) + 1
    }
  }
  const share = total > 0 ? netDir.weights.of(chosen, position) / total : 1 / Math.max(candidates, 1)
  return { place, chosen: chosen.fingerprint, nickname: chosen.nickname, candidates, share: Math.round(share * 1e4) / 1e4, excluded }
}

/** The first reason for which a relay cannot stand in a path of several hops. */
function notUsable(relay: Relay, needs: RelayNeeds): string | undefined {
  if (isUsable(relay, needs)) return undefined
  for (const flag of ['Running', 'Valid'] as const) if (!relay.flags.has(flag)) return `not ${flag}`
  if (relay.descriptor === undefined) return 'its descriptor is not held'
  return needs.fast && !relay.flags.has('Fast') ? 'not Fast' : 'not Stable'
}

function notAMiddle(relay: Relay, needs: RelayNeeds, rules: PathRules): string | undefined {
  const unusable = notUsable(relay, needs)
  if (unusable !== undefined) return unusable
  if (isExcluded(relay, rules)) return 'excluded by the configuration'
  return rules.middleNodes?.contains(relay) === false ? 'not among MiddleNodes' : undefined
}

function notAGuard(relay: Relay, rules: PathRules): string | undefined {
  const missing = missingGuardFlag(relay)
  if (missing !== undefined) return `not ${missing}`
  return passesGuardFilter(relay, rules) ? undefined : 'excluded by the configuration'
}

function notAnExit(relay: Relay, request: Extract<PathRequest, { kind: 'exit' }>, rules: PathRules): string | undefined {
  const unusable = notUsable(relay, request.needs)
  if (unusable !== undefined) return unusable
  if (relay.flags.has('BadExit')) return 'BadExit'
  if (!mayBeExit(relay, rules)) return 'excluded by the configuration'
  if (relay.descriptor?.exitPolicy.rejectsAll !== false) return 'lets nothing out'
  if (request.untrusted.has(relay.fingerprint)) return 'has refused what its policy allows'
  const wanted: readonly ExitNeed[] = request.pending.length > 0 ? request.pending : request.predictedPorts.map(portNeed)
  if (wanted.length === 0 || wanted.some((need) => exitSupports(relay, need, request.untrusted))) return undefined
  return `does not allow ${wanted.map((need) => (need.kind === 'resolve' ? 'resolving' : `port ${need.port}`)).join(', ')}`
}

/** The first of `others` that a relay may not share a path with, and why. */
function related(netDir: NetDir, rules: PathRules, relay: Relay, others: readonly Relay[]): string | undefined {
  for (const other of others) {
    if (relay.fingerprint === other.fingerprint) return 'in the path already'
    if (netDir.inSameFamily(relay, other, rules)) return `of one family or subnet with ${other.nickname}`
  }
  return undefined
}

export interface ExplainedGuard {
  /** Fingerprint. */
  readonly chosen: string
  readonly nickname: string
  readonly because: string
  /** In the order of sampling. */
  readonly sample: readonly GuardInspection[]
}

/** Why this guard (guard-spec §4.6): the first of the best kind that is not known to be down and may be combined with the rest of the path. */
export function explainGuard(ticket: GuardTicket, sample: readonly GuardInspection[]): ExplainedGuard {
  const { fingerprint, nickname } = ticket.guard
  const kind = sample.find((one) => one.fingerprint === fingerprint)?.state.split(',')[0] ?? 'sampled'
  const same = sample.filter((one) => one.state.startsWith(kind)).length
  const waits = ticket.state === 'usable-if-no-better-guard' ? '; the circuit waits for better guards once it is built' : ''
  const combined = ticket.restriction === undefined ? '' : ' and may be combined with the rest of the path'
  return { chosen: fingerprint, nickname, because: `the first of ${same} ${kind} ${same === 1 ? 'guard' : 'guards'} that is not known to be down${combined}${waits}`, sample }
}
