/** Whether two traces are the same, byte for byte, and where they part. */

import { linesOf } from './lines.ts'

export interface DifferentLine {
  /** From 1. */
  readonly line: number
  /** Undefined: that file has ended. */
  readonly a: string | undefined
  readonly b: string | undefined
}

/** Undefined when there is none. */
export function firstDifferentLine(a: string, b: string): DifferentLine | undefined {
  const right = linesOf(b)
  let line = 0
  for (const { text } of linesOf(a)) {
    line++
    const other = right.next()
    if (other.done === true) return { line, a: text, b: undefined }
    if (other.value.text === text) continue
    right.return(undefined)
    return { line, a: text, b: other.value.text }
  }
  const other = right.next()
  if (other.done === true) return undefined
  right.return(undefined)
  return { line: line + 1, a: undefined, b: other.value.text }
}
