/**
 * Timers in exact order of their time, none of them early. Node.js measures a timer from the start of the loop's turn,
 * so its own can fire before their time has passed; here one of them only wakes a heap that keeps the true times.
 */

import { Heap } from '../core/base/heap.ts'
import type { DurationMs } from '../core/base/time.ts'
import type { Timer } from '../runtime/index.ts'
import { nodeTimerMsMax } from './limits.ts'
import { monotonicNow } from './monotonic-clock.ts'

interface Entry {
  readonly dueMs: number
  /** Undefined once run or cancelled. */
  callback: (() => void) | undefined
}

const earlier = (a: Entry, b: Entry): boolean => a.dueMs < b.dueMs

export class HostTimers {
  readonly #guard: (work: () => void) => void
  #heap = new Heap<Entry>(earlier)
  #cancelled = 0
  #wakeAtMs = Number.POSITIVE_INFINITY
  #stopWaking: () => void = () => undefined

  /** `guard` calls a callback and deals with what it throws. */
  constructor(guard: (work: () => void) => void) {
    this.#guard = guard
  }

  set(delay: DurationMs, callback: () => void): Timer {
    const entry: Entry = { dueMs: monotonicNow() + Math.max(0, delay), callback }
    this.#heap.push(entry)
    if (entry.dueMs < this.#wakeAtMs) this.#wakeAt(entry.dueMs)
    return {
      cancel: () => {
        if (entry.callback === undefined) return
        entry.callback = undefined
        this.#cancelled++
        this.#dropCancelled()
      },
    }
  }

  cancelAll(): void {
    this.#stopWaking()
    this.#wakeAtMs = Number.POSITIVE_INFINITY
    this.#heap = new Heap<Entry>(earlier)
    this.#cancelled = 0
  }

  #wakeAt(dueMs: number): void {
    this.#stopWaking()
    this.#wakeAtMs = dueMs
    const left = dueMs - monotonicNow()
    if (left <= 0) {
      const handle = setImmediate(this.#wake)
      this.#stopWaking = () => clearImmediate(handle)
    } else {
      const handle = setTimeout(this.#wake, Math.min(Math.ceil(left), nodeTimerMsMax))
      this.#stopWaking = () => clearTimeout(handle)
    }
  }

  readonly #wake = (): void => {
    this.#wakeAtMs = Number.POSITIVE_INFINITY
    const nowMs = monotonicNow()
    // What a callback adds is due after `nowMs` and waits for the next time.
    for (let entry = this.#heap.peek(); entry !== undefined && entry.dueMs <= nowMs; entry = this.#heap.peek()) {
      this.#heap.pop()
      const callback = entry.callback
      entry.callback = undefined
      if (callback === undefined) this.#cancelled--
      else this.#guard(callback)
    }
    this.#dropCancelled()
    const next = this.#heap.peek()
    if (next !== undefined && next.dueMs < this.#wakeAtMs) this.#wakeAt(next.dueMs)
  }

  /** Nothing stays in front that will not run, so that a process without timers can end; nor too much anywhere. */
  #dropCancelled(): void {
    for (let entry = this.#heap.peek(); entry !== undefined && entry.callback === undefined; entry = this.#heap.peek()) {
      this.#heap.pop()
      this.#cancelled--
    }
    if (this.#heap.size === 0) {
      this.#stopWaking()
      this.#wakeAtMs = Number.POSITIVE_INFINITY
    } else if (this.#cancelled > 1024 && this.#cancelled * 2 > this.#heap.size) {
      const kept = new Heap<Entry>(earlier)
      for (let entry = this.#heap.pop(); entry !== undefined; entry = this.#heap.pop()) if (entry.callback !== undefined) kept.push(entry)
      this.#heap = kept
      this.#cancelled = 0
    }
  }
}
