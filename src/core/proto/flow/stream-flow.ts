/**
 * Flow control of one stream: how many DATA cells may be sent on it, and what to tell the peer as data leaves to the
 * application.
 *
 * Here is the interface, and Tor's original algorithm of windows with SENDMEs (tor-spec §7.4). XON/XOFF of proposal 324
 * is a second implementation of the same interface.
 */

import { protocolError } from '../../base/errors.ts'
import { RelayCommand } from '../../cell/commands.ts'
import { STREAM_WINDOW_INCREMENT, STREAM_WINDOW_MAX, STREAM_WINDOW_START } from './limits.ts'

/** A message for the peer on the stream that is being controlled. */
export interface FlowMessage {
  readonly command: RelayCommand
  readonly body: Uint8Array
}

export interface StreamFlow {
  /** DATA cells that may be sent now; `Infinity` where nothing but the circuit limits them. */
  readonly available: number
  handleSent(cells: number): void
  /** DATA cells came. Throws `protocol` when they are more than the peer was allowed. */
  handleReceived(cells: number): void
  /** Of the DATA cells that came, so many have now left to the application. Answers what to tell the peer. */
  handleDelivered(cells: number): readonly FlowMessage[]
  /** A message of flow control came: SENDME, or XON and XOFF. Throws `protocol` when it is not allowed now. */
  handleMessage(command: RelayCommand, body: Uint8Array): void
  /** What the peer may still send after we have ended the stream. */
  leftovers(): { readonly dataCells: number; readonly flowMessages: number }
}

const nothing: readonly FlowMessage[] = Object.freeze([])
const emptyBody: Uint8Array = new Uint8Array(0)

export class StreamWindow implements StreamFlow {
  #package = STREAM_WINDOW_START
  #deliver = STREAM_WINDOW_START
  /** Delivered to the application and not yet covered by a SENDME. */
  #delivered = 0

  get available(): number {
    return this.#package
  }

  handleSent(cells: number): void {
    this.#package -= cells
  }

  handleReceived(cells: number): void {
    this.#deliver -= cells
    if (this.#deliver < 0) throw protocolError('DATA beyond the window of the stream')
  }

  handleDelivered(cells: number): readonly FlowMessage[] {
    this.#delivered += cells
    if (this.#delivered < STREAM_WINDOW_INCREMENT) return nothing
    const messages: FlowMessage[] = []
    while (this.#delivered >= STREAM_WINDOW_INCREMENT) {
      this.#delivered -= STREAM_WINDOW_INCREMENT
      this.#deliver += STREAM_WINDOW_INCREMENT
      // tor-spec §7.4: SENDMEs of streams have no body.
      messages.push({ command: RelayCommand.SENDME, body: emptyBody })
    }
    return messages
  }

  handleMessage(command: RelayCommand): void {
    if (command !== RelayCommand.SENDME) throw protocolError(`${RelayCommand.nameOf(command)} on a stream with windows`)
    if (this.#package + STREAM_WINDOW_INCREMENT > STREAM_WINDOW_MAX) throw protocolError('a SENDME would widen the stream window beyond its limit')
    this.#package += STREAM_WINDOW_INCREMENT
  }

  leftovers(): { dataCells: number; flowMessages: number } {
    return { dataCells: this.#deliver, flowMessages: Math.floor((STREAM_WINDOW_START - this.#package) / STREAM_WINDOW_INCREMENT) }
  }
}
