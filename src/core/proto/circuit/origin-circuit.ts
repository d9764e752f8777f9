/**
 * A circuit of our own: hop by hop it is built, then streams run to its hops. tor-spec §5.3–§5.6, §6.
 *
 * The machine does not choose relays and knows no links: it is told how to reach and how to shake hands with each hop,
 * and the driver moves what it puts out. Hops count from 0.
 */

import { must } from '../../base/assert.ts'
import { asRelishError, protocolError, RelishError } from '../../base/errors.ts'
import { randomBelow, type Rng } from '../../base/rng.ts'
import type { MonotonicMs } from '../../base/time.ts'
import { decodeCreated2, decodeDestroy, encodeCreate2, encodeDestroy, encodeExtend2 } from '../../cell/circuit-messages.ts'
import { ChannelCommand, DestroyReason, RelayCommand } from '../../cell/commands.ts'
import { CELL_BODY_BYTES } from '../../cell/limits.ts'
import { encodeRelayMessage, type RelayMessage } from '../../cell/relay-cell.ts'
import { linkSpecifiersOf, type LinkTarget } from '../../ident/link-specifier.ts'
import { CircuitFlow, type FlowParameters } from '../flow/circuit-flow.ts'
import type { CircuitKind } from '../flow/congestion-parameters.ts'
import { OnionLayers } from '../relaycrypt/onion.ts'
import { Edge, type EdgeOutput, type EdgePort } from '../stream/edge.ts'
import { ClientHandshake, type HopKeys } from './client-handshake.ts'
import { HOPS_MAX, RELAY_EARLY_CELLS_MAX } from './limits.ts'
import type { RelayCellObserver } from './relay-cell-observer.ts'

/** A relay as a circuit needs to know it. */
export interface Hop {
  readonly target: LinkTarget
  readonly keys: HopKeys
  /** Ask the hop for congestion control, for a circuit of this kind; with ntor-v3 only. */
  readonly congestion?: CircuitKind
}

export type OriginCircuitOutput =
  | EdgeOutput
  | { readonly kind: 'send-cell'; readonly command: ChannelCommand; readonly body: Uint8Array }
  | { readonly kind: 'send-relay'; readonly command: ChannelCommand; readonly payloads: Uint8Array }
  /** The circuit has one hop more, this one. */
  | { readonly kind: 'extended'; readonly hop: number }
  /** A message that no part of a circuit handles: onion services, padding. */
  | { readonly kind: 'message'; readonly hop: number; readonly message: RelayMessage }
  /** The last output. `remote`: DESTROY or TRUNCATED came; `reason` is then what they said. */
  | { readonly kind: 'closed'; readonly reason: DestroyReason; readonly remote: boolean; readonly error: RelishError | undefined }

export interface OriginCircuitOptions {
  readonly flow?: FlowParameters
  readonly rng: Rng
  readonly observer?: RelayCellObserver | undefined
}

export class OriginCircuit {
  readonly #options: OriginCircuitOptions
  readonly #layers = new OnionLayers()
  readonly #edges: Edge[] = []
  #pending: ClientHandshake | undefined
  #closed = false
  #blocked = false
  #relayEarlyLeft: number
  #outputs: OriginCircuitOutput[] = []

  constructor(options: OriginCircuitOptions) {
    this.#options = options
    // C tor sends one or two fewer than it may, so that the budget does not tell the length of the path.
    this.#relayEarlyLeft = RELAY_EARLY_CELLS_MAX - randomBelow(options.rng, 2)
  }

  get hopCount(): number {
    return this.#layers.length
  }

  get isOpen(): boolean {
    return !this.#closed
  }

  /** A hop is being added. */
  get isExtending(): boolean {
    return this.#pending !== undefined
  }

