/**
 * The bandwidth a relay may use: `BandwidthRate` and `BandwidthBurst` for all of its connections, `RelayBandwidthRate` and
 * `RelayBandwidthBurst` for those that relay (links, and directory ports), in each direction (tor(1), C tor's
 * `token_bucket.c`). What a bucket lacks is taken all the same and owed, since bytes come and go in chunks; then nothing
 * passes until the debt is paid. Buckets are filled when they are found empty, so that limits that are never reached cost
 * a subtraction for each chunk and no timer.
 */

import { between, durationMs, type MonotonicMs } from '../core/base/time.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import { BANDWIDTH_WAIT_MIN } from './limits.ts'

/** Bytes a second, and bytes at once. */
interface Allowance {
  readonly rate: number
  readonly burst: number
}

class TokenBucket {
  readonly #allowance: () => Allowance
  #tokens: number
  #filledAt: MonotonicMs

  constructor(allowance: () => Allowance, now: MonotonicMs) {
    this.#allowance = allowance
    this.#tokens = allowance().burst
    this.#filledAt = now
  }

  /** Whether something is left after taking so much. */
  take(bytes: number): boolean {
    this.#tokens -= bytes
    return this.#tokens > 0
  }

  fill(now: MonotonicMs): boolean {
    const { rate, burst } = this.#allowance()
    this.#tokens = Math.min(burst, this.#tokens + (between(this.#filledAt, now) * rate) / 1000)
    this.#filledAt = now
    return this.#tokens > 0
  }

  /** Milliseconds until something is left. */
  waitMs(): number {
    return this.#tokens > 0 ? 0 : (-this.#tokens * 1000) / this.#allowance().rate
  }
}

/** One direction of connections of one kind. */
export class DirectionLimit {
  readonly #runtime: Runtime
  readonly #buckets: readonly TokenBucket[]
  /** Who waits, in the order in which they take turns. */
  readonly #waiting = new Set<() => void>()
  #timer: Timer | undefined

  constructor(runtime: Runtime, buckets: readonly TokenBucket[]) {
    this.#runtime = runtime
    this.#buckets = buckets
  }

  /** Counts bytes that have passed. False: nothing more is to pass until `wait` calls back. */
  take(bytes: number): boolean {
    let left = true
    for (const bucket of this.#buckets) if (!bucket.take(bytes)) left = false
    return left || this.#fill()
  }

  /** Calls back once, when something may pass again and those who came before have had their turn. */
  wait(resume: () => void): void {
    this.#waiting.add(resume)
    this.#arm()
  }

  forget(resume: () => void): void {
    this.#waiting.delete(resume)
    if (this.#waiting.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #fill(): boolean {
    const now = this.#runtime.monotonicNow()
    let left = true
    for (const bucket of this.#buckets) if (!bucket.fill(now)) left = false
    return left
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return
    const longest = this.#buckets.reduce((most, bucket) => Math.max(most, bucket.waitMs()), 0)
    this.#timer = this.#runtime.setTimer(durationMs(Math.max(BANDWIDTH_WAIT_MIN, longest)), () => {
      this.#timer = undefined
      this.#turn()
    })
  }

  #turn(): void {
    for (let turns = this.#waiting.size; turns > 0 && this.#fill(); turns--) {
      const [first] = this.#waiting
      if (first === undefined) break
      this.#waiting.delete(first)
      first()
    }
    this.#arm()
  }
}

export interface ConnectionLimits {
  readonly read: DirectionLimit
  readonly written: DirectionLimit
}

export interface BandwidthLimits {
  /** For connections that relay. */
  readonly relayed: ConnectionLimits
  /** For all others: those of exits. */
  readonly other: ConnectionLimits
}

/** `options` are asked each time a bucket is filled: changes of them take effect at once. */
export function bandwidthLimits(runtime: Runtime, options: () => TorOptions): BandwidthLimits {
  const now = runtime.monotonicNow()
  const all = (): Allowance => ({ rate: options().BandwidthRate, burst: options().BandwidthBurst })
  const relayed = (): Allowance => {
    const { BandwidthRate, BandwidthBurst, RelayBandwidthRate, RelayBandwidthBurst } = options()
    // As in C tor, one of the two stands for both, and neither for the limits of all connections.
    return { rate: RelayBandwidthRate || RelayBandwidthBurst || BandwidthRate, burst: RelayBandwidthBurst || RelayBandwidthRate || BandwidthBurst }
  }
  const direction = (): { readonly relayed: DirectionLimit; readonly other: DirectionLimit } => {
    const whole = new TokenBucket(all, now)
    return { relayed: new DirectionLimit(runtime, [whole, new TokenBucket(relayed, now)]), other: new DirectionLimit(runtime, [whole]) }
  }
  const [read, written] = [direction(), direction()]
  return { relayed: { read: read.relayed, written: written.relayed }, other: { read: read.other, written: written.other } }
}
