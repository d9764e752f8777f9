/**
 * The circuits of a client: found for streams that want one, built on demand and ahead of need, given up when old
 * (path-spec §2.1, §2.5).
 *
 * Everything that may have changed something ends in `#turn`, which attaches what can be attached, builds what is
 * missing and sets one timer for the next moment at which time alone changes something.
 */

import { asRelishError, RelishError } from '../core/base/errors.ts'
import { randomBelow } from '../core/base/rng.ts'
import { durationMs, later, type MonotonicMs } from '../core/base/time.ts'
import type { GuardTicket } from '../core/guard/guard-manager.ts'
import { describeRelay, type Relay } from '../core/netdir/relay.ts'
import { NetworkParameters } from '../core/netdir/parameters.ts'
import { BuildTimeouts } from '../core/path/build-timeout.ts'
import { choosePath, pathByName, type ChosenPath, type PathRequest } from '../core/path/choose-path.ts'
import { explainGuard, explainPath, type ExplainedPlace } from '../core/path/explain-path.ts'
import { exitSupports, portNeed } from '../core/path/exit-choice.ts'
import type { StreamIsolation } from '../core/path/isolation.ts'
import { PredictedPorts } from '../core/path/predicted-ports.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import { isRelay } from '../core/torrc/validate.ts'
import type { CircuitExplanation } from '../runtime/events.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import type { BootstrapStatus } from './bootstrap-status.ts'
import { ClientCircuit, type CircuitWish } from './client-circuit.ts'
import { circuitsPerPredictedPort, cleanCircuitsMax, pathsChosenMax, relayCircuitDelay, untrustedExitsMax } from './client-limits.ts'
import type { NetworkView } from './network-view.ts'
import type { OriginCircuits } from './origin-circuit.ts'

/** A stream that waits for a circuit. */
export interface CircuitWaiter extends CircuitWish {
  /** Called once, as soon as there is a circuit; the waiter is forgotten then. */
  attach(circuit: ClientCircuit): void
  /** No circuit can ever suit, as things stand. The waiter is forgotten then. */
  refuse(error: RelishError): void
}

export interface ClientCircuitsParts {
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

/** Predicted before any application has asked for anything: C tor's first guess. SPEC-DIFF: path-spec §2.1.1 says 80. */
const firstPredictedPort = 443
/** First pause after a circuit failed; doubled with each further failure, up to NewCircuitPeriod. */
const firstRetryMs = 100

export class ClientCircuits {
  #parts: ClientCircuitsParts
  readonly #circuits = new Set<ClientCircuit>()
  readonly #waiters = new Set<CircuitWaiter>()
  /** Which circuit on the way a waiter is meant for, so that it does not claim a second one. */
  readonly #meantFor = new Map<CircuitWaiter, ClientCircuit>()
  readonly #untrusted = new Set<string>()
  /** Waiters for whom the present view has an exit, and whether predicted ports have one: not looked up at every turn. */
  readonly #possible = new Set<CircuitWaiter>()
  readonly #supported = new Map<number, boolean>()
  readonly #predicted: PredictedPorts
  readonly #timeouts: BuildTimeouts
  readonly #availableMs: number
  /** From then on a circuit is built to show that it can be done, if none has shown it. */
  readonly #proveFrom: MonotonicMs
  #failures = 0
  #retryAt: MonotonicMs | undefined
  /** The time that all of a turn goes by: clocks move on meanwhile, and what falls due in between is the timer's. */
  #turnAt: MonotonicMs
  #hasBuilt = false
  #inTurn = false
  #turnAgain = false
  #timer: Timer | undefined
  #stopped = false

