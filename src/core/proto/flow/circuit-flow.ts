/**
 * Flow control between the two ends of a circuit, or of the part of it up to one hop: the package window on the way
 * out, the deliver window on the way in, and authenticated SENDMEs between them.
 *
 * A SENDME of version 1 names the tag (with tor1 cryptography: the running digest) of the DATA cell that triggered it,
 * so that nobody can ask for more without having seen what was sent. Cells of a stream have a second control,
 * `stream-flow.ts`. tor-spec §7.3, §7.3.1.
 */

import { protocolError } from '../../base/errors.ts'
import { BoundedQueue } from '../../base/bounded-queue.ts'
import type { MonotonicMs } from '../../base/time.ts'
import { decodeSendme, encodeSendme } from '../../cell/circuit-messages.ts'
import { constantTimeEqual } from '../../crypto/hashes.ts'
import { FixedWindow, type CongestionControl } from './congestion-control.ts'
import type { CircuitKind, CongestionParameters } from './congestion-parameters.ts'
import { PENDING_SENDME_TAGS_MAX } from './limits.ts'
import { ClockHealth } from './round-trip.ts'
import { StreamWindow, type StreamFlow } from './stream-flow.ts'
import { Vegas } from './vegas.ts'
import { XonXoff, type StreamEnd } from './xon-xoff.ts'

/** Consensus parameters of flow control (param-spec §1); C tor's defaults where absent. */
export interface FlowParameters {
  /** `circwindow`: 1000. */
  readonly circuitWindow?: number
  /** `sendme_accept_min_version`: 0. */
  readonly sendmeAcceptMinVersion?: number
  /** `sendme_emit_min_version`: 1. */
  readonly sendmeEmitMinVersion?: number
  /** Absent: congestion control is neither asked for nor granted (`cc_alg` 0). */
  readonly congestion?: CongestionParameters
  /** What a circuit that ends at this relay is taken for: bandwidth scanners have exits of their own. */
  readonly endingKind?: CircuitKind
  /** Shared by all circuits of a node. */
  readonly clock?: ClockHealth
}

/** What both ends of a circuit have agreed on (prop324 §10.2). */
export interface AgreedCongestion {
  readonly parameters: CongestionParameters
  readonly kind: CircuitKind
  /** Of the relay's answer. */
  readonly sendmeIncrement: number
}

export interface CircuitFlowOptions extends FlowParameters {
  /**
   * A circuit made with CREATE_FAST takes version 0 whatever the parameter says.
   * SPEC-DIFF: C tor 0.4.9 does this for directory fetches of old clients; tor-spec §7.3.1 does not mention it.
   */
  readonly acceptVersion0?: boolean
  /** Absent: windows are fixed. */
  readonly agreed?: AgreedCongestion | undefined
}

export class CircuitFlow {
  readonly congestion: CongestionControl
  readonly #acceptMinVersion: number
  readonly #emitVersion: number
  readonly #agreed: AgreedCongestion | undefined
  readonly #clock: ClockHealth
  #receivedSinceSendme = 0
  #sentSinceTag = 0
  readonly #expectedTags = new BoundedQueue<Uint8Array>('tags of DATA cells that await a SENDME', PENDING_SENDME_TAGS_MAX)

  constructor(options: CircuitFlowOptions = {}) {
    const { agreed, clock = new ClockHealth() } = options
    this.#agreed = agreed
    this.#clock = clock
    this.congestion = agreed === undefined ? new FixedWindow(options.circuitWindow) : new Vegas(agreed.parameters, agreed.kind, agreed.sendmeIncrement, clock)
    this.#acceptMinVersion = options.acceptVersion0 === true ? 0 : (options.sendmeAcceptMinVersion ?? 0)
    this.#emitVersion = options.sendmeEmitMinVersion ?? 1
  }

  /** Flow control for a new stream: all circuits with congestion control use XON and XOFF (prop324 §4). `role`: of this end of the circuit. */
  newStreamFlow(role: 'origin' | 'responder'): StreamFlow {
    const agreed = this.#agreed
    if (agreed === undefined) return new StreamWindow()
    const end: StreamEnd = agreed.kind === 'onion' ? 'onion' : role === 'origin' ? 'client-of-exit' : 'exit'
    return new XonXoff(agreed.parameters.streams, end, this.#clock)
  }

  /** DATA cells that may be sent now. */
  get packageWindow(): number {
    return this.congestion.available
  }

  /** `cells` DATA cells were sent; `tags` has one for each, side by side. Of each increment the last tag is what its SENDME must carry. */
  handleSent(now: MonotonicMs, tags: Uint8Array, cells: number): void {
    const { sendmeIncrement } = this.congestion
    this.congestion.handleSent(now, cells)
    for (let last = sendmeIncrement - this.#sentSinceTag - 1; last < cells; last += sendmeIncrement) this.#expectedTags.push(tagAt(tags, last, cells))
    this.#sentSinceTag = (this.#sentSinceTag + cells) % sendmeIncrement
  }

  /**
   * `count` DATA cells came, whose places begin at `first` among the `cells` whose tags these are. Answers the bodies of the
   * SENDMEs that are now due, in order; they count as sent. They are due whether or not the bytes have left to the
   * application, so that one slow stream does not stop the others: what a stream may hold back is for its own flow control to bound.
   */
  handleReceived(count: number, tags: Uint8Array, first: number, cells: number): readonly Uint8Array[] {
    const { sendmeIncrement } = this.congestion
    const due: Uint8Array[] = []
    // tor-spec §7.3: a deliver window below zero tears the circuit down. With a SENDME at once for each increment it cannot get there.
    for (let last = sendmeIncrement - this.#receivedSinceSendme - 1; last < count; last += sendmeIncrement) {
      due.push(encodeSendme(this.#emitVersion === 0 ? { version: 0 } : { version: 1, tag: tagAt(tags, first + last, cells) }))
    }
    this.#receivedSinceSendme = (this.#receivedSinceSendme + count) % sendmeIncrement
    return due
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

/** The tag at `index` among those of `count` cells. */
function tagAt(tags: Uint8Array, index: number, count: number): Uint8Array {
  const bytes = tags.length / count
  return tags.slice(index * bytes, (index + 1) * bytes)
}
