/** Who wants to hear of events, and who waits for a condition: the other part that every backend has in common. */

import { RelishError } from '../../core/base/errors.ts'
import type { NodeEventRecord } from './backend.ts'

interface Waiter {
  check(): void
}

export class EventHub {
  readonly #setTimer: (ms: number, callback: () => void) => () => void
  readonly #listeners = new Set<(record: NodeEventRecord) => void>()
  readonly #waiters = new Set<Waiter>()

  /** `setTimer` calls back once after so many milliseconds of the world's clock, and returns how to cancel that. */
  constructor(setTimer: (ms: number, callback: () => void) => () => void) {
    this.#setTimer = setTimer
  }

  emit(record: NodeEventRecord): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(record)
      } catch (error) {
        // Listeners are anybody's code; the node that emits must not stop half way because of them.
        queueMicrotask(() => {
          throw error
        })
      }
    }
    this.changed()
  }

  /** Something other than an event may have made a condition true. */
  changed(): void {
    for (const waiter of [...this.#waiters]) waiter.check()
  }

  onEvent(listener: (record: NodeEventRecord) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  waitFor(words: string, condition: () => boolean, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        this.#waiters.delete(waiter)
        cancel()
        settle()
      }
      const waiter: Waiter = {
        check: () => {
          let holds: boolean
          try {
            holds = condition()
          } catch (error) {
            finish(() => reject(error))
            return
          }
          if (holds) finish(resolve)
        },
      }
      this.#waiters.add(waiter)
      const cancel = this.#setTimer(timeoutMs, () => finish(() => reject(new RelishError('timeout', `after ${Math.round(timeoutMs / 1000)} s still waiting for ${words}`))))
      waiter.check()
    })
  }
}
