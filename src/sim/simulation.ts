/**
 * A world in virtual time: machines, wires, names, and one event queue. Everything random follows from the seed, by
 * streams that are named after who draws and for what, so that one more machine or draw does not reshuffle the rest.
 */

import { assert } from '../core/base/assert.ts'
import { RelishError } from '../core/base/errors.ts'
import { SeededRng, type Rng } from '../core/base/rng.ts'
import { monotonicMs, wallMs, type DurationMs, type MonotonicMs, type WallMs } from '../core/base/time.ts'
import type { RsaPrivateKey } from '../core/crypto/rsa.ts'
import { canonicalIp } from '../core/ident/address.ts'
import type { LogLevel } from '../runtime/index.ts'
import type { WorldTraceEvent } from '../runtime/trace.ts'
import { EventQueue } from './event-queue.ts'
import { loopbackLinks, type LinkModel } from './link-model.ts'
import { SimMachine, type MachineOptions, type MachineWorld } from './sim-machine.ts'
import { SimNames, type NameQuestion } from './sim-names.ts'
import { SimNetwork } from './sim-network.ts'
import type { SimLink } from './sim-link.ts'
import { RsaKeyStock } from './rsa-key-stock.ts'
import { TraceRecorder } from './trace-recorder.ts'

export interface SimulationLogLine {
  readonly atMs: number
  readonly node: string
  readonly level: LogLevel
  readonly domain: string
  readonly message: string
}

export interface SimulationOptions {
  readonly seed: string
  /** True wall-clock time at the start; 2026-01-01 00:00:00 UTC unless given. */
  readonly start?: WallMs
  readonly links?: LinkModel
  /** Longer RSA keys that nodes ask for are made with this size, since only their making takes long. 1024 unless given. */
  readonly rsaBitsMax?: number
  /** Gets each line of the trace. Without it nodes record nothing of their insides. */
  readonly traceSink?: (line: string) => void
  /** What to log, and where to. */
  readonly logEnabled?: (level: LogLevel, domain: string) => boolean
  readonly logSink?: (line: SimulationLogLine) => void
  /** What a handler threw. Ends the run unless given: `step` throws it. */
  readonly onBug?: (machine: string, error: RelishError) => void
  readonly onNameQuestion?: (question: NameQuestion) => void
}

/** A fault of the wires between two machines, both ways. */
export type LinkFault =
  /** Nothing passes until `none`. */
  | { readonly kind: 'partition' }
  | { readonly kind: 'slow'; readonly extraLatencyMs?: number; readonly bytesPerSecond?: number }
  /** Connections that exist break; new ones may be made. */
  | { readonly kind: 'drop' }
  | { readonly kind: 'none' }

export class Simulation {
  readonly names: SimNames
  readonly #queue = new EventQueue()
  readonly #seed: string
  readonly #startMs: WallMs
  readonly #trace: TraceRecorder
  readonly #network: SimNetwork
  readonly #machines = new Map<string, SimMachine>()
  readonly #owners = new Map<string, SimMachine>()
  readonly #networkStreams = new Map<string, SeededRng>()
  readonly #world: MachineWorld
  readonly #rsaKeys: RsaKeyStock
  #observerTouched = false

