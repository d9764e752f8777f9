/** What is wrong with a network file, where, and what would be right: made by the parser and the lint, printed by the command line. */

import { RelishError } from '../core/base/errors.ts'
import { shownErrorsMax } from './limits.ts'

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
  // Tabs stay tabs in front of the caret, so that it stands under its text in any terminal.
  const indent = diagnostic.text.slice(0, diagnostic.column - 1).replace(/[^\t]/g, ' ')
  return [
    `${diagnostic.file}:${diagnostic.line}:${diagnostic.column}: ${diagnostic.severity}: ${diagnostic.message}`,
    `  ${gutter} | ${diagnostic.text}`,
    `  ${blank} | ${indent}${'^'.repeat(Math.max(1, Math.min(diagnostic.length, diagnostic.text.length - diagnostic.column + 1)))}`,
    ...diagnostic.notes.map((note) => `  ${blank} = ${note}`),
  ].join('\n')
}

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
