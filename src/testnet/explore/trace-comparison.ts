/** Whether two runs of one seed are the same, event for event; if not, which is the first that differs. */

import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { traceLinesBufferedChars } from '../limits.ts'
import { makeTemporaryFolder } from '../temporary-folder.ts'

export interface TraceDifference {
  /** From 1. */
  readonly event: number
  /** The lines of the trace; undefined where a run had ended. */
  readonly first: string | undefined
  readonly second: string | undefined
}

export class TraceComparison {
  readonly #folder = makeTemporaryFolder('relish-twice-')
  readonly #file = openSync(join(this.#folder, 'first'), 'w')
  #buffered: string[] = []
  #bufferedChars = 0
  #sums = new Uint32Array(1 << 16)
  #lines = 0
  #seen = 0
  #different: { readonly index: number; readonly second: string | undefined } | undefined

  /** Takes the lines of the first run. */
  readonly first = (line: string): void => {
    if (this.#lines === this.#sums.length) {
      const larger = new Uint32Array(this.#sums.length * 2)
      larger.set(this.#sums)
      this.#sums = larger
    }
    this.#sums[this.#lines++] = crc32(line)
    this.#buffered.push(line)
    this.#bufferedChars += line.length
    if (this.#bufferedChars > traceLinesBufferedChars) this.#flush()
  }

  /** Takes those of the second. */
  readonly second = (line: string): void => {
    const index = this.#seen++
    if (this.#different === undefined && (index >= this.#lines || this.#sums[index] !== crc32(line))) this.#different = { index, second: line }
  }

  get events(): number {
    return this.#lines
  }

  /** After both runs; forgets everything. */
  finish(): TraceDifference | undefined {
    this.#flush()
    closeSync(this.#file)
    try {
      const different = this.#different ?? (this.#seen < this.#lines ? { index: this.#seen, second: undefined } : undefined)
      if (different === undefined) return undefined
      const first = readFileSync(join(this.#folder, 'first'), 'utf8').split('\n')
      return { event: different.index + 1, first: different.index < this.#lines ? first[different.index] : undefined, second: different.second }
    } finally {
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }

  #flush(): void {
    if (this.#buffered.length === 0) return
    writeSync(this.#file, `${this.#buffered.join('\n')}\n`)
    this.#buffered = []
    this.#bufferedChars = 0
  }
}
