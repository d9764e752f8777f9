/**
 * Tor Vegas (prop324 §3.3): the window follows the bandwidth-delay product of the circuit, judged by how round trips
 * grow beyond the least one seen. What is in the window beyond that product must be queued somewhere on the way.
 *
 * `VegasWindow` is the algorithm, fed with measurements; `Vegas` around it counts cells and takes the times. Only the
 * estimate of the product by window and round trip is used, as in C tor: prop324 §3.1 says how the others fared.
 */

import { BoundedQueue } from '../../base/bounded-queue.ts'
import { must } from '../../base/assert.ts'
import type { MonotonicMs } from '../../base/time.ts'
import type { CongestionControl } from './congestion-control.ts'
import type { CircuitKind, CongestionParameters, VegasThresholds } from './congestion-parameters.ts'
import { PENDING_SENDME_TAGS_MAX } from './limits.ts'
import { RoundTripTime, type ClockHealth } from './round-trip.ts'

export class VegasWindow {
  readonly roundTrip: RoundTripTime
  /** Cells. */
  size: number
  inSlowStart = true
  /** The window was in use as far as it goes, since this was last looked at. */
  isFull = false
  /** Our own link did not take what we sent, when the last SENDME came. */
  wasBlocked = false
  readonly #parameters: CongestionParameters
  readonly #thresholds: VegasThresholds
  readonly #increment: number
  readonly #sizeMax: number
  /** SENDMEs until signals of congestion count again, and until a whole window has gone by. */
  #untilUpdate = 1
  #untilWindow = 0

