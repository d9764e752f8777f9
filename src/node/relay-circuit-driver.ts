/**
 * One circuit that passes through this relay or ends here: connects its machine with the channels on both sides, finds
 * the channel when it is extended, and hands streams and messages that end here to their services. The protocol is in
 * `core/proto/circuit/relay-circuit.ts`.
 *
 * Two circuits that a rendezvous has joined are partners: each is the other's next hop, without a link in between.
 */

import { assert } from '../core/base/assert.ts'
import { hexEncodeUpper } from '../core/base/encoding.ts'
import type { RelishError } from '../core/base/errors.ts'
import { giveUpMemory } from '../core/base/give-up-memory.ts'
import type { Rng } from '../core/base/rng.ts'
import type { MonotonicMs } from '../core/base/time.ts'
import { between, durationMs } from '../core/base/time.ts'
import { fixedCell, relayBatch, type Cell, type RelayCellBatch } from '../core/cell/cell.ts'
import { decodeDestroy } from '../core/cell/circuit-messages.ts'
import { ChannelCommand, DestroyReason, EndReason, RelayCommand } from '../core/cell/commands.ts'
import type { End, ResolvedAnswer } from '../core/cell/stream-messages.ts'
import type { RelayMessage } from '../core/cell/relay-cell.ts'
import { answerCircuitPadding } from '../core/proto/circuit/circuit-padding.ts'
import type { ExtendRequest, Neighbour } from '../core/proto/circuit/extend-request.ts'
import { RelayCircuit, type RelayCircuitOutput, type Side } from '../core/proto/circuit/relay-circuit.ts'
import type { AgreedCongestion, FlowParameters } from '../core/proto/flow/circuit-flow.ts'
import type { RelayLayer } from '../core/proto/relaycrypt/layer.ts'
import type { Edge } from '../core/proto/stream/edge.ts'
import type { Stream } from '../core/proto/stream/stream.ts'
import type { StreamRequest } from '../core/proto/stream/stream-request.ts'
import type { CircuitInspection, CircuitSideInspection } from '../runtime/events.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import { CircuitCellTrace } from './cell-trace.ts'
import type { Channel, ChannelClosed, ChannelPeer, Channels, CircuitEndpoint } from './channel.ts'
import { inspectStreams } from './stream-inspection.ts'

/** The circuit as the streams that end at it see it. */
export interface StreamHost {
  readonly edge: Edge
  readonly circuit: number
  /** Who the circuit comes from. */
  readonly peer: ChannelPeer
  now(): MonotonicMs
  /** Runs a call into the machine, then moves what it put out. */
  run<T>(call: () => T): T
  /** Ends a stream from here: END goes out, and nobody is told of it. */
  end(stream: Stream, end: End): void
  /** Answers RESOLVE, and with that the stream is over. */
  answer(stream: Stream, answers: readonly ResolvedAnswer[]): void
}

/** One stream that ends here, told what comes for it. */
export interface StreamSink {
  /** The chunk is lent for this call. */
  onData(chunk: Uint8Array): void
  onDrain(): void
  /** The circuit's side is over: END came, the circuit is gone, or what `finish` left has been sent. */
  onEnded(remote: boolean, reason: number): void
}

/** What a relay does with streams. */
export interface StreamService {
  /** Takes the stream: answers it now or later with the edge's `accept`, `answer` or `end`. Undefined when it was answered for good. */
  open(host: StreamHost, stream: Stream, request: StreamRequest): StreamSink | undefined
}

/** What a relay does with messages that are about neither streams, nor flow, nor hops: those of onion services. */
export interface CircuitMessageService {
  handle(circuit: RelayCircuitDriver, message: RelayMessage): void
  /** The circuit is gone. */
  forget(circuit: RelayCircuitDriver): void
}

export interface RelayCircuitParts {
  readonly id: number
  readonly runtime: Runtime
  readonly channels: Channels
  readonly previous: Channel
  readonly circuitId: number
  readonly layer: RelayLayer
  readonly fast: boolean
  /** KH, 20 bytes. */
  readonly nonce: Uint8Array
  readonly self: Neighbour
  readonly extendAllowPrivateAddresses: boolean
  readonly streams: StreamService
  readonly messages?: CircuitMessageService | undefined
  readonly flow: FlowParameters
  readonly agreed: AgreedCongestion | undefined
  readonly rng: Rng
  onGone(): void
}

/** A channel of the circuit and the circuit's id there. */
interface Attachment {
  readonly channel: Channel
  readonly circuitId: number
}