  constructor(options: SimulationOptions) {
    this.#seed = options.seed
    this.#startMs = options.start ?? wallMs(Date.UTC(2026, 0, 1))
    this.#rsaKeys = new RsaKeyStock(options.rsaBitsMax ?? 1024)
    this.#trace = new TraceRecorder(() => this.#queue.nowUs, options.traceSink)
    this.names = new SimNames(this.#queue, (question) => {
      this.#trace.record(question.from, { event: 'name.question', name: question.name, type: question.type })
      options.onNameQuestion?.(question)
    })
    this.#network = new SimNetwork({
      queue: this.#queue,
      links: options.links ?? loopbackLinks,
      rng: (purpose) => this.#networkRng(purpose),
      trace: this.#trace,
      owner: (host) => this.#owners.get(host),
    })
    const logSink = options.logSink
    const logEnabled = options.logEnabled ?? ((level: LogLevel) => level !== 'debug' && level !== 'info')
    this.#world = {
      queue: this.#queue,
      network: this.#network,
      names: this.names,
      trace: this.#trace,
      startMs: this.#startMs,
      rsaKey: (rng, bits) => this.rsaKey(rng, bits),
      rng: (purpose) => this.#rng(purpose),
      onBug:
        options.onBug ??
        ((machine, error) => {
          throw error.within(`${machine} at ${this.#queue.nowUs / 1000} ms`)
        }),
      onObserverTouched: () => {
        this.#observerTouched = true
      },
      logEnabled: (level, domain) => logSink !== undefined && logEnabled(level, domain),
      log: (node, level, domain, message) => {
        if (logEnabled(level, domain)) logSink?.({ atMs: this.#queue.nowUs / 1000, node, level, domain, message })
      },
    }
  }

  /** Virtual time since the start. */
  now(): MonotonicMs {
    return monotonicMs(this.#queue.nowUs / 1000)
  }

  /** True wall-clock time: what a clock without skew shows. */
  wallNow(): WallMs {
    return wallMs(this.#startMs + Math.floor(this.#queue.nowUs / 1000))
  }

  /** How many events wait, and the next `count` of them. */
  queued(count: number): { readonly waiting: number; readonly upcoming: readonly { readonly atMs: number; readonly what: string }[] } {
    const { waiting, events } = this.#queue.upcoming(count)
    return { waiting, upcoming: events.map(({ atUs, what }) => ({ atMs: atUs / 1000, what })) }
  }

  /** Bytes that were sent on secure connections, by both ends. */
  get secureBytes(): number {
    return this.#network.secureBytes
  }

  /** An RSA key for one of the machines, unlike all others of this simulation. */
  rsaKey(rng: Rng, bits: number): RsaPrivateKey {
    return this.#rsaKeys.make(rng, bits)
  }

  get eventsRun(): number {
    return this.#queue.eventsRun
  }

  /** When the next event is due, in virtual milliseconds; undefined when nothing waits. */
  get nextEventAtMs(): number | undefined {
    const atUs = this.#queue.nextAtUs
    return atUs === undefined ? undefined : atUs / 1000
  }

  addMachine(options: MachineOptions): SimMachine {
    assert(!this.#machines.has(options.name), 'machines have different names')
    const addresses = options.addresses.map((address) => canonicalIp(address) ?? address)
    const machine = new SimMachine({ ...options, addresses }, this.#world)
    for (const address of addresses) {
      if (this.#owners.has(address)) throw new RelishError('config', `${address} belongs to two machines`)
      this.#owners.set(address, machine)
    }
    this.#machines.set(machine.name, machine)
    return machine
  }

  /** Crashes what runs on the machine and forgets it and its disk. */
  removeMachine(name: string): void {
    const machine = this.#machines.get(name)
    if (machine === undefined) return
    machine.crash()
    for (const address of machine.addresses) this.#owners.delete(address)
    this.#machines.delete(name)
  }

  machine(name: string): SimMachine {
    const machine = this.#machines.get(name)
    if (machine === undefined) throw new RelishError('unavailable', `no machine is called ${name}`)
    return machine
  }

  /** Runs the next event. False when nothing is left to run. */
  step(): boolean {
    return this.#queue.step()
  }

  /** Runs events until `condition` holds: true; false when virtual time would pass `limit` from now, or nothing is left. */
  runUntil(condition: () => boolean, limit: DurationMs): boolean {
    const endUs = this.#queue.nowUs + limit * 1000
    for (;;) {
      if (condition()) return true
      const nextUs = this.#queue.nextAtUs
      if (nextUs !== undefined && nextUs > endUs) return false
      if (!this.step()) return condition()
    }
  }

  /** Runs all events of the next `duration` of virtual time, and moves the clock to its end. */
  runFor(duration: DurationMs): void {
    let over = false
    this.#queue.schedule(duration * 1000, () => {
      over = true
    })
    while (!over && this.step());
  }

  /** Calls `run` at a virtual time from now; it belongs to no machine. For scripted actions. */
  at(delay: DurationMs, run: () => void): { cancel(): void } {
    return this.#queue.schedule(delay * 1000, run)
  }

  /** Whether an observer's handler ran since this was last asked: then code with promises may have more to do first. */
  takeObserverTouched(): boolean {
    const touched = this.#observerTouched
    this.#observerTouched = false
    return touched
  }

  /** Sets the wires between two machines, both ways. */
  setLinkFault(a: string, b: string, fault: LinkFault): void {
    const ends = [this.machine(a), this.machine(b)] as const
    this.#trace.record(a, { event: 'fault.link', peer: b, fault: fault.kind })
    const links: readonly SimLink[] = [this.#network.link(ends[0], ends[1]), this.#network.link(ends[1], ends[0])]
    if (fault.kind === 'drop') this.#network.breakConnections(a, b)
    for (const link of links) {
      if (fault.kind === 'partition') link.takeDown()
      if (fault.kind === 'slow') link.slow(fault)
      if (fault.kind === 'none') {
        link.slow()
        link.heal()
      }
    }
  }

  record(node: string, event: WorldTraceEvent): void {
    this.#trace.record(node, event)
  }

  get traceLines(): number {
    return this.#trace.lines
  }

  /** SHA-256 of the trace so far, in hexadecimal. */
  traceDigest(): string {
    return this.#trace.digest()
  }

  #rng(purpose: string): SeededRng {
    return new SeededRng(`${this.#seed}\n${purpose}`)
  }

  #networkRng(purpose: string): SeededRng {
    const known = this.#networkStreams.get(purpose)
    if (known !== undefined) return known
    const made = this.#rng(`network ${purpose}`)
    this.#networkStreams.set(purpose, made)
    return made
  }
}
