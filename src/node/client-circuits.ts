/**
 * The circuits of a client: found for streams that want one, wanted on demand and ahead of need, given up when old
 * (path-spec §2.1, §2.5). How one is built, and what its failure means, is `client-circuit-builder.ts`.
 *
 * Everything that may have changed something ends in `#turn`, which attaches what can be attached, builds what is
 * missing and sets one timer for the next moment at which time alone changes something.
 */

import { asRelishError, RelishError } from '../core/base/errors.ts'
import { durationMs, later, type MonotonicMs } from '../core/base/time.ts'
import type { Relay } from '../core/netdir/relay.ts'
import { choosePath, pathByName, type PathRequest } from '../core/path/choose-path.ts'
import { exitSupports, portNeed } from '../core/path/exit-choice.ts'
import type { StreamIsolation } from '../core/path/isolation.ts'
import { PredictedPorts } from '../core/path/predicted-ports.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import { isRelay } from '../core/torrc/validate.ts'
import type { CircuitExplanation } from '../runtime/events.ts'
import type { Timer } from '../runtime/index.ts'
import { ClientCircuit, type CircuitWish } from './client-circuit.ts'
import { ClientCircuitBuilder, type ClientCircuitBuilderParts, type OnBuilt } from './client-circuit-builder.ts'
import { circuitsPerPredictedPort, cleanCircuitsMax, firstCircuitAlone, pathsChosenMax, relayCircuitDelay, untrustedExitsMax } from './client-limits.ts'

/** A stream that waits for a circuit. */
export interface CircuitWaiter extends CircuitWish {
  /** Called once, as soon as there is a circuit; the waiter is forgotten then. */
  attach(circuit: ClientCircuit): void
  /** No circuit can ever suit, as things stand. The waiter is forgotten then. */
  refuse(error: RelishError): void
}

/** Predicted before any application has asked for anything: C tor's first guess. SPEC-DIFF: path-spec §2.1.1 says 80. */
const firstPredictedPort = 443

export class ClientCircuits {
  #parts: ClientCircuitBuilderParts
  readonly #builder: ClientCircuitBuilder
  readonly #waiters = new Set<CircuitWaiter>()
  /** Which circuit on the way a waiter is meant for, so that it does not claim a second one. */
  readonly #meantFor = new Map<CircuitWaiter, ClientCircuit>()
  readonly #untrusted = new Set<string>()
  /** Waiters for whom the present view has an exit, and whether predicted ports have one: not looked up at every turn. */
  readonly #possible = new Set<CircuitWaiter>()
  readonly #supported = new Map<number, boolean>()
  readonly #predicted: PredictedPorts
  /** From then on a circuit is built to show that it can be done, if none has shown it. */
  readonly #proveFrom: MonotonicMs
  /** The time that all of a turn goes by: clocks move on meanwhile, and what falls due in between is the timer's. */
  #turnAt: MonotonicMs
  #inTurn = false
  #turnAgain = false
  #timer: Timer | undefined
  #stopped = false

