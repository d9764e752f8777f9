/**
 * Flow control of one stream: how many DATA cells may be sent on it, and what to tell the peer as data leaves to the
 * application.
 *
 * Here is the interface, and Tor's original algorithm of windows with SENDMEs (tor-spec §7.4). XON and XOFF, which go with
 * congestion control, are in `xon-xoff.ts`.
 */

import { protocolError } from '../../base/errors.ts'
import type { MonotonicMs } from '../../base/time.ts'
import { RelayCommand } from '../../cell/commands.ts'
import { STREAM_WINDOW_INCREMENT, STREAM_WINDOW_MAX, STREAM_WINDOW_START } from './limits.ts'

/** A message for the peer on the stream that is being controlled. */
export interface FlowMessage {
  readonly command: RelayCommand
  readonly body: Uint8Array
}

export interface StreamFlow {
  /** DATA cells that may be sent now; `Infinity` where nothing but the circuit limits them. */
  available(now: MonotonicMs): number
  /** When to ask again, where `available` was 0 because the peer wants to be sent to at a rate. */
  readonly pacedUntil: MonotonicMs | undefined
  handleSent(cells: number, bytes: number): void
  /** The stream was accepted by either end: from now on the peer may be told things. */
  handleAnswered(): void
  /** DATA cells came. Answers what to tell the peer. Throws `protocol` when they are more than the peer was allowed. */
  handleReceived(now: MonotonicMs, cells: number, bytes: number): readonly FlowMessage[]
  /** Of the DATA cells that came, so many have now left to the application. Answers what to tell the peer. */
  handleDelivered(now: MonotonicMs, cells: number, bytes: number): readonly FlowMessage[]
  /** DATA cells came and left to the application at once: nothing has piled up. Otherwise as `handleReceived` and `handleDelivered`. */
  handlePassed(now: MonotonicMs, cells: number, bytes: number): readonly FlowMessage[]
  /** A message of flow control came: SENDME, or XON and XOFF. Throws `protocol` when it is not allowed now. */
  handleMessage(now: MonotonicMs, command: RelayCommand, body: Uint8Array): void
  /** What the peer may still send after we have ended the stream; undefined where only time can tell. */
  leftovers(): Leftovers | undefined
}

export interface Leftovers {
  readonly dataCells: number
  readonly flowMessages: number
}

export const noMessages: readonly FlowMessage[] = Object.freeze([])
const emptyBody: Uint8Array = new Uint8Array(0)

export class StreamWindow implements StreamFlow {
  readonly pacedUntil = undefined
  #package = STREAM_WINDOW_START
  #deliver = STREAM_WINDOW_START
  /** Delivered to the application and not yet covered by a SENDME. */
  #delivered = 0

  available(): number {
    return this.#package
  }

  handleSent(cells: number): void {
    this.#package -= cells
  }

  handleAnswered(): void {}

  handleReceived(_now: MonotonicMs, cells: number): readonly FlowMessage[] {
    this.#deliver -= cells
    if (this.#deliver < 0) throw protocolError('DATA beyond the window of the stream')
    return noMessages
  }

  handleDelivered(_now: MonotonicMs, cells: number): readonly FlowMessage[] {
    this.#delivered += cells
    if (this.#delivered < STREAM_WINDOW_INCREMENT) return noMessages
    const messages: FlowMessage[] = []
    while (this.#delivered >= STREAM_WINDOW_INCREMENT) {
      this.#delivered -= STREAM_WINDOW_INCREMENT
      this.#deliver += STREAM_WINDOW_INCREMENT
      // tor-spec §7.4: SENDMEs of streams have no body.
      messages.push({ command: RelayCommand.SENDME, body: emptyBody })
    }
    return messages
  }

  handlePassed(now: MonotonicMs, cells: number): readonly FlowMessage[] {
    this.handleReceived(now, cells)
    return this.handleDelivered(now, cells)
  }

  handleMessage(_now: MonotonicMs, command: RelayCommand): void {
    if (command !== RelayCommand.SENDME) throw protocolError(`${RelayCommand.nameOf(command)} on a stream with windows`)
    if (this.#package + STREAM_WINDOW_INCREMENT > STREAM_WINDOW_MAX) throw protocolError('a SENDME would widen the stream window beyond its limit')
    this.#package += STREAM_WINDOW_INCREMENT
  }

  leftovers(): Leftovers {
    return { dataCells: this.#deliver, flowMessages: Math.floor((STREAM_WINDOW_START - this.#package) / STREAM_WINDOW_INCREMENT) }
  }
}
