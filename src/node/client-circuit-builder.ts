/**
 * Builds the circuits of a client and follows each until it is gone: its guard is told what became of it, one that takes too long is given up, and
 * after failures nothing is built ahead or for streams for a while. What circuits are for, and when one is wanted, `client-circuits.ts` knows.
 */

import { asRelishError, RelishError } from '../core/base/errors.ts'
import { randomBelow } from '../core/base/rng.ts'
import { durationMs, type MonotonicMs } from '../core/base/time.ts'
import type { GuardTicket } from '../core/guard/guard-manager.ts'
import { NetworkParameters } from '../core/netdir/parameters.ts'
import { describeRelay, type Relay } from '../core/netdir/relay.ts'
import { BuildTimeouts } from '../core/path/build-timeout.ts'
import { choosePath, type ChosenPath, type PathRequest } from '../core/path/choose-path.ts'
import { explainGuard, explainPath, type ExplainedPlace } from '../core/path/explain-path.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { CircuitExplanation } from '../runtime/events.ts'
import type { Runtime } from '../runtime/index.ts'
import type { BootstrapStatus } from './bootstrap-status.ts'
import { ClientCircuit } from './client-circuit.ts'
import type { NetworkView } from './network-view.ts'
import type { OriginCircuits } from './origin-circuit.ts'

export interface ClientCircuitBuilderParts {
  readonly runtime: Runtime
  readonly options: TorOptions
  readonly view: NetworkView
  readonly circuits: OriginCircuits
  readonly bootstrap: BootstrapStatus
  /** Called once, when the first circuit was built. */
  readonly onFirstCircuit: () => void
  /** Why an attempt at a first circuit came to nothing. */
  readonly onNoCircuit: (words: string) => void
}

/** Told once how the building of a circuit went. */
export type OnBuilt = (result: { readonly id: number } | RelishError) => void

/** First pause after a circuit failed; doubled with each further failure, up to NewCircuitPeriod. */
const firstRetryMs = 100

export class ClientCircuitBuilder {
  readonly #parts: ClientCircuitBuilderParts
  /** A circuit has come, gone, or changed its state. */
  readonly #onChange: () => void
  readonly #circuits = new Set<ClientCircuit>()
  readonly #timeouts: BuildTimeouts
  readonly #availableMs: number
  #newCircuitPeriodMs: number
  #failures = 0
  #retryAt: MonotonicMs | undefined
  #hasBuilt = false

  constructor(parts: ClientCircuitBuilderParts, onChange: () => void) {
    this.#parts = parts
    this.#onChange = onChange
    const { options } = parts
    const configured: number = options.CircuitsAvailableTimeout
    this.#availableMs = configured > 0 ? configured : 30 * 60_000
    this.#newCircuitPeriodMs = options.NewCircuitPeriod
    const buildTimeout: number = options.CircuitBuildTimeout
    this.#timeouts = new BuildTimeouts({ configuredMs: buildTimeout > 0 ? buildTimeout : undefined }, new NetworkParameters())
  }

  /** Those that are being built and those that are open. */
  get circuits(): ReadonlySet<ClientCircuit> {
    return this.#circuits
  }

