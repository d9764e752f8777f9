/**
 * Work put off to the end of the current turn of the event loop, when everything that was readable has been read. First what
 * came in is handled, then what that wrote leaves: so that what came to a stream in one turn is handled in one go, and what
 * many handlers wrote to one stream leaves in one call.
 */

export class TurnQueue {
  readonly #run: (work: () => void) => void
  #arrivals: (() => void)[] = []
  #waiting: (() => void)[] = []
  #planned = false

  /** `run` calls a piece of work and deals with what it throws. */
  constructor(run: (work: () => void) => void) {
    this.#run = run
  }

  /** Work for the end of this turn; when that is already there, of the next. */
  add(work: () => void): void {
    this.#waiting.push(work)
    this.#plan()
  }

  /** Work that goes ahead of all that: handling what has come in. */
  addArrival(work: () => void): void {
    this.#arrivals.push(work)
    this.#plan()
  }

  #plan(): void {
    if (this.#planned) return
    this.#planned = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    const arrivals = this.#arrivals
    this.#arrivals = []
    for (const work of arrivals) this.#run(work)
    const waiting = this.#waiting
    this.#waiting = []
    this.#planned = false
    for (const work of waiting) this.#run(work)
    if (this.#arrivals.length > 0) this.#plan()
  }
}
