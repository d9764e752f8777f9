/** When to try a download again: first tries quickly in test networks, later ones further and further apart. */

import { randomUnit, type Rng } from '../core/base/rng.ts'
import { durationMs, later, type DurationMs, type MonotonicMs } from '../core/base/time.ts'

export interface SchedulePace {
  /** The delay after the first failure. */
  readonly first: DurationMs
  /** Delays stay near `first` for this many failures, and then grow. */
  readonly steady: number
  readonly growth: number
  readonly longest: DurationMs
}

/**
 * Public network: C tor's exponential back-off, in which each delay is at most three times the one before. Test networks:
 * what is waited for (a first consensus, peers that are starting) comes within seconds.
 */
export function paceFor(testing: boolean): SchedulePace {
  return testing
    ? { first: durationMs(100), steady: 40, growth: 1.5, longest: durationMs(10_000) }
    : { first: durationMs(1_000), steady: 0, growth: 3, longest: durationMs(3_600_000) }
}

export class DownloadSchedule {
  readonly #pace: SchedulePace
  readonly #rng: Rng
  #failures = 0
  #delay: number
  #next: MonotonicMs | undefined

  constructor(pace: SchedulePace, rng: Rng) {
    this.#pace = pace
    this.#rng = rng
    this.#delay = pace.first
  }

  get failures(): number {
    return this.#failures
  }

  /** How long to wait from `now`, in whole milliseconds; zero when it is time. */
  waitFrom(now: MonotonicMs): DurationMs {
    // Clocks are finer than timers: what is left of a millisecond counts as nothing, or a timer would set itself again at once.
    return durationMs(this.#next === undefined || this.#next - now < 1 ? 0 : Math.ceil(this.#next - now))
  }

  failed(now: MonotonicMs): void {
    this.#failures++
    const { first, steady, growth, longest } = this.#pace
    // A random part keeps nodes that failed together from trying together.
    const most = this.#failures <= steady ? first * 2 : Math.min(this.#delay * growth, longest)
    this.#delay = first + randomUnit(this.#rng) * Math.max(most - first, 0)
    if (this.#failures > steady) this.#delay = Math.max(this.#delay, Math.min(most / 2, longest))
    this.#next = later(now, durationMs(this.#delay))
  }

  succeeded(): void {
    this.#failures = 0
    this.#delay = this.#pace.first
    this.#next = undefined
  }
}
