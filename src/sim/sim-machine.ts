/**
 * A machine of the simulation: addresses, a wall clock of its own, a disk, and at most one program at a time. `boot`
 * gives the program its Runtime; a crash ends it as `kill -9` would; the disk stays.
 */

import { assert } from '../core/base/assert.ts'
import { asRelishError } from '../core/base/errors.ts'
import type { Rng } from '../core/base/rng.ts'
import { monotonicMs, wallMs, type DurationMs, type WallMs } from '../core/base/time.ts'
import type { RsaPrivateKey } from '../core/crypto/rsa.ts'
import type { LogLevel, Runtime, Timer } from '../runtime/index.ts'
import type { RelishError } from '../core/base/errors.ts'
import type { EventQueue } from './event-queue.ts'
import { SimFiles } from './sim-files.ts'
import type { SimNames } from './sim-names.ts'
import type { NetworkMachine, NetworkProgram, SimListener, SimNetwork } from './sim-network.ts'
import type { SimStream } from './sim-stream.ts'
import { tlsKeyFromRng } from './tls-key.ts'
import type { TraceRecorder } from './trace-recorder.ts'

export interface MachineOptions {
  readonly name: string
  /** Canonical IP addresses that are this machine's own. */
  readonly addresses: readonly string[]
  /** For the link model. */
  readonly region?: string
  /** How far its wall clock is ahead of true time. */
  readonly clockSkewMs?: number
  /** Draws nothing from the simulation and may be handled by code with promises: the run waits for it after each event that touches it. */
  readonly isObserver?: boolean
}

/** What a machine needs of the simulation it is part of. */
export interface MachineWorld {
  readonly queue: EventQueue
  readonly network: SimNetwork
  readonly names: SimNames
  readonly trace: TraceRecorder
  readonly startMs: WallMs
  readonly rsaKey: (rng: Rng, bits: number) => RsaPrivateKey
  /** The stream of random bytes for a purpose, newly made. */
  readonly rng: (purpose: string) => Rng
  readonly onBug: (machine: string, error: RelishError) => void
  readonly onObserverTouched: () => void
  readonly logEnabled: (level: LogLevel, domain: string) => boolean
  readonly log: (machine: string, level: LogLevel, domain: string, message: string) => void
}

export class SimMachine implements NetworkMachine {
  readonly name: string
  readonly addresses: readonly string[]
  readonly region: string
  readonly files: SimFiles
  readonly #world: MachineWorld
  readonly #isObserver: boolean
  #skewMs: number
  #boots = 0
  #program: Program | undefined

  constructor(options: MachineOptions, world: MachineWorld) {
    this.name = options.name
    this.addresses = options.addresses
    this.region = options.region ?? 'local'
    this.#skewMs = options.clockSkewMs ?? 0
    this.#isObserver = options.isObserver ?? false
    this.#world = world
    this.files = new SimFiles(
      () => this.wallNow(),
      (path, bytes) => world.trace.record(this.name, { event: 'file.write', path, bytes }),
    )
  }

  get isRunning(): boolean {
    return this.#program !== undefined
  }

