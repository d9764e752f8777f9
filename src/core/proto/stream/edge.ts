/**
 * One end of a circuit, or of the part of it up to one hop: the place where streams live. Relay messages about streams
 * come in here and leave from here, under the windows of the circuit and of each stream. The origin of a circuit has one
 * for each hop that it talks to, a relay has one for each circuit.
 *
 * It neither ciphers nor knows cells on links: `EdgePort` is the circuit around it. tor-spec §6.2–§6.4, §7.3, §7.4.
 */

import { concatBytes } from '../../base/encoding.ts'
import { protocolError, RelishError } from '../../base/errors.ts'
import { randomBelow, type Rng } from '../../base/rng.ts'
import { durationMs, later, type MonotonicMs } from '../../base/time.ts'
import { EndReason, RelayCommand } from '../../cell/commands.ts'
import { CELL_BODY_BYTES, RELAY_BATCH_CELLS_MAX } from '../../cell/limits.ts'
import { encodeRelayMessage, readRelayMessage, relayStreamId, type RelayMessage } from '../../cell/relay-cell.ts'
import {
  decodeBegin,
  decodeConnected,
  decodeEnd,
  decodeResolve,
  decodeResolved,
  encodeBegin,
  encodeConnected,
  encodeEnd,
  encodeResolve,
  encodeResolved,
  type Begin,
  type Connected,
  type End,
  type ResolvedAnswer,
} from '../../cell/stream-messages.ts'
import type { CircuitFlow } from '../flow/circuit-flow.ts'
import { HALF_STREAM_LIFETIME_MS } from '../flow/limits.ts'
import type { FlowMessage } from '../flow/stream-flow.ts'
import { cellCount, type RecognizedCells } from '../relaycrypt/layer.ts'
import { DataPackager, dataRunLength, joinData } from './data-cells.ts'
import { CELLS_PER_TURN_MAX, HELD_BYTES_PER_CIRCUIT_MAX, RELEASED_PORTION_BYTES, STREAM_SEND_HIGH_BYTES, STREAM_SEND_LOW_BYTES, STREAM_SEND_QUEUE_BYTES_MAX, STREAMS_PER_CIRCUIT_MAX } from './limits.ts'
import { Stream, type StreamKind } from './stream.ts'
import { StreamMap } from './stream-map.ts'

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

export type StreamRequest =
  | ({ readonly kind: 'connect' } & Begin)
  | { readonly kind: 'directory' }
  | { readonly kind: 'resolve'; readonly name: string }

export type EdgeOutput =
  /** The peer asks for a stream: to be answered with `accept`, `answer` or `end`. */
  | { readonly kind: 'stream-requested'; readonly stream: Stream; readonly request: StreamRequest }
  | ({ readonly kind: 'stream-connected'; readonly stream: Stream } & Connected)
  | { readonly kind: 'stream-resolved'; readonly stream: Stream; readonly answers: readonly ResolvedAnswer[] }
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

export class Edge {
  readonly flow: CircuitFlow
  readonly #port: EdgePort
  readonly #role: 'origin' | 'responder'
  readonly #rng: Rng
  readonly #packager: DataPackager
  readonly #streams: StreamMap
  /** Streams that the peer has ended, with data not delivered yet. */
  readonly #draining = new Set<Stream>()
  /** Streams with data to send, in the order of their turns. */
  readonly #ready = new Set<Stream>()
  /** Streams with data to send whose peer wants it slowly. */
  readonly #paced = new Set<Stream>()
  /** Streams whose application takes data again, with some of it held back. */
  readonly #releasing = new Set<Stream>()
  #heldBytes = 0
  #blocked = false
  /** Messages that answer the cells being handled, to leave together: many SENDMEs go back for a large batch. */
  #answers: Uint8Array[] = []
  #handling = false

