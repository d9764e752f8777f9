/**
 * One connection to another node: drives a channel machine over a byte stream, keeps the circuits that run on it, and
 * shares the link among them when it is busy. Channels are made and found by `channel-manager.ts`.
 */

import { assert } from '../core/base/assert.ts'
import { hexEncodeUpper, base64EncodeUnpadded } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import { randomBelow, type Rng } from '../core/base/rng.ts'
import { between, durationMs, type DurationMs, type MonotonicMs } from '../core/base/time.ts'
import { fixedCell, type Cell, type RelayCellBatch } from '../core/cell/cell.ts'
import type { CellSpace } from '../core/cell/cell-space.ts'
import { encodeDestroy } from '../core/cell/circuit-messages.ts'
import { ChannelCommand, DestroyReason } from '../core/cell/commands.ts'
import { FrameWriter } from '../core/cell/frame-writer.ts'
import { encodePaddingNegotiate } from '../core/cell/link-messages.ts'
import { chooseCircuitId, isPeersCircuitId } from '../core/proto/channel/circuit-ids.ts'
import { formatAddressPort } from '../core/ident/address.ts'
import { ChannelMachine } from '../core/proto/channel/channel-machine.ts'
import type { ChannelNow, ChannelOpen, ChannelOptions, ChannelOutput } from '../core/proto/channel/channel-types.ts'
import { LinkPadding, type LinkPaddingRules } from '../core/proto/channel/link-padding.ts'
import type { ChannelInspection } from '../runtime/events.ts'
import type { Runtime, SecureByteStream, Timer } from '../runtime/index.ts'
import { traceBatch, traceCell } from './cell-trace.ts'
import type { Channel, ChannelClosed, ChannelPeer, CircuitEndpoint } from './channel.ts'
import { CircuitQueues } from './circuit-queues.ts'
import { CHANNEL_IDLE_MIN, CIRCUITS_PER_CHANNEL_MAX, LINK_BUFFER_BYTES_MAX } from './limits.ts'

/** PADDING_NEGOTIATE came with it (tor-spec §7.2). */
const LINK_PROTOCOL_WITH_PADDING = 5

export interface CircuitQueueMarks {
  readonly high: number
  readonly low: number
}

/** What a channel tells the manager. */
export interface ChannelOwner {
  handleOpen(channel: LinkChannel, open: ChannelOpen): void
  /** A CREATE cell for an id that is new and the peer's to choose. */
  handleCreate(channel: LinkChannel, cell: Cell): void
  /** How links are padded; undefined when they are not (padding-spec §2). */
  linkPadding(): LinkPaddingRules | undefined
  /** After so long without anything sent, a PADDING cell goes out; undefined: never. */
  keepalivePeriod(): DurationMs | undefined
  /** Cells a circuit may have waiting before it is told to stop, and before it may go on. */
  circuitQueueMarks(): CircuitQueueMarks
  /** Once, last. */
  handleClosed(channel: LinkChannel, closed: ChannelClosed): void
}

export class LinkChannel implements Channel {
  readonly id: number
  readonly #runtime: Runtime
  readonly #rng: Rng
  readonly #stream: SecureByteStream
  readonly #owner: ChannelOwner
  readonly #machine: ChannelMachine
  readonly #initiator: boolean
  /** We prove who we are when we dial: we are a relay. */
  readonly #authenticates: boolean
  readonly #writer: FrameWriter
  readonly #circuits = new Map<number, CircuitEndpoint>()
  readonly #queues = new CircuitQueues()
  /** Circuits that were told to stop. */
  readonly #waiting = new Set<number>()
  #open: ChannelOpen | undefined
  #peer: ChannelPeer
  #blocked = false
  #closed: ChannelClosed | undefined
  /** The handshake's deadline, later the idle time. */
  #timer: Timer | undefined
  #padding: LinkPadding | undefined
  #paddingTimer: Timer | undefined
  /** What the link has been used for: padding is for links that people's traffic goes over. */
  #usage: 'directory' | 'circuits' | 'traffic' = 'directory'
  #keepaliveTimer: Timer | undefined
  #lastWritten: MonotonicMs
  #bytesRead = 0
  #bytesWritten = 0

