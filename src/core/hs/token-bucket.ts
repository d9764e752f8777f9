/** A bucket that holds up to `burst` tokens and gets `ratePerSec` new ones with each second that begins. */

import type { MonotonicMs } from '../base/time.ts'

export class TokenBucket {
  #ratePerSec: number
  #burst: number
  #tokens: number
  #refilledSec: number

  /** Full at first. */
  constructor(now: MonotonicMs, ratePerSec: number, burst: number) {
    this.#ratePerSec = ratePerSec
    this.#burst = burst
    this.#tokens = burst
    this.#refilledSec = Math.floor(now / 1000)
  }

  get tokens(): number {
    return this.#tokens
  }

  /** New bounds; what a smaller bucket cannot hold is lost. */
  adjust(ratePerSec: number, burst: number): void {
    this.#ratePerSec = ratePerSec
    this.#burst = burst
    this.#tokens = Math.min(this.#tokens, burst)
  }

  refill(now: MonotonicMs): void {
    const nowSec = Math.floor(now / 1000)
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowSec - this.#refilledSec) * this.#ratePerSec)
    this.#refilledSec = nowSec
  }

  /** Takes `count` tokens, or as many as there are. */
  take(count: number): void {
    this.#tokens = Math.max(0, this.#tokens - count)
  }
}
