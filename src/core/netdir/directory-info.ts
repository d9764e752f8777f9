/**
 * Whether a view of the network is enough to build circuits with (path-spec §2.1.0): a consensus that is recent, and
 * descriptors for enough of it that whoever serves them cannot pick our paths for us.
 */

import type { WallMs } from '../base/time.ts'
import type { NetDir } from './net-dir.ts'
import type { RelaySet } from './relay-set.ts'
import type { Relay } from './relay.ts'
import type { Position } from './weights.ts'

export interface DirectoryInfoRules {
  readonly entryNodes: RelaySet | undefined
  readonly middleNodes: RelaySet | undefined
  readonly exitNodes: RelaySet | undefined
  /** `PathsNeededToBuildCircuits`, 0 to 1; undefined takes the consensus' `min_paths_for_circs_pct`. */
  readonly pathsNeeded: number | undefined
}

export interface DirectoryInfo {
  readonly enough: boolean
  /** C tor's words for what is missing; empty when nothing is. */
  readonly status: string
  /** The part of all bandwidth-weighted paths that could be built, 0 to 1. */
  readonly pathsFraction: number
  /** What `pathsFraction` has to reach. */
  readonly pathsNeeded: number
  /** Relays we would use, and those of them whose descriptors are held. */
  readonly usable: number
  readonly present: number
  /** Whether some relay with the Exit flag has a policy that lets something out: otherwise only internal circuits are built. */
  readonly hasExits: boolean
}

/** `guardsMissing`: the guard manager's complaint about guards without descriptors, if it has one. */
export function directoryInfo(netDir: NetDir | undefined, now: WallMs, rules: DirectoryInfoRules, guardsMissing: (present: number, usable: number) => string | undefined): DirectoryInfo {
  const nothing = { enough: false, pathsFraction: 0, pathsNeeded: 1, usable: 0, present: 0, hasExits: false }
  if (netDir === undefined) return { ...nothing, status: 'We have no usable consensus.' }
  if (!netDir.isReasonablyLive(now)) return { ...nothing, status: 'We have no recent usable consensus.' }

  const listed = netDir.relays.filter((relay) => relay.flags.has('Running'))
  const middles = listed.filter((relay) => rules.middleNodes?.contains(relay) ?? true)
  const guards = rules.entryNodes === undefined ? middles.filter((relay) => relay.flags.has('Guard')) : listed.filter((relay) => rules.entryNodes?.contains(relay))
  const present = middles.filter((relay) => relay.descriptor !== undefined).length
  const usable = middles.length
  // A relay that has no descriptor yet counts as an exit by its flag alone.
  const exits = listed.filter((relay) => relay.flags.has('Exit'))
  const hasExits = exits.some(letsSomethingOut)

  const guardFraction = fractionHeld(netDir, guards, 'guard')
  const middleFraction = fractionHeld(netDir, middles, 'middle')
  let exitFraction = fractionHeld(netDir, exits, 'exit')
  if (rules.exitNodes !== undefined) exitFraction = Math.min(exitFraction, exitFractionOf(netDir, listed, rules.exitNodes))
  if (!hasExits && exitFraction <= 0) exitFraction = middleFraction

  const pathsFraction = guardFraction * middleFraction * exitFraction
  const pathsNeeded = rules.pathsNeeded ?? netDir.parameters.get('min_paths_for_circs_pct') / 100
  const facts = { pathsFraction, pathsNeeded, usable, present, hasExits }
  const kind = netDir.flavour === 'microdesc' ? 'micro' : ''
  if (pathsFraction < pathsNeeded) {
    const parts = `${percent(guardFraction)} of guards bw, ${percent(middleFraction)} of midpoint bw, and ${percent(exitFraction)} of ${hasExits ? 'exit bw' : 'end bw (no exits in consensus, using mid)'} = ${percent(pathsFraction)} of path bw`
    return { ...facts, enough: false, status: `We need more ${kind}descriptors: we have ${present}/${usable}, and can only build ${percent(pathsFraction)} of likely paths. (We have ${parts}.)` }
  }
  const missing = guardsMissing(present, usable)
  return { ...facts, enough: missing === undefined, status: missing ?? '' }
}

const letsSomethingOut = (relay: Relay): boolean => relay.descriptor !== undefined && !relay.descriptor.exitPolicy.rejectsAll

const percent = (fraction: number): string => `${Math.floor(fraction * 100)}%`

/** A user who names exits needs descriptors of enough of those, too. Unflagged ones count when none has the flag. */
function exitFractionOf(netDir: NetDir, listed: readonly Relay[], exitNodes: RelaySet): number {
  const named = listed.filter((relay) => exitNodes.contains(relay))
  const flagged = named.filter((relay) => relay.flags.has('Exit'))
  return fractionHeld(netDir, flagged.length > 0 ? flagged : named, 'exit')
}

/** Of these relays, by weight, the part whose descriptors are held; by number where all weights are zero. */
function fractionHeld(netDir: NetDir, relays: readonly Relay[], position: Position): number {
  if (relays.length === 0) return 0
  let total = 0
  let held = 0
  for (const relay of relays) {
    const weight = netDir.weights.of(relay, position)
    total += weight
    if (relay.descriptor !== undefined) held += weight
  }
  if (total > 0) return held / total
  return relays.filter((relay) => relay.descriptor !== undefined).length / relays.length
}
