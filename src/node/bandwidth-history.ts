/**
 * Bytes that passed in one direction: the best ten seconds of each of the last days, and how much each day had in all
 * (dir-spec §2.1.1 `bandwidth`, §2.1.2 `read-history`). Pure counting by whole seconds since the epoch; who counts what
 * is `bandwidth-meter.ts`. C tor's `bwhist.c`, and its state file's format.
 */

import { formatIsoTime, parseIsoTime, wallMs } from '../core/base/time.ts'
import { BANDWIDTH_PERIODS_KEPT } from './limits.ts'

/** Bandwidth is the mean over so many seconds. */
export const ROLLING_SECONDS = 10
/** Totals are kept by the day, so that they do not tell what single users did. */
export const PERIOD_SECONDS = 24 * 60 * 60
/** Published and saved numbers are multiples of this. */
const GRAIN_BYTES = 1024

interface Period {
  readonly total: number
  /** Most bytes in ten seconds on end. */
  readonly best: number
}

/** What the state file says of one direction; the last of `values` and `maxima` is the period that was not over yet. */
export interface SavedBandwidth {
  readonly ends: string | undefined
  readonly intervalSec: string | undefined
  /** Bytes by period, comma-separated, the oldest first. */
  readonly values: string | undefined
  /** The same of the best bytes a second. */
  readonly maxima: string | undefined
}

export class BandwidthHistory {
  /** Bytes of the last seconds, by second modulo their number. */
  readonly #recent: number[] = new Array<number>(ROLLING_SECONDS).fill(0)
  #recentSum = 0
  #nowSec: number
  #periodEndSec: number
  #total = 0
  #best = 0
  #past: readonly Period[] = []

  constructor(nowSec: number) {
    this.#nowSec = nowSec
    this.#periodEndSec = nowSec + PERIOD_SECONDS
  }

  /** Bytes counted before the latest second heard of are left out: the clock was set back. */
  add(nowSec: number, bytes: number): void {
    if (nowSec < this.#nowSec) return
    if (nowSec > this.#nowSec) this.#advance(nowSec)
    const at = nowSec % ROLLING_SECONDS
    this.#recent[at] = (this.#recent[at] ?? 0) + bytes
    this.#recentSum += bytes
    this.#total += bytes
  }

  /** Most bytes in ten seconds on end. The present period counts once it is older than `minPeriodSec`; its last second does not. */
  best(nowSec: number, minPeriodSec: number): number {
    this.#advance(nowSec)
    const present = this.secondsUntilTold(nowSec, minPeriodSec) === 0 ? this.#best : 0
    return Math.max(present, ...this.#past.map((period) => period.best))
  }

  /** For how long `best` leaves the present period out. */
  secondsUntilTold(nowSec: number, minPeriodSec: number): number {
    this.#advance(nowSec)
    return Math.max(0, this.#periodEndSec - PERIOD_SECONDS + minPeriodSec + 1 - this.#nowSec)
  }

  /** `YYYY-MM-DD HH:MM:SS (86400 s) N,N,…` of the periods that are over, each `totalMax` bytes at most; undefined if none is. */
  line(nowSec: number, totalMax: number): string | undefined {
    this.#advance(nowSec)
    if (this.#past.length === 0) return undefined
    const totals = this.#past.map((period) => Math.min(toGrain(period.total), totalMax))
    return `${isoTime(this.#periodEndSec - PERIOD_SECONDS)} (${PERIOD_SECONDS} s) ${totals.join(',')}`
  }

  save(nowSec: number): { [Field in keyof SavedBandwidth]: string } {
    this.#advance(nowSec)
    const all = [...this.#past, { total: this.#total, best: this.#best }]
    return {
      ends: isoTime(this.#periodEndSec),
      intervalSec: String(PERIOD_SECONDS),
      values: all.map((period) => toGrain(period.total)).join(','),
      maxima: all.map((period) => toGrain(period.best / ROLLING_SECONDS)).join(','),
    }
  }

  /** What was saved, gone on with at `nowSec`; a new history if it is too old, of the future or malformed. */
  static load(saved: SavedBandwidth, nowSec: number): BandwidthHistory {
    const history = new BandwidthHistory(nowSec)
    const ends = saved.ends === undefined ? undefined : parseIsoTime(saved.ends)
    const totals = numbers(saved.values)
    const bests = numbers(saved.maxima)
    if (ends === undefined || saved.intervalSec !== String(PERIOD_SECONDS) || totals === undefined || bests?.length !== totals.length) return history
    const endSec = Math.floor(ends / 1000)
    const startSec = endSec - PERIOD_SECONDS
    if (startSec > nowSec || endSec < nowSec - BANDWIDTH_PERIODS_KEPT * PERIOD_SECONDS) return history
    const periods = totals.map((total, i) => ({ total, best: (bests[i] ?? 0) * ROLLING_SECONDS }))
    const present = periods.pop()
    history.#past = periods.slice(-BANDWIDTH_PERIODS_KEPT)
    history.#total = present?.total ?? 0
    history.#best = present?.best ?? 0
    history.#periodEndSec = endSec
    history.#nowSec = startSec
    history.#advance(nowSec)
    return history
  }

  /** Lets seconds pass without bytes. */
  #advance(toSec: number): void {
    // Ten empty seconds leave nothing in the window; what is left after them only ends periods.
    while (this.#nowSec < toSec && this.#recentSum > 0) this.#endSecond()
    while (this.#nowSec < toSec) {
      this.#nowSec = Math.min(toSec, this.#periodEndSec)
      if (this.#nowSec === this.#periodEndSec) this.#endPeriod()
    }
  }

  #endSecond(): void {
    this.#best = Math.max(this.#best, this.#recentSum)
    this.#nowSec++
    const at = this.#nowSec % ROLLING_SECONDS
    this.#recentSum -= this.#recent[at] ?? 0
    this.#recent[at] = 0
    if (this.#nowSec >= this.#periodEndSec) this.#endPeriod()
  }

  #endPeriod(): void {
    this.#past = [...this.#past, { total: this.#total, best: this.#best }].slice(-BANDWIDTH_PERIODS_KEPT)
    this.#periodEndSec += PERIOD_SECONDS
    this.#total = 0
    this.#best = 0
  }
}

const toGrain = (bytes: number): number => Math.floor(bytes / GRAIN_BYTES) * GRAIN_BYTES

const isoTime = (sec: number): string => formatIsoTime(wallMs(sec * 1000))

/** Undefined unless all are whole numbers, and not more than a history may have. */
function numbers(text: string | undefined): number[] | undefined {
  const parts = text?.split(',') ?? []
  if (parts.length === 0 || parts.length > BANDWIDTH_PERIODS_KEPT + 1) return undefined
  const found = parts.map((part) => (/^\d{1,15}$/.test(part.trim()) ? Number(part) : Number.NaN))
  return found.some(Number.isNaN) ? undefined : found
}
