/**
 * One end of a circuit, or of the part of it up to one hop: the place where streams live. Relay messages about streams
 * come in here and leave from here, under the windows of the circuit and of each stream. The origin of a circuit has one
 * for each hop that it talks to, a relay has one for each circuit.
 *
 * It neither ciphers nor knows cells on links: `EdgePort` is the circuit around it. tor-spec §6.2–§6.4, §7.3, §7.4.
 */

import { concatBytes, copyBytes } from '../../base/encoding.ts'
import { protocolError, RelishError } from '../../base/errors.ts'
import { randomBelow, type Rng } from '../../base/rng.ts'
import { durationMs, later, type MonotonicMs } from '../../base/time.ts'
import { EndReason, RelayCommand } from '../../cell/commands.ts'
import { CELL_BODY_BYTES } from '../../cell/limits.ts'
import { encodeRelayMessage, readRelayMessage, relayStreamId, type RelayMessage } from '../../cell/relay-cell.ts'
import {
  decodeConnected,
  decodeEnd,
  decodeResolved,
  encodeBegin,
  encodeConnected,
  encodeEnd,
  encodeResolve,
  encodeResolved,
  type Connected,
  type End,
  type ResolvedAnswer,
} from '../../cell/stream-messages.ts'
import type { CircuitFlow } from '../flow/circuit-flow.ts'
import { HALF_STREAM_LIFETIME_MS } from '../flow/limits.ts'
import type { FlowMessage } from '../flow/stream-flow.ts'
import { cellCount, type RecognizedCells } from '../relaycrypt/layer.ts'
import { makeQueueBuffers } from './byte-queue.ts'
import { dataRunLength, joinData } from './data-cells.ts'
import { Delivery, type DeliveryPort } from './delivery.ts'
import { STREAM_SEND_HIGH_BYTES, STREAM_SEND_LOW_BYTES, STREAM_SEND_QUEUE_BYTES_MAX, STREAMS_PER_CIRCUIT_MAX } from './limits.ts'
import { SendingTurns, type SendingPort } from './sending-turns.ts'
import { Stream } from './stream.ts'
import { StreamMap } from './stream-map.ts'
import { decodeRequest, requestTarget, type StreamRequest } from './stream-request.ts'

/** What the edge needs of the circuit around it. */
export interface EdgePort {
  /** False once the circuit is closed: what is left of a batch is not handled. */
  readonly isOpen: boolean
  /** Ciphers relay cell bodies, which are lent for this call, for the other end and sends them. Answers their tags, side by side. */
  send(payloads: Uint8Array): Uint8Array
  /** A message that is not about streams or flow. */
  handleControl(now: MonotonicMs, message: RelayMessage): void
  /** Something happened that the application should know. */
  emit(output: EdgeOutput): void
}

export type EdgeOutput =
  /** The peer asks for a stream: to be answered with `accept`, `answer` or `end`. */
  | { readonly kind: 'stream-requested'; readonly stream: Stream; readonly request: StreamRequest }
  | ({ readonly kind: 'stream-connected'; readonly stream: Stream } & Connected)
  | { readonly kind: 'stream-resolved'; readonly stream: Stream; readonly answers: readonly ResolvedAnswer[] }
  /** `chunk` is lent until outputs are taken again. */
  | { readonly kind: 'stream-data'; readonly stream: Stream; readonly chunk: Uint8Array }
  /** A writer that was told to stop may go on. */
  | { readonly kind: 'stream-drain'; readonly stream: Stream }
  /** Over; `remote` when the peer's END said so. The last output of a stream; there is none when `end` was called here. */
  | ({ readonly kind: 'stream-ended'; readonly stream: Stream; readonly remote: boolean } & End)

export interface EdgeOptions {
  /** The circuit's origin asks for streams; at the other end they are accepted. */
  readonly role: 'origin' | 'responder'
  readonly flow: CircuitFlow
  readonly rng: Rng
}

