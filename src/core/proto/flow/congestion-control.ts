/**
 * How many DATA cells one end of a circuit may have under way: the algorithm behind a circuit's package window.
 *
 * Here is the interface, and Tor's original algorithm of fixed windows (tor-spec §7.3); `vegas.ts` has the other. It is
 * not about what the peer may send us, nor about proving that cells arrived: both are in `circuit-flow.ts`.
 */

import type { MonotonicMs } from '../../base/time.ts'
import { protocolError } from '../../base/errors.ts'
import { CIRCUIT_WINDOW_INCREMENT, CIRCUIT_WINDOW_MAX, CIRCUIT_WINDOW_START } from './limits.ts'

export interface CongestionControl {
  readonly algorithm: 'fixed' | 'vegas'
  /** Both ends send a SENDME for each so many DATA cells. */
  readonly sendmeIncrement: number
  /** DATA cells that may be sent now; never negative. */
  readonly available: number
  /** The longest round trip seen; 0 where none is measured. */
  readonly roundTripMaxMs: number
  /** `count` DATA cells leave; at most `available`. */
  handleSent(now: MonotonicMs, count: number): void
  /** A valid SENDME came. `blocked`: our own link has not taken what we sent. Throws `protocol` when the peer claims more than we sent. */
  handleSendme(now: MonotonicMs, blocked: boolean): void
}

/** tor-spec §7.3: a window of a thousand cells that each SENDME widens by a hundred. */
export class FixedWindow implements CongestionControl {
  readonly algorithm = 'fixed'
  readonly sendmeIncrement = CIRCUIT_WINDOW_INCREMENT
  readonly roundTripMaxMs = 0
  #window: number

  /** `start`: the consensus parameter `circwindow`, from 100 to 1000. */
  constructor(start: number = CIRCUIT_WINDOW_START) {
    this.#window = start
  }

  get available(): number {
    return this.#window
  }

  handleSent(_now: MonotonicMs, count: number): void {
    this.#window -= count
  }

  handleSendme(): void {
    if (this.#window + CIRCUIT_WINDOW_INCREMENT > CIRCUIT_WINDOW_MAX) throw protocolError('a SENDME would widen the circuit window beyond its limit')
    this.#window += CIRCUIT_WINDOW_INCREMENT
  }
}
