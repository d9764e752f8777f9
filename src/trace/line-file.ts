/**
 * A file that lines are written to as they come, some at a time, and none faster than it takes them: a simulation may put out
 * more in a turn of the event loop than there is memory for.
 */

import { closeSync, openSync, writeSync } from 'node:fs'
import { RelishError } from '../core/base/errors.ts'
import { RECORDER_BUFFER_CHARS } from './limits.ts'

export class LineFile {
  readonly #path: string
  readonly #fd: number
  #lines: string[] = []
  #chars = 0
  #failure: RelishError | undefined

  /** Throws `local-io` when the file cannot be written. */
  constructor(path: string) {
    this.#path = path
    this.#fd = writingTrace(path, () => openSync(path, 'w', 0o644))
  }

  /** What cannot be written any more is left out, and `close` says so: whoever is recorded has nothing to do with it. */
  write(line: string): void {
    if (this.#failure !== undefined) return
    this.#lines.push(line)
    this.#chars += line.length
    if (this.#chars >= RECORDER_BUFFER_CHARS) this.#flush()
  }

  /** Writes what is left. Throws `local-io` if some of it could not be written, now or before. */
  close(): void {
    this.#flush()
    closeSync(this.#fd)
    if (this.#failure !== undefined) throw this.#failure
  }

  #flush(): void {
    if (this.#lines.length === 0 || this.#failure !== undefined) return
    const bytes = Buffer.from(`${this.#lines.join('\n')}\n`)
    this.#lines = []
    this.#chars = 0
    try {
      writingTrace(this.#path, () => {
        for (let written = 0; written < bytes.length; ) written += writeSync(this.#fd, bytes, written)
      })
    } catch (error) {
      if (!(error instanceof RelishError)) throw error
      this.#failure = error
    }
  }
}

/** What `act` gives. Throws `local-io` where the system refuses it. */
export function writingTrace<T>(path: string, act: () => T): T {
  try {
    return act()
  } catch (cause) {
    throw new RelishError('local-io', `the trace ${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
