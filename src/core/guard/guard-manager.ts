/**
 * Guards for circuits: which instance of guard state is in use (guard-spec §2), a guard for each circuit, and whether a
 * circuit that was built may be used yet (guard-spec §4.6 to §4.9).
 *
 * Synchronous and without clock: each call says what time it is. Saving is the owner's business, when `changed` says so.
 */

import type { Rng } from '../base/rng.ts'
import { monotonicMs, type MonotonicMs, type WallMs } from '../base/time.ts'
import type { Relay } from '../netdir/relay.ts'
import { isPossibleGuard } from '../relaysel/select-relay.ts'
import { formatGuardLine, parseGuardLine, type Guard, type GuardLine } from './guard.ts'
import { GuardSample, type GuardTime, type GuardUse, type GuardWorld } from './guard-sample.ts'
import { guardsLoadedMax } from './limits.ts'

/** Which guards one circuit may not use. Remembered, since a circuit that need not obey it must not hold this one back (guard-spec §4.6). */
export type GuardRestriction = (relay: Relay) => boolean

/** The guard side of one circuit (guard-spec §4.6). */
export interface GuardTicket {
  readonly guard: Guard
  readonly sample: GuardSample
  readonly restriction: GuardRestriction | undefined
  state: 'usable-on-completion' | 'usable-if-no-better-guard' | 'waiting-for-better-guard' | 'complete' | 'dead'
  since: MonotonicMs
}

export interface GuardInspection {
  readonly fingerprint: string
  readonly nickname: string
  /** `primary`, `confirmed` or `sampled`, with `, reachable` or `, unreachable` where known. */
  readonly state: string
}

export class GuardManager {
  readonly #rng: Rng
  #world: GuardWorld
  /** By name; those not in use are kept for the state file. */
  readonly #samples = new Map<string, GuardSample>()
  #current: GuardSample
  #settled = false
  #lastOnInternet: MonotonicMs = monotonicMs(Number.NEGATIVE_INFINITY)
  #changed = false
  #excludedPercent: number | undefined

  /** `stateLines`: values of the state file's `Guard` lines. */
  constructor(stateLines: readonly string[], world: GuardWorld, rng: Rng, now: WallMs) {
    this.#rng = rng
    this.#world = world
    const bySelection = new Map<string, GuardLine[]>()
    for (const [i, text] of stateLines.slice(0, guardsLoadedMax).entries()) {
      const line = parseGuardLine(text, now, guardsLoadedMax + i)
      if (line === undefined) continue
      const lines = bySelection.get(line.selection) ?? []
      if (!lines.some((other) => other.guard.fingerprint === line.guard.fingerprint)) lines.push(line)
      bySelection.set(line.selection, lines)
    }
    for (const [name, lines] of bySelection) {
      lines.sort((a, b) => a.sampledIndex - b.sampledIndex)
      this.#samples.set(name, this.#newSample(name, lines.map((line) => line.guard)))
    }
    this.#current = this.#sampleNamed('default')
    // Mending old lines is not worth a write of its own.
    this.#changed = false
  }

  /** Whether something that the state file holds has changed since `stateLines` was last called. */
  get changed(): boolean {
    return this.#changed
  }

