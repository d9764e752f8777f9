/**
 * Flow control between the two ends of a circuit, or of the part of it up to one hop: the package window on the way
 * out, the deliver window on the way in, and authenticated SENDMEs between them.
 *
 * A SENDME of version 1 names the tag (with tor1 cryptography: the running digest) of the DATA cell that triggered it,
 * so that nobody can ask for more without having seen what was sent. Cells of a stream have a second control,
 * `stream-flow.ts`. tor-spec §7.3, §7.3.1.
 */

import { must } from '../../base/assert.ts'
import { protocolError } from '../../base/errors.ts'
import { BoundedQueue } from '../../base/bounded-queue.ts'
import type { MonotonicMs } from '../../base/time.ts'
import { decodeSendme, encodeSendme } from '../../cell/circuit-messages.ts'
import { constantTimeEqual } from '../../crypto/hashes.ts'
import { FixedWindow, type CongestionControl } from './congestion-control.ts'
import { CIRCUIT_WINDOW_START, PENDING_SENDME_TAGS_MAX } from './limits.ts'

/** Consensus parameters of flow control (param-spec §1); C tor's defaults where absent. */
export interface FlowParameters {
  /** `circwindow`: 1000. */
  readonly circuitWindow?: number
  /** `sendme_accept_min_version`: 0. */
  readonly sendmeAcceptMinVersion?: number
  /** `sendme_emit_min_version`: 1. */
  readonly sendmeEmitMinVersion?: number
}

export interface CircuitFlowOptions extends FlowParameters {
  /**
   * A circuit made with CREATE_FAST takes version 0 whatever the parameter says.
   * SPEC-DIFF: C tor 0.4.9 does this for directory fetches of old clients; tor-spec §7.3.1 does not mention it.
   */
  readonly acceptVersion0?: boolean
}

export class CircuitFlow {
  readonly congestion: CongestionControl
  readonly #acceptMinVersion: number
  readonly #emitVersion: number
  /** Always begins at 1000: `circwindow` is about what is sent (C tor does the same). */
  #deliverWindow: number = CIRCUIT_WINDOW_START
  #sentSinceTag = 0
  readonly #expectedTags = new BoundedQueue<Uint8Array>('tags of DATA cells that await a SENDME', PENDING_SENDME_TAGS_MAX)

  constructor(options: CircuitFlowOptions = {}) {
    this.congestion = new FixedWindow(options.circuitWindow)
    this.#acceptMinVersion = options.acceptVersion0 === true ? 0 : (options.sendmeAcceptMinVersion ?? 0)
    this.#emitVersion = options.sendmeEmitMinVersion ?? 1
  }

  /** DATA cells that may be sent now. */
  get packageWindow(): number {
    return this.congestion.available
  }

  /** DATA cells were sent, one for each tag. Of each increment the last tag is what its SENDME must carry. */
  handleSent(now: MonotonicMs, tags: readonly Uint8Array[]): void {
    const { sendmeIncrement } = this.congestion
    this.congestion.handleSent(now, tags.length)
    for (let last = sendmeIncrement - this.#sentSinceTag - 1; last < tags.length; last += sendmeIncrement) {
      this.#expectedTags.push(must(tags[last], 'the index is below the length'))
    }
    this.#sentSinceTag = (this.#sentSinceTag + tags.length) % sendmeIncrement
  }

  /** DATA cells that may be received up to and with the one that triggers our next SENDME. */
  get cellsToSendme(): number {
    const sinceSendme = CIRCUIT_WINDOW_START - this.#deliverWindow
    return this.congestion.sendmeIncrement - sinceSendme
  }

  /**
   * `count` DATA cells came, at most `cellsToSendme`; the last has `lastTag`. Answers the body of the SENDME that is now due, if one is; the
   * window counts it as sent. It is due whether or not the bytes have left to the application, so that one slow stream
   * does not stop the others: what a stream may hold back is bounded by its own window.
   */
  handleReceived(count: number, lastTag: Uint8Array): Uint8Array | undefined {
    this.#deliverWindow -= count
    // tor-spec §7.3: a deliver window below zero tears the circuit down. With SENDMEs sent at once it cannot get there.
    if (this.#deliverWindow > CIRCUIT_WINDOW_START - this.congestion.sendmeIncrement) return undefined
    this.#deliverWindow += this.congestion.sendmeIncrement
    return encodeSendme(this.#emitVersion === 0 ? { version: 0 } : { version: 1, tag: lastTag })
  }

  /** A circuit-level SENDME came. Throws `protocol`: the circuit is to be closed. */
  handleSendme(now: MonotonicMs, body: Uint8Array, blocked: boolean): void {
    const sendme = decodeSendme(body)
    // tor-spec §7.3.1: too old a version closes the circuit.
    if (sendme.version < this.#acceptMinVersion) throw protocolError(`SENDME of version ${sendme.version}, ${this.#acceptMinVersion} is the least`)
    const expected = this.#expectedTags.shift()
    if (expected === undefined) throw protocolError('a SENDME for cells that were not sent')
    if (sendme.version === 1 && !constantTimeEqual(sendme.tag, expected)) throw protocolError('a SENDME with the wrong tag')
    this.congestion.handleSendme(now, blocked)
  }
}
