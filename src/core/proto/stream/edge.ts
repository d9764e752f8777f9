/**
 * One end of a circuit, or of the part of it up to one hop: the place where streams live. Relay messages about streams
 * come in here and leave from here, under the windows of the circuit and of each stream. The origin of a circuit has one
 * for each hop that it talks to, a relay has one for each circuit.
 *
 * It neither ciphers nor knows cells on links: `EdgePort` is the circuit around it. tor-spec §6.2–§6.4, §7.3, §7.4.
 */

import { protocolError, RelishError } from '../../base/errors.ts'
import { randomBelow, type Rng } from '../../base/rng.ts'
import type { MonotonicMs } from '../../base/time.ts'
import { EndReason, RelayCommand } from '../../cell/commands.ts'
import { encodeRelayMessage, readRelayMessage, type RelayMessage } from '../../cell/relay-cell.ts'
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
import type { FlowMessage, StreamFlow } from '../flow/stream-flow.ts'
import type { RecognizedCell } from '../relaycrypt/layer.ts'
import { DataPackager, dataRunLength, joinData } from './data-cells.ts'
import { CELLS_PER_TURN_MAX, STREAM_SEND_HIGH_BYTES, STREAM_SEND_LOW_BYTES, STREAM_SEND_QUEUE_BYTES_MAX, STREAMS_PER_CIRCUIT_MAX } from './limits.ts'
import { Stream, type StreamKind } from './stream.ts'
import { StreamMap } from './stream-map.ts'

/** What the edge needs of the circuit around it. */
export interface EdgePort {
  /** False once the circuit is closed: what is left of a batch is not handled. */
  readonly isOpen: boolean
  /** Ciphers relay cell bodies for the other end and sends them. Answers the tag of each. */
  send(payloads: Uint8Array): readonly Uint8Array[]
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
  readonly newStreamFlow: () => StreamFlow
  readonly rng: Rng
}

export class Edge {
  readonly flow: CircuitFlow
  readonly #port: EdgePort
  readonly #role: 'origin' | 'responder'
  readonly #newStreamFlow: () => StreamFlow
  readonly #rng: Rng
  readonly #packager: DataPackager
  readonly #streams: StreamMap
  /** Streams that the peer has ended, with data not delivered yet. */
  readonly #draining = new Set<Stream>()
  /** Streams with data to send, in the order of their turns. */
  readonly #ready = new Set<Stream>()
  #blocked = false

  constructor(port: EdgePort, options: EdgeOptions) {
    this.#port = port
    this.flow = options.flow
    this.#role = options.role
    this.#newStreamFlow = options.newStreamFlow
    this.#rng = options.rng
    this.#packager = new DataPackager(options.rng)
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
    this.#deliverHeld(stream)
  }

  /** Answers RESOLVE. */
  answer(stream: Stream, answers: readonly ResolvedAnswer[]): void {
    if (stream.state === 'closed') return
    this.#send(RelayCommand.RESOLVED, stream.id, encodeResolved({ answers }))
    this.#streams.remove(stream)
    stream.state = 'closed'
  }

