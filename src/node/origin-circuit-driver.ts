/**
 * One circuit of this node: finds a channel to its first hop, builds the others, and moves what its machine puts out to
 * the channel and to the users of its streams. The protocol is in `core/proto/circuit/origin-circuit.ts`.
 */

import { hexEncodeUpper } from '../core/base/encoding.ts'
import { asRelishError, RelishError } from '../core/base/errors.ts'
import { giveUpMemory } from '../core/base/give-up-memory.ts'
import type { MonotonicMs } from '../core/base/time.ts'
import { between, durationMs } from '../core/base/time.ts'
import { fixedCell, relayBatch, type Cell, type RelayCellBatch } from '../core/cell/cell.ts'
import { decodeDestroy } from '../core/cell/circuit-messages.ts'
import { ChannelCommand, DestroyReason, EndReason } from '../core/cell/commands.ts'
import type { ResolvedAnswer } from '../core/cell/stream-messages.ts'
import { ProtocolList } from '../core/netdoc/protocol-list.ts'
import { OriginCircuit as CircuitMachine, type Hop, type OriginCircuitOutput } from '../core/proto/circuit/origin-circuit.ts'
import type { FlowParameters } from '../core/proto/flow/circuit-flow.ts'
import type { CircuitKind } from '../core/proto/flow/congestion-parameters.ts'
import type { Stream } from '../core/proto/stream/stream.ts'
import type { CircuitInspection } from '../runtime/events.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import { arpaName } from './arpa-name.ts'
import { CircuitCellTrace } from './cell-trace.ts'
import type { Channel, ChannelClosed, Channels, CircuitEndpoint } from './channel.ts'
import { CIRCUIT_BUILD_TIMEOUT } from './limits.ts'
import type { CircuitStream, HopTarget, OriginCircuit, OriginCircuitCallbacks, StreamClosed, StreamHandlers, StreamTarget } from './origin-circuit.ts'
import { DeadStream, OriginStream, type StreamOwner } from './origin-stream.ts'
import type { CircuitNews, NewsBoard, StreamNews } from './node-news.ts'
import { inspectStreams } from './stream-inspection.ts'

export interface OriginCircuitParts {
  readonly id: number
  readonly path: readonly HopTarget[]
  readonly purpose: string
  readonly congestionControl: boolean
  readonly runtime: Runtime
  readonly channels: Channels
  readonly flow: FlowParameters
  readonly callbacks: OriginCircuitCallbacks
  readonly news: NewsBoard | undefined
  onGone(): void
}

/** What adding hops is for: the first building, or `extend` later. */
interface Building {
  /** Hops of the path still to be added, the next first. */
  readonly left: HopTarget[]
  readonly onDone: () => void
  readonly onFailed: (error: RelishError) => void
}

export class OriginCircuitDriver implements OriginCircuit, CircuitEndpoint, StreamOwner {
  readonly id: number
  readonly purpose: string
  readonly createdAt: MonotonicMs
  onClosed: ((error: RelishError | undefined) => void) | undefined = undefined
  readonly #parts: OriginCircuitParts
  readonly #machine: CircuitMachine
  readonly #path: HopTarget[]
  readonly #streams = new Map<Stream, OriginStream>()
  readonly #questions = new Map<Stream, (answers: readonly ResolvedAnswer[]) => void>()
  #building: Building | undefined
  #channel: Channel | undefined
  #circuitId = 0
  #dialing: { cancel(): void } | undefined
  #buildTimer: Timer | undefined
  #paceTimer: Timer | undefined
  #paceDue: MonotonicMs | undefined
  #wasOpen = false
  #closed = false
  /** The owner asked for it, so nobody is told of a failure. */
  #closedByOwner = false
  #pumping = false
  #blocked = false

