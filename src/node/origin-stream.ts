/** One stream on a circuit of ours, as its user sees it: handlers on one side, the circuit's machine on the other. */

import { EndReason } from '../core/cell/commands.ts'
import type { StreamClosed, CircuitStream, StreamHandlers } from './origin-circuit.ts'
import type { Edge } from '../core/proto/stream/edge.ts'
import type { Stream } from '../core/proto/stream/stream.ts'
import type { MonotonicMs } from '../core/base/time.ts'

/** What a stream needs of its circuit. */
export interface StreamOwner {
  readonly id: number
  now(): MonotonicMs
  /** Runs a call into the machine, then moves what it put out. */
  run<T>(call: () => T): T
  /** Calls back after the current handler has returned. */
  later(callback: () => void): void
  streamClosed(stream: OriginStream, closed: StreamClosed): void
}

export class OriginStream implements CircuitStream {
  readonly machine: Stream
  readonly handlers: StreamHandlers
  readonly #edge: Edge
  readonly #owner: StreamOwner
  #closed = false

  constructor(owner: StreamOwner, edge: Edge, machine: Stream, handlers: StreamHandlers) {
    this.#owner = owner
    this.#edge = edge
    this.machine = machine
    this.handlers = handlers
  }

  get circuitId(): number {
    return this.#owner.id
  }

  get streamId(): number {
    return this.machine.id
  }

  get bufferedBytes(): number {
    return this.machine.outgoing.length
  }

  write(chunk: Uint8Array): boolean {
    return this.#owner.run(() => this.#edge.write(this.#owner.now(), this.machine, chunk))
  }

  end(): void {
    this.#owner.run(() => this.#edge.finish(this.#owner.now(), this.machine, EndReason.DONE))
  }

  destroy(reason: number = EndReason.MISC): void {
    if (this.#closed) return
    this.#owner.run(() => this.#edge.end(this.#owner.now(), this.machine, { reason }))
    this.#owner.later(() => this.close({ reason, remote: false }))
  }

  pauseReading(): void {
    this.#edge.pause(this.machine)
  }

  resumeReading(): void {
    this.#owner.run(() => this.#edge.resume(this.machine))
  }

  /** The stream is over: tells its user, once. */
  close(closed: StreamClosed): void {
    if (this.#closed) return
    this.#closed = true
    this.#owner.streamClosed(this, closed)
    this.handlers.onClose(closed)
  }
}

/** Stands for a stream on a circuit that was closed before it could be opened. */
export class DeadStream implements CircuitStream {
  readonly circuitId: number
  readonly streamId = 0
  readonly bufferedBytes = 0

  constructor(circuitId: number) {
    this.circuitId = circuitId
  }

  write(): boolean {
    return true
  }

  end(): void {}
  destroy(): void {}
  pauseReading(): void {}
  resumeReading(): void {}
}
