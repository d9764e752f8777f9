/** Which ports are likely to be asked for soon, so that circuits for them are built ahead (path-spec §2.1.1). */

import type { MonotonicMs } from '../base/time.ts'
import { predictedPortsMax } from './limits.ts'

export class PredictedPorts {
  /** Least recently used first. */
  readonly #usedAt = new Map<number, MonotonicMs>()
  readonly #relevanceMs: number

  /** `start`: predicted before anything was asked for. `relevanceMs`: how long a port stays predicted. */
  constructor(start: readonly number[], relevanceMs: number, now: MonotonicMs) {
    this.#relevanceMs = relevanceMs
    for (const port of start) this.noteUsed(port, now)
  }

  noteUsed(port: number, now: MonotonicMs): void {
    this.#usedAt.delete(port)
    this.#usedAt.set(port, now)
    const oldest = this.#usedAt.keys().next()
    if (this.#usedAt.size > predictedPortsMax && oldest.done !== true) this.#usedAt.delete(oldest.value)
  }

  /** No relay lets this port out: there is no use in predicting it. */
  forget(port: number): void {
    this.#usedAt.delete(port)
  }

  current(now: MonotonicMs): readonly number[] {
    for (const [port, at] of this.#usedAt) if (now - at >= this.#relevanceMs) this.#usedAt.delete(port)
    return [...this.#usedAt.keys()]
  }

  /** When the last prediction lapses; undefined when there is none. */
  lapsesAt(): MonotonicMs | undefined {
    let latest: MonotonicMs | undefined
    for (const at of this.#usedAt.values()) latest = at
    return latest === undefined ? undefined : ((latest + this.#relevanceMs) as MonotonicMs)
  }
}
