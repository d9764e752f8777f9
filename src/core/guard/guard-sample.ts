/**
 * One instance of guard state (guard-spec §2): the sampled guards in the order of sampling, which of them are confirmed
 * and which are primary, and the choice among them.
 *
 * It knows one guard at a time; how circuits through different guards wait for each other is in `guard-manager.ts`.
 */

import { randomBelow, type Rng } from '../base/rng.ts'
import { later, durationMs, type MonotonicMs, type WallMs } from '../base/time.ts'
import type { NetDir } from '../netdir/net-dir.ts'
import { NetworkParameters } from '../netdir/parameters.ts'
import type { Relay } from '../netdir/relay.ts'
import { chooseByWeight, isPossibleGuard } from '../relaysel/select-relay.ts'
import { newGuard, type Guard } from './guard.ts'

/** Both clocks at one moment: dates are kept by the wall clock, schedules run by the other. */
export interface GuardTime {
  readonly wall: WallMs
  readonly monotonic: MonotonicMs
}

/** `directory`: one-hop requests, which need no descriptor of the guard (guard-spec §4.12). */
export type GuardUse = 'traffic' | 'directory'

/** What guards are judged by, apart from their reachability. */
export interface GuardWorld {
  readonly netDir: NetDir | undefined
  /** ExcludeNodes, EntryNodes, and not this node itself (guard-spec §4.2). */
  readonly passesFilter: (relay: Relay) => boolean
  /** Written into new guards' `sampled_by`. */
  readonly version: string
}

const dayMs = 86_400_000

export class GuardSample {
  readonly name: string
  /** In the order of sampling (prop310). */
  #sampled: Guard[]
  #primary: Guard[] = []
  #primaryStale = true
  #world: GuardWorld
  readonly #rng: Rng
  readonly #onChange: () => void

  /** `onChange` is called when a persistent field has changed. */
  constructor(name: string, guards: readonly Guard[], world: GuardWorld, rng: Rng, onChange: () => void) {
    this.name = name
    this.#sampled = [...guards]
    this.#world = world
    this.#rng = rng
    this.#onChange = onChange
    this.#renumberConfirmed()
  }

  get sampled(): readonly Guard[] {
    return this.#sampled
  }

  /** Confirmed guards, best first. SPEC-DIFF: guard-spec §4.3 orders them by confirmation; since prop310 C tor orders them by sampling. */
  get confirmed(): readonly Guard[] {
    return this.#sampled.filter((guard) => guard.confirmedIndex !== undefined)
  }