export class Edge implements SendingPort, DeliveryPort {
  readonly flow: CircuitFlow
  readonly #port: EdgePort
  readonly #role: 'origin' | 'responder'
  readonly #rng: Rng
  readonly #streams: StreamMap
  readonly #turns: SendingTurns
  readonly #delivery: Delivery
  /** Of what waits to be sent on all streams. */
  readonly #queueBuffers = makeQueueBuffers()
  /** Streams that the peer has ended, with data not delivered yet. */
  readonly #draining = new Set<Stream>()
  /** Messages that answer the cells being handled, to leave together: many SENDMEs go back for a large batch. */
  #answers: Uint8Array[] = []
  #handling = false

  constructor(port: EdgePort, options: EdgeOptions) {
    this.#port = port
    this.flow = options.flow
    this.#role = options.role
    this.#rng = options.rng
    this.#turns = new SendingTurns(this, options.flow, options.rng)
    this.#delivery = new Delivery(this)
    this.#streams = new StreamMap(1 + randomBelow(options.rng, 0xffff))
  }

  /** Streams that are open, being opened, or still delivering. */
  get streamCount(): number {
    return this.#streams.size + this.#draining.size
  }

  *streams(): Iterable<Stream> {
    yield* this.#streams.streams()
    yield* this.#draining
  }

  // What the application asks for.

  /** Sends BEGIN or BEGIN_DIR. Throws `limit` when the circuit has all the streams it may. */
  open(target: Exclude<StreamRequest, { kind: 'resolve' }>): Stream {
    if (target.kind === 'directory') {
      const stream = this.#add(this.#streams.allocateId(), target, true)
      this.#send(RelayCommand.BEGIN_DIR, stream.id, new Uint8Array(0))
      return stream
    }
    const stream = this.#add(this.#streams.allocateId(), target, true)
    this.#send(RelayCommand.BEGIN, stream.id, encodeBegin(target))
    return stream
  }

  /** Sends RESOLVE. */
  resolve(name: string): Stream {
    const stream = this.#add(this.#streams.allocateId(), { kind: 'resolve', name }, true)
    this.#send(RelayCommand.RESOLVE, stream.id, encodeResolve({ name }))
    return stream
  }

  /** Answers BEGIN or BEGIN_DIR with CONNECTED. What came before is delivered now. */
  accept(stream: Stream, connected: Connected = {}): void {
    if (stream.state !== 'connecting') return
    stream.state = 'open'
    stream.answered = true
    this.#send(RelayCommand.CONNECTED, stream.id, encodeConnected(connected))
    stream.flow.handleAnswered()
    this.#delivery.release(stream)
  }

  /** Answers RESOLVE. */
  answer(stream: Stream, answers: readonly ResolvedAnswer[]): void {
    if (stream.state === 'closed') return
    this.#send(RelayCommand.RESOLVED, stream.id, encodeResolved({ answers }))
    this.#streams.remove(stream)
    stream.state = 'closed'
  }

  /** Sends what the windows allow and queues the rest in a copy: `chunk` is the caller's again at once. False: stop until `stream-drain`. */
  write(now: MonotonicMs, stream: Stream, chunk: Uint8Array): boolean {
    if (stream.state === 'closed' || stream.state === 'finishing' || stream.state === 'draining') return true
    stream.outgoing.push(chunk)
    if (stream.outgoing.length > STREAM_SEND_QUEUE_BYTES_MAX) {
      this.end(now, stream, { reason: EndReason.RESOURCELIMIT })
      this.#port.emit({ kind: 'stream-ended', stream, remote: false, reason: EndReason.RESOURCELIMIT })
      return true
    }
    this.#turns.add(stream)
    this.#turns.run(now)
    stream.outgoing.keep()
    if (stream.outgoing.length <= STREAM_SEND_HIGH_BYTES) return true
    stream.wantsDrain = true
    return false
  }

