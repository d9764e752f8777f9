/** What is wrong with a network file, where, and what would be right: made by the parser and the lint, printed by the command line. */

import { RelishError } from '../core/base/errors.ts'
import { shownErrorsMax, shownLineMax, shownMessageMax } from './limits.ts'

/** Something wrong with a network file, or questionable. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning'
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1, in characters. */
  readonly column: number
  /** Length of the offending text on its first line, at least 1. */
  readonly length: number
  /** The whole line as written. */
  readonly text: string
  readonly message: string
  /** More lines: what is allowed, the nearest spelling, what to try. */
  readonly notes: readonly string[]
}

/** A diagnostic as people read it: place and message, the line with a caret under the offending text, then the notes. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const gutter = String(diagnostic.line)
  const blank = ' '.repeat(gutter.length)
  // Of a very long line, what is around the offending text.
  const from = diagnostic.text.length > shownLineMax ? Math.max(0, diagnostic.column - 1 - shownLineMax / 2) : 0
  const text = diagnostic.text.slice(from, from + shownLineMax)
  const before = text.slice(0, diagnostic.column - 1 - from)
  return [
    `${diagnostic.file}:${diagnostic.line}:${diagnostic.column}: ${diagnostic.severity}: ${printable(diagnostic.message.slice(0, shownMessageMax))}`,
    `  ${gutter} | ${printable(text)}`,
    // Tabs stay tabs in front of the caret, so that it stands under its text in any terminal.
    `  ${blank} | ${before.replace(/[^\t]/g, ' ')}${'^'.repeat(Math.max(1, Math.min(diagnostic.length, text.length - before.length)))}`,
    ...diagnostic.notes.map((note) => `  ${blank} = ${note}`),
  ].join('\n')
}

/** What a terminal would obey is not shown to it. */
const printable = (text: string): string => text.replace(/[\0-\x08\x0a-\x1f\x7f-\x9f]/g, '·')

/** All diagnostics as one error of kind `config`, which carries them in `diagnostics`. */
export class NetworkFileError extends RelishError {
  readonly diagnostics: readonly Diagnostic[]

  constructor(found: readonly Diagnostic[]) {
    const diagnostics = [...found].sort((a, b) => a.line - b.line || a.column - b.column)
    const shown = diagnostics.slice(0, shownErrorsMax).map(formatDiagnostic)
    if (diagnostics.length > shown.length) shown.push(`… and ${diagnostics.length - shown.length} more`)
    const first = diagnostics[0]
    super('config', shown.join('\n'), first === undefined ? {} : { position: { file: first.file, line: first.line, column: first.column } })
    this.diagnostics = diagnostics
  }
}
