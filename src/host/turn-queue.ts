/**
 * Work put off to the end of the current turn of the event loop, when everything that was readable has been handled.
 * Streams flush here, so that what many handlers wrote to one stream in one turn leaves in one call.
 */

export class TurnQueue {
  readonly #run: (work: () => void) => void
  #waiting: (() => void)[] = []

  /** `run` calls a piece of work and deals with what it throws. */
  constructor(run: (work: () => void) => void) {
    this.#run = run
  }

  add(work: () => void): void {
    this.#waiting.push(work)
    if (this.#waiting.length === 1) setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    const batch = this.#waiting
    this.#waiting = []
    for (const work of batch) this.#run(work)
  }
}