  /** Ends the stream when what is queued has gone. `stream-ended` follows then. */
  finish(now: MonotonicMs, stream: Stream, reason: number): void {
    if (stream.state === 'closed' || stream.state === 'finishing') return
    if (stream.state === 'draining') return
    // A responder that has not even answered has nothing to flush.
    if (!stream.maySend || stream.outgoing.length === 0) {
      this.end(now, stream, { reason })
      this.#port.emit({ kind: 'stream-ended', stream, remote: false, reason })
      return
    }
    stream.state = 'finishing'
    stream.finishReason = reason
    this.#turns.add(stream)
    this.#turns.run(now)
  }

  /** Sends END at once and drops what is queued both ways. */
  end(now: MonotonicMs, stream: Stream, end: End): void {
    if (stream.state === 'closed') return
    if (stream.state === 'draining') {
      this.#draining.delete(stream)
    } else {
      // tor-spec §6.3: the end that asked for a stream says nothing but MISC.
      const told = stream.initiated ? { reason: EndReason.MISC } : end
      this.#send(RelayCommand.END, stream.id, encodeEnd(told))
      this.#streams.halve(stream, this.#halfStreamExpiry(now))
    }
    this.#forget(stream)
  }

  pause(stream: Stream): void {
    this.#delivery.pause(stream)
  }

  /** What is held back goes out in portions, with the outputs that are taken from now on, until the stream is paused again. */
  resume(stream: Stream): void {
    stream.paused = false
    this.#delivery.release(stream)
  }

  /** Puts out a portion of what streams that were resumed hold. To be called before outputs are taken. */
  releaseHeld(now: MonotonicMs): void {
    this.#delivery.releaseHeld(now)
  }

  /** Whether the link takes cells. While it does not, no data is packaged. */
  setBlocked(now: MonotonicMs, blocked: boolean): void {
    this.#turns.blocked = blocked
    if (!blocked) this.#turns.run(now)
  }

  /** When `handleTimeout` is due: streams that are sent to at a rate have something to send again. */
  nextTimeout(): MonotonicMs | undefined {
    return this.#turns.nextTimeout()
  }

  handleTimeout(now: MonotonicMs): void {
    this.#turns.handleTimeout(now)
  }

  /** The circuit is gone: every stream ends with DESTROY. What was held back is delivered first. */
  closeAll(): void {
    for (const stream of [...this.streams()]) {
      if (stream.answered) this.#delivery.deliverAll(stream)
      const end: End = stream.remoteEnd ?? { reason: EndReason.DESTROY }
      this.#streams.remove(stream)
      this.#draining.delete(stream)
      this.#forget(stream)
      this.#port.emit({ kind: 'stream-ended', stream, remote: true, ...end })
    }
  }

  // What the peer sends.

  /** Takes the cells, which are lent until outputs are taken again. Throws `protocol` or `limit`: the circuit is to be closed. */
  handleCells(now: MonotonicMs, cells: RecognizedCells): void {
    this.#handling = true
    try {
      this.#handleEach(now, cells)
    } finally {
      this.#handling = false
      this.#sendAnswers()
    }
    // Once for all cells: the SENDMEs of a batch open the window for one batch.
    this.#turns.run(now)
  }

