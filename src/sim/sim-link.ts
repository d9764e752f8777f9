/**
 * One direction between two machines while a run goes on: the settings, the rate's queue, and the faults that are
 * switched on. Streams ask it when a chunk would leave and how long it travels.
 */

import { randomUnit, type Rng } from '../core/base/rng.ts'
import type { LinkSettings } from './link-model.ts'

export class SimLink {
  readonly #settings: LinkSettings
  readonly #rng: Rng
  #busyUntilUs = 0
  #down = false
  #extraLatencyMs = 0
  #bytesPerSecond: number
  #waiters: (() => void)[] = []

  constructor(settings: LinkSettings, rng: Rng) {
    this.#settings = settings
    this.#rng = rng
    this.#bytesPerSecond = settings.bytesPerSecond
  }

  get isDown(): boolean {
    return this.#down
  }

  /** Whether chunks take time to leave, so that a stream should hand over one at a time. */
  get isLimited(): boolean {
    return this.#bytesPerSecond !== Number.POSITIVE_INFINITY
  }

  /** Microseconds that the next thing sent travels. Draws from the link's randomness only if there is jitter. */
  travelUs(): number {
    const jitter = this.#settings.jitterMs === 0 ? 0 : randomUnit(this.#rng) * this.#settings.jitterMs
    return Math.round((this.#settings.latencyMs + this.#extraLatencyMs + jitter) * 1000)
  }

  /** Takes `bytes` into the rate's queue; the instant at which the last of them has left. */
  departureUs(nowUs: number, bytes: number): number {
    if (!this.isLimited) return nowUs
    this.#busyUntilUs = Math.max(nowUs, this.#busyUntilUs) + Math.ceil((bytes * 1_000_000) / this.#bytesPerSecond)
    return this.#busyUntilUs
  }

  /** Whether a connection attempt is lost. */
  losesDial(): boolean {
    return this.#down || (this.#settings.dialLoss > 0 && randomUnit(this.#rng) < this.#settings.dialLoss)
  }

  /** When more may be put into the rate's queue: now, as long as it is not full. */
  roomAtUs(nowUs: number): number {
    if (!this.isLimited) return nowUs
    return Math.max(nowUs, this.#busyUntilUs - Math.floor(((this.#settings.queueBytes ?? 0) * 1_000_000) / this.#bytesPerSecond))
  }

  /** Calls `resume` once when the link comes up again. */
  whenUp(resume: () => void): void {
    this.#waiters.push(resume)
  }

  /** Partition: nothing leaves any more; what is under way still arrives. */
  takeDown(): void {
    this.#down = true
  }

  heal(): void {
    this.#down = false
    const waiters = this.#waiters
    this.#waiters = []
    for (const resume of waiters) resume()
  }

  /** A slow link; call without arguments to end it. */
  slow(change: { readonly extraLatencyMs?: number; readonly bytesPerSecond?: number } = {}): void {
    this.#extraLatencyMs = change.extraLatencyMs ?? 0
    this.#bytesPerSecond = Math.min(this.#settings.bytesPerSecond, change.bytesPerSecond ?? Number.POSITIVE_INFINITY)
  }
}