  constructor(id: number, runtime: Runtime, stream: SecureByteStream, options: ChannelOptions, space: CellSpace, owner: ChannelOwner) {
    this.id = id
    this.#runtime = runtime
    this.#rng = options.rng
    this.#stream = stream
    this.#owner = owner
    this.#writer = new FrameWriter(space.frames)
    this.#initiator = options.role.kind === 'initiator'
    this.#authenticates = options.role.credentials !== undefined
    this.#peer = { address: stream.remote, initiator: this.#initiator, authenticated: false }
    const { trace } = runtime
    if (trace === undefined) {
      this.#machine = new ChannelMachine({ ...options, space: space.bodies }, this.#now())
    } else {
      trace.emit({ event: 'link.begin', channel: id, initiator: this.#initiator, local: formatAddressPort(stream.local), remote: formatAddressPort(stream.remote) })
      const onOwnCell = (direction: 'sent' | 'received', cell: Cell): void => traceCell(trace, direction === 'sent' ? 'cell.sent' : 'cell.received', id, cell)
      this.#machine = new ChannelMachine({ ...options, space: space.bodies, onOwnCell }, this.#now())
    }
    this.#lastWritten = runtime.monotonicNow()
  }

  /** Begins to read and shakes hands. */
  start(): void {
    this.#stream.start({
      onData: (chunk) => this.#handleData(chunk),
      onEnd: () => this.close({ reason: 'end', error: undefined }),
      onDrain: () => this.#handleDrain(),
      onClose: (error) => this.close({ reason: error === undefined ? 'end' : 'network', error }),
    })
    this.#applyOutputs(this.#machine.takeOutputs())
    this.#armHandshakeTimer()
  }

  get peer(): ChannelPeer {
    return this.#peer
  }

  get linkProtocol(): number {
    return this.#open?.linkProtocol ?? 0
  }

  get isOpen(): boolean {
    return this.#open !== undefined && this.#closed === undefined
  }

  /** tor-spec §5.3.1: the peer says that the address we see is its own. */
  get canonical(): boolean {
    return this.#open?.canonical ?? false
  }

  get circuitCount(): number {
    return this.#circuits.size
  }