  constructor(parts: OriginCircuitParts) {
    this.#parts = parts
    this.id = parts.id
    this.purpose = parts.purpose
    this.#path = [...parts.path]
    this.createdAt = parts.runtime.monotonicNow()
    this.#machine = new CircuitMachine({
      rng: parts.runtime.rng('origin-circuits').derive(`circuit ${parts.id}`),
      flow: parts.flow,
      observer: parts.runtime.trace === undefined ? undefined : new CircuitCellTrace(parts.runtime.trace, parts.id),
    })
  }

  get state(): 'building' | 'open' | 'closed' {
    if (this.#closed) return 'closed'
    return this.#building === undefined && this.#wasOpen ? 'open' : 'building'
  }

  get path(): readonly HopTarget[] {
    return this.#path
  }

  get streamCount(): number {
    return this.#streams.size + this.#questions.size
  }

  get hopCount(): number {
    return this.#machine.hopCount
  }

  /** Begins to build; `refusal`: fails instead. Answers through the callbacks, later. */
  begin(refusal: RelishError | undefined): void {
    const { runtime, channels, callbacks } = this.#parts
    const [first] = this.#path
    const problem = refusal ?? (first === undefined ? new RelishError('bug', 'a circuit needs a hop') : undefined)
    if (problem !== undefined || first === undefined) {
      this.later(() => this.#fail(problem ?? new RelishError('bug', 'a circuit needs a hop')))
    } else {
      this.#dialing = channels.get(
        { rsaIdentity: first.rsaIdentity, addresses: first.addresses, ...(first.ed25519Identity === undefined ? {} : { ed25519Identity: first.ed25519Identity }) },
        { onOpen: (channel) => this.#attach(channel), onFailed: (error) => this.#fail(error) },
      )
    }
    this.#building = {
      left: [...this.#path],
      onDone: () => callbacks.onOpen(this),
      onFailed: (error) => callbacks.onFailed(error, this.#machine.hopCount),
    }
    this.#armTimer()
    this.#publish('LAUNCHED')
    runtime.trace?.emit({ event: 'circuit.begin', circuit: this.id, purpose: this.purpose, path: this.#path.map((hop) => hexEncodeUpper(hop.rsaIdentity)) })
  }

  // What users of the circuit ask for.

  openStream(target: StreamTarget, handlers: StreamHandlers): CircuitStream {
    if (this.#closed || this.#machine.hopCount === 0) return this.#dead(handlers, { reason: EndReason.DESTROY, remote: false })
    const edge = this.#machine.edge()
    try {
      return this.run(() => {
        const machine = edge.open(target.kind === 'directory' ? target : { ...target, flags: target.flags ?? 0 })
        const stream = new OriginStream(this, edge, machine, handlers)
        this.#streams.set(machine, stream)
        this.#parts.runtime.trace?.emit({ event: 'stream.begin', circuit: this.id, stream: machine.id, kind: machine.kind, target: machine.target })
        this.#publishStream('NEW', machine)
        this.#publishStream('SENTCONNECT', machine)
        return stream
      })
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind !== 'limit') throw error
      return this.#dead(handlers, { reason: EndReason.RESOURCELIMIT, remote: false, error })
    }
  }

  resolve(name: string, onAnswers: (answers: readonly ResolvedAnswer[]) => void): void {
    if (this.#closed || this.#machine.hopCount === 0) {
      this.later(() => onAnswers([]))
      return
    }
    try {
      // tor-spec §6.4: the names of an address are asked for with an in-addr.arpa name.
      const stream = this.run(() => this.#machine.edge().resolve(arpaName(name) ?? name))
      this.#questions.set(stream, onAnswers)
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind !== 'limit') throw error
      this.later(() => onAnswers([]))
    }
  }

  sendDummies(count: number): void {
    this.run(() => this.#machine.sendDummies(count))
  }

  extend(hop: HopTarget, callbacks: { onExtended(): void; onFailed(error: RelishError): void }): void {
    if (this.state !== 'open') {
      this.later(() => callbacks.onFailed(new RelishError('unavailable', `the circuit is ${this.state}`)))
      return
    }
    this.#path.push(hop)
    this.#building = { left: [hop], onDone: callbacks.onExtended, onFailed: callbacks.onFailed }
    this.#armTimer()
    this.#extendNext()
  }

  close(reason = 'not needed any more'): void {
    if (this.#closed) return
    this.#closedByOwner = true
    this.#parts.runtime.trace?.emit({ event: 'circuit.close', circuit: this.id, reason })
    this.run(() => this.#machine.close())
  }

  inspect(): CircuitInspection {
    const channel = this.#channel
    const { state } = this
    return {
      id: this.id,
      role: 'origin',
      state: state === 'closed' ? 'closing' : state,
      purpose: this.purpose,
      path: this.#path.map((hop) => hexEncodeUpper(hop.rsaIdentity)),
      ...(channel === undefined
        ? {}
        : { next: { channel: channel.id, circuitId: this.#circuitId, remote: channel.peer.address, fingerprint: hexEncodeUpper(this.#path[0]?.rsaIdentity ?? new Uint8Array(0)) } }),
      streams: this.#machine.edges().flatMap((edge) => inspectStreams(edge.streams())),
      ageMs: this.now() - this.createdAt,
      queuedCells: channel?.queuedCells(this.#circuitId) ?? 0,
      ...(this.#machine.hopCount === 0 ? {} : { packageWindow: this.#machine.edge().flow.packageWindow }),
    }
  }

  // From the channel.

  handleCell(cell: Cell): void {
    if (cell.command === ChannelCommand.DESTROY) {
      this.#channel = undefined
      const { reason } = decodeDestroy(cell.body)
      this.run(() => this.#machine.handleDestroy(reason))
      return
    }
    this.run(() => this.#machine.handleCreated(this.now(), cell.command, cell.body))
  }

  handleRelayBatch(batch: RelayCellBatch): void {
    this.run(() => this.#machine.handleRelay(this.now(), batch.command, batch.payloads))
  }

  handleChannelClosed(closed: ChannelClosed): void {
    this.#channel = undefined
    this.run(() => this.#machine.handleLinkClosed(closed.error?.within('link to the first hop')))
  }

  handleWritable(): void {
    this.#blocked = false
    this.run(() => this.#machine.setBlocked(this.now(), false))
  }

  // For streams.

  now(): MonotonicMs {
    return this.#parts.runtime.monotonicNow()
  }

  run<T>(call: () => T): T {
    const result = call()
    this.#pump()
    return result
  }

  later(callback: () => void): void {
    this.#parts.runtime.setTimer(durationMs(0), callback)
  }

  streamClosed(stream: OriginStream, closed: StreamClosed): void {
    this.#streams.delete(stream.machine)
    const reason = EndReason.nameOf(closed.reason)
    this.#parts.runtime.trace?.emit({ event: 'stream.close', circuit: this.id, stream: stream.machine.id, reason, remote: closed.remote })
    this.#publishStream('CLOSED', stream.machine, closed.remote ? { reason: 'END', remoteReason: reason } : { reason })
  }

  // Inside.

  /** Moves outputs until there are none. Users that are called back may call again: the outermost pump goes on. */
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
    if (due === undefined || this.#closed) return
    this.#paceTimer = this.#parts.runtime.setTimer(durationMs(Math.max(0, between(this.now(), due))), () => {
      this.#paceDue = undefined
      this.run(() => this.#machine.handleTimeout(this.now()))
    })
  }

  #handle(output: OriginCircuitOutput): void {
    switch (output.kind) {
      case 'send-relay':
        this.#sendRelay(output.command, output.payloads)
        giveUpMemory(output.payloads)
        return
      case 'stream-data':
        this.#streams.get(output.stream)?.handlers.onData(output.chunk)
        return
      case 'stream-drain':
        this.#streams.get(output.stream)?.handlers.onDrain()
        return
      case 'stream-connected':
        this.#parts.runtime.trace?.emit({ event: 'stream.connected', circuit: this.id, stream: output.stream.id, address: output.address })
        this.#publishStream('SUCCEEDED', output.stream)
        this.#streams.get(output.stream)?.handlers.onConnected(output.address, output.ttlSec)
        return
      case 'stream-resolved':
        this.#answer(output.stream, output.answers)
        return
      case 'stream-ended':
        this.#handleEnded(output)
        return
      case 'send-cell':
        this.#sendCell(output.command, output.body)
        return
      case 'extended':
        this.#extended()
        return
      case 'closed':
        this.#handleClosed(output)
        return
      case 'stream-requested':
      case 'message':
        // Nobody may open streams to us on a circuit of ours, and no feature waits for other messages.
        return
    }
  }

  #sendRelay(command: ChannelCommand, payloads: Uint8Array): void {
    const channel = this.#channel
    if (channel === undefined) return
    if (!channel.sendRelayBatch(relayBatch(this.#circuitId, payloads, command)) && !this.#blocked) {
      this.#blocked = true
      this.#machine.setBlocked(this.now(), true)
    }
  }

  #sendCell(command: ChannelCommand, body: Uint8Array): void {
    const channel = this.#channel
    if (channel === undefined) return
    if (command === ChannelCommand.DESTROY) {
      this.#channel = undefined
      channel.closeCircuit(this.#circuitId, decodeDestroy(body).reason)
      return
    }
    channel.sendCell(fixedCell(this.#circuitId, command, body))
  }

  #attach(channel: Channel): void {
    this.#dialing = undefined
    if (this.#closed) return
    const circuitId = channel.allocateCircuitId()
    if (circuitId === undefined) {
      this.#fail(new RelishError('limit', 'the channel to the first hop has no circuit id left'))
      return
    }
    this.#channel = channel
    this.#circuitId = circuitId
    channel.attach(circuitId, this)
    this.#parts.runtime.trace?.emit({ event: 'circuit.link', circuit: this.id, side: 'next', channel: channel.id, circId: circuitId })
    this.#extendNext()
  }

  #extendNext(): void {
    const next = this.#building?.left[0]
    if (next === undefined) return
    try {
      const hop = machineHop(next, this.#machine.hopCount, this.#congestionKind)
      this.run(() => this.#machine.extend(hop))
    } catch (thrown) {
      this.#fail(asRelishError(thrown))
    }
  }

  /** What to ask the next hop for congestion control as: only the last hop of a circuit that was built for it (prop324 §10.1). C tor sorts by length alike. */
  get #congestionKind(): CircuitKind | undefined {
    const isLast = this.#machine.hopCount === this.#path.length - 1
    if (!this.#parts.congestionControl || !isLast || this.#path.length < 2) return undefined
    return this.#path.length === 2 ? 'sbws' : 'exit'
  }

  #extended(): void {
    const building = this.#building
    if (building === undefined) return
    building.left.shift()
    this.#parts.runtime.trace?.emit({ event: 'circuit.extended', circuit: this.id, hops: this.#machine.hopCount })
    this.#publish('EXTENDED')
    if (building.left.length > 0) {
      this.#extendNext()
      return
    }
    this.#building = undefined
    this.#buildTimer?.cancel()
    this.#wasOpen = true
    this.#parts.runtime.trace?.emit({ event: 'circuit.open', circuit: this.id, purpose: this.purpose })
    this.#publish('BUILT')
    building.onDone()
  }

  #handleEnded(ended: Extract<OriginCircuitOutput, { kind: 'stream-ended' }>): void {
    this.#answer(ended.stream, [])
    const stream = this.#streams.get(ended.stream)
    if (stream === undefined) return
    const closed: StreamClosed = {
      reason: ended.reason,
      remote: ended.remote,
      ...(ended.address === undefined ? {} : { address: ended.address }),
      ...(ended.ttlSec === undefined ? {} : { ttlSec: ended.ttlSec }),
    }
    if (!ended.remote) {
      // The user has just asked for it, perhaps within this very call.
      this.later(() => stream.close(closed))
      return
    }
    if (ended.reason === EndReason.DONE) stream.handlers.onEnd()
    stream.close(closed)
  }

  #answer(stream: Stream, answers: readonly ResolvedAnswer[]): void {
    const onAnswers = this.#questions.get(stream)
    if (onAnswers === undefined) return
    this.#questions.delete(stream)
    onAnswers(answers)
  }

  #fail(error: RelishError): void {
    if (!this.#closed) this.run(() => this.#machine.close(error))
  }

  #handleClosed(closed: Extract<OriginCircuitOutput, { kind: 'closed' }>): void {
    if (this.#closed) return
    this.#closed = true
    this.#dialing?.cancel()
    this.#buildTimer?.cancel()
    this.#paceTimer?.cancel()
    this.#channel?.detach(this.#circuitId)
    this.#channel = undefined
    const { runtime, onGone } = this.#parts
    onGone()
    runtime.trace?.emit({ event: 'circuit.closed', circuit: this.id, remote: closed.remote, reason: DestroyReason.nameOf(closed.reason), error: closed.error?.message })
    const reason = controlReason(closed.reason)
    this.#publish(this.#wasOpen ? 'CLOSED' : 'FAILED', closed.remote ? { reason: 'DESTROYED', remoteReason: reason } : { reason })
    const error = this.#closedByOwner ? undefined : (closed.error ?? new RelishError('unavailable', 'the circuit was closed'))
    const building = this.#building
    this.#building = undefined
    if (building !== undefined && error !== undefined) {
      building.onFailed(error)
      if (!this.#wasOpen) return
    }
    if (this.#closedByOwner) this.later(() => this.onClosed?.(undefined))
    else this.onClosed?.(error)
  }

  #dead(handlers: StreamHandlers, closed: StreamClosed): CircuitStream {
    this.later(() => handlers.onClose(closed))
    return new DeadStream(this.id)
  }

  #armTimer(): void {
    this.#buildTimer?.cancel()
    this.#buildTimer = this.#parts.runtime.setTimer(CIRCUIT_BUILD_TIMEOUT, () => {
      this.#fail(new RelishError('timeout', `hop ${this.#machine.hopCount + 1} was not added in time`))
    })
  }

  #publish(status: CircuitNews['status'], reasons: Pick<CircuitNews, 'reason' | 'remoteReason'> = {}): void {
    const { news } = this.#parts
    if (news === undefined || !news.isFollowed) return
    const path = this.#path.slice(0, this.#machine.hopCount).map((hop) => hexEncodeUpper(hop.rsaIdentity))
    news.publish({ kind: 'circuit', status, id: this.id, purpose: this.purpose, path, createdAt: this.createdAt, ...reasons })
  }

  #publishStream(status: StreamNews['status'], stream: Stream, reasons: Pick<StreamNews, 'reason' | 'remoteReason'> = {}): void {
    const { news } = this.#parts
    if (news === undefined || !news.isFollowed) return
    news.publish({ kind: 'stream', status, circuit: this.id, stream: stream.id, target: stream.target, ...reasons })
  }
}

/** Controllers know two reasons by other names (control-spec §4.1.1). */
function controlReason(reason: DestroyReason): string {
  if (reason === DestroyReason.PROTOCOL) return 'TORPROTOCOL'
  return reason === DestroyReason.CHANNEL_CLOSED ? 'OR_CONN_CLOSED' : DestroyReason.nameOf(reason)
}

/** How the machine is to reach and greet a hop. Throws `bug` for a hop that cannot be at this place. */
function machineHop(hop: HopTarget, index: number, congestion: CircuitKind | undefined): Hop {
  const { rsaIdentity, ed25519Identity, ntorOnionKey, addresses } = hop
  const target = ed25519Identity === undefined ? { rsaIdentity, addresses } : { rsaIdentity, ed25519Identity, addresses }
  if (ntorOnionKey === undefined) {
    // tor-spec §5.1.5: only the link's TLS protects CREATE_FAST.
    if (index > 0) throw new RelishError('bug', 'a hop beyond the first needs an onion key')
    return { target, keys: { kind: 'fast' } }
  }
  const protocols = hop.protocols === undefined ? undefined : ProtocolList.parse(hop.protocols)
  if (ed25519Identity !== undefined && protocols?.supports('Relay', 4) === true) {
    const keys = { kind: 'ntor-v3', ed25519Identity, onionKey: ntorOnionKey } as const
    // prop324 §10.1.
    return congestion !== undefined && protocols.supports('FlowCtrl', 2) ? { target, keys, congestion } : { target, keys }
  }
  return { target, keys: { kind: 'ntor', rsaIdentity, onionKey: ntorOnionKey } }
}
