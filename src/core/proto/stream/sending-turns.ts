/**
 * The streams at one end of a circuit that have data to send: whose turn it is, and how much may go. Data is packaged while
 * the window of the circuit, the flow control of the stream and the link allow it. tor-spec §7.3, §7.4, prop324 §4.
 *
 * What else is sent on streams, and what a stream's end means, is for `edge.ts`.
 */

import type { Rng } from '../../base/rng.ts'
import type { MonotonicMs } from '../../base/time.ts'
import { CELL_BODY_BYTES, RELAY_BATCH_CELLS_MAX } from '../../cell/limits.ts'
import type { CircuitFlow } from '../flow/circuit-flow.ts'
import { DataPackager } from './data-cells.ts'
import { CELLS_PER_TURN_MAX } from './limits.ts'
import type { Stream } from './stream.ts'

/** The end of the circuit that the streams are at. */
export interface SendingPort {
  readonly isOpen: boolean
  /** Sends bodies of DATA cells, which are lent for this call. Answers their tags, side by side. */
  sendData(payloads: Uint8Array): Uint8Array
  /** The stream has had its turn: less is queued on it, perhaps nothing. */
  handleTurn(now: MonotonicMs, stream: Stream): void
}

export class SendingTurns {
  readonly #port: SendingPort
  readonly #flow: CircuitFlow
  readonly #packager: DataPackager
  /** In the order of their turns. */
  readonly #ready = new Set<Stream>()
  /** Streams whose peer wants their data slowly. */
  readonly #paced = new Set<Stream>()
  /** The link takes no cells: no data is packaged. */
  blocked = false

  constructor(port: SendingPort, flow: CircuitFlow, rng: Rng) {
    this.#port = port
    this.#flow = flow
    this.#packager = new DataPackager(rng, flow.congestion.sendmeIncrement)
  }

  /** The stream has data to send. */
  add(stream: Stream): void {
    this.#ready.add(stream)
  }

  remove(stream: Stream): void {
    this.#ready.delete(stream)
    this.#paced.delete(stream)
  }

  /** The peer has said how it wants the stream's data. */
  handleFlow(stream: Stream): void {
    this.#paced.delete(stream)
    if (stream.outgoing.length > 0) this.#ready.add(stream)
  }

  /** When a stream that is sent to at a rate has something to send again. */
  nextTimeout(): MonotonicMs | undefined {
    let next: MonotonicMs | undefined
    for (const { flow } of this.#paced) {
      const { pacedUntil } = flow
      if (pacedUntil !== undefined && (next === undefined || pacedUntil < next)) next = pacedUntil
    }
    return next
  }

  handleTimeout(now: MonotonicMs): void {
    for (const stream of this.#paced) {
      if (stream.flow.available(now) === 0) continue
      this.#paced.delete(stream)
      this.#ready.add(stream)
    }
    this.run(now)
  }

  /** Packages data while every window is open, each stream in turn. */
  run(now: MonotonicMs): void {
    while (this.#ready.size > 0 && !this.blocked && this.#port.isOpen && this.#flow.packageWindow > 0) {
      const stream = first(this.#ready)
      if (stream === undefined) return
      this.#ready.delete(stream)
      if (!stream.maySend) continue
      const available = stream.flow.available(now)
      if (available > 0) this.#takeTurn(now, stream, Math.min(this.#ready.size === 0 ? RELAY_BATCH_CELLS_MAX : CELLS_PER_TURN_MAX, this.#flow.packageWindow, available))
      else if (stream.flow.pacedUntil !== undefined) this.#paced.add(stream)
    }
  }

  #takeTurn(now: MonotonicMs, stream: Stream, cellsMax: number): void {
    const before = stream.outgoing.length
    const payloads = this.#packager.pack(stream.id, stream.outgoing, cellsMax)
    if (payloads.length > 0) {
      const bytes = before - stream.outgoing.length
      const cells = payloads.length / CELL_BODY_BYTES
      this.#flow.handleSent(now, this.#port.sendData(payloads), cells)
      stream.flow.handleSent(cells, bytes)
      stream.bytesSent += bytes
    }
    if (stream.outgoing.length > 0) this.#ready.add(stream)
    this.#port.handleTurn(now, stream)
  }
}

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item
  return undefined
}
