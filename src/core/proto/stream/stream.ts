/**
 * One stream, the same machine at both of its ends: the state of its life, what waits to be sent and what waits to be
 * delivered. It knows no circuit: `edge.ts` owns streams and turns what they decide into cells. tor-spec §6.2, §6.3.
 *
 * A stream of Tor has no half-close: END from either side ends both directions. A stream that was ended here leaves a
 * `HalfStream` behind, since the peer may still be sending.
 */

import { BoundedQueue } from '../../base/bounded-queue.ts'
import type { BufferPool } from '../../base/buffer-pool.ts'
import { protocolError } from '../../base/errors.ts'
import type { MonotonicMs } from '../../base/time.ts'
import { RelayCommand } from '../../cell/commands.ts'
import type { Leftovers, StreamFlow } from '../flow/stream-flow.ts'
import { ByteQueue } from './byte-queue.ts'
import { HELD_PIECES_MAX } from './limits.ts'

export type StreamKind = 'connect' | 'directory' | 'resolve'

export type StreamState =
  /** Asked for, not yet answered with CONNECTED, RESOLVED or END. Data may be sent already. */
  | 'connecting'
  | 'open'
  /** Ended by our side; what is queued goes first, then END. */
  | 'finishing'
  /** Ended by the peer; what came before has not all been delivered. Sends nothing, and its id is free. */
  | 'draining'
  | 'closed'

export class Stream {
  readonly id: number
  readonly kind: StreamKind
  /** This end asked for it. */
  readonly initiated: boolean
  /** As asked for: `host:port`, `dir`, or the name to resolve. For inspection. */
  readonly target: string
  readonly flow: StreamFlow
  state: StreamState = 'connecting'
  /** CONNECTED or RESOLVED went or came. A stream can be `finishing` before. */
  answered = false
  /** Bytes the application gave and that are not in cells yet. */
  readonly outgoing: ByteQueue
  /** A `write` answered false. */
  wantsDrain = false
  /** The application takes nothing now. */
  paused = false
  /** END to send once `outgoing` is empty. */
  finishReason: number | undefined
  /** END that came, to report once `held` is delivered. */
  remoteEnd: RemoteEnd | undefined
  bytesSent = 0
  bytesReceived = 0
  /** Each piece is of a cell at least, so that the limit on bytes is the tighter one, but for cells without any. */
  readonly #held = new BoundedQueue<HeldData>('data that nobody takes', HELD_PIECES_MAX)
  #heldBytes = 0

  constructor(id: number, kind: StreamKind, initiated: boolean, target: string, flow: StreamFlow, buffers?: BufferPool) {
    this.id = id
    this.kind = kind
    this.initiated = initiated
    this.target = target
    this.flow = flow
    this.outgoing = new ByteQueue(buffers)
  }

  /** Whether data may go out now, were there any. Before CONNECTED, only the end that asked may send (optimistic data, tor-spec §6.2). */
  get maySend(): boolean {
    return this.state === 'open' || this.state === 'finishing' || (this.state === 'connecting' && this.initiated && this.kind !== 'resolve')
  }

  /** Whether received data goes to the application now: optimistic data waits for CONNECTED. */
  get mayDeliver(): boolean {
    return !this.paused && this.state !== 'closed' && this.answered
  }

  get hasHeld(): boolean {
    return this.#held.length > 0
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Keeps data that cannot be delivered. Bounded by the stream's flow control, or by the edge where the peer disregards that. */
  hold(chunk: Uint8Array, cells: number): void {
    this.#held.push({ chunk, cells })
    this.#heldBytes += chunk.length
  }

  /** The oldest piece that was kept. */
  takeHeld(): HeldData | undefined {
    const held = this.#held.shift()
    this.#heldBytes -= held?.chunk.length ?? 0
    return held
  }

  dropHeld(): void {
    this.#held.drain()
    this.#heldBytes = 0
  }
}

/** Data of so many cells. */
interface HeldData {
  readonly chunk: Uint8Array
  readonly cells: number
}

/** What an END said. */
export interface RemoteEnd {
  readonly reason: number
  readonly address?: string
  readonly ttlSec?: number
}

/**
 * What may still come on a stream after our END (tor-spec §6.3): it keeps counting, and nothing else. A stream without
 * windows cannot be counted; its half lasts for a time (prop324 §4.1.4).
 */
export class HalfStream {
  /** From then on the stream is unknown; undefined where counts decide. */
  readonly expiresAt: MonotonicMs | undefined
  #dataCells: number
  #flowMessages: number
  readonly #flowCommands: readonly RelayCommand[]
  /** CONNECTED or RESOLVED had not come. */
  #answerPending: boolean

  constructor(stream: Stream, expiresAt: MonotonicMs) {
    const counted: Leftovers | undefined = stream.flow.leftovers()
    this.expiresAt = counted === undefined ? expiresAt : undefined
    this.#flowCommands = counted === undefined ? [RelayCommand.XON, RelayCommand.XOFF] : [RelayCommand.SENDME]
    const { dataCells, flowMessages } = counted ?? { dataCells: Number.POSITIVE_INFINITY, flowMessages: Number.POSITIVE_INFINITY }
    this.#dataCells = stream.kind === 'resolve' ? 0 : dataCells
    this.#flowMessages = flowMessages
    this.#answerPending = stream.initiated && !stream.answered
  }

  handleData(cells: number): void {
    this.#dataCells -= cells
    if (this.#dataCells < 0) throw protocolError('more DATA on an ended stream than its window allowed')
  }

  /** True when nothing more can come. Throws `protocol` for what could not have been on its way. */
  handleMessage(command: RelayCommand): boolean {
    switch (command) {
      case RelayCommand.END:
        return true
      case RelayCommand.CONNECTED:
      case RelayCommand.RESOLVED:
        if (!this.#answerPending) throw protocolError(`${RelayCommand.nameOf(command)} on an ended stream`)
        this.#answerPending = false
        return command === RelayCommand.RESOLVED
      case RelayCommand.SENDME:
      case RelayCommand.XON:
      case RelayCommand.XOFF:
        if (!this.#flowCommands.includes(command) || --this.#flowMessages < 0) throw protocolError(`too many ${RelayCommand.nameOf(command)} on an ended stream`)
        return false
      default:
        throw protocolError(`${RelayCommand.nameOf(command)} on an ended stream`)
    }
  }
}
