/** The rate at which a peer wants to be sent to on a stream, as its XON said (prop324 §4.1): a bucket that holds one second's worth. */

import { between, durationMs, later, type MonotonicMs } from '../../base/time.ts'
import { RELAY_DATA_BYTES_MAX } from '../../cell/limits.ts'
import { PACED_PORTION_CELLS } from './limits.ts'

export class StreamPace {
  /** Bytes a second; undefined: as fast as may be. */
  #rate: number | undefined
  /** Bytes that may go now. Below zero when the last cell took more than was left. */
  #budget = 0
  #filledAt: MonotonicMs | undefined
  #until: MonotonicMs | undefined

  /** When there will be something to send with again; undefined while there is. */
  get until(): MonotonicMs | undefined {
    return this.#until
  }

  setRate(now: MonotonicMs, rate: number | undefined): void {
    // Who was not held back so far has a full bucket.
    if (this.#rate === undefined) this.#budget = Number.POSITIVE_INFINITY
    this.#rate = rate
    this.#filledAt = now
    this.#until = undefined
    if (rate !== undefined) this.#budget = Math.min(this.#budget, rate)
  }

  /** Cells. */
  available(now: MonotonicMs): number {
    const rate = this.#rate
    if (rate === undefined) return Number.POSITIVE_INFINITY
    this.#budget = Math.min(rate, this.#budget + (between(this.#filledAt ?? now, now) * rate) / 1000)
    this.#filledAt = now
    if (this.#until !== undefined && now < this.#until) return 0
    this.#until = undefined
    if (this.#budget > 0) return Math.ceil(this.#budget / RELAY_DATA_BYTES_MAX)
    // A portion at a time, so that the timer is not kept busy by single cells.
    const portion = Math.min(rate, PACED_PORTION_CELLS * RELAY_DATA_BYTES_MAX)
    this.#until = later(now, durationMs(Math.ceil(((portion - this.#budget) * 1000) / rate)))
    return 0
  }

  handleSent(bytes: number): void {
    if (this.#rate !== undefined) this.#budget -= bytes
  }
}
