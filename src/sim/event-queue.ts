/**
 * The heap of everything that will happen, and the clock that stands at what happens now. Times are whole microseconds
 * since the start of the run. Events of one instant run in the order in which they were scheduled; nothing else decides
 * an order, so a run depends on its inputs alone.
 */

import { assert } from '../core/base/assert.ts'
import { RelishError } from '../core/base/errors.ts'
import { Heap } from '../core/base/heap.ts'
import { simLimits } from './limits.ts'

interface ScheduledEvent {
  readonly atUs: number
  /** For whoever looks at the queue. */
  readonly what: string
  /** Undefined once cancelled. */
  run: (() => void) | undefined
}

export interface Scheduled {
  /** Harmless when it has run or was cancelled before. */
  cancel(): void
}

const earlier = (a: ScheduledEvent, b: ScheduledEvent): boolean => a.atUs < b.atUs

export class EventQueue {
  #heap = new Heap<ScheduledEvent>(earlier)
  #cancelled = 0
  #nowUs = 0
  #eventsRun = 0
  #turnWork: (() => void)[] = []

  get nowUs(): number {
    return this.#nowUs
  }

  get eventsRun(): number {
    return this.#eventsRun
  }

  /** When the next event is due; undefined when nothing waits. */
  get nextAtUs(): number | undefined {
    if (this.#turnWork.length > 0) return this.#nowUs
    this.#dropCancelled()
    return this.#heap.peek()?.atUs
  }

  /** The next `count` that are due, and how many wait. */
  upcoming(count: number): { readonly waiting: number; readonly events: readonly { readonly atUs: number; readonly what: string }[] } {
    const waiting = [...this.#heap].filter((event) => event.run !== undefined).sort((a, b) => a.atUs - b.atUs)
    return { waiting: waiting.length, events: waiting.slice(0, count).map(({ atUs, what }) => ({ atUs, what })) }
  }

  /** Runs `run` once, `delayUs` from now, after the current event at the earliest. `what` it is, for whoever looks at the queue. */
  schedule(delayUs: number, run: () => void, what = 'other'): Scheduled {
    assert(Number.isFinite(delayUs), 'a delay is a finite number')
    if (this.#heap.size >= simLimits.eventsWaitingMax) throw new RelishError('limit', `${simLimits.eventsWaitingMax} events wait in the simulation`)
    const event: ScheduledEvent = { atUs: this.#nowUs + Math.max(0, Math.round(delayUs)), what, run }
    this.#heap.push(event)
    return {
      cancel: () => {
        if (event.run === undefined) return
        event.run = undefined
        this.#cancelled++
        if (this.#cancelled > 1024 && this.#cancelled * 2 > this.#heap.size) this.#compact()
      },
    }
  }

  /** Runs `work` when the current event's handlers have returned, at the same instant. Outside of an event: after the next one. */
  atEndOfTurn(work: () => void): void {
    this.#turnWork.push(work)
  }

  /** Runs the next event and the end of its turn. False when nothing is left to run. */
  step(): boolean {
    // Work that was asked for between two events, by the owner of the run.
    if (this.#turnWork.length > 0) {
      this.#endTurn()
      return true
    }
    this.#dropCancelled()
    const event = this.#heap.pop()
    if (event === undefined) return false
    const run = event.run
    event.run = undefined
    this.#nowUs = event.atUs
    this.#eventsRun++
    run?.()
    this.#endTurn()
    return true
  }

  #endTurn(): void {
    let done = 0
    while (this.#turnWork.length > 0) {
      const batch = this.#turnWork
      this.#turnWork = []
      for (const work of batch) work()
      done += batch.length
      if (done > simLimits.turnWorkMax) throw new RelishError('limit', 'the end of one event goes on without end')
    }
  }

  #dropCancelled(): void {
    for (;;) {
      const next = this.#heap.peek()
      if (next === undefined || next.run !== undefined) return
      this.#heap.pop()
      this.#cancelled--
    }
  }

  /** Rebuilds the heap without what was cancelled. Leaving in order keeps ties in order. */
  #compact(): void {
    const kept = new Heap<ScheduledEvent>(earlier)
    for (let event = this.#heap.pop(); event !== undefined; event = this.#heap.pop()) if (event.run !== undefined) kept.push(event)
    this.#heap = kept
    this.#cancelled = 0
  }
}