  /** `sendmeIncrement`: as agreed on for the circuit. */
  constructor(parameters: CongestionParameters, kind: CircuitKind, sendmeIncrement: number, clock: ClockHealth) {
    this.#parameters = parameters
    this.#thresholds = parameters.vegas[kind]
    this.#increment = sendmeIncrement
    // Each increment under way has a tag that is kept until its SENDME comes.
    this.#sizeMax = Math.min(parameters.windowMax, PENDING_SENDME_TAGS_MAX * sendmeIncrement)
    this.size = Math.min(parameters.windowInitial, this.#sizeMax)
    this.roundTrip = new RoundTripTime(parameters, clock)
  }

  /** A SENDME came, `rttUs` after the cell that it acknowledges had been sent. `inflight`: cells under way, those acknowledged included. */
  handleSendme(rttUs: number, inflight: number, blocked: boolean): void {
    if (this.#untilUpdate > 0) this.#untilUpdate--
    if (this.#untilWindow > 0) this.#untilWindow--
    const product = this.#bandwidthDelayProduct(rttUs, blocked)
    // prop324 §2.1.1: nothing changes by a measurement that cannot be trusted.
    if (product === undefined) return
    const queued = Math.max(0, this.size - product)
    this.#judgeFullness(inflight)
    if (this.inSlowStart) this.#slowStart(product, queued)
    else if (this.#untilUpdate === 0) this.#steadyState(product, queued)
    if (this.#untilWindow === 0) this.#untilWindow = this.#sendmesPerWindow()
    if (this.#untilUpdate === 0) this.#untilUpdate = this.#sendmesPerUpdate()
    const lookAfresh = this.#parameters.fullPerWindow ? this.#untilWindow === this.#sendmesPerWindow() : this.#untilUpdate === this.#sendmesPerUpdate()
    if (lookAfresh) this.isFull = false
    this.size = Math.min(this.size, this.#sizeMax)
  }

  /** Cells that the circuit holds while none are queued (prop324 §3.1.1); undefined when nothing could be measured. */
  #bandwidthDelayProduct(rttUs: number, blocked: boolean): number | undefined {
    const { roundTrip } = this
    const measured = roundTrip.handleMeasurement(rttUs, this.#smoothingCount(), this.inSlowStart, this.size === this.#parameters.windowMin && !this.inSlowStart)
    if (roundTrip.smoothedUs === 0) {
      // The clock has stood still all the time. All there is to go by is whether our link takes cells.
      this.wasBlocked = blocked
      return blocked ? this.#parameters.windowMin : undefined
    }
    // A link that blocks or unblocks is a signal that does not wait for the next update.
    if (blocked !== this.wasBlocked) this.#untilUpdate = 0
    this.wasBlocked = blocked
    return measured || blocked ? Math.floor((this.size * roundTrip.leastUs) / roundTrip.smoothedUs) : undefined
  }

  #judgeFullness(inflight: number): void {
    const { fullGapIncrements, fullMinPercent } = this.#parameters
    if (inflight + fullGapIncrements * this.#increment >= this.size) this.isFull = true
    else if (100 * inflight < fullMinPercent * this.size) this.isFull = false
  }

  #slowStart(product: number, queued: number): void {
    const { windowIncrement, windowUpdatesPerWindow, slowStartWindowMax } = this.#parameters
    if (queued < this.#thresholds.gamma && !this.wasBlocked) {
      if (this.isFull) {
        const increment = this.#slowStartIncrement()
        this.size += increment
        // Slower than steady growth: no use any more.
        if (increment * this.#sendmesPerWindow() <= windowIncrement * windowUpdatesPerWindow) this.inSlowStart = false
      }
    } else {
      this.inSlowStart = false
      this.size = product + this.#thresholds.gamma
    }
    if (this.size >= slowStartWindowMax) {
      this.size = slowStartWindowMax
      this.inSlowStart = false
    }
  }

  #steadyState(product: number, queued: number): void {
    const { windowIncrement, windowMin } = this.#parameters
    const { alpha, beta, delta } = this.#thresholds
    if (queued > delta) this.size = product + delta - windowIncrement
    else if (queued > beta || this.wasBlocked) this.size -= windowIncrement
    else if (this.isFull && queued < alpha) this.size += windowIncrement
    this.size = Math.max(this.size, windowMin)
  }

  /** RFC 3742: slow start slows down beyond a cap. */
  #slowStartIncrement(): number {
    const { slowStartCap } = this.#thresholds
    if (this.size <= slowStartCap) return Math.floor((this.#parameters.slowStartPercent * this.#increment + 50) / 100)
    return Math.max(Math.floor((this.#increment * slowStartCap + this.size) / (2 * this.size)), 1)
  }

  /** prop324 §2.1.2: how many measurements are smoothed over. */
  #smoothingCount(): number {
    const { ewmaWindowPercent, ewmaMax, ewmaSlowStart } = this.#parameters
    const count = this.inSlowStart ? ewmaSlowStart : Math.min(Math.floor((this.#sendmesPerUpdate() * ewmaWindowPercent) / 100), ewmaMax)
    return Math.max(count, 2)
  }

  #sendmesPerUpdate(): number {
    if (this.inSlowStart) return 1
    const cells = this.#parameters.windowUpdatesPerWindow * this.#increment
    return Math.floor((this.size + Math.floor(cells / 2)) / cells)
  }

  #sendmesPerWindow(): number {
    return Math.floor((this.size + Math.floor(this.#increment / 2)) / this.#increment)
  }
}

export class Vegas implements CongestionControl {
  readonly algorithm = 'vegas'
  readonly sendmeIncrement: number
  readonly window: VegasWindow
  /** Cells sent and not acknowledged. May exceed a window that has shrunk. */
  #inflight = 0
  #sentInIncrement = 0
  /** When the last cell of each increment went out. */
  readonly #sentAt = new BoundedQueue<MonotonicMs>('times at which cells were sent that await a SENDME', PENDING_SENDME_TAGS_MAX)

  constructor(parameters: CongestionParameters, kind: CircuitKind, sendmeIncrement: number, clock: ClockHealth) {
    this.sendmeIncrement = sendmeIncrement
    this.window = new VegasWindow(parameters, kind, sendmeIncrement, clock)
  }

  get available(): number {
    return Math.max(0, this.window.size - this.#inflight)
  }

  get roundTripMaxMs(): number {
    return this.window.roundTrip.greatestUs / 1000
  }

  handleSent(now: MonotonicMs, count: number): void {
    this.#inflight += count
    this.#sentInIncrement += count
    for (; this.#sentInIncrement >= this.sendmeIncrement; this.#sentInIncrement -= this.sendmeIncrement) this.#sentAt.push(now)
  }

  handleSendme(now: MonotonicMs, blocked: boolean): void {
    const sentAt = must(this.#sentAt.shift(), 'a SENDME that answers a tag answers a cell')
    this.window.handleSendme(Math.floor((now - sentAt) * 1000), this.#inflight, blocked)
    this.#inflight -= this.sendmeIncrement
  }
}
