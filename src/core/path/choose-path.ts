/**
 * Paths for circuits: the last hop first, then the guard, then what is between (path-spec §2.2), with no two hops
 * related to each other.
 *
 * A path is a list of relays. Building it, and reporting to the guard what came of it, is the caller's.
 */

import { RelishError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'
import type { GuardManager, GuardTicket } from '../guard/guard-manager.ts'
import type { GuardTime } from '../guard/guard-sample.ts'
import type { NetDir } from '../netdir/net-dir.ts'
import { describeRelay, type Relay } from '../netdir/relay.ts'
import { chooseByWeight, chooseRelay, isPossibleGuard, isUsable, missingGuardFlag, type RelayNeeds } from '../relaysel/select-relay.ts'
import { chooseExit, exitSupports, type ExitNeed } from './exit-choice.ts'
import { entryNodesShownMax, pathAttemptsMax } from './limits.ts'
import { isExcluded, type PathRules } from './path-rules.ts'

export type PathRequest =
  | { readonly kind: 'exit'; readonly needs: RelayNeeds; readonly pending: readonly ExitNeed[]; readonly predictedPorts: readonly number[]; readonly untrusted: ReadonlySet<string> }
  /** Ends at any relay: for onion services, and for directory requests over several hops. */
  | { readonly kind: 'internal'; readonly needs: RelayNeeds }
  /** Ends at this relay, whatever its policy (a relay's test of its own reachability has three hops, this one the last). */
  | { readonly kind: 'to-relay'; readonly needs: RelayNeeds; readonly last: Relay }

export interface ChosenPath {
  readonly relays: readonly Relay[]
  /** Undefined when no guards are used. */
  readonly guard: GuardTicket | undefined
}

export interface PathWorld {
  readonly netDir: NetDir
  readonly rules: PathRules
  readonly guards: GuardManager
  readonly rng: Rng
}

/** Hops of a path whose last hop this node chose (path-spec §2.2). */
export const defaultPathLength = 3

/** Throws `unavailable`, with the reason in words, when there is no such path. */
export function choosePath(world: PathWorld, request: PathRequest, now: GuardTime): ChosenPath {
  let failure: RelishError | undefined
  // The guard is fixed and the exit is not: where they are related, or nothing fits between them, another exit may do.
  const tried = new Set<string>()
  for (let attempt = 0; attempt < pathAttemptsMax; attempt++) {
    const last = chooseLast(world, request, tried)
    if (last === undefined) break
    tried.add(last.fingerprint)
    const first = chooseFirst(world, request.needs, last, now)
    if (first === undefined) {
      failure = new RelishError('unavailable', `no entry guard is usable with ${describeRelay(last)} as the last hop${namedButNoGuards(world)}`)
      continue
    }
    const middle = chooseMiddle(world, request.needs, [first.relay, last])
    if (middle !== undefined) return { relays: [first.relay, middle, last], guard: first.ticket }
    if (first.ticket !== undefined) world.guards.cancel(first.ticket, now)
    failure = new RelishError('unavailable', `no relay fits between ${describeRelay(first.relay)} and ${describeRelay(last)}`)
    if (request.kind === 'to-relay') break
  }
  throw failure ?? new RelishError('unavailable', nothingFits(world, request))
}

/**
 * A relay to ask for directory documents, one hop away (path-spec §5, guard-spec §4.12): a guard for clients that use
 * guards, any directory otherwise. Undefined when the view of the network offers none.
 */
export function chooseDirectory(world: PathWorld, avoid: ReadonlySet<string>, now: GuardTime): { readonly relay: Relay; readonly guard: GuardTicket | undefined } | undefined {
  const { netDir, rules } = world
  if (rules.useEntryGuards) {
    const picked = world.guards.pick('directory', avoid.size === 0 ? undefined : (relay) => !avoid.has(relay.fingerprint), now)
    return picked === undefined ? undefined : { relay: picked.relay, guard: picked.ticket }
  }
  const directories = netDir.relays.filter((relay) => relay.flags.has('Running') && relay.flags.has('Valid') && relay.flags.has('V2Dir') && !avoid.has(relay.fingerprint) && relay.fingerprint !== rules.ownFingerprint)
  const allowed = directories.filter((relay) => !isExcluded(relay, rules))
  // tor(1), StrictNodes: without it, excluded relays still serve what this node cannot do without.
  const candidates = allowed.length > 0 || rules.strictNodes ? allowed : directories
  const relay = chooseByWeight(netDir, candidates, 'directory', world.rng)
  return relay === undefined ? undefined : { relay, guard: undefined }
}

/** A further hop for a path that exists already: an internal path that is led to one more relay (path-spec §2.3). */
export function chooseMiddle(world: PathWorld, needs: RelayNeeds, others: readonly Relay[]): Relay | undefined {
  const { netDir, rules, rng } = world
  const allowed = (relay: Relay): boolean => !isExcluded(relay, rules) && !others.some((other) => netDir.inSameFamily(relay, other, rules))
  if (rules.middleNodes !== undefined) {
    const named = netDir.relays.filter((relay) => isUsable(relay, { stable: false, fast: false }) && rules.middleNodes?.contains(relay) === true && allowed(relay))
    return chooseByWeight(netDir, named, 'middle', rng)
  }
  return chooseRelay(netDir, 'middle', needs, allowed, rng)
}

function chooseLast(world: PathWorld, request: PathRequest, tried: ReadonlySet<string>): Relay | undefined {
  const { netDir, rules, rng } = world
  switch (request.kind) {
    case 'exit':
      return chooseExit(netDir, { ...request, avoid: (relay) => tried.has(relay.fingerprint) }, rules, rng)
    case 'internal':
      // path-spec §1.1: the final node of an internal circuit is chosen just like a middle node.
      return chooseRelay(netDir, 'middle', request.needs, (relay) => !isExcluded(relay, rules) && !tried.has(relay.fingerprint), rng)
    case 'to-relay':
      return tried.size === 0 ? request.last : undefined
  }
}

function chooseFirst(world: PathWorld, needs: RelayNeeds, last: Relay, now: GuardTime): { relay: Relay; ticket: GuardTicket | undefined } | undefined {
  const { netDir, rules, guards, rng } = world
  const unrelated = (relay: Relay): boolean => !netDir.inSameFamily(relay, last, rules)
  if (rules.useEntryGuards) return guards.pick('traffic', unrelated, now)
  const allowed = (relay: Relay): boolean => unrelated(relay) && !isExcluded(relay, rules) && (rules.entryNodes?.contains(relay) ?? true)
  const relay = chooseRelay(netDir, 'guard', needs, (one) => isPossibleGuard(one) && allowed(one), rng) ?? chooseRelay(netDir, 'middle', needs, allowed, rng)
  return relay === undefined ? undefined : { relay, ticket: undefined }
}

/** Which of EntryNodes are not to be had as guards, and for want of which flag. */
function namedButNoGuards({ netDir, rules }: PathWorld): string {
  const named = netDir.relays.filter((relay) => rules.entryNodes?.contains(relay) === true && !isPossibleGuard(relay))
  const words = named.slice(0, entryNodesShownMax).map((relay) => `${relay.nickname} is not ${missingGuardFlag(relay) ?? 'usable'}`)
  return words.length === 0 ? '' : ` (of EntryNodes, ${words.join(', ')})`
}

function nothingFits({ netDir, rules }: PathWorld, request: PathRequest): string {
  if (request.kind !== 'exit') return 'no relay is usable as the last hop of an internal path'
  const [need] = request.pending
  const named = rules.exitNodes === undefined ? '' : ' among ExitNodes'
  if (need === undefined) return `no usable exit${named}`
  const could = netDir.relays.filter((relay) => exitSupports(relay, need, request.untrusted)).length
  const target = `${need.address ?? 'any address'}:${need.port}`
  if (could === 0) return `no exit${named} allows ${need.kind === 'resolve' ? 'resolving' : target}`
  return `${could} ${could === 1 ? 'exit allows' : 'exits allow'} ${target}, but none fits into a path${named}`
}

/** A fixed path as the user names it, for `build-circuit` and EXTENDCIRCUIT. Throws `unavailable` for relays that are not known or have no descriptor. */
export function pathByName(netDir: NetDir, names: readonly string[]): Relay[] {
  return names.map((name) => {
    const fingerprint = name.replace(/^\$/, '').replace(/[~=].*$/, '').toUpperCase()
    const relay = /^[0-9A-F]{40}$/.test(fingerprint) ? netDir.byFingerprint(fingerprint) : netDir.byNickname(name)
    if (relay === undefined) throw new RelishError('unavailable', `no relay "${name.slice(0, 64)}" in the consensus`)
    if (relay.descriptor === undefined) throw new RelishError('unavailable', `the descriptor of ${describeRelay(relay)} is not held`)
    return relay
  })
}