  /** Values of the `Guard` lines to write. */
  stateLines(): string[] {
    this.#changed = false
    return [...this.#samples.values()].flatMap((sample) => sample.sampled.map((guard, index) => formatGuardLine(sample.name, index, guard)))
  }

  /**
   * A new view of the network or a new configuration (guard-spec §4.10). True when another instance of guard state is in
   * use now, so that circuits built before should not serve new streams.
   */
  update(world: GuardWorld, now: GuardTime): boolean {
    this.#world = world
    const before = this.#current
    if (world.netDir?.isReasonablyLive(now.wall) === true) this.#current = this.#sampleNamed(this.#chooseSelection(world))
    this.#current.update(world, now)
    return this.#current !== before
  }

  /** Percent of all guards that the configuration excludes, where that is nearly all (guard-spec §2.B): worth a warning. */
  get extremeRestrictionPercent(): number | undefined {
    return this.#excludedPercent
  }

  /** A guard and the ticket to report back with. Undefined when none is to be had; asking again then starts from the top. */
  pick(use: GuardUse, restriction: GuardRestriction | undefined, now: GuardTime): { readonly relay: Relay; readonly ticket: GuardTicket } | undefined {
    const sample = this.#current
    const picked = sample.pick(use, (guard) => this.#obeys(guard, restriction), now)
    const relay = picked === undefined ? undefined : this.#world.netDir?.byFingerprint(picked.guard.fingerprint)
    if (picked === undefined || relay === undefined) return undefined
    const state = picked.waits ? 'usable-if-no-better-guard' : 'usable-on-completion'
    return { relay, ticket: { guard: picked.guard, sample, restriction, state, since: now.monotonic } }
  }

  /** The circuit was built (guard-spec §4.8). `later`: it may be used only once `upgradeWaiting` names it. */
  succeeded(ticket: GuardTicket, now: GuardTime): 'now' | 'later' | 'never' {
    const { guard, sample } = ticket
    if (!sample.has(guard)) {
      this.#set(ticket, 'dead', now)
      return 'never'
    }
    const lastOnInternet = this.#lastOnInternet
    this.#lastOnInternet = now.monotonic
    const isPrimary = sample.noteSuccess(guard, now)
    const likelyDownMs = (this.#world.netDir?.parameters.get('guard-internet-likely-down-interval') ?? 600) * 1000
    if (!isPrimary && lastOnInternet + likelyDownMs < now.monotonic) sample.retryPrimary(now)
    const usable = isPrimary || ticket.state !== 'usable-if-no-better-guard'
    this.#set(ticket, usable ? 'complete' : 'waiting-for-better-guard', now)
    return usable ? 'now' : 'later'
  }

  /** The circuit failed in a way that speaks against the guard (guard-spec §4.7). */
  failed(ticket: GuardTicket, now: GuardTime): void {
    if (ticket.sample.has(ticket.guard)) ticket.sample.noteFailure(ticket.guard, now)
    this.#set(ticket, 'dead', now)
  }

  /** The circuit is given up and says nothing about the guard. Harmless after `succeeded` and `failed`. */
  cancel(ticket: GuardTicket, now: GuardTime): void {
    if (ticket.state === 'usable-if-no-better-guard') ticket.guard.pending = false
    this.#set(ticket, 'dead', now)
  }

  /**
   * Circuits among `tickets` that waited for better guards and are usable now (guard-spec §4.9). What is better is asked of
   * guards that the best circuit's path may have: in a small network its exit can be the only primary guard that answers,
   * and waiting for that one would have no end. (C tor asks all primary guards, and waits.)
   */
  upgradeWaiting(tickets: readonly GuardTicket[], now: GuardTime): GuardTicket[] {
    const sample = this.#current
    const ours = tickets.filter((ticket) => ticket.sample === sample && ticket.state !== 'dead')
    const waiting = ours.filter((ticket) => ticket.state === 'waiting-for-better-guard')
    const [first, ...others] = waiting
    if (first === undefined) return []
    const best = others.reduce((one, other) => (sample.hasPriority(other.guard, one.guard) ? other : one), first)
    if (!sample.primaryAreDown(now, (guard) => this.#obeys(guard, best.restriction))) return []
    const timeoutMs = (this.#world.netDir?.parameters.get('guard-nonprimary-guard-connect-timeout') ?? 15) * 1000
    const blocked = ours.some((ticket) => {
      const counts = ticket.state === 'complete' || (ticket.state === 'usable-if-no-better-guard' && ticket.since > now.monotonic - timeoutMs)
      return counts && this.#obeys(ticket.guard, best.restriction) && sample.hasPriority(ticket.guard, best.guard)
    })
    if (blocked) return []
    const upgraded = waiting.filter((ticket) => ticket === best || (best.restriction === undefined && !sample.hasPriority(best.guard, ticket.guard)))
    for (const ticket of upgraded) this.#set(ticket, 'complete', now)
    return upgraded
  }

  /** Whether a circuit has waited for better guards too long (guard-spec §4.9). */
  shouldExpire(ticket: GuardTicket, now: GuardTime): boolean {
    const idleMs = (this.#world.netDir?.parameters.get('guard-nonprimary-guard-idle-timeout') ?? 600) * 1000
    return ticket.state === 'waiting-for-better-guard' && ticket.since < now.monotonic - idleMs
  }

  /** See `GuardSample.missingDescriptors`. */
  missingDescriptors(now: GuardTime, present: number, usable: number): string | undefined {
    return this.#current.missingDescriptors(now, present, usable)
  }

  /** Guards that circuits would use first: their descriptors are worth fetching before others'. */
  primary(now: GuardTime): readonly Guard[] {
    return this.#current.primary(now)
  }

  inspect(now: GuardTime): GuardInspection[] {
    const primary = this.#current.primary(now)
    return this.#current.sampled.map((guard) => {
      const place = primary.includes(guard) ? 'primary' : guard.confirmedIndex !== undefined ? 'confirmed' : 'sampled'
      const reach = guard.reachable === 'maybe' ? '' : guard.reachable === 'yes' ? ', reachable' : ', unreachable'
      return { fingerprint: guard.fingerprint, nickname: guard.nickname, state: `${place}${reach}` }
    })
  }

  #obeys(guard: Guard, restriction: GuardRestriction | undefined): boolean {
    if (restriction === undefined) return true
    const relay = this.#world.netDir?.byFingerprint(guard.fingerprint)
    return relay !== undefined && restriction(relay)
  }

  #set(ticket: GuardTicket, state: GuardTicket['state'], now: GuardTime): void {
    ticket.state = state
    ticket.since = now.monotonic
  }

  #sampleNamed(name: string): GuardSample {
    const known = this.#samples.get(name)
    if (known !== undefined) return known
    const made = this.#newSample(name, [])
    this.#samples.set(name, made)
    return made
  }

  #newSample(name: string, guards: readonly Guard[]): GuardSample {
    return new GuardSample(name, guards, this.#world, this.#rng, () => {
      this.#changed = true
    })
  }

  /** guard-spec §2.B, with its margin of five percent against going back and forth. */
  #chooseSelection(world: GuardWorld): string {
    const { netDir } = world
    if (netDir === undefined) return this.#current.name
    const guards = netDir.relays.filter(isPossibleGuard)
    const passing = guards.filter((relay) => world.passesFilter(relay)).length
    const meaningful = (guards.length * netDir.parameters.get('guard-meaningful-restriction-percent')) / 100
    const extreme = Math.floor((guards.length * netDir.parameters.get('guard-extreme-restriction-percent')) / 100)
    this.#excludedPercent = guards.length > 0 && passing < extreme ? Math.floor(((guards.length - passing) / guards.length) * 100) : undefined
    if (!this.#settled) {
      this.#settled = true
      return passing >= Math.floor(meaningful) ? 'default' : 'restricted'
    }
    if (passing >= Math.floor(meaningful * 1.05)) return 'default'
    if (passing < Math.floor(meaningful * 0.95)) return 'restricted'
    return this.#current.name
  }
}
