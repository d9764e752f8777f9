/**
 * Makes virtual time pass for code that waits with promises. Time passes only while somebody waits; after every event
 * that somebody outside the nodes could notice, all that code runs until it waits again, and only then comes the next
 * event. So promises see the same order of things each time, as long as they wait for nothing but this world.
 */

import { RelishError } from '../../core/base/errors.ts'
import { eventsPerTurnMax } from '../limits.ts'

export interface SteppedWorld {
  /** Runs the next event. False when nothing is left to run. */
  step(): boolean
  /** Whether something happened since the last call that code with promises may act upon. */
  takeTouched(): boolean
  /** Asked before each event: a promise while time is to stand still. */
  paused?(): Promise<void> | undefined
}

export class VirtualTime {
  readonly #world: SteppedWorld
  readonly #waiting = new Set<(error: unknown) => void>()
  #running = false

  constructor(world: SteppedWorld) {
    this.#world = world
  }

  /** The promise, with time passing until it is settled. Rejects if the world breaks down or stands still for ever. */
  during<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      const settle = (act: () => void): void => {
        this.#waiting.delete(reject)
        act()
      }
      promise.then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error)),
      )
      if (!this.#running) {
        this.#running = true
        // Whoever called has its turn first.
        setImmediate(this.#turn)
      }
    })
  }

  readonly #turn = (): void => {
    // Everything that had become able to run has run: a turn of the real loop lies behind us.
    if (this.#waiting.size === 0) {
      this.#running = false
      return
    }
    try {
      this.#world.takeTouched()
      for (let events = 0; events < eventsPerTurnMax; events++) {
        const pause = this.#world.paused?.()
        if (pause !== undefined) {
          pause.then(() => setImmediate(this.#turn), (error: unknown) => this.#fail(error))
          return
        }
        if (!this.#world.step()) {
          this.#fail(new RelishError('bug', 'nothing is left to run in the simulation, and still somebody waits'))
          return
        }
        if (this.#world.takeTouched()) break
      }
    } catch (error) {
      this.#fail(error)
      return
    }
    setImmediate(this.#turn)
  }

  #fail(error: unknown): void {
    this.#running = false
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const reject of waiting) reject(error)
  }
}