export class RelayCircuitDriver implements StreamHost {
  readonly #parts: RelayCircuitParts
  readonly #machine: RelayCircuit
  readonly #createdAt: MonotonicMs
  readonly #sinks = new Map<Stream, StreamSink>()
  #previous: Attachment | undefined
  #next: Attachment | undefined
  /** Instead of a next hop: the other half of a rendezvous. */
  #partner: RelayCircuitDriver | undefined
  #search: { cancel(): void } | undefined
  #paceTimer: Timer | undefined
  #paceDue: MonotonicMs | undefined
  #pumping = false
  #blocked = false

  constructor(parts: RelayCircuitParts) {
    this.#parts = parts
    this.#createdAt = parts.runtime.monotonicNow()
    this.#previous = { channel: parts.previous, circuitId: parts.circuitId }
    this.#machine = new RelayCircuit({
      layer: parts.layer,
      fast: parts.fast,
      self: parts.self,
      previous: parts.previous.peer,
      extendAllowPrivateAddresses: parts.extendAllowPrivateAddresses,
      flow: parts.flow,
      agreed: parts.agreed,
      rng: parts.rng,
      observer: parts.runtime.trace === undefined ? undefined : new CircuitCellTrace(parts.runtime.trace, parts.id),
    })
  }

  /** Attaches to the channel and answers CREATE. */
  start(command: ChannelCommand, body: Uint8Array): void {
    const { previous, circuitId, id, fast, runtime } = this.#parts
    previous.attach(circuitId, this.#endpoint('previous'))
    runtime.trace?.emit({ event: 'circuit.created', circuit: id, fast })
    runtime.trace?.emit({ event: 'circuit.link', circuit: id, side: 'previous', channel: previous.id, circId: circuitId })
    previous.sendCell(fixedCell(circuitId, command, body))
  }

  close(reason: DestroyReason, error?: RelishError): void {
    this.run(() => this.#machine.close(reason, error))
  }

  inspect(): CircuitInspection {
    const { id } = this.#parts
    const { state, edge } = this.#machine
    const partner = this.#partner
    const next = partner === undefined ? this.#next : partner.#previous
    return {
      id,
      role: 'relay',
      state: state === 'closed' ? 'closing' : state === 'extending' ? 'building' : 'open',
      ...(this.#previous === undefined ? {} : { previous: inspectSide(this.#previous) }),
      ...(next === undefined ? {} : { next: inspectSide(next) }),
      streams: inspectStreams(edge.streams()),
      ageMs: this.now() - this.#createdAt,
      queuedCells: queuedCells(this.#previous) + queuedCells(this.#next),
      packageWindow: edge.flow.packageWindow,
    }
  }

  // For messages that end here.

  /** It has not been extended or joined. */
  get endsHere(): boolean {
    return this.#machine.state === 'end'
  }

  /** It comes straight from a client. */
  get fromClient(): boolean {
    return !this.#parts.previous.peer.authenticated
  }

  get circuitNonce(): Uint8Array {
    return this.#parts.nonce
  }

  /** Sends a message to the client. */
  sendMessage(command: RelayCommand, data: Uint8Array): void {
    this.run(() => this.#machine.sendMessage(command, data))
  }

  /** Joins two circuits that end here. Should either have gone in the meantime, so does the other. */
  joinWith(other: RelayCircuitDriver): void {
    if (!this.endsHere || !other.endsHere) {
      this.close(DestroyReason.DESTROYED)
      other.close(DestroyReason.DESTROYED)
      return
    }
    this.#partner = other
    other.#partner = this
    this.#parts.runtime.trace?.emit({ event: 'circuit.joined', circuit: this.circuit, with: other.circuit })
    this.#machine.join()
    other.#machine.join()
  }

  // For streams that end here.

  get edge(): Edge {
    return this.#machine.edge
  }

  get circuit(): number {
    return this.#parts.id
  }

  get peer(): ChannelPeer {
    return this.#parts.previous.peer
  }

  now(): MonotonicMs {
    return this.#parts.runtime.monotonicNow()
  }

  run<T>(call: () => T): T {
    const result = call()
    this.#pump()
    return result
  }

  // From the channels.

  #endpoint(side: Side): CircuitEndpoint {
    return {
      handleCell: (cell) => this.#handleCell(side, cell),
      handleRelayBatch: (batch) => this.#handleBatch(side, batch),
      handleChannelClosed: (closed) => this.#handleChannelClosed(side, closed),
      handleWritable: () => this.#handleWritable(side),
    }
  }

  #handleCell(side: Side, cell: Cell): void {
    if (cell.command === ChannelCommand.DESTROY) {
      // The channel has forgotten the circuit.
      this.#drop(side)
      this.run(() => this.#machine.handleDestroy(side, decodeDestroy(cell.body).reason))
      return
    }
    this.run(() => {
      if (side === 'next') this.#machine.handleCreated(cell.command, cell.body)
      else this.#machine.close(DestroyReason.PROTOCOL)
    })
  }

  #handleBatch(side: Side, batch: RelayCellBatch): void {
    if (side === 'previous') this.#machine.handleForward(this.now(), batch.command, batch.payloads)
    else this.#machine.handleBackward(batch.command, batch.payloads)
    this.#pump()
  }

  #handleChannelClosed(side: Side, closed: ChannelClosed): void {
    this.#drop(side)
    this.#parts.runtime.trace?.emit({ event: 'circuit.cut', circuit: this.circuit, side, reason: closed.reason })
    this.run(() => this.#machine.handleLinkClosed(side))
  }

  #handlePartnerCells(payloads: Uint8Array): void {
    // RELAY_EARLY ends here: the other half has used its own to be built.
    this.#machine.handleBackward(ChannelCommand.RELAY, payloads)
    this.#pump()
  }

  #handlePartnerGone(reason: DestroyReason): void {
    this.#partner = undefined
    this.run(() => this.#machine.handleDestroy('next', reason))
  }

  #handleWritable(side: Side): void {
    if (side !== 'previous') return
    this.#blocked = false
    this.run(() => this.edge.setBlocked(this.now(), false))
  }

  // To the channels and streams.

  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    try {
      for (let outputs = this.#machine.takeOutputs(this.now()); outputs.length > 0; outputs = this.#machine.takeOutputs(this.now())) {
        for (const output of outputs) this.#handle(output)
      }
    } finally {
      this.#pumping = false
    }
    this.#armPaceTimer()
  }

  /** A stream that is sent to at a rate has something to send again. */
  #armPaceTimer(): void {
    const due = this.#machine.nextTimeout()
    if (due === this.#paceDue) return
    this.#paceDue = due
    this.#paceTimer?.cancel()
    this.#paceTimer = undefined
    if (due === undefined || this.#machine.state === 'closed') return
    this.#paceTimer = this.#parts.runtime.setTimer(durationMs(Math.max(0, between(this.now(), due))), () => {
      this.#paceDue = undefined
      this.run(() => this.#machine.handleTimeout(this.now()))
    })
  }

  #handle(output: RelayCircuitOutput): void {
    switch (output.kind) {
      case 'send-relay':
        this.#sendRelay(output.side, output.command, output.payloads)
        if (output.ours) giveUpMemory(output.payloads)
        return
      case 'stream-data':
        this.#sinks.get(output.stream)?.onData(output.chunk)
        return
      case 'stream-drain':
        this.#sinks.get(output.stream)?.onDrain()
        return
      case 'stream-requested':
        this.#openStream(output.stream, output.request)
        return
      case 'stream-ended':
        this.#endStream(output.stream, output.remote, output.reason)
        return
      case 'send-cell':
        this.#sendCell(output.side, output.command, output.body)
        return
      case 'extend':
        this.#findNext(output.request)
        return
      case 'next-released':
        this.#releaseNext()
        return
      case 'closed':
        this.#handleClosed(output.reason, output.error)
        return
      case 'stream-connected':
      case 'stream-resolved':
        // Answers come to whoever asks; a relay does not.
        return
      case 'message':
        this.#answerMessage(output.message)
        return
      case 'passing':
        this.#machine.passOn(output.command, output.payloads)
        return
    }
  }

  #answerMessage(message: RelayMessage): void {
    if (message.command !== RelayCommand.PADDING_NEGOTIATE) {
      // tor-spec §6.1: commands that are not known are ignored.
      this.#parts.messages?.handle(this, message)
      return
    }
    const answer = answerCircuitPadding(message.data)
    if (answer !== undefined) this.#machine.sendMessage(RelayCommand.PADDING_NEGOTIATED, answer)
  }

  #sendRelay(side: Side, command: ChannelCommand, payloads: Uint8Array): void {
    if (side === 'next' && this.#partner !== undefined) {
      this.#partner.#handlePartnerCells(payloads)
      return
    }
    const attachment = side === 'previous' ? this.#previous : this.#next
    if (attachment === undefined) return
    const mayGoOn = attachment.channel.sendRelayBatch(relayBatch(attachment.circuitId, payloads, command))
    // Cells that pass through, or come from a partner, wait at the channel, within its limit; streams that end here can be made to wait.
    if (!mayGoOn && side === 'previous' && !this.#blocked) {
      this.#blocked = true
      this.edge.setBlocked(this.now(), true)
    }
  }

  #sendCell(side: Side, command: ChannelCommand, body: Uint8Array): void {
    const partner = this.#partner
    if (side === 'next' && partner !== undefined) {
      assert(command === ChannelCommand.DESTROY, 'a circuit that is joined is not extended')
      this.#partner = undefined
      partner.#handlePartnerGone(decodeDestroy(body).reason)
      return
    }
    const attachment = side === 'previous' ? this.#previous : this.#next
    if (attachment === undefined) return
    if (command === ChannelCommand.DESTROY) {
      this.#drop(side)
      attachment.channel.closeCircuit(attachment.circuitId, decodeDestroy(body).reason)
      return
    }
    attachment.channel.sendCell(fixedCell(attachment.circuitId, command, body))
  }

  #findNext(request: ExtendRequest): void {
    const { channels, runtime } = this.#parts
    runtime.trace?.emit({ event: 'circuit.extend', circuit: this.circuit, target: hexEncodeUpper(request.target.rsaIdentity) })
    this.#search = channels.get(request.target, {
      onOpen: (channel) => this.#joinNext(channel),
      onFailed: (error, closed) => this.#failNext(error, closed),
    })
  }

  #joinNext(channel: Channel): void {
    this.#search = undefined
    if (this.#machine.state !== 'extending') return
    const circuitId = channel.allocateCircuitId()
    if (circuitId === undefined) {
      this.close(DestroyReason.RESOURCELIMIT)
      return
    }
    this.#next = { channel, circuitId }
    channel.attach(circuitId, this.#endpoint('next'))
    this.#parts.runtime.trace?.emit({ event: 'circuit.link', circuit: this.circuit, side: 'next', channel: channel.id, circId: circuitId })
    this.run(() => this.#machine.extendReady())
  }

  #failNext(error: RelishError, closed: ChannelClosed | undefined): void {
    this.#search = undefined
    this.#parts.runtime.log.write('info', 'circ', `Could not extend circuit ${this.circuit}: ${error.message}`)
    // tor-spec §5.4: somebody else was found at the address, or nobody.
    const reason = closed?.reason === 'identity' ? DestroyReason.OR_IDENTITY : DestroyReason.CONNECTFAILED
    if (this.#machine.state === 'extending') this.run(() => this.#machine.close(reason, error))
  }

  #releaseNext(): void {
    this.#search?.cancel()
    this.#search = undefined
    this.#next?.channel.detach(this.#next.circuitId)
    this.#next = undefined
  }

  #drop(side: Side): void {
    if (side === 'previous') this.#previous = undefined
    else this.#next = undefined
  }

  #openStream(stream: Stream, request: StreamRequest): void {
    const { runtime, streams } = this.#parts
    runtime.trace?.emit({ event: 'stream.begin', circuit: this.circuit, stream: stream.id, kind: request.kind, target: stream.target })
    // Its END came in the same batch: nobody waits for an answer any more, and nobody would close what is opened now.
    if (isOver(stream)) return
    const sink = streams.open(this, stream, request)
    if (sink !== undefined && !isOver(stream)) this.#sinks.set(stream, sink)
  }

  end(stream: Stream, end: End): void {
    if (isOver(stream)) return
    this.run(() => this.edge.end(this.now(), stream, end))
    this.#forgetStream(stream, false, end.reason)
  }

  answer(stream: Stream, answers: readonly ResolvedAnswer[]): void {
    if (isOver(stream)) return
    this.run(() => this.edge.answer(stream, answers))
    this.#forgetStream(stream, false, EndReason.DONE)
  }

  #endStream(stream: Stream, remote: boolean, reason: number): void {
    this.#forgetStream(stream, remote, reason)?.onEnded(remote, reason)
  }

  /** Whoever it was for. */
  #forgetStream(stream: Stream, remote: boolean, reason: number): StreamSink | undefined {
    this.#parts.runtime.trace?.emit({ event: 'stream.close', circuit: this.circuit, stream: stream.id, remote, reason: EndReason.nameOf(reason) })
    const sink = this.#sinks.get(stream)
    this.#sinks.delete(stream)
    return sink
  }

  #handleClosed(reason: DestroyReason, error: RelishError | undefined): void {
    const { runtime, messages, onGone } = this.#parts
    messages?.forget(this)
    this.#paceTimer?.cancel()
    this.#releaseNext()
    this.#previous?.channel.detach(this.#previous.circuitId)
    this.#previous = undefined
    runtime.trace?.emit({ event: 'circuit.closed', circuit: this.circuit, reason: DestroyReason.nameOf(reason), error: error?.message })
    if (error !== undefined) runtime.log.write('info', 'circ', `Closed circuit ${this.circuit}: ${error.message}`)
    // The manager may be in the midst of a walk over its circuits.
    runtime.setTimer(durationMs(0), onGone)
  }
}

const isOver = (stream: Stream): boolean => stream.state === 'closed'

const queuedCells = (attachment: Attachment | undefined): number => attachment?.channel.queuedCells(attachment.circuitId) ?? 0

function inspectSide({ channel, circuitId }: Attachment): CircuitSideInspection {
  const { address, rsaIdentity } = channel.peer
  const side = { channel: channel.id, circuitId, remote: address }
  return rsaIdentity === undefined ? side : { ...side, fingerprint: hexEncodeUpper(rsaIdentity) }
}
