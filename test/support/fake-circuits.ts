/** Origin circuits that lead nowhere: a test says what each hop and each exit does. */

import { RelishError } from '../../src/core/base/errors.ts'
import { durationMs } from '../../src/core/base/time.ts'
import type { ResolvedAnswer } from '../../src/core/cell/stream-messages.ts'
import type { CircuitStream, HopTarget, OriginCircuit, OriginCircuitCallbacks, OriginCircuits, StreamClosed, StreamHandlers, StreamTarget } from '../../src/node/origin-circuit.ts'
import type { Runtime } from '../../src/runtime/index.ts'

export interface FakeWorld {
  /** How building ends: open after a moment unless said otherwise. */
  build?(circuit: FakeCircuit): 'open' | 'never' | { readonly failAt: number }
  stream?(stream: FakeStream): void
  resolve?(name: string, circuit: FakeCircuit): readonly ResolvedAnswer[] | 'never'
}

const after = durationMs(20)

export class FakeCircuits implements OriginCircuits {
  readonly all: FakeCircuit[] = []
  /** In the order they were opened. */
  readonly streams: FakeStream[] = []
  readonly #runtime: Runtime
  world: FakeWorld

  constructor(runtime: Runtime, world: FakeWorld = {}) {
    this.#runtime = runtime
    this.world = world
  }

  build(path: readonly HopTarget[], options: { readonly purpose: string }, callbacks: OriginCircuitCallbacks): OriginCircuit {
    const circuit = new FakeCircuit(this, this.#runtime, this.all.length + 1, path, options.purpose)
    this.all.push(circuit)
    const outcome = this.world.build?.(circuit) ?? 'open'
    if (outcome !== 'never') {
      this.#runtime.setTimer(after, () => {
        if (circuit.state === 'closed') return
        if (outcome === 'open') {
          circuit.open()
          callbacks.onOpen(circuit)
        } else {
          circuit.state = 'closed'
          callbacks.onFailed(new RelishError('refused', 'as the test wants it'), outcome.failAt)
        }
      })
    }
    return circuit
  }

  list(): readonly FakeCircuit[] {
    return this.all.filter((circuit) => circuit.state !== 'closed')
  }

  inspect() {
    return []
  }

  closeAll(): void {
    for (const circuit of this.list()) circuit.close()
  }
}

export class FakeCircuit implements OriginCircuit {
  readonly id: number
  readonly purpose: string
  readonly path: readonly HopTarget[]
  readonly createdAt
  readonly owner: FakeCircuits
  readonly runtime: Runtime
  state: 'building' | 'open' | 'closed' = 'building'
  hopCount = 0
  onClosed: ((error: RelishError | undefined) => void) | undefined
  readonly streams: FakeStream[] = []

  constructor(owner: FakeCircuits, runtime: Runtime, id: number, path: readonly HopTarget[], purpose: string) {
    this.owner = owner
    this.runtime = runtime
    this.id = id
    this.path = path
    this.purpose = purpose
    this.createdAt = runtime.monotonicNow()
  }

  /** Nicknames of its hops. */
  get names(): readonly string[] {
    return this.path.map((hop) => hop.nickname ?? '?')
  }

  get exit(): string {
    return this.names[this.names.length - 1] ?? '?'
  }

  get streamCount(): number {
    return this.streams.filter((stream) => !stream.isOver).length
  }

  open(): void {
    this.state = 'open'
    this.hopCount = this.path.length
  }

  sendDummies(): void {}

  openStream(target: StreamTarget, handlers: StreamHandlers): CircuitStream {
    const stream = new FakeStream(this, target, handlers)
    this.streams.push(stream)
    this.owner.streams.push(stream)
    this.runtime.setTimer(after, () => {
      if (!stream.isOver) this.owner.world.stream?.(stream)
    })
    return stream
  }

  resolve(name: string, onAnswers: (answers: readonly ResolvedAnswer[]) => void): void {
    const answers = this.owner.world.resolve?.(name, this) ?? []
    if (answers !== 'never') this.runtime.setTimer(after, () => onAnswers(answers))
  }

  extend(): void {}

  close(): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.runtime.setTimer(durationMs(0), () => {
      for (const stream of this.streams) stream.over({ reason: 5, remote: false })
      this.onClosed?.(undefined)
    })
  }

  /** The circuit breaks. */
  die(): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    const error = new RelishError('unavailable', 'the circuit died')
    // As a circuit's machine tells it.
    for (const stream of this.streams) stream.over({ reason: 5, remote: true, error })
    this.onClosed?.(error)
  }
}

export class FakeStream implements CircuitStream {
  readonly circuit: FakeCircuit
  readonly target: StreamTarget
  readonly handlers: StreamHandlers
  readonly streamId: number
  readonly received: Uint8Array[] = []
  /** Set by a test: `write` answers false until `drain`. */
  blocked = false
  paused = false
  isOver = false
  ended = false
  destroyedWith: number | undefined
  bufferedBytes = 0

  constructor(circuit: FakeCircuit, target: StreamTarget, handlers: StreamHandlers) {
    this.circuit = circuit
    this.target = target
    this.handlers = handlers
    this.streamId = circuit.streams.length + 1
  }

  get circuitId(): number {
    return this.circuit.id
  }

  get text(): string {
    return Buffer.concat(this.received).toString('latin1')
  }

  write(chunk: Uint8Array): boolean {
    this.received.push(chunk.slice())
    return !this.blocked
  }

  end(): void {
    this.ended = true
    this.circuit.runtime.setTimer(durationMs(0), () => this.over({ reason: 6, remote: false }))
  }

  destroy(reason = 1): void {
    this.destroyedWith = reason
    this.circuit.runtime.setTimer(durationMs(0), () => this.over({ reason, remote: false }))
  }

  pauseReading(): void {
    this.paused = true
  }

  resumeReading(): void {
    this.paused = false
  }

  // What a test does.

  connect(address?: string): void {
    this.handlers.onConnected(address, undefined)
  }

  send(text: string): void {
    this.handlers.onData(Uint8Array.from(Buffer.from(text, 'latin1')))
  }

  drain(): void {
    this.blocked = false
    this.handlers.onDrain()
  }

  /** The exit ends the stream. */
  refuse(reason: number, address?: string): void {
    this.over({ reason, remote: true, ...(address === undefined ? {} : { address }) })
  }

  over(closed: StreamClosed): void {
    if (this.isOver) return
    this.isOver = true
    this.handlers.onClose(closed)
  }
}
