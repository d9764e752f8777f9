/**
 * Circuits that this node builds, as the rest of the node sees them: the client and the directory code ask
 * `OriginCircuits` for a circuit through given hops, and open streams on it.
 *
 * These are the types; `origin-circuit-driver.ts` and `origin-circuits.ts` implement them over the machine of `core/proto/circuit`. Which hops
 * to use is decided elsewhere (`core/path`). tor-spec §5.3, §6.2.
 */

import type { RelishError } from '../core/base/errors.ts'
import type { MonotonicMs } from '../core/base/time.ts'
import type { ResolvedAnswer } from '../core/cell/stream-messages.ts'
import type { CircuitInspection } from '../runtime/events.ts'
import type { SocketAddress } from '../runtime/index.ts'

/** A relay to build through: what it must prove to be, and where it is. */
export interface HopTarget {
  /** 20 bytes: SHA-1 of the RSA identity key. */
  readonly rsaIdentity: Uint8Array
  /** 32 bytes. When present, the relay must prove it and EXTEND2 names it. */
  readonly ed25519Identity?: Uint8Array
  /** 32 bytes. Absent: CREATE_FAST, which is for the first hop only (tor-spec §5.1.5). */
  readonly ntorOnionKey?: Uint8Array
  /** In order of preference; at least one. */
  readonly addresses: readonly SocketAddress[]
  /** The hop's `proto` line, for what may be negotiated with it (`FlowCtrl`, `Relay`). */
  readonly protocols?: string
  /** For traces and inspection only. */
  readonly nickname?: string
}

export type StreamTarget =
  /** `host`: a name, a dotted IPv4 address, or an IPv6 address without brackets. `flags`: tor-spec §6.2, default 0. */
  | { readonly kind: 'connect'; readonly host: string; readonly port: number; readonly flags?: number }
  /** BEGIN_DIR to the last hop (tor-spec §6.2.1). */
  | { readonly kind: 'directory' }

/** Why a stream is over. */
export interface StreamClosed {
  /** tor-spec §6.3. `DESTROY` (5) when the circuit died under the stream. */
  readonly reason: number
  /** The other end said so, rather than this one. */
  readonly remote: boolean
  /** With EXITPOLICY: the address that was refused, if it was told. */
  readonly address?: string
  readonly ttlSec?: number
  /** When the circuit died: why. */
  readonly error?: RelishError
}

export interface StreamHandlers {
  /** The other end has connected; `address` is what the name resolved to, if it was told. Never called for failures. */
  onConnected(address: string | undefined, ttlSec: number | undefined): void
  /** Bytes in order. The chunk is lent for this call. Taking it counts as consumed: pause when it cannot go on to the application. */
  onData(chunk: Uint8Array): void
  /** The other end has ended the stream in order (END with DONE); `onClose` follows. */
  onEnd(): void
  /** What was queued for sending has gone below the low mark after `write` returned false. */
  onDrain(): void
  /** Called once, last. Failure to connect ends here, too. */
  onClose(closed: StreamClosed): void
}

/** Like `ByteStream` of the runtime. A stream of Tor has no half-close: `end` sends what is queued and then END. */
export interface CircuitStream {
  readonly circuitId: number
  readonly streamId: number
  /** Copies the chunk; may be called before `onConnected` (optimistic data). False: stop until `onDrain`. */
  write(chunk: Uint8Array): boolean
  end(): void
  /** Sends END at once, drops what is queued. `onClose` follows. */
  destroy(reason?: number): void
  pauseReading(): void
  resumeReading(): void
  readonly bufferedBytes: number
}

/** A circuit of this node. `state` moves `building` → `open` → `closed`; `building` again while it is extended. */
export interface OriginCircuit {
  /** Unique within the node; not the circuit id on the wire. */
  readonly id: number
  readonly state: 'building' | 'open' | 'closed'
  readonly purpose: string
  readonly path: readonly HopTarget[]
  readonly createdAt: MonotonicMs
  readonly streamCount: number
  /** Hops that have answered so far. */
  readonly hopCount: number
  openStream(target: StreamTarget, handlers: StreamHandlers): CircuitStream
  /** Asks the last hop for addresses of a name, or for the names of an address (tor-spec §6.4). Answers are empty on a failed circuit. */
  resolve(name: string, onAnswers: (answers: readonly ResolvedAnswer[]) => void): void
  /** Sends so many cells to the last hop that it throws away. They wait for the link with what else the circuit has. */
  sendDummies(count: number): void
  extend(hop: HopTarget, callbacks: { onExtended(): void; onFailed(error: RelishError): void }): void
  close(reason?: string): void
  /** Called once when the circuit is over, whoever closed it. Not called when building failed: `onFailed` says so. */
  onClosed: ((error: RelishError | undefined) => void) | undefined
}

export interface CircuitOptions {
  /** For traces, inspection and controllers. */
  readonly purpose: string
  /** Streams will leave from its last hop, so that this is asked for congestion control if it and the consensus allow (prop324 §10.1). */
  readonly congestionControl?: boolean
}

export interface OriginCircuitCallbacks {
  onOpen(circuit: OriginCircuit): void
  /** The hop that failed counts from 0: guards need to know whether it was theirs. */
  onFailed(error: RelishError, failedHop: number): void
}

export interface OriginCircuits {
  build(path: readonly HopTarget[], options: CircuitOptions, callbacks: OriginCircuitCallbacks): OriginCircuit
  /** Open and building circuits, in the order they were begun. */
  list(): readonly OriginCircuit[]
  inspect(): readonly CircuitInspection[]
  closeAll(): void
}
