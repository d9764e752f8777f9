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
 * Public network: exponential back-off with C tor's factor of three. Test networks: what is waited for (a first
 * consensus, peers that are starting) comes within seconds. `votes`: an authority's consensus comes of its vote, and is
 * seldom fetched.
 */
export function paceFor(testing: boolean, votes = false): SchedulePace {
  return testing
    ? { first: durationMs(votes ? 1_000 : 100), steady: votes ? 4 : 40, growth: 1.5, longest: durationMs(10_000) }
    : { first: durationMs(1_000), steady: 0, growth: 3, longest: durationMs(3_600_000) }
}

export class DownloadSchedule {
  readonly #pace: SchedulePace
  readonly #rng: Rng
  #failures = 0
  /** Delays are drawn from the upper half of this. */
  #ceiling: number
  #next: MonotonicMs | undefined

  constructor(pace: SchedulePace, rng: Rng) {
    this.#pace = pace
    this.#rng = rng
    this.#ceiling = pace.first * 2
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
    this.#ceiling = this.#failures <= steady ? first * 2 : Math.min(this.#ceiling * growth, longest)
    // A random part keeps nodes that failed together from trying together.
    this.#next = later(now, durationMs((this.#ceiling * (1 + randomUnit(this.#rng))) / 2))
  }

  succeeded(): void {
    this.#failures = 0
    this.#ceiling = this.#pace.first * 2
    this.#next = undefined
  }
}
