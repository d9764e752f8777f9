/** The lines of a file, read bit by bit: traces are larger than what one wants in memory twice. */

import { closeSync, openSync, readSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { RelishError } from '../core/base/errors.ts'
import { READ_CHUNK_BYTES, TRACE_LINE_CHARS_MAX } from './limits.ts'

export interface FileLine {
  readonly text: string
  /** From 1. */
  readonly number: number
  /** False for the last line of a file that ends in the midst of one. */
  readonly isWhole: boolean
}

/** Throws `config` when the file cannot be read, `bad-document` for a line that is too long. */
export function* linesOf(path: string): Generator<FileLine> {
  const fd = open(path)
  try {
    const chunk = new Uint8Array(READ_CHUNK_BYTES)
    const decoder = new StringDecoder('utf8')
    let left = ''
    let number = 0
    for (;;) {
      const length = readSync(fd, chunk, 0, chunk.length, null)
      const text = length === 0 ? decoder.end() : decoder.write(Buffer.from(chunk.buffer, 0, length))
      const pieces = (left + text).split('\n')
      left = pieces.pop() ?? ''
      for (const piece of pieces) yield { text: piece, number: ++number, isWhole: true }
      if (left.length > TRACE_LINE_CHARS_MAX) throw badLine(path, number + 1, `it is longer than ${TRACE_LINE_CHARS_MAX} characters`)
      if (length === 0) break
    }
    if (left !== '') yield { text: left, number: number + 1, isWhole: false }
  } finally {
    closeSync(fd)
  }
}

export const badLine = (file: string, line: number, why: string): RelishError => new RelishError('bad-document', `${file}, line ${line}: ${why}`, { position: { file, line } })

function open(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw new RelishError('config', `cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