  /** guard-spec §4.4. */
  primary(now: GuardTime): readonly Guard[] {
    if (this.#primaryStale) this.#updatePrimary(now)
    return this.#primary
  }

  /** A new consensus or configuration (guard-spec §4.10). */
  update(world: GuardWorld, now: GuardTime): void {
    this.#world = world
    if (world.netDir?.isReasonablyLive(now.wall) === true) this.#followConsensus(world.netDir, now)
    for (const guard of this.#sampled) this.#setFiltered(guard)
    this.#renumberConfirmed()
    this.#primaryStale = true
  }

  /** Chooses a guard for a circuit (guard-spec §4.6). `waits` says that the circuit, once built, must wait for better guards. */
  pick(use: GuardUse, obeys: (guard: Guard) => boolean, now: GuardTime): { readonly guard: Guard; readonly waits: boolean } | undefined {
    const chosen = this.#pickPrimary(use, obeys, now)
    if (chosen !== undefined) return { guard: chosen, waits: false }
    const exploratory = this.#pickConfirmed(use, obeys, now) ?? this.#pickSampled(use, obeys, now)
    if (exploratory !== undefined) {
      exploratory.pending = true
      exploratory.lastTried = now.monotonic
      return { guard: exploratory, waits: true }
    }
    // guard-spec §4.6: all sampled guards are exhausted; let the next attempt begin anew.
    for (const guard of this.#sampled) guard.reachable = guard.reachable === 'no' ? 'maybe' : guard.reachable
    return undefined
  }

  /** guard-spec §4.8. True when the guard is primary now. */
  noteSuccess(guard: Guard, now: GuardTime): boolean {
    guard.reachable = 'yes'
    guard.failingSince = undefined
    guard.pending = false
    if (guard.confirmedIndex === undefined) this.#confirm(guard, now)
    return this.primary(now).includes(guard)
  }

  /** guard-spec §4.7. */
  noteFailure(guard: Guard, now: GuardTime): void {
    guard.reachable = 'no'
    guard.pending = false
    guard.failingSince ??= now.monotonic
  }

  /** guard-spec §4.8: after a time without the Internet, failures of primary guards prove nothing. */
  retryPrimary(now: GuardTime): void {
    for (const guard of this.primary(now)) if (guard.reachable === 'no') guard.reachable = 'maybe'
  }

  /** Of the primary guards, those that a path may have. */
  primaryAreDown(now: GuardTime, mayHave: (guard: Guard) => boolean): boolean {
    return this.primary(now).every((guard) => {
      this.#considerRetry(guard, now)
      return guard.reachable === 'no' || !mayHave(guard)
    })
  }

  /** C tor's complaint when the guards that circuits would use lack descriptors (guard-spec §4.12). */
  missingDescriptors(now: GuardTime, present: number, usable: number): string | undefined {
    const checked = this.#parameters.get('guard-n-primary-guards-to-use') + 1
    const considered = this.primary(now).filter((guard) => {
      this.#considerRetry(guard, now)
      return guard.reachable !== 'no'
    })
    const missing = considered.slice(0, checked).filter((guard) => this.#relayOf(guard)?.descriptor === undefined).length
    if (missing === 0) return undefined
    const kind = this.#world.netDir?.flavour === 'microdesc' ? 'micro' : ''
    return `We're missing descriptors for ${missing}/${checked} of our primary entry guards (total ${kind}descriptors: ${present}/${usable}). That's ok. We will try to fetch missing descriptors soon.`
  }

  /** Whether `a` is preferred to `b` when both are reachable (guard-spec §4.3, "higher priority"). */
  hasPriority(a: Guard, b: Guard): boolean {
    if (a === b) return false
    if (a.confirmedIndex !== undefined || b.confirmedIndex !== undefined) {
      return a.confirmedIndex !== undefined && (b.confirmedIndex === undefined || a.confirmedIndex < b.confirmedIndex)
    }
    if (a.pending !== b.pending) return a.pending
    return a.pending && (a.lastTried ?? 0) < (b.lastTried ?? 0)
  }

  has(guard: Guard): boolean {
    return this.#sampled.includes(guard)
  }

  get #parameters(): NetworkParameters {
    return this.#world.netDir?.parameters ?? defaultParameters
  }

  #relayOf(guard: Guard): Relay | undefined {
    return this.#world.netDir?.byFingerprint(guard.fingerprint)
  }

  #isUsable(guard: Guard): boolean {
    return guard.filtered && guard.reachable !== 'no'
  }

  #fits(guard: Guard, use: GuardUse): boolean {
    const relay = this.#relayOf(guard)
    return relay !== undefined && (use === 'directory' || relay.descriptor !== undefined)
  }

  #pickPrimary(use: GuardUse, obeys: (guard: Guard) => boolean, now: GuardTime): Guard | undefined {
    const wanted = this.#parameters.get(use === 'traffic' ? 'guard-n-primary-guards-to-use' : 'guard-n-primary-dir-guards-to-use')
    const usable: Guard[] = []
    let considered = 0
    for (const guard of this.primary(now)) {
      this.#considerRetry(guard, now)
      if (!obeys(guard)) {
        // SPEC-DIFF: not in guard-spec §4.6. A guard that this path may not use counts as looked at, unless none is left:
        // an adversary must not move us to further guards by choosing exits for us.
        considered++
        if (considered >= wanted && usable.length > 0) break
        continue
      }
      if (guard.reachable === 'no' || !this.#fits(guard, use)) continue
      guard.lastTried = now.monotonic
      usable.push(guard)
      considered++
      if (considered >= wanted) break
    }
    return usable.length === 0 ? undefined : usable[randomBelow(this.#rng, usable.length)]
  }

  #pickConfirmed(use: GuardUse, obeys: (guard: Guard) => boolean, now: GuardTime): Guard | undefined {
    const primary = this.primary(now)
    return this.confirmed.find((guard) => {
      if (primary.includes(guard) || !obeys(guard)) return false
      this.#considerRetry(guard, now)
      return this.#isUsable(guard) && !guard.pending && this.#fits(guard, use)
    })
  }

  #pickSampled(use: GuardUse, obeys: (guard: Guard) => boolean, now: GuardTime): Guard | undefined {
    const primary = this.primary(now)
    return this.#firstUsable(obeys, now, (guard) => guard.confirmedIndex === undefined && !primary.includes(guard) && !guard.pending && this.#fits(guard, use))
  }