  wallNow(): WallMs {
    return wallMs(this.#world.startMs + Math.floor(this.#world.queue.nowUs / 1000) + this.#skewMs)
  }

  /** Fault: the wall clock jumps. */
  setClockSkew(skewMs: number): void {
    this.#skewMs = skewMs
  }

  /** Starts a program on the machine and gives it its Runtime. */
  boot(): Runtime {
    assert(this.#program === undefined, 'a machine runs one program at a time')
    this.#boots++
    const program = new Program(this, this.#world, this.#isObserver)
    this.#program = program
    this.#world.trace.record(this.name, { event: 'machine.boot', boots: this.#boots })
    return makeRuntime(this, program, this.#world, this.#boots)
  }

  /** Ends the program at once: its handlers are called no more, the kernel closes its sockets. */
  crash(): void {
    const program = this.#program
    if (program === undefined) return
    this.#program = undefined
    program.alive = false
    this.#world.network.closeAll(program)
    this.#world.trace.record(this.name, { event: 'machine.crash' })
  }

  /** Has the running program do this, as its owner wants it: it is no timer of its own. */
  post(work: () => void): void {
    const program = this.#program
    if (program !== undefined) this.#world.queue.schedule(0, () => program.run(work))
  }

  /** What the running program has not given back; nothing when none runs. */
  held(): Held {
    const program = this.#program
    return { timers: program?.timers ?? 0, streams: [...(program?.streams ?? [])].filter((stream) => stream.isHeld).length, listeners: program?.listeners.size ?? 0 }
  }

  /** Fault: the program stands still, as after SIGSTOP. What happens to it meanwhile waits. */
  pause(): void {
    this.#program?.pause()
  }

  resume(): void {
    this.#program?.resume()
  }
}

/** What a program has of the world at one moment. */
export interface Held {
  readonly timers: number
  readonly streams: number
  readonly listeners: number
}

class Program implements NetworkProgram {
  readonly machine: NetworkMachine
  readonly streams = new Set<SimStream>()
  readonly listeners = new Set<SimListener>()
  alive = true
  /** That will fire. */
  timers = 0
  readonly #world: MachineWorld
  readonly #isObserver: boolean
  readonly #timerWords: string
  /** Work that arrived during a pause and has not been caught up with; undefined while running. */
  #missed: (() => void)[] | undefined
  #paused = false

  constructor(machine: NetworkMachine, world: MachineWorld, isObserver: boolean) {
    this.machine = machine
    this.#world = world
    this.#isObserver = isObserver
    this.#timerWords = `timer of ${machine.name}`
  }

  run(work: () => void): void {
    if (!this.alive) return
    if (this.#missed !== undefined) {
      this.#missed.push(work)
      return
    }
    this.#runNow(work)
  }

  #runNow(work: () => void): void {
    if (this.#isObserver) this.#world.onObserverTouched()
    try {
      work()
    } catch (thrown) {
      this.#world.onBug(this.machine.name, asRelishError(thrown))
    }
  }

  setTimer(delay: DurationMs, callback: () => void): Timer {
    this.timers++
    let waits = true
    const over = (): void => {
      if (waits) this.timers--
      waits = false
    }
    // Never before its time, by however little: whoever waits for a moment would find that it has not come, for ever.
    const scheduled = this.#world.queue.schedule(Math.ceil(delay * 1000), () =>
      this.run(() => {
        // Cancelled during a pause that it fell into.
        if (!waits) return
        over()
        callback()
      }),
      this.#timerWords,
    )
    return {
      cancel: () => {
        scheduled.cancel()
        over()
      },
    }
  }

  pause(): void {
    this.#paused = true
    this.#missed ??= []
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#world.queue.schedule(0, () => this.#catchUp())
  }

  /** What was missed comes first, in its order, each piece as an event of its own; what arrives meanwhile goes behind it. */
  #catchUp(): void {
    if (this.#paused || !this.alive) return
    const work = this.#missed?.shift()
    if (work === undefined) {
      this.#missed = undefined
      return
    }
    this.#runNow(work)
    this.#world.queue.schedule(0, () => this.#catchUp())
  }
}

function makeRuntime(machine: SimMachine, program: Program, world: MachineWorld, boot: number): Runtime {
  const { queue } = world
  const streams = new Map<string, Rng>()
  const rng = (purpose: string): Rng => {
    const known = streams.get(purpose)
    if (known !== undefined) return known
    // A second life must not repeat the draws of the first.
    const made = world.rng(`machine ${machine.name} boot ${boot} ${purpose}`)
    streams.set(purpose, made)
    return made
  }
  return {
    monotonicNow: () => monotonicMs(queue.nowUs / 1000),
    wallNow: () => machine.wallNow(),
    setTimer: (delay, callback) => program.setTimer(delay, callback),
    rng,
    network: world.network.forProgram(program),
    resolver: world.names.forProgram(program),
    files: machine.files,
    log: {
      enabled: (level, domain) => world.logEnabled(level, domain),
      write: (level, domain, message) => world.log(machine.name, level, domain, message),
    },
    trace: world.trace.sinkFor(machine.name),
    generateRsaKey: (bits, onKey) => {
      const key = world.rsaKey(rng('rsa keys'), bits)
      queue.schedule(0, () => program.run(() => onKey(key)))
    },
    generateTlsKey: () => tlsKeyFromRng(rng('tls keys')),
  }
}
