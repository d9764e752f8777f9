/**
 * C tor's `state` file: `Keyword value` lines below two comments. Lines that this program does not use are kept in
 * their order, so that C tor finds them again after this program has run in the same directory.
 */

import { formatIsoTime, type WallMs } from '../base/time.ts'
import { stateLinesMax } from './limits.ts'

export interface StateLine {
  readonly keyword: string
  readonly value: string
}

/** Comments, blank lines and lines without a value are left out. */
export function parseStateFile(text: string): StateLine[] {
  const lines: StateLine[] = []
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z][A-Za-z0-9_]*)[ \t]+(.*?)[ \t\r]*$/.exec(line)
    if (match === null) continue
    if (lines.length === stateLinesMax) break
    lines.push({ keyword: match[1] ?? '', value: match[2] ?? '' })
  }
  return lines
}

/** The whole file. `TorVersion` and `LastWritten` are set anew. */
export function formatStateFile(lines: readonly StateLine[], version: string, now: WallMs): string {
  const kept = lines.filter(({ keyword }) => keyword !== 'TorVersion' && keyword !== 'LastWritten')
  const head = [
    `# Tor state file last generated on ${formatIsoTime(now)} UTC`,
    '# Other times below are in UTC',
    '# You *do not* need to edit this file.',
    '',
  ]
  const body = [...kept, { keyword: 'TorVersion', value: version }, { keyword: 'LastWritten', value: formatIsoTime(now) }]
  return `${[...head, ...body.map(({ keyword, value }) => `${keyword} ${value}`)].join('\n')}\n`
}

/** `lines` with all lines of `keyword` replaced by `values`, at the place where the first of them stood. */
export function replaceStateLines(lines: readonly StateLine[], keyword: string, values: readonly string[]): StateLine[] {
  const at = lines.findIndex((line) => line.keyword === keyword)
  const kept = lines.filter((line) => line.keyword !== keyword)
  const added = values.map((value) => ({ keyword, value }))
  return at < 0 ? [...kept, ...added] : [...kept.slice(0, at), ...added, ...kept.slice(at)]
}