  constructor(parts: ClientCircuitsParts) {
    this.#parts = parts
    const { options, runtime } = parts
    this.#turnAt = runtime.monotonicNow()
    const configured: number = options.CircuitsAvailableTimeout
    this.#availableMs = configured > 0 ? configured : 30 * 60_000
    // Where no application can ask, none is expected to: one circuit shows that the node works, and that is all.
    this.#predicted = new PredictedPorts(options.SocksPort.length > 0 ? [firstPredictedPort] : [], this.#availableMs, this.#turnAt)
    const servesApplications = options.SocksPort.length > 0 || options.HTTPTunnelPort.length > 0
    this.#proveFrom = later(this.#turnAt, isRelay(options) && !servesApplications ? relayCircuitDelay : durationMs(0))
    const buildTimeout: number = options.CircuitBuildTimeout
    this.#timeouts = new BuildTimeouts({ configuredMs: buildTimeout > 0 ? buildTimeout : undefined }, new NetworkParameters())
    parts.view.onChange(() => this.#viewChanged())
  }

  /** `pathsChanged`: circuits that exist were built by rules that hold no more, and take no new streams. */
  reconfigure(options: TorOptions, pathsChanged: boolean): void {
    this.#parts = { ...this.#parts, options }
    if (pathsChanged) this.retireAll()
    else this.#turn()
  }

  /** Finds or builds a circuit. The answer may come before this returns. */
  want(waiter: CircuitWaiter): void {
    if (waiter.need.kind === 'connect') this.#predicted.noteUsed(waiter.need.port, this.#now())
    this.#waiters.add(waiter)
    this.#turn()
  }

  /** The stream does not need a circuit any more. */
  forget(waiter: CircuitWaiter): void {
    this.#waiters.delete(waiter)
    this.#meantFor.delete(waiter)
    this.#possible.delete(waiter)
  }

  /** A stream was put on the circuit: from now on the circuit is dirty (path-spec §2.1.2). `keepAlive`: KeepAliveIsolateSOCKSAuth. */
  noteAttached(circuit: ClientCircuit, isolation: StreamIsolation, keepAlive: boolean): void {
    if (circuit.dirtySince === undefined) circuit.isolation.clear()
    circuit.isolation.add(isolation)
    if (circuit.dirtySince === undefined || keepAlive) circuit.dirtySince = this.#now()
    circuit.streams++
  }

  /** A stream has left the circuit. */
  noteDetached(circuit: ClientCircuit): void {
    circuit.streams--
    this.#turn()
  }

  /** No new streams on it. */
  retire(circuit: ClientCircuit): void {
    circuit.retired = true
    this.#turn()
  }

  /** The exit lets out less than its descriptor says: not used as one until its descriptor changes (path-spec §2.5). */
  distrustExit(relay: Relay): void {
    const [oldest] = this.#untrusted
    if (this.#untrusted.size >= untrustedExitsMax && oldest !== undefined) this.#untrusted.delete(oldest)
    this.#untrusted.add(relay.fingerprint)
    this.#supported.clear()
    this.#possible.clear()
  }

  /** NEWNYM: what is open now takes no new streams, and what nobody uses is closed (control-spec §3.7). */
  retireAll(): void {
    for (const circuit of [...this.#circuits]) {
      circuit.retired = true
      if (circuit.streams === 0 && circuit.kind !== 'fixed') this.#close(circuit, 'NEWNYM')
    }
    this.#turn()
  }

  /** Builds a circuit through these relays, by fingerprint or nickname. It takes no streams of itself. */
  buildFixed(names: readonly string[], onDone: (result: { readonly id: number } | RelishError) => void): void {
    const world = this.#parts.view.pathWorld()
    try {
      if (world === undefined) throw new RelishError('unavailable', 'no consensus is held yet')
      const relays = pathByName(world.netDir, names)
      if (relays.length === 0) throw new RelishError('config', 'a circuit has at least one hop')
      this.#launch({ relays, guard: undefined }, 'fixed', undefined, onDone)
    } catch (thrown) {
      onDone(asRelishError(thrown))
    }
  }

  /** As `build` would, but only says which relays it would be. Draws from a generator of its own: what is built later stays the same. */
  choosePaths(port: number, count: number): readonly (readonly string[])[] {
    const { view, runtime } = this.#parts
    const world = view.pathWorld()
    if (world === undefined) throw new RelishError('unavailable', 'no consensus is held yet')
    if (count > pathsChosenMax) throw new RelishError('refused', `${count} paths are more than ${pathsChosenMax}`)
    const asked = { ...world, rng: runtime.rng('asked paths') }
    const request: PathRequest = { kind: 'exit', needs: { stable: false, fast: true }, pending: [portNeed(port)], predictedPorts: [], untrusted: this.#untrusted }
    return Array.from({ length: count }, () => {
      const path = choosePath(asked, request, view.now())
      if (path.guard !== undefined) view.guards.cancel(path.guard, view.now())
      return path.relays.map((relay) => relay.fingerprint)
    })
  }

  /** A circuit that ends at any relay, for onion services and tests of this node's own reachability. */
  build(request: PathRequest, onDone: (result: { readonly id: number } | RelishError) => void): void {
    const world = this.#parts.view.pathWorld()
    try {
      if (world === undefined) throw new RelishError('unavailable', 'no consensus is held yet')
      const path = choosePath(world, request, this.#parts.view.now())
      this.#parts.view.saveGuards()
      this.#launch(path, 'fixed', request, onDone)
    } catch (thrown) {
      onDone(asRelishError(thrown))
    }
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

  /** Circuits that can take or will take streams, for inspection. */
  list(): readonly ClientCircuit[] {
    return [...this.#circuits]
  }

  get hasBuilt(): boolean {
    return this.#hasBuilt
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    for (const circuit of [...this.#circuits]) this.#close(circuit, 'stopping')
  }

  #now(): MonotonicMs {
    return this.#parts.runtime.monotonicNow()
  }

  get #dirtinessMs(): number {
    return this.#parts.options.MaxCircuitDirtiness
  }

  #viewChanged(): void {
    const { netDir } = this.#parts.view
    if (netDir !== undefined) this.#timeouts.update(netDir.parameters)
    // Word of a relay's policy is taken anew with each view: its descriptor may have changed.
    this.#untrusted.clear()
    this.#supported.clear()
    this.#possible.clear()
    // Told before the circuits that follow from it.
    if (this.#parts.view.info.enough) this.#parts.bootstrap.enterDirectory('enough_dirinfo')
    this.#turn()
  }

  /** Not re-entered: what happens inside and calls for a turn gets it afterwards. */
  #turn(): void {
    this.#turnAgain = true
    if (this.#inTurn || this.#stopped) return
    this.#inTurn = true
    while (this.#turnAgain && !this.#stopped) {
      this.#turnAgain = false
      this.#turnAt = this.#now()
      this.#expire()
      this.#upgradeGuardWaiting()
      this.#attachWaiting()
      if (this.#parts.view.info.enough) {
        this.#buildForWaiting()
        this.#buildAhead()
      }
    }
    this.#inTurn = false
    if (!this.#stopped) this.#setTimer()
  }

  /** path-spec §2.1.6. */
  #expire(): void {
    const now = this.#turnAt
    const guardNow = this.#parts.view.now()
    for (const circuit of [...this.#circuits]) {
      if (circuit.kind === 'fixed' || circuit.streams > 0) continue
      if (circuit.guard !== undefined && this.#parts.view.guards.shouldExpire(circuit.guard, guardNow)) this.#close(circuit, 'a better guard was found')
      else if (circuit.isExpired(now, this.#dirtinessMs) || (circuit.retired && circuit.state === 'ready')) this.#close(circuit, 'used for long enough')
      else if (circuit.dirtySince === undefined && circuit.state === 'ready' && now - circuit.begunAt >= circuit.idleMs) this.#close(circuit, 'not used')
    }
  }

  #upgradeGuardWaiting(): void {
    const waiting = [...this.#circuits].some((circuit) => circuit.state === 'guard-wait')
    if (!waiting) return
    const tickets = [...this.#circuits].flatMap((circuit) => (circuit.guard === undefined ? [] : [circuit.guard]))
    const upgraded = new Set<GuardTicket>(this.#parts.view.guards.upgradeWaiting(tickets, this.#parts.view.now()))
    for (const circuit of this.#circuits) if (circuit.guard !== undefined && upgraded.has(circuit.guard)) this.#ready(circuit)
  }

  #attachWaiting(): void {
    const now = this.#turnAt
    for (const waiter of [...this.#waiters]) {
      const circuit = this.#best(waiter, now, (one) => one.state === 'ready')
      if (circuit === undefined) continue
      this.forget(waiter)
      waiter.attach(circuit)
    }
    // What was reserved for streams that went elsewhere is free again.
    for (const circuit of this.#circuits) if (circuit.state === 'ready' && circuit.dirtySince === undefined) circuit.isolation.clear()
  }

  #best(wish: CircuitWish, now: MonotonicMs, wanted: (circuit: ClientCircuit) => boolean): ClientCircuit | undefined {
    let best: ClientCircuit | undefined
    for (const circuit of this.#circuits) {
      if (!wanted(circuit) || !circuit.suits(wish, this.#untrusted, now, this.#dirtinessMs)) continue
      if (best === undefined || circuit.isBetterThan(best, wish)) best = circuit
    }
    return best
  }

  /** path-spec §2.1.2: a circuit on the way for every stream that waits. */
  #buildForWaiting(): void {
    const now = this.#turnAt
    const { options, view } = this.#parts
    const uncovered: CircuitWaiter[] = []
    for (const waiter of [...this.#waiters]) {
      if (this.#refuseImpossible(waiter)) continue
      const isComing = (circuit: ClientCircuit): boolean => circuit.state === 'building' || circuit.state === 'guard-wait'
      const meant = this.#meantFor.get(waiter)
      if (meant !== undefined && isComing(meant) && meant.suits(waiter, this.#untrusted, now, this.#dirtinessMs)) continue
      const coming = this.#best(waiter, now, isComing)
      if (coming === undefined) uncovered.push(waiter)
      else this.#reserve(coming, waiter)
    }
    if (this.#isHeldBack()) return
    while (uncovered.length > 0 && this.#building() < options.MaxClientCircuitsPending) {
      const [first] = uncovered
      if (first === undefined) return
      const world = view.pathWorld()
      if (world === undefined) return
      // Only streams that may share a circuit with the first have a say in where it ends.
      const together = uncovered.filter((waiter) => waiter === first || (waiter.stable === first.stable && mayShare(first, waiter)))
      const needs = { stable: first.stable, fast: true }
      const request: PathRequest = { kind: 'exit', needs, pending: together.map((waiter) => waiter.need), predictedPorts: [], untrusted: this.#untrusted }
      const circuit = this.#tryLaunch(request, 'exit')
      if (circuit === undefined) return
      for (const waiter of together) {
        if (!circuit.suits(waiter, this.#untrusted, now, this.#dirtinessMs)) continue
        this.#reserve(circuit, waiter)
        uncovered.splice(uncovered.indexOf(waiter), 1)
      }
      // Chance may have picked an exit that suits others of the group only: the next round begins with somebody else.
      if (uncovered[0] === first) uncovered.push(...uncovered.splice(0, 1))
    }
  }

  /** After failures, for a while. */
  #isHeldBack(): boolean {
    return this.#retryAt !== undefined && this.#turnAt < this.#retryAt
  }

  #reserve(circuit: ClientCircuit, waiter: CircuitWaiter): void {
    circuit.isolation.add(waiter.isolation)
    this.#meantFor.set(waiter, circuit)
  }

  /** As C tor: where no relay's policy allows the target, there is no use in waiting. Nor is there where all have refused it. */
  #refuseImpossible(waiter: CircuitWaiter): boolean {
    const { netDir } = this.#parts.view
    if (netDir === undefined || this.#possible.has(waiter)) return false
    if (netDir.relays.some((relay) => relay.flags.has('Running') && exitSupports(relay, waiter.need, this.#untrusted))) {
      this.#possible.add(waiter)
      return false
    }
    this.forget(waiter)
    const { need } = waiter
    const words = need.kind === 'resolve' ? 'No Tor server allows resolving' : `No Tor server allows exit to ${need.address ?? '[scrubbed]'}:${need.port}`
    this.#parts.runtime.log.write('notice', 'app', `${words}. Rejecting.`)
    waiter.refuse(new RelishError('unavailable', words))
    return true
  }

  /** path-spec §2.1.1. Internal circuits are not built ahead: nothing here uses them before onion services do. */
  #buildAhead(): void {
    const now = this.#turnAt
    const { options, view } = this.#parts
    if (options.__DisablePredictedCircuits || this.#isHeldBack()) return
    if (!view.info.hasExits) {
      // Without exits an internal circuit shows that this node works.
      if (this.#mustProve(now)) this.#tryLaunch({ kind: 'internal', needs: { stable: false, fast: true } }, 'internal')
      return
    }
    for (const port of this.#predicted.current(now)) {
      const stable = view.rules.longLivedPorts.has(port)
      const supported = this.#isSupported(port)
      if (!supported) this.#predicted.forget(port)
      while (supported && this.#coverage(port, stable, now) < circuitsPerPredictedPort) {
        if (this.#cleanCount() >= cleanCircuitsMax || this.#building() >= options.MaxClientCircuitsPending) return
        if (this.#tryLaunch({ kind: 'exit', needs: { stable, fast: true }, pending: [], predictedPorts: [port], untrusted: this.#untrusted }, 'exit') === undefined) return
      }
    }
    if (this.#mustProve(now)) {
      this.#tryLaunch({ kind: 'exit', needs: { stable: false, fast: true }, pending: [], predictedPorts: [], untrusted: this.#untrusted }, 'exit')
    }
  }

  #mustProve(now: MonotonicMs): boolean {
    return !this.#hasBuilt && this.#building() === 0 && now >= this.#proveFrom
  }

  #isSupported(port: number): boolean {
    const known = this.#supported.get(port)
    if (known !== undefined) return known
    const supported = this.#parts.view.netDir?.relays.some((relay) => exitSupports(relay, portNeed(port), this.#untrusted)) ?? false
    this.#supported.set(port, supported)
    return supported
  }

  /** Circuits that a new stream to the port could use, whoever it comes from. */
  #coverage(port: number, stable: boolean, now: MonotonicMs): number {
    let count = 0
    for (const circuit of this.#circuits) {
      const { exit } = circuit
      if (circuit.kind !== 'exit' || circuit.retired || exit === undefined || circuit.isExpired(now, this.#dirtinessMs)) continue
      if (circuit.isolation.isClean && (!stable || circuit.needs.stable) && exitSupports(exit, portNeed(port), this.#untrusted)) count++
    }
    return count
  }

  #cleanCount(): number {
    return [...this.#circuits].filter((circuit) => circuit.kind !== 'fixed' && circuit.dirtySince === undefined && !circuit.retired).length
  }

  #building(): number {
    return [...this.#circuits].filter((circuit) => circuit.state === 'building').length
  }

  /** Undefined when there is no path now: then it is tried again later. */
  #tryLaunch(request: PathRequest, kind: 'exit' | 'internal'): ClientCircuit | undefined {
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
    return this.#launch(path, kind, request, undefined)
  }

  #explain(request: PathRequest | undefined, path: readonly Relay[]): ExplainedPlace[] {
    const { netDir, rules } = this.#parts.view
    return netDir === undefined ? [] : explainPath(netDir, rules, request, path)
  }

  #launch(path: ChosenPath, kind: ClientCircuit['kind'], request: PathRequest | undefined, onDone: ((result: { readonly id: number } | RelishError) => void) | undefined): ClientCircuit {
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

  #built(circuit: ClientCircuit): void {
    circuit.buildTimer?.cancel()
    if (circuit.state !== 'building') return
    this.#failures = 0
    this.#retryAt = undefined
    const { view } = this.#parts
    this.#noteFirst()
    const usable = circuit.guard === undefined ? 'now' : view.guards.succeeded(circuit.guard, view.now())
    view.guardsChanged()
    if (usable === 'never') this.#close(circuit, 'its guard is no longer one')
    else if (usable === 'later') circuit.state = 'guard-wait'
    else this.#ready(circuit)
    this.#turn()
  }

  #ready(circuit: ClientCircuit): void {
    circuit.state = 'ready'
    this.#turn()
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
    this.#turn()
  }

  #timedOut(circuit: ClientCircuit, onDone: ((result: RelishError) => void) | undefined): void {
    if (circuit.state !== 'building') return
    this.#parts.runtime.log.write('info', 'circ', `Circuit ${circuit.origin.id} was not built in time`)
    this.#settleGuard(circuit, circuit.origin.hopCount === 0)
    this.#close(circuit, 'timeout')
    onDone?.(new RelishError('timeout', 'the circuit was not built in time'))
    this.#noteFailure()
    this.#turn()
  }

  #lost(circuit: ClientCircuit, error: RelishError | undefined): void {
    if (circuit.state === 'closed') return
    if (error !== undefined) this.#parts.runtime.log.write('info', 'circ', `Circuit ${circuit.origin.id} was closed: ${error.message}`)
    this.#drop(circuit)
    this.#turn()
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
    const pause = Math.min(firstRetryMs * 2 ** Math.min(this.#failures - 1, 20), this.#parts.options.NewCircuitPeriod)
    this.#retryAt = (this.#now() + pause) as MonotonicMs
  }

  #close(circuit: ClientCircuit, reason: string): void {
    this.#drop(circuit)
    circuit.origin.close(reason)
  }

  #drop(circuit: ClientCircuit): void {
    circuit.buildTimer?.cancel()
    circuit.state = 'closed'
    this.#circuits.delete(circuit)
  }

  /** The next moment at which time alone makes a difference. */
  #setTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const now = this.#now()
    const moments: number[] = []
    if (this.#retryAt !== undefined) moments.push(this.#retryAt)
    for (const circuit of this.#circuits) {
      if (circuit.kind === 'fixed') continue
      if (circuit.state === 'guard-wait') moments.push(now + guardWaitCheckMs)
      else if (circuit.dirtySince !== undefined) moments.push(circuit.dirtySince + this.#dirtinessMs)
      else if (circuit.state === 'ready') moments.push(circuit.begunAt + circuit.idleMs)
    }
    if (!this.#hasBuilt) moments.push(this.#proveFrom)
    const lapses = this.#predicted.lapsesAt()
    if (lapses !== undefined) moments.push(lapses)
    // What was due when the turn began was done in it; what has fallen due since was not.
    const next = moments.filter((moment) => moment > this.#turnAt).reduce((least, moment) => Math.min(least, moment), Number.POSITIVE_INFINITY)
    if (next === Number.POSITIVE_INFINITY) return
    this.#timer = this.#parts.runtime.setTimer(durationMs(Math.max(0, next - now)), () => {
      this.#timer = undefined
      this.#turn()
    })
  }
}

/** How often circuits that wait for better guards are looked at, where nothing else happens. */
const guardWaitCheckMs = 1000

const mayShare = (a: CircuitWish, b: CircuitWish): boolean => {
  const fields = new Set([...a.isolation.isolatedBy, ...b.isolation.isolatedBy])
  return [...fields].every((field) => a.isolation.fields[field] === b.isolation.fields[field])
}