  allocateCircuitId(): number | undefined {
    if (this.#circuits.size >= CIRCUITS_PER_CHANNEL_MAX) return undefined
    return chooseCircuitId(this.#rng, this.#initiator, (id) => this.#circuits.has(id))
  }

  attach(circuitId: number, endpoint: CircuitEndpoint): void {
    assert(!this.#circuits.has(circuitId), 'the circuit id is unused')
    assert(this.isOpen, 'circuits are attached to open channels')
    this.#circuits.set(circuitId, endpoint)
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#circuits.size === 1) this.#armPaddingTimer()
  }

  detach(circuitId: number): void {
    if (!this.#circuits.delete(circuitId)) return
    this.#queues.drop(circuitId)
    this.#waiting.delete(circuitId)
    this.#armIdleTimer()
  }

  closeCircuit(circuitId: number, reason: DestroyReason): void {
    if (!this.#circuits.has(circuitId)) return
    this.#sendDestroy(circuitId, reason)
    this.detach(circuitId)
  }

  sendCell(cell: Cell): void {
    if (!this.isOpen) return
    if (cell.command === ChannelCommand.DESTROY) this.#queues.drop(cell.circuitId)
    const { trace } = this.#runtime
    if (trace !== undefined) traceCell(trace, 'cell.sent', this.id, cell)
    this.#writer.writeCell(cell)
    this.#flush()
    if (this.#stream.bufferedBytes > LINK_BUFFER_BYTES_MAX) {
      this.close({ reason: 'limit', error: new RelishError('limit', 'the peer does not read what it makes us send') })
    }
  }

  sendRelayBatch(batch: RelayCellBatch): boolean {
    if (!this.isOpen || !this.#circuits.has(batch.circuitId)) return true
    if (!this.#blocked) {
      this.#writeBatch(batch)
      return true
    }
    if (!this.#queues.push(batch)) this.#closeOverflown(batch.circuitId)
    // As in C tor, a busy link stops a circuit only once that has much waiting: to be stopped is a signal of congestion.
    if (this.#queues.cellsOf(batch.circuitId) < this.#owner.circuitQueueMarks().high) return true
    this.#waiting.add(batch.circuitId)
    return false
  }

  isBlocked(): boolean {
    return this.#blocked
  }

  queuedCells(circuitId: number): number {
    return this.#queues.cellsOf(circuitId)
  }

  /** Drops the connection and tells circuits and owner. Harmless when it was closed before. */
  close(closed: ChannelClosed): void {
    if (this.#closed !== undefined) return
    this.#closed = closed
    this.#timer?.cancel()
    this.#paddingTimer?.cancel()
    this.#keepaliveTimer?.cancel()
    this.#stream.destroy()
    this.#queues.clear()
    this.#waiting.clear()
    const circuits = [...this.#circuits.values()]
    this.#circuits.clear()
    this.#runtime.trace?.emit({ event: 'link.close', channel: this.id, reason: closed.reason, error: closed.error?.message, bytesRead: this.#bytesRead, bytesWritten: this.#bytesWritten })
    for (const endpoint of circuits) endpoint.handleChannelClosed(closed)
    this.#owner.handleClosed(this, closed)
  }

  inspect(): ChannelInspection {
    const { rsaIdentity, ed25519Identity } = this.#peer
    return {
      id: this.id,
      state: this.#closed === undefined ? this.#machine.state : 'closed',
      initiator: this.#initiator,
      remote: this.#stream.remote,
      ...(rsaIdentity === undefined ? {} : { fingerprint: hexEncodeUpper(rsaIdentity) }),
      ...(ed25519Identity === undefined ? {} : { ed25519: base64EncodeUnpadded(ed25519Identity) }),
      ...(this.#open === undefined ? {} : { linkProtocol: this.#open.linkProtocol }),
      circuits: this.#circuits.size,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      queuedCells: this.#queues.cells,
    }
  }

  #handleData(chunk: Uint8Array): void {
    if (this.#closed !== undefined) return
    this.#bytesRead += chunk.length
    this.#machine.handleBytes(this.#now(), chunk)
    this.#applyOutputs(this.#machine.takeOutputs())
  }

  #applyOutputs(outputs: readonly ChannelOutput[]): void {
    for (const output of outputs) {
      // Whoever gets a cell may close the channel.
      if (this.#closed !== undefined) return
      switch (output.kind) {
        case 'write':
          this.#write(output.bytes)
          break
        case 'open':
          this.#handleOpen(output.open)
          break
        case 'cell':
          this.#handleCell(output.cell)
          break
        case 'relay-batch':
          this.#handleBatch(output.batch)
          break
        case 'padding':
          this.#padding?.handleNegotiate(output.wanted)
          this.#armPaddingTimer()
          break
        case 'close':
          this.close({ reason: output.reason, error: output.error })
          break
      }
    }
  }

  #handleOpen(open: ChannelOpen): void {
    this.#open = open
    this.#writer.useLinkProtocol(open.linkProtocol)
    if (open.peer !== undefined) this.#peer = { ...this.#peer, ...open.peer, authenticated: true }
    this.#runtime.trace?.emit({
      event: 'link.open',
      channel: this.id,
      linkProtocol: open.linkProtocol,
      clockSkewSec: open.clockSkewSec,
      ...(open.peer === undefined ? {} : { fingerprint: hexEncodeUpper(open.peer.rsaIdentity), ed25519: base64EncodeUnpadded(open.peer.ed25519Identity) }),
    })
    this.#armIdleTimer()
    this.#startPadding()
    this.#armKeepaliveTimer()
    this.#owner.handleOpen(this, open)
  }

  #handleBatch(batch: RelayCellBatch): void {
    const endpoint = this.#circuits.get(batch.circuitId)
    const { trace } = this.#runtime
    if (trace !== undefined) traceBatch(trace, endpoint === undefined ? 'cell.dropped' : 'cell.received', this.id, batch)
    if (!this.#initiator) this.#noteUsage(batch)
    // tor-spec §5.5.1: cells of circuits that are not there are dropped.
    endpoint?.handleRelayBatch(batch)
  }

  #handleCell(cell: Cell): void {
    const endpoint = this.#circuits.get(cell.circuitId)
    const { trace } = this.#runtime
    if (trace !== undefined) traceCell(trace, isCreate(cell) === (endpoint === undefined) ? 'cell.received' : 'cell.dropped', this.id, cell)
    switch (cell.command) {
      case ChannelCommand.CREATE:
      case ChannelCommand.CREATE_FAST:
      case ChannelCommand.CREATE2:
        // An id that is taken makes the cell nobody's; C tor drops it, too.
        if (endpoint !== undefined) return
        if (!isPeersCircuitId(cell.circuitId, this.#initiator)) this.#sendDestroy(cell.circuitId, DestroyReason.PROTOCOL)
        else if (this.#circuits.size >= CIRCUITS_PER_CHANNEL_MAX) this.#sendDestroy(cell.circuitId, DestroyReason.RESOURCELIMIT)
        else this.#owner.handleCreate(this, cell)
        return
      case ChannelCommand.DESTROY:
        // tor-spec §5.4: after DESTROY everything for the circuit is ignored.
        this.detach(cell.circuitId)
        endpoint?.handleCell(cell)
        return
      default:
        endpoint?.handleCell(cell)
    }
  }

  #writeBatch(batch: RelayCellBatch): void {
    const { trace } = this.#runtime
    if (trace !== undefined) traceBatch(trace, 'cell.sent', this.id, batch)
    if (this.#initiator) this.#noteUsage(batch)
    this.#writer.writeRelayBatch(batch)
    this.#flush()
  }

  #flush(): void {
    this.#write(this.#writer.take())
  }

  #write(bytes: Uint8Array): void {
    this.#bytesWritten += bytes.length
    this.#lastWritten = this.#runtime.monotonicNow()
    this.#padding?.handleSent(this.#lastWritten)
    if (!this.#stream.write(bytes)) this.#blocked = true
  }

  #handleDrain(): void {
    if (this.#closed !== undefined) return
    this.#blocked = false
    while (!this.#blocked) {
      const batch = this.#queues.takeTurn()
      if (batch === undefined) break
      this.#writeBatch(batch)
    }
    const { low } = this.#owner.circuitQueueMarks()
    const writable = [...this.#waiting].filter((circuitId) => this.#queues.cellsOf(circuitId) <= low)
    for (const circuitId of writable) {
      if (this.#waiting.delete(circuitId)) this.#circuits.get(circuitId)?.handleWritable()
    }
  }

  /** The endpoint is told later: it is in the midst of sending. */
  #closeOverflown(circuitId: number): void {
    const endpoint = this.#circuits.get(circuitId)
    this.closeCircuit(circuitId, DestroyReason.RESOURCELIMIT)
    const cell = fixedCell(circuitId, ChannelCommand.DESTROY, encodeDestroy({ reason: DestroyReason.RESOURCELIMIT }))
    this.#runtime.setTimer(durationMs(0), () => endpoint?.handleCell(cell))
  }

  #sendDestroy(circuitId: number, reason: DestroyReason): void {
    this.sendCell(fixedCell(circuitId, ChannelCommand.DESTROY, encodeDestroy({ reason })))
  }

  #armHandshakeTimer(): void {
    const due = this.#machine.nextTimeout()
    if (due === undefined || this.#closed !== undefined) return
    this.#timer = this.#runtime.setTimer(between(this.#runtime.monotonicNow(), due), () => {
      if (this.#closed !== undefined) return
      this.#machine.handleTimeout(this.#now())
      this.#applyOutputs(this.#machine.takeOutputs())
      if (!this.isOpen) this.#armHandshakeTimer()
    })
  }

  /** padding-spec §2.2: the client pads its link to the relay it dialled, and that relay pads the other way. */
  #startPadding(): void {
    const rules = this.#owner.linkPadding()
    if (rules === undefined) return
    const { choice } = rules
    const negotiable = this.linkProtocol >= LINK_PROTOCOL_WITH_PADDING
    const client = this.#initiator && !this.#authenticates
    // padding-spec §2.5: whoever wants less asks the other end for none, as C tor does.
    if (client && negotiable && (choice === 'never' || choice === 'reduced')) {
      this.sendCell(fixedCell(0, ChannelCommand.PADDING_NEGOTIATE, encodePaddingNegotiate({ command: 'stop' })))
    }
    const withClient = client || (!this.#initiator && this.#open?.peer === undefined)
    if (choice === 'never' || !(withClient || rules.padsRelays) || !(negotiable || choice === 'always')) return
    const own = choice === 'reduced' ? rules.reduced : undefined
    this.#padding = new LinkPadding(() => this.#owner.linkPadding()?.range ?? rules.range, this.#rng, this.#runtime.monotonicNow(), own)
  }

  /**
   * The cells that go from who dialled to the other end tell what for, as in C tor: RELAY_EARLY is seen on circuits of
   * several hops only, and RELAY after that is data.
   */
  #noteUsage(batch: RelayCellBatch): void {
    if (this.#usage === 'traffic' || this.#padding === undefined) return
    if (batch.command === ChannelCommand.RELAY_EARLY) {
      if (this.#usage === 'circuits') return
      this.#usage = 'circuits'
    } else {
      if (this.#usage === 'directory') return
      this.#usage = 'traffic'
    }
    this.#armPaddingTimer()
  }

  /** padding-spec §2.6, nf_pad_before_usage. */
  #isWorthPadding(): boolean {
    return this.#usage === 'traffic' || (this.#usage === 'circuits' && this.#owner.linkPadding()?.padsBeforeUsage !== false)
  }

  /** Links are padded while they carry circuits. */
  #armPaddingTimer(): void {
    this.#paddingTimer?.cancel()
    this.#paddingTimer = undefined
    const due = this.#padding?.nextTimeout()
    if (due === undefined || this.#circuits.size === 0 || !this.isOpen || !this.#isWorthPadding()) return
    const now = this.#runtime.monotonicNow()
    this.#paddingTimer = this.#runtime.setTimer(durationMs(Math.max(0, between(now, due))), () => {
      // A link that is busy, or has more to send than it can, needs no padding.
      if (this.#padding?.handleTimeout(this.#runtime.monotonicNow()) === true && !this.#blocked) {
        this.#sendPadding()
      }
      this.#armPaddingTimer()
    })
  }

  #sendPadding(): void {
    this.sendCell(fixedCell(0, ChannelCommand.PADDING, new Uint8Array(0)))
  }

  /** tor-spec §3: PADDING cells keep links alive. The timer is set again only when it has run out: links are mostly busy. */
  #armKeepaliveTimer(): void {
    const period = this.#owner.keepalivePeriod()
    if (period === undefined || !this.isOpen) return
    const idle = between(this.#lastWritten, this.#runtime.monotonicNow())
    if (idle >= period && !this.#blocked) this.#sendPadding()
    const wait = idle >= period ? period : durationMs(Math.ceil(period - idle))
    this.#keepaliveTimer = this.#runtime.setTimer(wait, () => this.#armKeepaliveTimer())
  }

  #armIdleTimer(): void {
    if (!this.isOpen || this.#circuits.size > 0) return
    this.#timer?.cancel()
    // padding-spec §2.5: links that are padded less do not live as long either.
    const least = this.#owner.linkPadding()?.choice === 'reduced' ? CHANNEL_IDLE_MIN / 2 : CHANNEL_IDLE_MIN
    const wait = durationMs(least + randomBelow(this.#rng, least))
    this.#timer = this.#runtime.setTimer(wait, () => this.close({ reason: 'idle', error: undefined }))
  }

  #now(): ChannelNow {
    return { monotonic: this.#runtime.monotonicNow(), wall: this.#runtime.wallNow() }
  }
}

const isCreate = ({ command }: Cell): boolean => command === ChannelCommand.CREATE || command === ChannelCommand.CREATE_FAST || command === ChannelCommand.CREATE2