  get buildingCount(): number {
    return [...this.#circuits].filter((circuit) => circuit.state === 'building').length
  }

  get hasBuilt(): boolean {
    return this.#hasBuilt
  }

  /** How long a circuit that nobody uses is kept, at least, in milliseconds. */
  get availableMs(): number {
    return this.#availableMs
  }

  /** After failures: when the next circuit may be tried. */
  get retryAt(): MonotonicMs | undefined {
    return this.#retryAt
  }

  reconfigure(options: TorOptions): void {
    this.#newCircuitPeriodMs = options.NewCircuitPeriod
  }

  /** Parameters of a new consensus say how long building may take. */
  useParameters(parameters: NetworkParameters): void {
    this.#timeouts.update(parameters)
  }

  /** Undefined when there is no path now: then it is tried again later. */
  tryBuild(request: PathRequest, kind: 'exit' | 'internal'): ClientCircuit | undefined {
    const { view, runtime } = this.#parts
    const world = view.pathWorld()
    if (world === undefined) return undefined
    let path: ChosenPath
    try {
      path = choosePath(world, request, view.now())
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind !== 'unavailable') throw error
      runtime.log.write('info', 'circ', `No path for a circuit: ${error.message}`)
      if (!this.#hasBuilt) this.#parts.onNoCircuit(error.message)
      this.#noteFailure()
      return undefined
    } finally {
      view.saveGuards()
    }
    return this.build(path, kind, request, undefined)
  }

  build(path: ChosenPath, kind: ClientCircuit['kind'], request: PathRequest | undefined, onDone: OnBuilt | undefined): ClientCircuit {
    const { runtime, view, circuits, bootstrap } = this.#parts
    const hops = path.relays.map((relay) => view.hopTarget(relay))
    const origin = circuits.build(hops, { purpose: kind === 'exit' ? 'general' : kind, congestionControl: kind !== 'internal' }, {
      onOpen: () => {
        this.#built(circuit)
        onDone?.({ id: origin.id })
      },
      onFailed: (error, failedHop) => {
        this.#failed(circuit, error, failedHop)
        onDone?.(error)
      },
    })
    const rng = runtime.rng('client-circuits')
    const circuit = new ClientCircuit({
      origin, kind, request, relays: path.relays, guard: path.guard, begunAt: this.#now(),
      // Not all at once, and not at a time an observer can tell.
      idleMs: this.#availableMs + randomBelow(rng, Math.max(1, Math.floor(this.#availableMs))),
    })
    this.#circuits.add(circuit)
    origin.onClosed = (error) => this.#lost(circuit, error)
    circuit.buildTimer = runtime.setTimer(durationMs(this.#timeouts.timeoutMs(hops.length)), () => this.#timedOut(circuit, onDone))
    bootstrap.enter('circuit_create')
    if (path.guard !== undefined) runtime.trace?.emit({ event: 'decision.guard', circuit: origin.id, ...explainGuard(path.guard, view.guards.inspect(view.now())) })
    if (runtime.trace !== undefined) runtime.trace.emit({ event: 'decision.path', circuit: origin.id, kind, path: path.relays.map((relay) => relay.fingerprint), places: this.#explain(request, path.relays) })
    runtime.log.write('info', 'circ', `Building circuit ${origin.id} (${kind}): ${path.relays.map(describeRelay).join(', ')}`)
    return circuit
  }

  /** Circuits that waited whether a better guard would answer, where none of those will (guard-spec §4.8). */
  upgradeGuardWaiting(): void {
    const waiting = [...this.#circuits].some((circuit) => circuit.state === 'guard-wait')
    if (!waiting) return
    const { view } = this.#parts
    const tickets = [...this.#circuits].flatMap((circuit) => (circuit.guard === undefined ? [] : [circuit.guard]))
    const upgraded = new Set<GuardTicket>(view.guards.upgradeWaiting(tickets, view.now()))
    for (const circuit of this.#circuits) if (circuit.guard !== undefined && upgraded.has(circuit.guard)) this.#ready(circuit)
  }

  /** Why a circuit has its path. Throws `unavailable` for one that is not there. */
  explain(id: number): CircuitExplanation {
    const circuit = [...this.#circuits].find((one) => one.origin.id === id)
    if (circuit === undefined) throw new RelishError('unavailable', `this client has no circuit ${id} for applications`)
    const { kind, state, relays, guard, request } = circuit
    return {
      circuit: id, kind, state, path: relays.map((relay) => relay.fingerprint),
      ...(guard === undefined ? {} : { guard: explainGuard(guard, this.#parts.view.guards.inspect(this.#parts.view.now())) }),
      places: this.#explain(request, relays),
    }
  }

  /** Silently: whoever closes it knows. */
  close(circuit: ClientCircuit, reason: string): void {
    this.#drop(circuit)
    circuit.origin.close(reason)
  }

  #now(): MonotonicMs {
    return this.#parts.runtime.monotonicNow()
  }

  #explain(request: PathRequest | undefined, path: readonly Relay[]): ExplainedPlace[] {
    const { netDir, rules } = this.#parts.view
    return netDir === undefined ? [] : explainPath(netDir, rules, request, path)
  }

  #built(circuit: ClientCircuit): void {
    circuit.buildTimer?.cancel()
    if (circuit.state !== 'building') return
    this.#failures = 0
    this.#retryAt = undefined
    const { view } = this.#parts
    this.#noteFirst()
    const usable = circuit.guard === undefined ? 'now' : view.guards.succeeded(circuit.guard, view.now())
    view.guardsChanged()
    if (usable === 'never') this.close(circuit, 'its guard is no longer one')
    else if (usable === 'later') circuit.state = 'guard-wait'
    else this.#ready(circuit)
    this.#onChange()
  }

  #ready(circuit: ClientCircuit): void {
    circuit.state = 'ready'
    this.#onChange()
  }

  #noteFirst(): void {
    if (this.#hasBuilt) return
    this.#hasBuilt = true
    this.#parts.runtime.log.write('notice', 'general', 'Tor has successfully opened a circuit. Looks like client functionality is working.')
    this.#parts.bootstrap.enter('done')
    this.#parts.onFirstCircuit()
  }

  #failed(circuit: ClientCircuit, error: RelishError, failedHop: number): void {
    if (circuit.state === 'closed') return
    this.#parts.runtime.log.write('info', 'circ', `Circuit ${circuit.origin.id} failed at hop ${failedHop + 1}: ${error.message}`)
    if (!this.#hasBuilt) this.#parts.onNoCircuit(`a circuit failed at relay ${failedHop + 1}: ${error.message}`)
    // Limits of our own say nothing about the guard.
    this.#settleGuard(circuit, failedHop === 0 && error.kind !== 'limit')
    this.#drop(circuit)
    this.#noteFailure()
    this.#onChange()
  }

  #timedOut(circuit: ClientCircuit, onDone: OnBuilt | undefined): void {
    if (circuit.state !== 'building') return
    this.#parts.runtime.log.write('info', 'circ', `Circuit ${circuit.origin.id} was not built in time`)
    this.#settleGuard(circuit, circuit.origin.hopCount === 0)
    this.close(circuit, 'timeout')
    onDone?.(new RelishError('timeout', 'the circuit was not built in time'))
    this.#noteFailure()
    this.#onChange()
  }

  #lost(circuit: ClientCircuit, error: RelishError | undefined): void {
    if (circuit.state === 'closed') return
    if (error !== undefined) this.#parts.runtime.log.write('info', 'circ', `Circuit ${circuit.origin.id} was closed: ${error.message}`)
    this.#drop(circuit)
    this.#onChange()
  }

  /** Failure to reach the first hop speaks against the guard, anything later does not (guard-spec §4.7). */
  #settleGuard(circuit: ClientCircuit, blame: boolean): void {
    const { view } = this.#parts
    if (circuit.guard === undefined) return
    if (blame) view.guards.failed(circuit.guard, view.now())
    else view.guards.cancel(circuit.guard, view.now())
    view.guardsChanged()
  }

  /** Circuits that were begun together and fail together have failed once. */
  #noteFailure(): void {
    if (this.#retryAt !== undefined && this.#now() < this.#retryAt) return
    this.#failures++
    const pause = Math.min(firstRetryMs * 2 ** Math.min(this.#failures - 1, 20), this.#newCircuitPeriodMs)
    this.#retryAt = (this.#now() + pause) as MonotonicMs
  }

  #drop(circuit: ClientCircuit): void {
    circuit.buildTimer?.cancel()
    circuit.state = 'closed'
    this.#circuits.delete(circuit)
  }
}
