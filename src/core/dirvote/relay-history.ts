/**
 * How reliable relays have been, as an authority saw it (dir-spec §3.4.2: mean time between failures, weighted
 * fractional uptime, time known). All times are whole seconds since the epoch, durations seconds. C tor's `rephist.c`.
 */

/** Older observations count less by this factor … */
const DISCOUNT = 0.95
/** … for every half day of age. */
const DISCOUNT_INTERVAL_SEC = 12 * 60 * 60
/** A relay whose runs weigh less than this together has no mean time between failures. */
const NEGLIGIBLE_WEIGHT = 0.0001
/** An authority pronounces on mean times between failures after watching for this long. */
const ENOUGH_OBSERVATION_SEC = 4 * 60 * 60

/** One relay's history. Mutable; belongs to a `RelayHistories`. */
export class RelayHistory {
  /** When the present run began; undefined while the relay is down or was never seen. */
  runningSinceSec: number | undefined
  /** When the present downtime began. */
  downSinceSec: number | undefined
  weightedRunLength = 0
  totalRunWeights = 0
  weightedUptime = 0
  totalWeightedTime = 0
  /** `address:port` of the last contact. */
  lastReachedAt: string | undefined

  /** Mean time between failures, as if the present run ended now. */
  meanTimeBetweenFailures(nowSec: number): number {
    const run = this.runningSinceSec === undefined ? 0 : nowSec - this.runningSinceSec
    const weights = this.totalRunWeights + (this.runningSinceSec === undefined ? 0 : 1)
    return weights < NEGLIGIBLE_WEIGHT ? 0 : (this.weightedRunLength + run) / weights
  }

  /** Share of the time known that the relay was up, 0 to 1. */
  weightedFractionalUptime(nowSec: number): number {
    const run = this.runningSinceSec === undefined ? 0 : nowSec - this.runningSinceSec
    const total = this.weightedTimeKnown(nowSec)
    return total === 0 ? 0 : (this.weightedUptime + run) / total
  }

  weightedTimeKnown(nowSec: number): number {
    const since = this.runningSinceSec ?? this.downSinceSec
    return this.totalWeightedTime + (since === undefined ? 0 : nowSec - since)
  }

  /** How long the present run has lasted. */
  uptime(nowSec: number): number {
    return this.runningSinceSec === undefined ? 0 : Math.max(0, nowSec - this.runningSinceSec)
  }

  noteReachable(address: string, nowSec: number, addressPenaltySec: number): void {
    const moved = this.lastReachedAt !== undefined && this.lastReachedAt !== address
    this.runningSinceSec ??= nowSec
    if (this.downSinceSec !== undefined) {
      this.totalWeightedTime += nowSec - this.downSinceSec
      this.downSinceSec = undefined
    } else if (moved) {
      // Clients could not reach a relay that moved until they learned where it went: that counts as downtime.
      this.noteUnreachable(nowSec - addressPenaltySec)
      this.totalWeightedTime += addressPenaltySec
      this.downSinceSec = undefined
      this.runningSinceSec = nowSec
    }
    this.lastReachedAt = address
  }

  noteUnreachable(whenSec: number): void {
    if (this.runningSinceSec !== undefined) {
      const run = whenSec - this.runningSinceSec
      this.totalRunWeights += 1
      this.runningSinceSec = undefined
      if (run < 0) {
        this.weightedRunLength = Math.max(0, this.weightedRunLength + run)
        this.weightedUptime = Math.max(0, this.weightedUptime + run)
      } else {
        this.weightedRunLength += run
        this.weightedUptime += run
        this.totalWeightedTime += run
      }
    }
    this.downSinceSec ??= whenSec
  }

  /** Forgets every good thing: what a relay deserves that hides behind others' addresses. */
  makePessimal(whenSec: number): void {
    this.noteUnreachable(whenSec)
    this.weightedRunLength = 0
    this.weightedUptime = 0
  }

  discount(factor: number): void {
    this.weightedRunLength = Math.trunc(this.weightedRunLength * factor)
    this.totalRunWeights *= factor
    this.weightedUptime = Math.trunc(this.weightedUptime * factor)
    this.totalWeightedTime = Math.trunc(this.totalWeightedTime * factor)
  }
}

/** Histories of all relays an authority knows, by fingerprint. Bounded by the relays it holds: see `forgetAllBut`. */
export class RelayHistories {
  readonly #histories = new Map<string, RelayHistory>()
  #trackingSinceSec: number | undefined
  #lastDiscountSec: number | undefined

  /** Goes on with what another had learnt: when it began to watch, and last discounted. */
  constructor(before: Pick<RelayHistories, 'trackingSinceSec' | 'lastDiscountSec'> = { trackingSinceSec: undefined, lastDiscountSec: undefined }) {
    this.#trackingSinceSec = before.trackingSinceSec
    this.#lastDiscountSec = before.lastDiscountSec
  }

  get trackingSinceSec(): number | undefined {
    return this.#trackingSinceSec
  }

  get lastDiscountSec(): number | undefined {
    return this.#lastDiscountSec
  }

  /** Fingerprints and histories. */
  entries(): Iterable<readonly [string, RelayHistory]> {
    return this.#histories
  }

  /** The relay's history; a new one has nothing in it. */
  of(fingerprint: string): RelayHistory {
    let history = this.#histories.get(fingerprint)
    if (history === undefined) this.#histories.set(fingerprint, (history = new RelayHistory()))
    return history
  }

  noteReachable(fingerprint: string, address: string, nowSec: number, addressPenaltySec: number): void {
    this.#trackingSinceSec ??= nowSec
    this.of(fingerprint).noteReachable(address, nowSec, addressPenaltySec)
  }

  noteUnreachable(fingerprint: string, whenSec: number, nowSec: number): void {
    this.#trackingSinceSec ??= nowSec
    this.of(fingerprint).noteUnreachable(whenSec)
  }

  /** Whether this authority has watched long enough for its mean times to mean something. */
  hasEnough(nowSec: number): boolean {
    // C tor takes "never began" for "began at the epoch".
    return (this.#trackingSinceSec ?? 0) < nowSec - ENOUGH_OBSERVATION_SEC
  }

  /** Discounts what is old. To be called every half day or more often. */
  discountOld(nowSec: number): void {
    this.#lastDiscountSec ??= nowSec
    const periods = Math.floor((nowSec - this.#lastDiscountSec) / DISCOUNT_INTERVAL_SEC)
    if (periods <= 0) return
    this.#lastDiscountSec += periods * DISCOUNT_INTERVAL_SEC
    for (const history of this.#histories.values()) history.discount(DISCOUNT ** periods)
  }

  /** Drops histories of relays that are not in `fingerprints` and were not reliable either. */
  forgetAllBut(fingerprints: ReadonlySet<string>): void {
    for (const fingerprint of [...this.#histories.keys()]) if (!fingerprints.has(fingerprint)) this.#histories.delete(fingerprint)
  }
}