  /** Queues bytes and sends what the windows allow. False: stop until `stream-drain`. */
  write(now: MonotonicMs, stream: Stream, chunk: Uint8Array): boolean {
    if (stream.state === 'closed' || stream.state === 'finishing' || stream.state === 'draining') return true
    stream.outgoing.push(chunk)
    if (stream.outgoing.length > STREAM_SEND_QUEUE_BYTES_MAX) {
      this.end(stream, { reason: EndReason.RESOURCELIMIT })
      this.#port.emit({ kind: 'stream-ended', stream, remote: false, reason: EndReason.RESOURCELIMIT })
      return true
    }
    this.#ready.add(stream)
    this.#sendReady(now)
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
      this.end(stream, { reason })
      this.#port.emit({ kind: 'stream-ended', stream, remote: false, reason })
      return
    }
    stream.state = 'finishing'
    stream.finishReason = reason
    this.#ready.add(stream)
    this.#sendReady(now)
  }

  /** Sends END at once and drops what is queued both ways. */
  end(stream: Stream, end: End): void {
    if (stream.state === 'closed') return
    if (stream.state === 'draining') {
      this.#draining.delete(stream)
    } else {
      // tor-spec §6.3: the end that asked for a stream says nothing but MISC.
      const told = stream.initiated ? { reason: EndReason.MISC } : end
      this.#send(RelayCommand.END, stream.id, encodeEnd(told))
      this.#streams.halve(stream)
    }
    this.#forget(stream)
  }

  pause(stream: Stream): void {
    stream.paused = true
  }

  resume(stream: Stream): void {
    stream.paused = false
    this.#deliverHeld(stream)
  }

  /** Whether the link takes cells. While it does not, no data is packaged. */
  setBlocked(now: MonotonicMs, blocked: boolean): void {
    this.#blocked = blocked
    if (!blocked) this.#sendReady(now)
  }

  /** The circuit is gone: every stream ends with DESTROY. What was held back is delivered first. */
  closeAll(): void {
    for (const stream of [...this.streams()]) {
      for (const { chunk } of stream.takeHeld()) if (stream.answered) this.#output(stream, chunk)
      const end: End = stream.remoteEnd ?? { reason: EndReason.DESTROY }
      this.#streams.remove(stream)
      this.#draining.delete(stream)
      this.#forget(stream)
      this.#port.emit({ kind: 'stream-ended', stream, remote: true, ...end })
    }
  }

  // What the peer sends.

  /** Handles the cells from index `from` on, before `to`. Throws `protocol`: the circuit is to be closed. */
  handleCells(now: MonotonicMs, cells: readonly RecognizedCell[], from: number, to: number): void {
    for (let index = from; index < to && this.#port.isOpen; ) {
      const { body } = cells[index] as RecognizedCell
      if (body[0] === RelayCommand.DATA) {
        const count = Math.min(dataRunLength(cells, index, to), this.flow.cellsToSendme)
        this.#handleData(cells, index, count)
        index += count
      } else {
        this.#handleMessage(now, readRelayMessage(body))
        index++
      }
    }
  }

  #handleData(cells: readonly RecognizedCell[], from: number, count: number): void {
    const { body } = cells[from] as RecognizedCell
    const streamId = ((body[3] as number) << 8) | (body[4] as number)
    if (streamId === 0) throw protocolError('DATA without a stream')
    const sendme = this.flow.handleReceived(count, (cells[from + count - 1] as RecognizedCell).tag)
    const stream = this.#streams.get(streamId)
    if (stream !== undefined) {
      if (stream.kind === 'resolve') throw protocolError('DATA in answer to RESOLVE')
      if (stream.initiated && !stream.answered) throw protocolError('DATA before CONNECTED')
      stream.flow.handleReceived(count)
      const chunk = joinData(cells, from, count)
      if (stream.mayDeliver && !stream.hasHeld) {
        this.#output(stream, chunk)
        this.#sendFlow(stream, stream.flow.handleDelivered(count))
      } else {
        stream.hold(chunk, count)
      }
    } else {
      this.#handleStrayData(streamId, count)
    }
    if (sendme !== undefined) this.#send(RelayCommand.SENDME, 0, sendme)
  }

  #handleStrayData(streamId: number, count: number): void {
    const half = this.#streams.half(streamId)
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
          this.#sendReady(now)
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
      const half = this.#streams.half(message.streamId)
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
        if (stream.initiated && !stream.answered) throw protocolError(`${RelayCommand.nameOf(message.command)} before CONNECTED`)
        stream.flow.handleMessage(message.command, message.data)
        if (stream.outgoing.length > 0) this.#ready.add(stream)
        this.#sendReady(now)
    }
  }

  #handleEnd(stream: Stream, end: End): void {
    this.#streams.remove(stream)
    this.#ready.delete(stream)
    stream.outgoing.clear()
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
      const cellsMax = Math.min(CELLS_PER_TURN_MAX, this.flow.packageWindow, stream.flow.available)
      if (cellsMax <= 0 || !stream.maySend) continue
      this.#sendData(now, stream, cellsMax)
    }
  }

  #sendData(now: MonotonicMs, stream: Stream, cellsMax: number): void {
    const before = stream.outgoing.length
    const payloads = this.#packager.pack(stream.id, stream.outgoing, cellsMax)
    if (payloads.length > 0) {
      const tags = this.#port.send(payloads)
      this.flow.handleSent(now, tags)
      stream.flow.handleSent(tags.length)
      stream.bytesSent += before - stream.outgoing.length
    }
    if (stream.outgoing.length > 0) {
      this.#ready.add(stream)
    } else if (stream.finishReason !== undefined) {
      const reason = stream.finishReason
      this.end(stream, { reason })
      this.#port.emit({ kind: 'stream-ended', stream, remote: false, reason })
      return
    }
    if (stream.wantsDrain && stream.outgoing.length < STREAM_SEND_LOW_BYTES) {
      stream.wantsDrain = false
      this.#port.emit({ kind: 'stream-drain', stream })
    }
  }

  #deliverHeld(stream: Stream): void {
    if (!stream.mayDeliver || !stream.hasHeld) return
    let cells = 0
    for (const held of stream.takeHeld()) {
      this.#output(stream, held.chunk)
      cells += held.cells
    }
    if (stream.state !== 'draining') {
      this.#sendFlow(stream, stream.flow.handleDelivered(cells))
      return
    }
    this.#draining.delete(stream)
    this.#forget(stream)
    this.#port.emit({ kind: 'stream-ended', stream, remote: true, ...(stream.remoteEnd ?? { reason: EndReason.MISC }) })
  }

  #output(stream: Stream, chunk: Uint8Array): void {
    stream.bytesReceived += chunk.length
    if (chunk.length > 0) this.#port.emit({ kind: 'stream-data', stream, chunk })
  }

  #sendFlow(stream: Stream, messages: readonly FlowMessage[]): void {
    for (const message of messages) this.#send(message.command, stream.id, message.body)
  }

  #send(command: RelayCommand, streamId: number, data: Uint8Array): void {
    if (this.#port.isOpen) this.#port.send(encodeRelayMessage({ command, streamId, data }, this.#rng))
  }

  #add(id: number, kind: StreamKind, initiated: boolean, target: string): Stream {
    const stream = new Stream(id, kind, initiated, target, this.#newStreamFlow())
    this.#streams.add(stream)
    return stream
  }

  #forget(stream: Stream): void {
    stream.state = 'closed'
    stream.outgoing.clear()
    stream.takeHeld()
    this.#ready.delete(stream)
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
