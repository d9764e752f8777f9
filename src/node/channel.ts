/**
 * Channels as circuits see them: an open link to another Tor node on which circuits have ids, send cells and get told what
 * comes. These are the types; `link-channel.ts` implements them and `channel-manager.ts` hands channels out.
 *
 * tor-spec §5.1.1 (ids), §5.4 (DESTROY), §5.5.1 (cells of unknown circuits).
 */

import type { RelishError } from '../core/base/errors.ts'
import type { Cell, RelayCellBatch } from '../core/cell/cell.ts'
import type { DestroyReason } from '../core/cell/commands.ts'
import type { SocketAddress } from '../runtime/index.ts'

export interface ChannelPeer {
  /** Present once proven; clients prove nothing. */
  readonly rsaIdentity?: Uint8Array
  readonly ed25519Identity?: Uint8Array
  /** The other end of the connection: of a peer that dialled, an address nobody listens on. */
  readonly address: SocketAddress
  /** We dialled. */
  readonly initiator: boolean
  /** The peer has proven its identities, so it is a relay. */
  readonly authenticated: boolean
}

export interface ChannelClosed {
  /**
   * `end`: the peer hung up. `idle`: nobody used it. `shutdown`: we are stopping. `protocol`, `identity`, `timeout`:
   * as the channel machine says. `limit`: the peer makes us answer and does not read. `network`: the connection broke.
   */
  readonly reason: 'end' | 'idle' | 'shutdown' | 'protocol' | 'identity' | 'timeout' | 'limit' | 'network'
  readonly error: RelishError | undefined
}

/** What a circuit is to its channel. */
export interface CircuitEndpoint {
  /**
   * CREATED*, or DESTROY: the channel has then forgotten the circuit already. A DESTROY with RESOURCELIMIT also comes from
   * the channel itself, when the circuit has let too many cells pile up.
   */
  handleCell(cell: Cell): void
  /** The receiver owns the batch. */
  handleRelayBatch(batch: RelayCellBatch): void
  /** The channel is gone, and with it the circuit on this side. Nothing else follows. */
  handleChannelClosed(closed: ChannelClosed): void
  /** After `sendRelayBatch` answered false: nearly all that this circuit had queued is on its way. */
  handleWritable(): void
}

export interface Channel {
  /** Unique within the node. */
  readonly id: number
  readonly peer: ChannelPeer
  readonly linkProtocol: number
  readonly isOpen: boolean
  /** Circuits attached. */
  readonly circuitCount: number
  /** An unused id for a circuit that we create; undefined when the channel is full (tor-spec §5.1.1). */
  allocateCircuitId(): number | undefined
  /** From now on `endpoint` gets what comes for the circuit. The id must be unused. */
  attach(circuitId: number, endpoint: CircuitEndpoint): void
  /** Forgets the circuit and what it has queued, without telling the peer. Harmless when it is unknown. */
  detach(circuitId: number): void
  /** Sends DESTROY, then forgets the circuit. Harmless when it is unknown. */
  closeCircuit(circuitId: number, reason: DestroyReason): void
  /** Any cell but RELAY and RELAY_EARLY. A DESTROY drops what the circuit has queued. */
  sendCell(cell: Cell): void
  /**
   * Sends the batch or a copy of it: `payloads` are the caller's again. False: the link is busy and the circuit has much waiting; stop producing until
   * `handleWritable`. A circuit that goes on regardless is closed at a limit.
   */
  sendRelayBatch(batch: RelayCellBatch): boolean
  isBlocked(): boolean
  /** Relay cells of this circuit that wait for the link. */
  queuedCells(circuitId: number): number
}

/** A relay to have a channel to. */
export interface ChannelTarget {
  readonly rsaIdentity: Uint8Array
  readonly ed25519Identity?: Uint8Array
  /** In order of preference; at least one, unless only an open channel will do. */
  readonly addresses: readonly SocketAddress[]
}

export interface ChannelCallbacks {
  onOpen(channel: Channel): void
  /** `closed` is there when a connection came about: `identity` then means that somebody else answered. */
  onFailed(error: RelishError, closed?: ChannelClosed): void
}

/** Gets CREATE, CREATE_FAST and CREATE2 for circuit ids that are new and that the peer was free to choose. */
export type CreateHandler = (channel: Channel, cell: Cell) => void

export interface Channels {
  /** An open channel that may be used for the target (tor-spec §5.3.1). */
  find(target: ChannelTarget): Channel | undefined
  /** A channel to the target: an open one, or one that is dialled. Calls back later, never before it has returned. */
  get(target: ChannelTarget, callbacks: ChannelCallbacks): { cancel(): void }
}