  /** Where streams to this hop live; the last one unless said otherwise. */
  edge(hop: number = this.#edges.length - 1): Edge {
    return must(this.#edges[hop], 'the hop was added')
  }

  edges(): readonly Edge[] {
    return this.#edges
  }

  /** Drained after every call. */
  takeOutputs(now: MonotonicMs): readonly OriginCircuitOutput[] {
    for (const edge of this.#edges) edge.releaseHeld(now)
    const outputs = this.#outputs
    if (outputs.length > 0) this.#outputs = []
    return outputs
  }

  // From the driver.

  /** Adds a hop: CREATE2 or CREATE_FAST for the first, EXTEND2 for each other. `extended` or `closed` follows. */
  extend(hop: Hop): void {
    if (this.#closed) return
    if (this.#pending !== undefined) throw new RelishError('bug', 'the circuit is being extended already')
    if (this.hopCount >= HOPS_MAX) throw new RelishError('limit', `a circuit has at most ${HOPS_MAX} hops`)
    const parameters = this.#options.flow?.congestion
    const asked = hop.congestion === undefined || parameters === undefined ? undefined : { kind: hop.congestion, parameters }
    const handshake = new ClientHandshake(hop.keys, asked, this.#options.rng)
    this.#pending = handshake
    if (this.hopCount === 0) {
      if (handshake.isFast) this.#outputs.push({ kind: 'send-cell', command: ChannelCommand.CREATE_FAST, body: handshake.message })
      else this.#outputs.push({ kind: 'send-cell', command: ChannelCommand.CREATE2, body: encodeCreate2({ handshakeType: handshake.type, handshake: handshake.message }) })
      return
    }
    if (handshake.isFast) throw new RelishError('bug', 'CREATE_FAST makes first hops only')
    // tor-spec §5.6: EXTEND2 goes in RELAY_EARLY, of which a circuit has only so many.
    if (this.#relayEarlyLeft === 0) throw new RelishError('limit', 'no RELAY_EARLY cell is left to extend the circuit with')
    const data = encodeExtend2({ linkSpecifiers: linkSpecifiersOf(hop.target), handshakeType: handshake.type, handshake: handshake.message })
    this.#relayEarlyLeft--
    const plain = this.#encode(RelayCommand.EXTEND2, data)
    this.#options.observer?.sent('forward', plain, this.hopCount - 1)
    const { payloads } = this.#layers.encrypt(this.hopCount - 1, plain)
    this.#outputs.push({ kind: 'send-relay', command: ChannelCommand.RELAY_EARLY, payloads })
  }

  /** Sends a message about the circuit to a hop. */
  sendMessage(hop: number, command: RelayCommand, data: Uint8Array): void {
    if (!this.#closed) this.#send(hop, this.#encode(command, data))
  }

  /** Sends so many cells to the last hop that it throws away (tor-spec §7.2). No window counts them. */
  sendDummies(count: number): void {
    if (this.#closed || this.hopCount === 0) return
    const dummy = this.#encode(RelayCommand.DROP, new Uint8Array(0))
    const payloads = new Uint8Array(count * CELL_BODY_BYTES)
    for (let at = 0; at < payloads.length; at += CELL_BODY_BYTES) payloads.set(dummy, at)
    this.#send(this.hopCount - 1, payloads)
  }

  /** Whether the link takes cells. */
  setBlocked(now: MonotonicMs, blocked: boolean): void {
    this.#blocked = blocked
    for (const edge of this.#edges) edge.setBlocked(now, blocked)
  }

  /** tor-spec §5.4: a client gives no reason. */
  close(error?: RelishError): void {
    this.#end({ reason: DestroyReason.NONE, remote: false, error, tellPeer: true })
  }

  /** When `handleTimeout` is due. */
  nextTimeout(): MonotonicMs | undefined {
    let next: MonotonicMs | undefined
    for (const edge of this.#edges) {
      const due = edge.nextTimeout()
      if (due !== undefined && (next === undefined || due < next)) next = due
    }
    return next
  }

  handleTimeout(now: MonotonicMs): void {
    for (const edge of this.#edges) if (!this.#closed) edge.handleTimeout(now)
  }

  // From the link.

  handleCreated(now: MonotonicMs, command: ChannelCommand, body: Uint8Array): void {
    if (this.#closed) return
    this.#guarded(() => {
      const pending = this.#pending
      if (pending === undefined || this.hopCount > 0) throw protocolError(`${ChannelCommand.nameOf(command)} that nobody waits for`)
      const expected = pending.isFast ? ChannelCommand.CREATED_FAST : ChannelCommand.CREATED2
      if (command !== expected) throw protocolError(`${ChannelCommand.nameOf(command)} instead of ${ChannelCommand.nameOf(expected)}`)
      this.#addHop(now, pending, pending.isFast ? body : decodeCreated2(body).handshake)
    })
  }

  handleRelay(now: MonotonicMs, command: ChannelCommand, payloads: Uint8Array): void {
    if (this.#closed) return
    this.#guarded(() => {
      // tor-spec §5.6.
      if (command === ChannelCommand.RELAY_EARLY) throw protocolError('RELAY_EARLY towards the client')
      const runs = this.#layers.decrypt(payloads)
      const { observer } = this.#options
      if (runs === undefined) {
        observer?.unrecognized('backward', payloads.length / CELL_BODY_BYTES)
        throw protocolError('a relay cell that no hop has sent')
      }
      if (observer !== undefined) for (const run of runs) observer.received('backward', run.bodies, run.hop)
      for (const run of runs) if (!this.#closed) this.edge(run.hop).handleCells(now, run)
    })
  }

  handleDestroy(reason: DestroyReason): void {
    this.#end({ reason, remote: true, error: new RelishError('refused', `circuit destroyed: ${DestroyReason.nameOf(reason)}`), tellPeer: false })
  }

  handleLinkClosed(error: RelishError | undefined): void {
    this.#end({ reason: DestroyReason.CHANNEL_CLOSED, remote: false, error: error ?? new RelishError('unavailable', 'the link of the circuit was closed'), tellPeer: false })
  }

  // Inside.

  #addHop(now: MonotonicMs, handshake: ClientHandshake, reply: Uint8Array): void {
    const { layer, agreed } = handshake.finish(reply)
    const hop = this.hopCount
    this.#pending = undefined
    this.#layers.add(layer)
    const { flow, rng } = this.#options
    const port: EdgePort = {
      get isOpen(): boolean {
        return circuit.isOpen
      },
      send: (payloads) => this.#send(hop, payloads),
      emit: (output) => this.#outputs.push(output),
      handleControl: (at, message) => this.#handleControl(at, hop, message),
    }
    const circuit = this
    const edge = new Edge(port, {
      role: 'origin',
      flow: new CircuitFlow({ ...flow, agreed }),
      rng,
    })
    edge.setBlocked(now, this.#blocked)
    this.#edges.push(edge)
    this.#outputs.push({ kind: 'extended', hop })
  }

  #handleControl(now: MonotonicMs, hop: number, message: RelayMessage): void {
    switch (message.command) {
      case RelayCommand.EXTENDED2: {
        const pending = this.#pending
        if (pending === undefined || hop !== this.hopCount - 1) throw protocolError('EXTENDED2 that nobody waits for')
        this.#addHop(now, pending, decodeCreated2(message.data).handshake)
        return
      }
      case RelayCommand.TRUNCATED: {
        // tor-spec §5.4: truncated circuits are not used again, the rest is torn down as well.
        const { reason } = decodeDestroy(message.data)
        const error = new RelishError('refused', `circuit truncated after hop ${hop + 1}: ${DestroyReason.nameOf(reason)}`)
        this.#end({ reason, remote: true, error, tellPeer: true })
        return
      }
      case RelayCommand.DROP:
      case RelayCommand.EXTEND:
      case RelayCommand.EXTEND2:
      case RelayCommand.TRUNCATE:
        // DROP is padding; the others are for relays, and C tor drops them at clients.
        return
      default:
        this.#outputs.push({ kind: 'message', hop, message })
    }
  }

  #send(hop: number, payloads: Uint8Array): Uint8Array {
    this.#options.observer?.sent('forward', payloads, hop)
    const sealed = this.#layers.encrypt(hop, payloads)
    let rest = sealed.payloads
    // tor-spec §5.6: the first cells that go beyond the first hop are RELAY_EARLY, to hide how long the path is.
    if (hop > 0 && this.#relayEarlyLeft > 0) {
      const early = Math.min(this.#relayEarlyLeft, rest.length / CELL_BODY_BYTES)
      this.#relayEarlyLeft -= early
      this.#outputs.push({ kind: 'send-relay', command: ChannelCommand.RELAY_EARLY, payloads: rest.subarray(0, early * CELL_BODY_BYTES) })
      rest = rest.subarray(early * CELL_BODY_BYTES)
    }
    if (rest.length > 0) this.#outputs.push({ kind: 'send-relay', command: ChannelCommand.RELAY, payloads: rest })
    return sealed.tags
  }

  #encode(command: RelayCommand, data: Uint8Array): Uint8Array {
    return encodeRelayMessage({ command, streamId: 0, data }, this.#options.rng)
  }

  #guarded(handle: () => void): void {
    try {
      handle()
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind !== 'protocol' && error.kind !== 'limit') throw error
      this.#end({ reason: error.kind === 'limit' ? DestroyReason.RESOURCELIMIT : DestroyReason.PROTOCOL, remote: false, error, tellPeer: true })
    }
  }

  #end(end: { reason: DestroyReason; remote: boolean; error: RelishError | undefined; tellPeer: boolean }): void {
    if (this.#closed) return
    this.#closed = true
    this.#pending = undefined
    // tor-spec §5.4: an OP always uses the NONE reason.
    if (end.tellPeer) this.#outputs.push({ kind: 'send-cell', command: ChannelCommand.DESTROY, body: encodeDestroy({ reason: DestroyReason.NONE }) })
    for (const edge of this.#edges) edge.closeAll()
    this.#outputs.push({ kind: 'closed', reason: end.reason, remote: end.remote, error: end.error })
  }
}