  /** The first usable guard in sample order, after growing the sample where it is small (guard-spec §4.2). */
  #firstUsable(obeys: (guard: Guard) => boolean, now: GuardTime, wanted: (guard: Guard) => boolean): Guard | undefined {
    for (const guard of this.#sampled) this.#considerRetry(guard, now)
    const least = this.#parameters.get('guard-min-filtered-sample-size')
    if (this.#sampled.filter((guard) => this.#isUsable(guard) && obeys(guard)).length < least) this.#expand(now)
    return this.#sampled.find((guard) => this.#isUsable(guard) && obeys(guard) && wanted(guard))
  }

  /** Adds guards until enough are usable or the sample is at its maximum (guard-spec §4.1, §4.2). */
  #expand(now: GuardTime): void {
    const { netDir } = this.#world
    if (netDir === undefined || !netDir.isReasonablyLive(now.wall)) return
    // guard-spec §2.B: the restricted instance samples among what the configuration allows, or it might hold none of it.
    const guards = netDir.relays.filter((relay) => isPossibleGuard(relay) && (this.name !== 'restricted' || this.#world.passesFilter(relay)))
    const known = new Set(this.#sampled.map((guard) => guard.fingerprint))
    const eligible = guards.filter((relay) => !known.has(relay.fingerprint))
    const parameters = netDir.parameters
    const least = parameters.get('guard-min-filtered-sample-size')
    const byShare = Math.floor((guards.length * parameters.get('guard-max-sample-threshold-percent')) / 100)
    const most = Math.max(least, Math.min(byShare, parameters.get('guard-max-sample-size')))
    let usable = this.#sampled.filter((guard) => this.#isUsable(guard)).length
    while (usable < least && this.#sampled.length < most && eligible.length > 0) {
      const relay = chooseByWeight(netDir, eligible, 'guard', this.#rng)
      if (relay === undefined) return
      eligible.splice(eligible.indexOf(relay), 1)
      const sampledOn = this.#backdated(now.wall, parameters.get('guard-lifetime-days') / 10)
      const guard = newGuard(relay.fingerprint, relay.nickname, sampledOn, this.#world.version)
      this.#setFiltered(guard)
      this.#sampled.push(guard)
      if (this.#isUsable(guard)) usable++
      this.#onChange()
    }
  }

  /** guard-spec §4.4. Primary guards stay until confirmed ones take their place. */
  #updatePrimary(now: GuardTime): void {
    this.#primaryStale = false
    const wanted = this.#parameters.get('guard-n-primary-guards')
    const chosen = this.confirmed.filter((guard) => guard.filtered).slice(0, wanted)
    for (const guard of this.#primary) {
      if (chosen.length < wanted && guard.filtered && this.#sampled.includes(guard) && !chosen.includes(guard)) chosen.push(guard)
    }
    while (chosen.length < wanted) {
      const guard = this.#firstUsable(() => true, now, (one) => one.confirmedIndex === undefined && !chosen.includes(one))
      if (guard === undefined) break
      chosen.push(guard)
    }
    this.#primary = this.#sampled.filter((guard) => chosen.includes(guard))
  }

  #followConsensus(netDir: NetDir, now: GuardTime): void {
    const { parameters } = netDir
    const unlistedDays = parameters.get('guard-remove-unlisted-guards-after-days')
    for (const guard of this.#sampled) {
      const relay = netDir.byFingerprint(guard.fingerprint)
      const listed = relay !== undefined && isPossibleGuard(relay)
      if (listed === guard.listed && listed === (guard.unlistedSince === undefined)) continue
      guard.listed = listed
      guard.unlistedSince = listed ? undefined : this.#backdated(now.wall, unlistedDays / 5)
      this.#onChange()
    }
    const before = this.#sampled.length
    this.#sampled = this.#sampled.filter((guard) => !this.#isExpired(guard, parameters, now))
    if (this.#sampled.length !== before) this.#onChange()
  }

  /** guard-spec §4.1, "We remove an entry". SPEC-DIFF: C tor judges a confirmed guard by the date of confirming alone. */
  #isExpired(guard: Guard, parameters: NetworkParameters, now: GuardTime): boolean {
    const olderThan = (date: WallMs, days: number): boolean => date < now.wall - days * dayMs
    if (guard.unlistedSince !== undefined && olderThan(guard.unlistedSince, parameters.get('guard-remove-unlisted-guards-after-days'))) return true
    if (guard.confirmedOn === undefined) return olderThan(guard.sampledOn, parameters.get('guard-lifetime-days'))
    return olderThan(guard.confirmedOn, parameters.get('guard-confirmed-min-lifetime-days'))
  }

  #setFiltered(guard: Guard): void {
    const relay = this.#relayOf(guard)
    guard.filtered = guard.listed && relay !== undefined && this.#world.passesFilter(relay)
  }

  #confirm(guard: Guard, now: GuardTime): void {
    guard.confirmedOn = this.#backdated(now.wall, this.#parameters.get('guard-lifetime-days') / 10)
    guard.confirmedIndex = this.confirmed.length
    this.#primaryStale = true
    this.#onChange()
  }

  /** Makes the order of confirming dense again after some have gone. */
  #renumberConfirmed(): void {
    const inOrder = [...this.confirmed].sort((a, b) => (a.confirmedIndex ?? 0) - (b.confirmedIndex ?? 0))
    for (const [index, guard] of inOrder.entries()) {
      if (guard.confirmedIndex === index) continue
      guard.confirmedIndex = index
      this.#onChange()
    }
  }

  /** guard-spec §4.5: an unreachable guard is worth another try after a time that grows with how long it has failed. */
  #considerRetry(guard: Guard, now: GuardTime): void {
    if (guard.reachable !== 'no') return
    const failingFor = now.monotonic - (guard.failingSince ?? now.monotonic)
    const delay = retryDelayMs(failingFor, this.#primary.includes(guard))
    if (guard.lastTried === undefined || now.monotonic >= guard.lastTried + delay) guard.reachable = 'maybe'
  }

  /** RAND(now, days) of guard-spec §A.2: a whole second up to so many days back. */
  #backdated(now: WallMs, days: number): WallMs {
    const seconds = Math.max(1, Math.floor((days * dayMs) / 1000))
    return later(now, durationMs(-randomBelow(this.#rng, seconds) * 1000))
  }
}

const defaultParameters = new NetworkParameters()

const minuteMs = 60_000
const hourMs = 3_600_000

/** guard-spec §A.1, PRIMARY_GUARDS_RETRY_SCHED and GUARDS_RETRY_SCHED. */
const retrySchedule = [
  { failingForMs: 6 * hourMs, primaryMs: 10 * minuteMs, otherMs: hourMs },
  { failingForMs: 4 * dayMs, primaryMs: 90 * minuteMs, otherMs: 4 * hourMs },
  { failingForMs: 7 * dayMs, primaryMs: 4 * hourMs, otherMs: 18 * hourMs },
  { failingForMs: Number.POSITIVE_INFINITY, primaryMs: 9 * hourMs, otherMs: 36 * hourMs },
] as const

/** How long after the last attempt a guard that has failed for `failingForMs` is tried again. */
export function retryDelayMs(failingForMs: number, isPrimary: boolean): number {
  const step = retrySchedule.find((row) => failingForMs <= row.failingForMs) ?? retrySchedule[3]
  return isPrimary ? step.primaryMs : step.otherMs
}