  constructor(parts: ClientCircuitBuilderParts) {
    this.#parts = parts
    this.#builder = new ClientCircuitBuilder(parts, () => this.#turn())
    const { options, runtime } = parts
    this.#turnAt = runtime.monotonicNow()
    // Where no application can ask, none is expected to: one circuit shows that the node works, and that is all.
    this.#predicted = new PredictedPorts(options.SocksPort.length > 0 ? [firstPredictedPort] : [], this.#builder.availableMs, this.#turnAt)
    const servesApplications = options.SocksPort.length > 0 || options.HTTPTunnelPort.length > 0
    this.#proveFrom = later(this.#turnAt, isRelay(options) && !servesApplications ? relayCircuitDelay : durationMs(0))
    parts.view.onChange(() => this.#viewChanged())
  }

  /** `pathsChanged`: circuits that exist were built by rules that hold no more, and take no new streams. */
  reconfigure(options: TorOptions, pathsChanged: boolean): void {
    this.#parts = { ...this.#parts, options }
    this.#builder.reconfigure(options)
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
    for (const circuit of [...this.#builder.circuits]) {
      circuit.retired = true
      if (circuit.streams === 0 && circuit.kind !== 'fixed') this.#builder.close(circuit, 'NEWNYM')
    }
    this.#turn()
  }

  /** Builds a circuit through these relays, by fingerprint or nickname. It takes no streams of itself. */
  buildFixed(names: readonly string[], onDone: OnBuilt): void {
    const world = this.#parts.view.pathWorld()
    try {
      if (world === undefined) throw new RelishError('unavailable', 'no consensus is held yet')
      const relays = pathByName(world.netDir, names)
      if (relays.length === 0) throw new RelishError('config', 'a circuit has at least one hop')
      this.#builder.build({ relays, guard: undefined }, 'fixed', undefined, onDone)
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
  build(request: PathRequest, onDone: OnBuilt): void {
    const world = this.#parts.view.pathWorld()
    try {
      if (world === undefined) throw new RelishError('unavailable', 'no consensus is held yet')
      const path = choosePath(world, request, this.#parts.view.now())
      this.#parts.view.saveGuards()
      this.#builder.build(path, 'fixed', request, onDone)
    } catch (thrown) {
      onDone(asRelishError(thrown))
    }
  }

  explain(id: number): CircuitExplanation {
    return this.#builder.explain(id)
  }

  /** Circuits that can take or will take streams, for inspection. */
  list(): readonly ClientCircuit[] {
    return [...this.#builder.circuits]
  }

  get hasBuilt(): boolean {
    return this.#builder.hasBuilt
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    for (const circuit of [...this.#builder.circuits]) this.#builder.close(circuit, 'stopping')
  }

  #now(): MonotonicMs {
    return this.#parts.runtime.monotonicNow()
  }

  get #dirtinessMs(): number {
    return this.#parts.options.MaxCircuitDirtiness
  }

  #viewChanged(): void {
    const { netDir } = this.#parts.view
    if (netDir !== undefined) this.#builder.useParameters(netDir.parameters)
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
      this.#builder.upgradeGuardWaiting()
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
    for (const circuit of [...this.#builder.circuits]) {
      if (circuit.kind === 'fixed' || circuit.streams > 0) continue
      if (circuit.guard !== undefined && this.#parts.view.guards.shouldExpire(circuit.guard, guardNow)) this.#builder.close(circuit, 'a better guard was found')
      else if (circuit.isExpired(now, this.#dirtinessMs) || (circuit.retired && circuit.state === 'ready')) this.#builder.close(circuit, 'used for long enough')
      else if (circuit.dirtySince === undefined && circuit.state === 'ready' && now - circuit.begunAt >= circuit.idleMs) this.#builder.close(circuit, 'not used')
    }
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
    for (const circuit of this.#builder.circuits) if (circuit.state === 'ready' && circuit.dirtySince === undefined) circuit.isolation.clear()
  }

  #best(wish: CircuitWish, now: MonotonicMs, wanted: (circuit: ClientCircuit) => boolean): ClientCircuit | undefined {
    let best: ClientCircuit | undefined
    for (const circuit of this.#builder.circuits) {
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
    while (uncovered.length > 0 && this.#builder.buildingCount < options.MaxClientCircuitsPending) {
      const [first] = uncovered
      if (first === undefined) return
      const world = view.pathWorld()
      if (world === undefined) return
      // Only streams that may share a circuit with the first have a say in where it ends.
      const together = uncovered.filter((waiter) => waiter === first || (waiter.stable === first.stable && mayShare(first, waiter)))
      const needs = { stable: first.stable, fast: true }
      const request: PathRequest = { kind: 'exit', needs, pending: together.map((waiter) => waiter.need), predictedPorts: [], untrusted: this.#untrusted }
      const circuit = this.#builder.tryBuild(request, 'exit')
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
    const { retryAt } = this.#builder
    return retryAt !== undefined && this.#turnAt < retryAt
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
      if (this.#mustProve(now)) this.#builder.tryBuild({ kind: 'internal', needs: { stable: false, fast: true } }, 'internal')
      return
    }
    for (const port of this.#predicted.current(now)) {
      const stable = view.rules.longLivedPorts.has(port)
      const supported = this.#isSupported(port)
      if (!supported) this.#predicted.forget(port)
      while (supported && this.#coverage(port, stable, now) < circuitsPerPredictedPort) {
        if (this.#isFirstAlone(now)) return
        if (this.#cleanCount() >= cleanCircuitsMax || this.#builder.buildingCount >= options.MaxClientCircuitsPending) return
        if (this.#builder.tryBuild({ kind: 'exit', needs: { stable, fast: true }, pending: [], predictedPorts: [port], untrusted: this.#untrusted }, 'exit') === undefined) return
      }
    }
    if (this.#mustProve(now)) {
      this.#builder.tryBuild({ kind: 'exit', needs: { stable: false, fast: true }, pending: [], predictedPorts: [], untrusted: this.#untrusted }, 'exit')
    }
  }

  #mustProve(now: MonotonicMs): boolean {
    return !this.#builder.hasBuilt && this.#builder.buildingCount === 0 && now >= this.#proveFrom
  }

  /** The first circuit, for which links and all are still to be made, has a while for itself. C tor begins one a second. */
  #isFirstAlone(now: MonotonicMs): boolean {
    return !this.#builder.hasBuilt && [...this.#builder.circuits].some((circuit) => circuit.state === 'building' && now < circuit.begunAt + firstCircuitAlone)
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
    for (const circuit of this.#builder.circuits) {
      const { exit } = circuit
      if (circuit.kind !== 'exit' || circuit.retired || exit === undefined || circuit.isExpired(now, this.#dirtinessMs)) continue
      if (circuit.isolation.isClean && (!stable || circuit.needs.stable) && exitSupports(exit, portNeed(port), this.#untrusted)) count++
    }
    return count
  }

  #cleanCount(): number {
    return [...this.#builder.circuits].filter((circuit) => circuit.kind !== 'fixed' && circuit.dirtySince === undefined && !circuit.retired).length
  }

  /** The next moment at which time alone makes a difference. */
  #setTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const now = this.#now()
    const moments: number[] = []
    if (this.#builder.retryAt !== undefined) moments.push(this.#builder.retryAt)
    for (const circuit of this.#builder.circuits) {
      if (circuit.kind === 'fixed') continue
      if (circuit.state === 'guard-wait') moments.push(now + guardWaitCheckMs)
      else if (circuit.state === 'building' && !this.#builder.hasBuilt) moments.push(circuit.begunAt + firstCircuitAlone)
      else if (circuit.dirtySince !== undefined) moments.push(circuit.dirtySince + this.#dirtinessMs)
      else if (circuit.state === 'ready') moments.push(circuit.begunAt + circuit.idleMs)
    }
    if (!this.#builder.hasBuilt) moments.push(this.#proveFrom)
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
