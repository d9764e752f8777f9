/** One circuit of the client: what it was built for, who has used it, and whether a stream may still be put on it. */

import type { MonotonicMs } from '../core/base/time.ts'
import type { GuardTicket } from '../core/guard/guard-manager.ts'
import type { Relay } from '../core/netdir/relay.ts'
import type { PathRequest } from '../core/path/choose-path.ts'
import { exitSupports, type ExitNeed } from '../core/path/exit-choice.ts'
import { CircuitIsolation, type StreamIsolation } from '../core/path/isolation.ts'
import type { RelayNeeds } from '../core/relaysel/select-relay.ts'
import type { Timer } from '../runtime/index.ts'
import { refusedAddressesMax } from './client-limits.ts'
import type { OriginCircuit } from './origin-circuit.ts'

/** What a stream asks of a circuit. */
export interface CircuitWish {
  readonly need: ExitNeed
  /** Its port is one for long-lived connections. */
  readonly stable: boolean
  readonly isolation: StreamIsolation
}

export class ClientCircuit {
  readonly origin: OriginCircuit
  readonly relays: readonly Relay[]
  readonly kind: 'exit' | 'internal' | 'fixed'
  /** What its path was chosen for; undefined when the user named the relays. */
  readonly request: PathRequest | undefined
  readonly needs: RelayNeeds
  readonly guard: GuardTicket | undefined
  readonly begunAt: MonotonicMs
  /** `guard-wait`: built, but a better guard may still answer (guard-spec §4.8). */
  state: 'building' | 'guard-wait' | 'ready' | 'closed' = 'building'
  readonly isolation = new CircuitIsolation()
  /** When the first stream was put on it (path-spec §2.1.2). */
  dirtySince: MonotonicMs | undefined
  /** How long it may stay unused. */
  readonly idleMs: number
  /** Takes no new streams; those on it go on. */
  retired = false
  buildTimer: Timer | undefined
  /** Streams of applications on it. */
  streams = 0
  readonly #refusedAddresses = new Set<string>()

  constructor(made: {
    readonly origin: OriginCircuit
    readonly relays: readonly Relay[]
    readonly kind: ClientCircuit['kind']
    readonly request: PathRequest | undefined
    readonly guard: GuardTicket | undefined
    readonly begunAt: MonotonicMs
    readonly idleMs: number
  }) {
    this.origin = made.origin
    this.relays = made.relays
    this.kind = made.kind
    this.request = made.request
    this.needs = made.request?.needs ?? { stable: false, fast: false }
    this.guard = made.guard
    this.begunAt = made.begunAt
    this.idleMs = made.idleMs
  }

  get exit(): Relay | undefined {
    return this.relays[this.relays.length - 1]
  }

  /** Its exit has refused this address: not to be asked again here. */
  refuse(address: string): void {
    this.#refusedAddresses.add(address)
    if (this.#refusedAddresses.size > refusedAddressesMax) this.retired = true
  }

  isExpired(now: MonotonicMs, dirtinessMs: number): boolean {
    return this.dirtySince !== undefined && now - this.dirtySince >= dirtinessMs
  }

  /** Whether the stream may go on it, once it is ready (path-spec §2.2, tor(1) isolation). */
  suits(wish: CircuitWish, untrusted: ReadonlySet<string>, now: MonotonicMs, dirtinessMs: number): boolean {
    const { exit } = this
    if (this.kind !== 'exit' || this.retired || this.state === 'closed' || exit === undefined || this.isExpired(now, dirtinessMs)) return false
    if (wish.stable && !this.needs.stable) return false
    if (wish.need.address !== undefined && this.#refusedAddresses.has(wish.need.address)) return false
    return exitSupports(exit, wish.need, untrusted) && this.isolation.allows(wish.isolation)
  }

  /**
   * Whether it is to be preferred to `other` for the stream, both being suitable: the one first used latest, then clean
   * ones, the youngest first, as C tor has it; then the one that would have to mix fewer isolated fields.
   */
  isBetterThan(other: ClientCircuit, wish: CircuitWish): boolean {
    if (this.dirtySince !== undefined && other.dirtySince !== undefined && this.dirtySince !== other.dirtySince) return this.dirtySince > other.dirtySince
    if ((this.dirtySince === undefined) !== (other.dirtySince === undefined)) return this.dirtySince !== undefined
    const cost = this.isolation.costOf(wish.isolation)
    const otherCost = other.isolation.costOf(wish.isolation)
    if (cost !== undefined && otherCost !== undefined && cost !== otherCost) return cost < otherCost
    return this.begunAt > other.begunAt
  }
}
