/**
 * Round-trip times of one circuit, from the sending of a cell to the SENDME that it triggers: smoothed, least and
 * greatest (prop324 §2.1). A clock that stands still or jumps is found out, and what it measured is not used.
 *
 * Times are whole microseconds, and divisions round down, so that rounding goes as in other implementations.
 */

import type { CongestionParameters } from './congestion-parameters.ts'
import { CLOCK_JUMP_RATIO } from './limits.ts'

/** Whether the monotonic clock was seen to stand still: one for all circuits of a node (prop324 §2.1.1). */
export class ClockHealth {
  isStalled = false
}

/** prop324 §2.1.2: an exponential moving average over `count` values. */
export const movingAverage = (value: number, previous: number, count: number): number =>
  previous === 0 ? value : Math.floor((2 * value + (count - 1) * previous) / (count + 1))

export class RoundTripTime {
  /** Smoothed; 0 before the first measurement, as the others. */
  smoothedUs = 0
  leastUs = 0
  greatestUs = 0
  readonly #clock: ClockHealth
  readonly #parameters: CongestionParameters

  constructor(parameters: CongestionParameters, clock: ClockHealth) {
    this.#parameters = parameters
    this.#clock = clock
  }

  /**
   * `count`: values to smooth over. `atLeastWindow`: slow start is over and the window is at its minimum. Answers
   * whether the measurement could be used.
   */
  handleMeasurement(rttUs: number, count: number, inSlowStart: boolean, atLeastWindow: boolean): boolean {
    if (this.#clockFailed(rttUs, inSlowStart)) return false
    this.smoothedUs = movingAverage(rttUs, this.smoothedUs, count)
    this.greatestUs = Math.max(this.greatestUs, rttUs)
    if (this.leastUs === 0) {
      this.leastUs = this.smoothedUs
    } else if (atLeastWindow) {
      // A round trip that was too good to be true once would keep the window at its minimum for ever. C tor does this,
      // with `cc_rtt_reset_pct` of prop324 §6.5.1.
      const percent = this.#parameters.rttResetPercent
      const [low, high] = [Math.min(this.smoothedUs, this.leastUs), Math.max(this.smoothedUs, this.leastUs)]
      this.leastUs = Math.floor((percent * high) / 100) + Math.floor(((100 - percent) * low) / 100)
    } else {
      this.leastUs = Math.min(this.leastUs, this.smoothedUs)
    }
    return true
  }

  /** prop324 §2.1.1. */
  #clockFailed(rttUs: number, inSlowStart: boolean): boolean {
    if (rttUs <= 0) {
      this.#clock.isStalled = true
      return true
    }
    if (inSlowStart || this.smoothedUs === 0) return false
    // A sudden fall is believed, unless the clock was seen to stand still.
    if (this.smoothedUs > rttUs * CLOCK_JUMP_RATIO) return this.#clock.isStalled
    if (rttUs > this.smoothedUs * CLOCK_JUMP_RATIO) return true
    this.#clock.isStalled = false
    return false
  }
}
