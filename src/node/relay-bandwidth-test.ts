/**
 * What a relay can carry before anybody has asked it to: it builds circuits that end here and sends cells along them that
 * everybody throws away (tor-spec §7.2), which its own meter sees go out and come in. Without it a relay that has carried one
 * stream weighs a thousand times as much as one that has carried none. C tor's `router_perform_bandwidth_test`.
 */

import { durationMs, type DurationMs } from '../core/base/time.ts'
import { CELL_BODY_BYTES } from '../core/cell/limits.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import { ROLLING_SECONDS } from './bandwidth-history.ts'
import { BANDWIDTH_TEST_CELLS_MAX, BANDWIDTH_TEST_CIRCUITS, BANDWIDTH_TEST_DELAY, BANDWIDTH_TEST_ENOUGH, BANDWIDTH_TEST_REPEAT, BANDWIDTH_TEST_RETRY } from './limits.ts'
import type { HopTarget, OriginCircuit, OriginCircuits } from './origin-circuit.ts'

export interface RelayBandwidthTestParts {
  readonly runtime: Runtime
  readonly circuits: () => OriginCircuits
  /** Hops of a circuit whose last is this relay; undefined while none can be chosen. */
  readonly pathToSelf: () => readonly HopTarget[] | undefined
  /** Bytes a second that this relay may use. */
  readonly rate: () => number
  /** Bytes a second that were seen so far. */
  readonly observed: () => number
}

export class RelayBandwidthTest {
  readonly #parts: RelayBandwidthTestParts
  readonly #circuits = new Set<OriginCircuit>()
  #timer: Timer | undefined
  /** The last attempt found no relays to go through. */
  #lacksPath = false

  constructor(parts: RelayBandwidthTestParts) {
    this.#parts = parts
  }

  start(): void {
    this.#arm(BANDWIDTH_TEST_DELAY, () => this.#attempt())
  }

  /** More of the network is known than before: what failed for the lack of relays is tried again now. */
  networkChanged(): void {
    if (this.#lacksPath) this.#attempt()
  }

  stop(): void {
    this.#lacksPath = false
    this.#timer?.cancel()
    this.#closeCircuits()
  }

  #arm(delay: DurationMs, then: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.#parts.runtime.setTimer(delay, then)
  }

  /** Builds the circuits that are missing, and tries again later whatever comes of it: the test itself sets another time. */
  #attempt(): void {
    this.#arm(BANDWIDTH_TEST_RETRY, () => this.#attempt())
    while (this.#circuits.size < BANDWIDTH_TEST_CIRCUITS) {
      const path = this.#parts.pathToSelf()
      this.#lacksPath = path === undefined
      if (path === undefined) return
      const circuit = this.#parts.circuits().build(path, { purpose: 'testing' }, {
        onOpen: () => this.#testIfAllOpen(),
        onFailed: () => this.#circuits.delete(circuit),
      })
      circuit.onClosed = () => this.#circuits.delete(circuit)
      this.#circuits.add(circuit)
    }
  }

  #testIfAllOpen(): void {
    const { runtime, rate } = this.#parts
    const open = [...this.#circuits].filter((circuit) => circuit.state === 'open')
    if (open.length < BANDWIDTH_TEST_CIRCUITS) return
    // As much as fills the time over which bandwidth is measured, but no more than a circuit's window, as in C tor.
    const cells = Math.min(BANDWIDTH_TEST_CELLS_MAX, Math.floor((rate() * ROLLING_SECONDS) / CELL_BODY_BYTES))
    for (const circuit of open) circuit.sendDummies(Math.floor(cells / BANDWIDTH_TEST_CIRCUITS))
    runtime.log.write('notice', 'or', 'Performing bandwidth self-test...done.')
    this.#arm(durationMs(ROLLING_SECONDS * 1000), () => {
      this.#closeCircuits()
      this.#arm(BANDWIDTH_TEST_REPEAT, () => this.#repeatIfLow())
    })
  }

  /** A relay that few use, a bridge perhaps, forgets what it can do. */
  #repeatIfLow(): void {
    const { rate, observed } = this.#parts
    if (observed() < Math.min(rate(), BANDWIDTH_TEST_ENOUGH)) this.#attempt()
    else this.#arm(BANDWIDTH_TEST_REPEAT, () => this.#repeatIfLow())
  }

  #closeCircuits(): void {
    for (const circuit of [...this.#circuits]) circuit.close('bandwidth test')
    this.#circuits.clear()
  }
}
