/**
 * Whether other relays can reach this one: builds a circuit that ends here and waits for somebody to dial us for it. A
 * relay publishes its descriptor only once that has happened, unless its operator takes it for granted (C tor,
 * `AssumeReachable`; tor(1)).
 */

import type { Runtime, Timer } from '../runtime/index.ts'
import { REACHABILITY_RETRY, REACHABILITY_RETRY_FIRST } from './limits.ts'
import type { HopTarget, OriginCircuit, OriginCircuits } from './origin-circuit.ts'
import { durationMs, type DurationMs } from '../core/base/time.ts'

export interface RelaySelfTestParts {
  readonly runtime: Runtime
  readonly circuits: () => OriginCircuits
  readonly assumeReachable: () => boolean
  /**
   * Hops of a circuit whose last is this relay; undefined while none can be chosen. The one before it must not be a relay
   * that we have dialled ourselves, which would come back over our own link: hence three hops.
   */
  readonly pathToSelf: () => readonly HopTarget[] | undefined
  /** Called once, never before `start` has returned. */
  readonly onReachable: () => void
}

export class RelaySelfTest {
  readonly #parts: RelaySelfTestParts
  #reachable = false
  #timer: Timer | undefined
  #circuit: OriginCircuit | undefined
  /** The last attempt found no relays to go through. */
  #lacksPath = false
  #failures = 0

  constructor(parts: RelaySelfTestParts) {
    this.#parts = parts
  }

  get isReachable(): boolean {
    return this.#reachable
  }

  start(): void {
    this.#arm(durationMs(0))
  }

  /** More of the network is known than before: what failed for the lack of relays is tried again now. */
  networkChanged(): void {
    if (!this.#lacksPath || this.#reachable) return
    this.#timer?.cancel()
    this.#attempt()
  }

  /** Another relay made a circuit to us over a link that it dialled. */
  noteReached(): void {
    if (this.#reachable) return
    this.#reachable = true
    this.stop()
    this.#parts.runtime.log.write('notice', 'or', 'Self-testing indicates your ORPort is reachable from the outside. Excellent.')
    this.#parts.onReachable()
  }

  stop(): void {
    this.#lacksPath = false
    this.#timer?.cancel()
    this.#timer = undefined
    this.#circuit?.close()
    this.#circuit = undefined
  }

  #arm(delay: DurationMs): void {
    this.#timer?.cancel()
    this.#timer = this.#parts.runtime.setTimer(delay, () => this.#attempt())
  }

  #attempt(): void {
    if (this.#parts.assumeReachable()) {
      this.#reachable = true
      this.#parts.onReachable()
      return
    }
    this.#arm(REACHABILITY_RETRY)
    const path = this.#circuit === undefined ? this.#parts.pathToSelf() : undefined
    this.#lacksPath = this.#circuit === undefined && path === undefined
    if (path === undefined) return
    const circuit = this.#parts.circuits().build(path, { purpose: 'testing' }, {
      // The circuit itself proves nothing more than what `noteReached` was told before: it may have come over our own link.
      onOpen: (open) => {
        this.#ended()
        open.close()
      },
      onFailed: () => this.#ended(),
    })
    circuit.onClosed = () => {
      if (this.#circuit === circuit) this.#circuit = undefined
    }
    this.#circuit = circuit
  }

  /** An attempt is over and has not shown anything: the next one is made soon, through other relays. */
  #ended(): void {
    this.#circuit = undefined
    if (this.#reachable) return
    this.#arm(durationMs(Math.min(REACHABILITY_RETRY, REACHABILITY_RETRY_FIRST * 2 ** this.#failures)))
    this.#failures++
  }
}
