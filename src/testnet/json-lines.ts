/** JSON values, one a line, over a byte stream: how nodes and the command line talk to a run. */

import type { Duplex } from 'node:stream'
import { RelishError } from '../core/base/errors.ts'
import { jsonLineBytesMax } from './limits.ts'

/** Cuts chunks into lines. Throws `limit` for a line that is too long. */
export class LineSplitter {
  #parts: string[] = []
  #length = 0

  /** The lines that `chunk` completes, without their ends. */
  push(chunk: string): string[] {
    const pieces = chunk.split('\n')
    const last = pieces.pop() ?? ''
    const lines: string[] = []
    for (const piece of pieces) {
      lines.push(this.#parts.length === 0 ? piece : this.#parts.join('') + piece)
      this.#parts = []
      this.#length = 0
    }
    if (last !== '') {
      this.#parts.push(last)
      this.#length += last.length
      if (this.#length > jsonLineBytesMax) throw new RelishError('limit', `a line is longer than ${jsonLineBytesMax} bytes`)
    }
    return lines
  }
}

/** Calls `onValue` for each line; a line that is not JSON goes to `onGarbage`. */
export function readJsonLines(stream: Duplex, onValue: (value: unknown) => void, onGarbage: (line: string) => void): void {
  const splitter = new LineSplitter()
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    let lines: string[]
    try {
      lines = splitter.push(chunk)
    } catch {
      stream.destroy()
      return
    }
    for (const line of lines) {
      if (line.trim() === '') continue
      let value: unknown
      try {
        value = JSON.parse(line)
      } catch {
        onGarbage(line)
        continue
      }
      onValue(value)
    }
  })
}

export function writeJsonLine(stream: Duplex, value: unknown): void {
  if (!stream.writable) return
  stream.write(JSON.stringify(value) + '\n')
}
