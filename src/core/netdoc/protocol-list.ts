/**
 * Subprotocol version lists (tor-spec §9): `Link=4-5 Relay=2-4`. Parsing, printing and asking; which versions this
 * program implements is stated elsewhere.
 */

import { RelishError } from '../base/errors.ts'
import { maxProtocolEntries, maxProtocolNameLength, maxProtocolRangesPerEntry, maxProtocolVersion } from './limits.ts'

/** An inclusive range of versions. */
export interface VersionRange {
  readonly low: number
  readonly high: number
}

export interface ProtocolEntry {
  readonly name: string
  readonly ranges: readonly VersionRange[]
}

export class ProtocolList {
  /** As parsed or given: in the order of the text. */
  readonly text: string
  readonly entries: readonly ProtocolEntry[]

  private constructor(text: string, entries: readonly ProtocolEntry[]) {
    this.text = text
    this.entries = entries
  }

  /** Throws `bad-document` for what C tor calls an invalid protover list. */
  static parse(text: string): ProtocolList {
    const entries: ProtocolEntry[] = []
    for (const word of text.split(' ')) {
      if (word === '') continue
      if (entries.length === maxProtocolEntries) throw malformed(text, `more than ${maxProtocolEntries} protocols`)
      entries.push(parseEntry(text, word))
    }
    return new ProtocolList(text, entries)
  }

  static readonly empty: ProtocolList = new ProtocolList('', [])

  /** Whether `version` of protocol `name` is in the list. */
  supports(name: string, version: number): boolean {
    for (const entry of this.entries) {
      if (entry.name !== name) continue
      for (const range of entry.ranges) if (version >= range.low && version <= range.high) return true
    }
    return false
  }

  /** Whether some version of at least `version` is in the list. */
  supportsOrLater(name: string, version: number): boolean {
    return this.entries.some((entry) => entry.name === name && entry.ranges.some((range) => range.high >= version))
  }

  /** Protocol versions of `this` that `other` lacks, as entries: empty when `other` supports all of them. */
  missingFrom(other: ProtocolList): ProtocolEntry[] {
    const missing: ProtocolEntry[] = []
    for (const entry of this.entries) {
      const theirs = mergeRanges(other.entries.filter((e) => e.name === entry.name).flatMap((e) => e.ranges))
      const ranges = subtractRanges(entry.ranges, theirs)
      if (ranges.length > 0) missing.push({ name: entry.name, ranges })
    }
    return missing
  }

  toString(): string {
    return this.text
  }
}

/** `Name=1-2,4 Other=3`. */
export function formatProtocolEntries(entries: readonly ProtocolEntry[]): string {
  return entries.map((entry) => `${entry.name}=${entry.ranges.map(formatRange).join(',')}`).join(' ')
}

const formatRange = (range: VersionRange): string => (range.low === range.high ? `${range.low}` : `${range.low}-${range.high}`)

function malformed(text: string, why: string): RelishError {
  return new RelishError('bad-document', `malformed protocol list "${text.slice(0, 80)}": ${why}`)
}

function parseEntry(text: string, word: string): ProtocolEntry {
  const equals = word.indexOf('=')
  if (equals < 1) throw malformed(text, `"${word.slice(0, 40)}" has no name and "="`)
  const name = word.slice(0, equals)
  if (name.length > maxProtocolNameLength) throw malformed(text, 'a name is too long')
  for (let i = 0; i < name.length; i++) if (!isKeywordCharacter(name.charCodeAt(i))) throw malformed(text, 'a name has a character it may not have')
  const ranges: VersionRange[] = []
  const list = word.slice(equals + 1)
  // An entry without versions is valid and says that nothing is supported.
  if (list === '') return { name, ranges }
  for (const part of list.split(',')) {
    if (ranges.length === maxProtocolRangesPerEntry) throw malformed(text, 'too many ranges')
    const dash = part.indexOf('-')
    const low = parseVersion(text, dash < 0 ? part : part.slice(0, dash))
    const high = dash < 0 ? low : parseVersion(text, part.slice(dash + 1))
    if (high < low) throw malformed(text, `range ${part} runs backwards`)
    const previous = ranges[ranges.length - 1]
    // tor-spec §9: ranges ascend and do not overlap.
    if (previous !== undefined && previous.high >= low) throw malformed(text, 'ranges overlap or descend')
    ranges.push({ low, high })
  }
  return { name, ranges }
}

function isKeywordCharacter(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 45
}

/** SPEC-DIFF: versions above 63 are invalid in C tor, which keeps them in a 64-bit mask; the specification sets no limit. */
function parseVersion(text: string, digits: string): number {
  const value = Number(digits)
  if (digits.length === 0 || digits.length > 2 || !Number.isInteger(value) || value < 0 || digits.includes('.') || digits.includes('e')) {
    throw malformed(text, `"${digits.slice(0, 20)}" is no version`)
  }
  if (digits.charCodeAt(0) < 48 || digits.charCodeAt(0) > 57 || value > maxProtocolVersion) throw malformed(text, `"${digits}" is no version`)
  return value
}

function mergeRanges(ranges: readonly VersionRange[]): VersionRange[] {
  const sorted = [...ranges].sort((a, b) => a.low - b.low)
  const merged: { low: number; high: number }[] = []
  for (const range of sorted) {
    const last = merged[merged.length - 1]
    if (last !== undefined && range.low <= last.high + 1) last.high = Math.max(last.high, range.high)
    else merged.push({ low: range.low, high: range.high })
  }
  return merged
}

function subtractRanges(wanted: readonly VersionRange[], held: readonly VersionRange[]): VersionRange[] {
  const left: VersionRange[] = []
  for (const range of wanted) {
    let low = range.low
    for (const have of held) {
      if (have.high < low || have.low > range.high) continue
      if (have.low > low) left.push({ low, high: have.low - 1 })
      low = have.high + 1
    }
    if (low <= range.high) left.push({ low, high: range.high })
  }
  return left
}
