/**
 * Notices when the observed bandwidth is no longer what the relay's descriptor says, and has the history saved now and
 * then. The rules are those of C tor's `check_descriptor_bandwidth_changed`.
 */

import { between, durationMs, hours, minutes, type DurationMs, type MonotonicMs } from '../core/base/time.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import type { BandwidthMeter } from './bandwidth-meter.ts'
import { BANDWIDTH_TEST_DELAY, BANDWIDTH_TEST_SEEN_AFTER } from './limits.ts'

const checkInterval = minutes(1)
/**
 * The first look comes when there may be something to see, so that a new network is not told for a minute that nothing passes:
 * after the relay's own test, or before, if from then on it may tell what it saw before a restart.
 */
const firstCheck = durationMs(BANDWIDTH_TEST_DELAY + BANDWIDTH_TEST_SEEN_AFTER)
const saveInterval = hours(2)
/** A relay that has been up for longer says it with its next regular descriptor. */
const checkedUptime = hours(24)
/** Changes from something else than zero are not published more often, except in testing networks. */
const changeInterval = hours(3)
const largeFactor = 2

export interface BandwidthWatchParts {
  readonly runtime: Runtime
  readonly meter: BandwidthMeter
  /** Bytes a second as the present descriptor says; undefined before there is one. */
  readonly published: () => number | undefined
  /** `TestingTorNetwork`. */
  readonly testing: () => boolean
  readonly onChanged: () => void
}

export class BandwidthWatch {
  readonly #parts: BandwidthWatchParts
  readonly #startedAt: MonotonicMs
  #checkTimer: Timer | undefined
  #saveTimer: Timer | undefined
  #changedAt: MonotonicMs | undefined

  constructor(parts: BandwidthWatchParts) {
    this.#parts = parts
    this.#startedAt = parts.runtime.monotonicNow()
  }

  start(): void {
    const untilTold = this.#parts.meter.untilTold()
    this.#armCheck(untilTold > 0 && untilTold < firstCheck ? untilTold : firstCheck)
    this.#armSave()
  }

  stop(): void {
    this.#checkTimer?.cancel()
    this.#saveTimer?.cancel()
    this.#parts.meter.save()
  }

  #armCheck(delay: DurationMs = checkInterval): void {
    this.#checkTimer = this.#parts.runtime.setTimer(delay, () => {
      const { runtime, published, testing, onChanged } = this.#parts
      const now = runtime.monotonicNow()
      if (between(this.#startedAt, now) > checkedUptime) return
      const before = published()
      const isDue = testing() || before === 0 || this.#changedAt === undefined || between(this.#changedAt, now) > changeInterval
      if (before !== undefined && isDue && isLargeChange(before, this.#parts.meter.observed())) {
        this.#changedAt = now
        onChanged()
      }
      this.#armCheck()
    })
  }

  #armSave(): void {
    this.#saveTimer = this.#parts.runtime.setTimer(saveInterval, () => {
      this.#parts.meter.save()
      this.#armSave()
    })
  }
}

function isLargeChange(before: number, now: number): boolean {
  if (before === 0 || now === 0) return before !== now
  return now > before * largeFactor || now < Math.floor(before / largeFactor)
}
