/**
 * Data that comes on the streams at one end of a circuit, on its way to applications: at once where they take it, later and in
 * portions where they do not. What that means for the peer is what flow control says. prop324 §4.1, tor-spec §7.4.
 */

import { copyBytes } from '../../base/encoding.ts'
import { RelishError } from '../../base/errors.ts'
import type { MonotonicMs } from '../../base/time.ts'
import type { FlowMessage } from '../flow/stream-flow.ts'
import { HELD_BYTES_PER_CIRCUIT_MAX, RELEASED_PORTION_BYTES } from './limits.ts'
import type { Stream } from './stream.ts'

/** The end of the circuit that the streams are at. */
export interface DeliveryPort {
  /** Hands data to the application. */
  emitData(stream: Stream, chunk: Uint8Array): void
  sendFlow(stream: Stream, messages: readonly FlowMessage[]): void
  /** All has been delivered that came before the peer's END. */
  handleDrained(stream: Stream): void
}

export class Delivery {
  readonly #port: DeliveryPort
  /** Streams whose application takes data again, with some of it held back. */
  readonly #releasing = new Set<Stream>()
  /** On all streams. */
  #heldBytes = 0

  constructor(port: DeliveryPort) {
    this.#port = port
  }

  /** DATA cells came; `chunk` is lent until outputs are taken again. Throws `protocol` or `limit`: the circuit is to be closed. */
  receive(now: MonotonicMs, stream: Stream, chunk: Uint8Array, cells: number): void {
    if (stream.mayDeliver && !stream.hasHeld) {
      const answers = stream.flow.handlePassed(now, cells, chunk.length)
      this.#output(stream, chunk)
      this.#port.sendFlow(stream, answers)
      return
    }
    const messages = stream.flow.handleReceived(now, cells, chunk.length)
    stream.hold(copyBytes(chunk), cells)
    this.#heldBytes += chunk.length
    if (this.#heldBytes > HELD_BYTES_PER_CIRCUIT_MAX) throw new RelishError('limit', 'the peer goes on sending to streams that nobody reads')
    this.#port.sendFlow(stream, messages)
  }

  pause(stream: Stream): void {
    stream.paused = true
    this.#releasing.delete(stream)
  }

  /** The stream was answered or resumed: what it holds goes out with `releaseHeld`. */
  release(stream: Stream): void {
    if (stream.mayDeliver && stream.hasHeld) this.#releasing.add(stream)
  }

  /** Puts out a portion of what streams hold that are released. */
  releaseHeld(now: MonotonicMs): void {
    for (const stream of this.#releasing) this.#deliverPortion(now, stream)
  }

  /** Delivers everything at once, whether it is wanted or not. */
  deliverAll(stream: Stream): void {
    for (let held = stream.takeHeld(); held !== undefined; held = stream.takeHeld()) {
      this.#heldBytes -= held.chunk.length
      this.#output(stream, held.chunk)
    }
  }

  /** Drops what the stream holds. */
  forget(stream: Stream): void {
    this.#releasing.delete(stream)
    this.#heldBytes -= stream.heldBytes
    stream.dropHeld()
  }

  #deliverPortion(now: MonotonicMs, stream: Stream): void {
    let cells = 0
    let bytes = 0
    for (let held = stream.takeHeld(); held !== undefined; held = bytes < RELEASED_PORTION_BYTES ? stream.takeHeld() : undefined) {
      this.#output(stream, held.chunk)
      cells += held.cells
      bytes += held.chunk.length
    }
    this.#heldBytes -= bytes
    if (!stream.hasHeld) this.#releasing.delete(stream)
    if (stream.state !== 'draining') this.#port.sendFlow(stream, stream.flow.handleDelivered(now, cells, bytes))
    else if (!stream.hasHeld) this.#port.handleDrained(stream)
  }

  #output(stream: Stream, chunk: Uint8Array): void {
    stream.bytesReceived += chunk.length
    if (chunk.length > 0) this.#port.emitData(stream, chunk)
  }
}