  constructor(port: EdgePort, options: EdgeOptions) {
    this.#port = port
    this.flow = options.flow
    this.#role = options.role
    this.#rng = options.rng
    this.#packager = new DataPackager(options.rng, options.flow.congestion.sendmeIncrement)
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
  open(target: ({ readonly kind: 'connect' } & Begin) | { readonly kind: 'directory' }): Stream {
    if (target.kind === 'directory') {
      const stream = this.#add(this.#streams.allocateId(), 'directory', true, 'dir')
      this.#send(RelayCommand.BEGIN_DIR, stream.id, new Uint8Array(0))
      return stream
    }
    const stream = this.#add(this.#streams.allocateId(), 'connect', true, formatTarget(target))
    this.#send(RelayCommand.BEGIN, stream.id, encodeBegin(target))
    return stream
  }

  /** Sends RESOLVE. */
  resolve(name: string): Stream {
    const stream = this.#add(this.#streams.allocateId(), 'resolve', true, name)
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
    this.#release(stream)
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
    this.#ready.add(stream)
    this.#sendReady(now)
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
    this.#ready.add(stream)
    this.#sendReady(now)
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
    stream.paused = true
    this.#releasing.delete(stream)
  }

  /** What is held back goes out in portions, with the outputs that are taken from now on, until the stream is paused again. */
  resume(stream: Stream): void {
    stream.paused = false
    this.#release(stream)
  }

  /** Puts out a portion of what streams that were resumed hold. To be called before outputs are taken. */
  releaseHeld(now: MonotonicMs): void {
    for (const stream of this.#releasing) this.#deliverPortion(now, stream)
  }

  /** Whether the link takes cells. While it does not, no data is packaged. */
  setBlocked(now: MonotonicMs, blocked: boolean): void {
    this.#blocked = blocked
    if (!blocked) this.#sendReady(now)
  }

  /** When `handleTimeout` is due: streams that are sent to at a rate have something to send again. */
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
    this.#sendReady(now)
  }

  /** The circuit is gone: every stream ends with DESTROY. What was held back is delivered first. */
  closeAll(): void {
    for (const stream of [...this.streams()]) {
      for (let held = stream.takeHeld(); held !== undefined; held = stream.takeHeld()) if (stream.answered) this.#output(stream, held.chunk)
      const end: End = stream.remoteEnd ?? { reason: EndReason.DESTROY }
      this.#streams.remove(stream)
      this.#draining.delete(stream)
      this.#forget(stream)
      this.#port.emit({ kind: 'stream-ended', stream, remote: true, ...end })
    }
  }

  // What the peer sends.

  /** Takes the cells over. Throws `protocol` or `limit`: the circuit is to be closed. */
  handleCells(now: MonotonicMs, cells: RecognizedCells): void {
    this.#handling = true
    try {
      this.#handleEach(now, cells)
    } finally {
      this.#handling = false
      this.#sendAnswers()
    }
    // Once for all cells: the SENDMEs of a batch open the window for one batch.
    this.#sendReady(now)
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
        this.#handleMessage(now, readRelayMessage(bodies, at))
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
    const messages = stream.flow.handleReceived(now, cells, chunk.length)
    if (stream.mayDeliver && !stream.hasHeld) {
      this.#output(stream, chunk)
      this.#sendFlow(stream, stream.flow.handleDelivered(now, cells, chunk.length))
      return
    }
    stream.hold(chunk, cells)
    this.#heldBytes += chunk.length
    if (this.#heldBytes > HELD_BYTES_PER_CIRCUIT_MAX) throw new RelishError('limit', 'the peer goes on sending to streams that nobody reads')
    this.#sendFlow(stream, messages)
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
          this.flow.handleSendme(now, message.data, this.#blocked)
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
    const target = request.kind === 'connect' ? formatTarget(request) : request.kind === 'directory' ? 'dir' : request.name
    const stream = this.#add(streamId, request.kind, false, target)
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
        this.#paced.delete(stream)
        if (stream.outgoing.length > 0) this.#ready.add(stream)
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

  // Sending.

  /** Packages data while every window is open, each stream in turn. */
  #sendReady(now: MonotonicMs): void {
    while (this.#ready.size > 0 && !this.#blocked && this.#port.isOpen && this.flow.packageWindow > 0) {
      const stream = first(this.#ready)
      if (stream === undefined) return
      this.#ready.delete(stream)
      if (!stream.maySend) continue
      const available = stream.flow.available(now)
      if (available > 0) this.#sendData(now, stream, Math.min(this.#ready.size === 0 ? RELAY_BATCH_CELLS_MAX : CELLS_PER_TURN_MAX, this.flow.packageWindow, available))
      else if (stream.flow.pacedUntil !== undefined) this.#paced.add(stream)
    }
  }

  #sendData(now: MonotonicMs, stream: Stream, cellsMax: number): void {
    const before = stream.outgoing.length
    const payloads = this.#packager.pack(stream.id, stream.outgoing, cellsMax)
    if (payloads.length > 0) {
      // Nothing overtakes what was said before.
      this.#sendAnswers()
      const bytes = before - stream.outgoing.length
      const cells = payloads.length / CELL_BODY_BYTES
      this.flow.handleSent(now, this.#port.send(payloads), cells)
      stream.flow.handleSent(cells, bytes)
      stream.bytesSent += bytes
    }
    if (stream.outgoing.length > 0) {
      this.#ready.add(stream)
    } else if (stream.finishReason !== undefined) {
      const reason = stream.finishReason
      this.end(now, stream, { reason })
      this.#port.emit({ kind: 'stream-ended', stream, remote: false, reason })
      return
    }
    if (stream.wantsDrain && stream.outgoing.length < STREAM_SEND_LOW_BYTES) {
      stream.wantsDrain = false
      this.#port.emit({ kind: 'stream-drain', stream })
    }
  }

  #release(stream: Stream): void {
    if (stream.mayDeliver && stream.hasHeld) this.#releasing.add(stream)
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
    if (stream.state !== 'draining') {
      this.#sendFlow(stream, stream.flow.handleDelivered(now, cells, bytes))
    } else if (!stream.hasHeld) {
      this.#draining.delete(stream)
      this.#forget(stream)
      this.#port.emit({ kind: 'stream-ended', stream, remote: true, ...(stream.remoteEnd ?? { reason: EndReason.MISC }) })
    }
  }

  #output(stream: Stream, chunk: Uint8Array): void {
    stream.bytesReceived += chunk.length
    if (chunk.length > 0) this.#port.emit({ kind: 'stream-data', stream, chunk })
  }

  #sendFlow(stream: Stream, messages: readonly FlowMessage[]): void {
    for (const message of messages) this.#send(message.command, stream.id, message.body)
  }

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

  #add(id: number, kind: StreamKind, initiated: boolean, target: string): Stream {
    const stream = new Stream(id, kind, initiated, target, this.flow.newStreamFlow(this.#role))
    this.#streams.add(stream)
    return stream
  }

  #forget(stream: Stream): void {
    stream.state = 'closed'
    this.#stopSending(stream)
    this.#releasing.delete(stream)
    this.#heldBytes -= stream.heldBytes
    stream.dropHeld()
  }

  #stopSending(stream: Stream): void {
    stream.outgoing.clear()
    this.#ready.delete(stream)
    this.#paced.delete(stream)
  }

  /** prop324 §4.1.4: how long cells may come on a stream that was ended, where nobody counts them. */
  #halfStreamExpiry(now: MonotonicMs): MonotonicMs {
    return later(now, durationMs(Math.max(HALF_STREAM_LIFETIME_MS, this.flow.congestion.roundTripMaxMs)))
  }
}

function decodeRequest(message: RelayMessage): StreamRequest {
  switch (message.command) {
    case RelayCommand.BEGIN_DIR:
      // tor-spec §6.2.1: the content is ignored.
      return { kind: 'directory' }
    case RelayCommand.RESOLVE:
      return { kind: 'resolve', ...decodeResolve(message.data) }
    default:
      return { kind: 'connect', ...decodeBegin(message.data) }
  }
}

const formatTarget = (target: Begin): string => (target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`)

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item
  return undefined
}