  #handleEach(now: MonotonicMs, cells: RecognizedCells): void {
    const { bodies } = cells
    const count = cellCount(cells)
    for (let index = 0; index < count && this.#port.isOpen; ) {
      const at = index * CELL_BODY_BYTES
      if (bodies[at] === RelayCommand.DATA) {
        const run = dataRunLength(bodies, index)
        this.#handleData(now, cells, index, run)
        index += run
      } else {
        // What it says may be kept for longer than the cells.
        const message = readRelayMessage(bodies, at)
        this.#handleMessage(now, { ...message, data: copyBytes(message.data) })
        index++
      }
    }
  }

  #handleData(now: MonotonicMs, cells: RecognizedCells, from: number, count: number): void {
    const { bodies, tags } = cells
    const at = from * CELL_BODY_BYTES
    const streamId = relayStreamId(bodies, at)
    if (streamId === 0) throw protocolError('DATA without a stream')
    const sendmes = this.flow.handleReceived(count, tags, from, cellCount(cells))
    const stream = this.#streams.get(streamId)
    if (stream !== undefined) this.#handleStreamData(now, stream, joinData(bodies, from, count), count)
    else this.#handleStrayData(now, streamId, count)
    for (const sendme of sendmes) this.#send(RelayCommand.SENDME, 0, sendme)
  }

  #handleStreamData(now: MonotonicMs, stream: Stream, chunk: Uint8Array, cells: number): void {
    if (stream.kind === 'resolve') throw protocolError('DATA in answer to RESOLVE')
    if (stream.initiated && !stream.answered) throw protocolError('DATA before CONNECTED')
    this.#delivery.receive(now, stream, chunk, cells)
  }

  #handleStrayData(now: MonotonicMs, streamId: number, count: number): void {
    const half = this.#streams.half(streamId, now)
    if (half !== undefined) half.handleData(count)
    // tor-spec §6.2: relays drop DATA of unknown streams. A relay that sends us such cells breaks the protocol.
    else if (this.#role === 'origin') throw protocolError('DATA on an unknown stream')
  }

  #handleMessage(now: MonotonicMs, message: RelayMessage): void {
    switch (message.command) {
      case RelayCommand.BEGIN:
      case RelayCommand.BEGIN_DIR:
      case RelayCommand.RESOLVE:
        this.#handleRequest(message)
        return
      case RelayCommand.SENDME:
        if (message.streamId === 0) {
          this.flow.handleSendme(now, message.data, this.#turns.blocked)
          return
        }
        this.#handleStreamMessage(now, message)
        return
      case RelayCommand.CONNECTED:
      case RelayCommand.RESOLVED:
      case RelayCommand.END:
      case RelayCommand.XON:
      case RelayCommand.XOFF:
        this.#handleStreamMessage(now, message)
        return
      default:
        this.#port.handleControl(now, message)
    }
  }

  #handleRequest(message: RelayMessage): void {
    const { streamId } = message
    if (streamId === 0) throw protocolError(`${RelayCommand.nameOf(message.command)} without a stream`)
    // C tor drops requests that come to a client, and requests for a stream that exists.
    if (this.#role === 'origin' || this.#streams.get(streamId) !== undefined) return
    if (this.streamCount >= STREAMS_PER_CIRCUIT_MAX) {
      this.#send(RelayCommand.END, streamId, encodeEnd({ reason: EndReason.RESOURCELIMIT }))
      return
    }
    let request: StreamRequest
    try {
      request = decodeRequest(message)
    } catch (thrown) {
      if (!(thrown instanceof RelishError) || thrown.kind !== 'protocol') throw thrown
      this.#send(RelayCommand.END, streamId, encodeEnd({ reason: EndReason.TORPROTOCOL }))
      return
    }
    const stream = this.#add(streamId, request, false)
    this.#port.emit({ kind: 'stream-requested', stream, request })
  }

  #handleStreamMessage(now: MonotonicMs, message: RelayMessage): void {
    const stream = this.#streams.get(message.streamId)
    if (stream === undefined) {
      const half = this.#streams.half(message.streamId, now)
      if (half !== undefined) {
        if (half.handleMessage(message.command)) this.#streams.removeHalf(message.streamId)
      } else if (this.#role === 'origin' && message.command !== RelayCommand.END) {
        throw protocolError(`${RelayCommand.nameOf(message.command)} on an unknown stream`)
      }
      return
    }
    switch (message.command) {
      case RelayCommand.CONNECTED:
        if (!stream.initiated || stream.kind === 'resolve' || stream.answered) throw protocolError('unexpected CONNECTED')
        stream.answered = true
        stream.flow.handleAnswered()
        // A stream that is finishing stays so: the answer only came late.
        if (stream.state === 'connecting') stream.state = 'open'
        this.#port.emit({ kind: 'stream-connected', stream, ...(stream.kind === 'directory' ? {} : decodeConnected(message.data)) })
        return
      case RelayCommand.RESOLVED:
        if (!stream.initiated || stream.kind !== 'resolve') throw protocolError('unexpected RESOLVED')
        this.#streams.remove(stream)
        this.#forget(stream)
        this.#port.emit({ kind: 'stream-resolved', stream, answers: decodeResolved(message.data).answers })
        return
      case RelayCommand.END:
        this.#handleEnd(stream, decodeEnd(message.data))
        return
      default:
        // SPEC-DIFF: C tor's exits send XOFF before CONNECTED when more comes than they can hold until they are connected.
        if (stream.initiated && !stream.answered && message.command === RelayCommand.SENDME) throw protocolError('SENDME before CONNECTED')
        stream.flow.handleMessage(now, message.command, message.data)
        this.#turns.handleFlow(stream)
    }
  }

  #handleEnd(stream: Stream, end: End): void {
    this.#streams.remove(stream)
    this.#stopSending(stream)
    if (stream.hasHeld && stream.answered) {
      stream.state = 'draining'
      stream.remoteEnd = end
      this.#draining.add(stream)
      return
    }
    this.#forget(stream)
    this.#port.emit({ kind: 'stream-ended', stream, remote: true, ...end })
  }

  // From the streams' turns and deliveries.

  get isOpen(): boolean {
    return this.#port.isOpen
  }

  sendData(payloads: Uint8Array): Uint8Array {
    // Nothing overtakes what was said before.
    this.#sendAnswers()
    return this.#port.send(payloads)
  }

  handleTurn(now: MonotonicMs, stream: Stream): void {
    if (stream.outgoing.length === 0 && stream.finishReason !== undefined) {
      const reason = stream.finishReason
      this.end(now, stream, { reason })
      this.#port.emit({ kind: 'stream-ended', stream, remote: false, reason })
    } else if (stream.wantsDrain && stream.outgoing.length < STREAM_SEND_LOW_BYTES) {
      stream.wantsDrain = false
      this.#port.emit({ kind: 'stream-drain', stream })
    }
  }

  emitData(stream: Stream, chunk: Uint8Array): void {
    this.#port.emit({ kind: 'stream-data', stream, chunk })
  }

  sendFlow(stream: Stream, messages: readonly FlowMessage[]): void {
    for (const message of messages) this.#send(message.command, stream.id, message.body)
  }

  handleDrained(stream: Stream): void {
    this.#draining.delete(stream)
    this.#forget(stream)
    this.#port.emit({ kind: 'stream-ended', stream, remote: true, ...(stream.remoteEnd ?? { reason: EndReason.MISC }) })
  }

  // Inside.

  #send(command: RelayCommand, streamId: number, data: Uint8Array): void {
    if (!this.#port.isOpen) return
    const body = encodeRelayMessage({ command, streamId, data }, this.#rng)
    if (this.#handling) this.#answers.push(body)
    else this.#port.send(body)
  }

  #sendAnswers(): void {
    if (this.#answers.length === 0) return
    const bodies = this.#answers.length === 1 && this.#answers[0] !== undefined ? this.#answers[0] : concatBytes(this.#answers)
    this.#answers = []
    if (this.#port.isOpen) this.#port.send(bodies)
  }

  #add(id: number, request: StreamRequest, initiated: boolean): Stream {
    const stream = new Stream(id, request.kind, initiated, requestTarget(request), this.flow.newStreamFlow(this.#role), this.#queueBuffers)
    this.#streams.add(stream)
    return stream
  }

  #forget(stream: Stream): void {
    stream.state = 'closed'
    this.#stopSending(stream)
    this.#delivery.forget(stream)
    if (this.streamCount === 0) this.#queueBuffers.clear()
  }

  #stopSending(stream: Stream): void {
    stream.outgoing.clear()
    this.#turns.remove(stream)
  }

  /** prop324 §4.1.4: how long cells may come on a stream that was ended, where nobody counts them. */
  #halfStreamExpiry(now: MonotonicMs): MonotonicMs {
    return later(now, durationMs(Math.max(HALF_STREAM_LIFETIME_MS, this.flow.congestion.roundTripMaxMs)))
  }
}
