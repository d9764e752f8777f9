/**
 * Choosing one relay for one place in a path: what it must be able to do, what it must not be, and then by chance in
 * proportion to bandwidth (path-spec §2.2).
 *
 * Which places a path has, and how they restrict each other, is core/path's business.
 */

import { randomChoice, randomUnit, type Rng } from '../base/rng.ts'
import type { NetDir } from '../netdir/net-dir.ts'
import type { Relay } from '../netdir/relay.ts'
import type { Position } from '../netdir/weights.ts'

export interface RelayNeeds {
  /** For circuits that carry long-lived connections. */
  readonly stable: boolean
  /** For "fast" circuits: all circuits that carry streams. */
  readonly fast: boolean
}

/** Whether a relay can stand anywhere in a path of several hops (path-spec §2.2): running, valid, and with a descriptor. */
export function isUsable(relay: Relay, needs: RelayNeeds): boolean {
  // SPEC-DIFF: path-spec §2.2 still lets non-valid relays into the middle; C tor 0.4.9 uses them nowhere.
  if (!relay.flags.has('Running') || !relay.flags.has('Valid') || relay.descriptor === undefined) return false
  return (!needs.stable || relay.flags.has('Stable')) && (!needs.fast || relay.flags.has('Fast'))
}

const guardFlags = ['Running', 'Valid', 'Guard', 'Stable', 'Fast', 'V2Dir'] as const

/** The first of the flags of an entry guard (guard-spec §4.0) that the relay does not have. */
export const missingGuardFlag = (relay: Relay): string | undefined => guardFlags.find((flag) => !relay.flags.has(flag))

/** Whether a relay may be sampled as an entry guard (guard-spec §4.0). */
export const isPossibleGuard = (relay: Relay): boolean => missingGuardFlag(relay) === undefined

/** One of `candidates`, each with a chance in proportion to its weight for `position`; uniformly when all weights are zero. */
export function chooseByWeight(netDir: NetDir, candidates: readonly Relay[], position: Position, rng: Rng): Relay | undefined {
  const weights = candidates.map((relay) => netDir.weights.of(relay, position))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (total <= 0) return randomChoice(rng, candidates)
  let left = randomUnit(rng) * total
  for (const [i, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return candidates[i]
  }
  // Rounding may leave a remainder as large as the last weight's error.
  return candidates.findLast((_, i) => (weights[i] ?? 0) > 0)
}

/** A relay that fits `needs` and `allowed`; when there is none, one that is merely usable and allowed (as C tor does). */
export function chooseRelay(netDir: NetDir, position: Position, needs: RelayNeeds, allowed: (relay: Relay) => boolean, rng: Rng): Relay | undefined {
  const fitting = netDir.relays.filter((relay) => isUsable(relay, needs) && allowed(relay))
  if (fitting.length > 0) return chooseByWeight(netDir, fitting, position, rng)
  if (!needs.stable && !needs.fast) return undefined
  return chooseRelay(netDir, position, { stable: false, fast: false }, allowed, rng)
}
