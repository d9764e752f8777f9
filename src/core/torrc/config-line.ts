/**
 * The line syntax of torrc files, exactly as C tor reads it: keywords, values, comments, backslash continuation, quoted
 * values with C escapes, and the `+` and `/` prefixes. It does not know any option; `%include` is one more keyword here
 * and is resolved in `include.ts`.
 */

import { RelishError, type TextPosition } from '../base/errors.ts'
import { utf8Decode, utf8Encode } from '../base/encoding.ts'
import { configLinesMax } from './limits.ts'

/**
 * `replace` is the normal case; `append` (`+Option`) adds to a list set before; `clear` (`/Option`) empties it; `reset`
 * goes back to the default, which only controllers can say (RESETCONF).
 */
export type ConfigCommand = 'replace' | 'append' | 'clear' | 'reset'

export interface ConfigLine {
  /** As written, without prefix. */
  readonly keyword: string
  /** Decoded: quotes and continuations are gone. */
  readonly value: string
  readonly command: ConfigCommand
  readonly position: TextPosition
}

/** A complaint about one line of a configuration. */
export function configError(message: string, position: TextPosition, hint?: string): RelishError {
  return new RelishError('config', message, hint === undefined ? { position } : { position, hint })
}

const isSpace = (character: string | undefined): boolean => character !== undefined && ' \t\n\r\v\f'.includes(character)
const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t'

/** All lines of `text`. `file` is for messages. Throws `config` with file and line. */
export function parseConfigText(text: string, file?: string): ConfigLine[] {
  const scanner = new Scanner(text, file)
  const lines: ConfigLine[] = []
  for (;;) {
    const line = scanner.next()
    if (line === undefined) return lines
    if (lines.length >= configLinesMax) {
      throw new RelishError('limit', `a configuration has at most ${configLinesMax} lines`, { position: line.position })
    }
    lines.push(line)
  }
}

class Scanner {
  readonly #text: string
  readonly #file: string | undefined
  #at = 0
  #line = 1

  constructor(text: string, file: string | undefined) {
    this.#text = text
    this.#file = file
    const zero = text.indexOf('\0')
    if (zero >= 0) {
      for (let i = 0; i < zero; i++) if (text[i] === '\n') this.#line++
      throw configError('zero byte in a configuration file', this.#position())
    }
  }

  next(): ConfigLine | undefined {
    this.#skipToKeyword()
    if (this.#at >= this.#text.length) return undefined
    const position = this.#position()
    const written = this.#keyword()
    while (isBlank(this.#peek())) this.#at++
    const value = this.#peek() === '"' ? this.#quotedValue() : this.#plainValue()
    if (written.startsWith('+')) return { keyword: written.slice(1), value, command: 'append', position }
    if (written.startsWith('/')) return { keyword: written.slice(1), value: '', command: 'clear', position }
    return { keyword: written, value, command: 'replace', position }
  }

  #position(): TextPosition {
    return this.#file === undefined ? { line: this.#line } : { file: this.#file, line: this.#line }
  }

  #peek(ahead = 0): string | undefined {
    return this.#text[this.#at + ahead]
  }

  #advance(): void {
    if (this.#text[this.#at] === '\n') this.#line++
    this.#at++
  }

  #skipToKeyword(): void {
    for (;;) {
      while (isSpace(this.#peek())) this.#advance()
      if (this.#peek() !== '#') return
      this.#skipComment()
    }
  }

  #skipComment(): void {
    const end = this.#text.indexOf('\n', this.#at)
    this.#at = end < 0 ? this.#text.length : end
  }

  #atContinuation(): boolean {
    return this.#peek() === '\\' && this.#peek(1) === '\n'
  }

  #keyword(): string {
    const start = this.#at
    while (this.#at < this.#text.length && !isSpace(this.#peek()) && this.#peek() !== '#' && !this.#atContinuation()) this.#at++
    return this.#text.slice(start, this.#at)
  }

  /** Up to the end of the line or a comment. A backslash at the end of a line joins the next; comments between joined lines vanish. */
  #plainValue(): string {
    let value = ''
    let continued = false
    while (this.#at < this.#text.length && this.#peek() !== '\n') {
      if (this.#atContinuation()) {
        continued = true
        this.#advance()
        this.#advance()
      } else if (this.#peek() === '#') {
        this.#skipComment()
        if (!continued) break
        if (this.#peek() === '\n') this.#advance()
      } else {
        value += this.#peek() ?? ''
        this.#advance()
      }
    }
    return value.replace(/[ \t\r\v\f]+$/, '')
  }

  #quotedValue(): string {
    const position = this.#position()
    const bytes: number[] = []
    this.#at++
    for (;;) {
      const character = this.#peek()
      if (character === undefined || character === '\n') throw configError('quoted value without its closing quote', position)
      this.#at++
      if (character === '"') break
      if (character === '\\') bytes.push(this.#escape(position))
      else bytes.push(...utf8Encode(this.#wholeCharacter(character)))
    }
    while (isBlank(this.#peek())) this.#at++
    if (this.#peek() === '\r' && (this.#peek(1) === '\n' || this.#peek(1) === undefined)) this.#at++
    const after = this.#peek()
    if (after !== undefined && after !== '\n' && after !== '#') throw configError('text after a quoted value', position, 'put the whole value inside the quotes')
    return utf8Decode(Uint8Array.from(bytes))
  }

  /** The second half of a surrogate pair belongs to the first. */
  #wholeCharacter(first: string): string {
    const code = first.charCodeAt(0)
    if (code < 0xd800 || code > 0xdbff) return first
    const second = this.#peek() ?? ''
    this.#at++
    return first + second
  }

  #escape(position: TextPosition): number {
    const rest = this.#text.slice(this.#at, this.#at + 3)
    const hex = /^[xX]([0-9a-fA-F]{2})/.exec(rest)
    if (hex !== null) {
      this.#at += 3
      return parseInt(hex[1] ?? '', 16)
    }
    const octal = /^[0-7]{1,3}/.exec(rest)
    if (octal !== null && parseInt(octal[0], 8) <= 255) {
      this.#at += octal[0].length
      return parseInt(octal[0], 8)
    }
    const single = simpleEscapes.get(rest[0] ?? '')
    if (octal !== null || single === undefined) {
      throw configError(`invalid escape "\\${rest[0] ?? ''}" in a quoted value`, position, 'known are \\n \\r \\t \\" \\\' \\\\ \\xHH and octal up to \\377')
    }
    this.#at++
    return single
  }
}

const simpleEscapes: ReadonlyMap<string, number> = new Map([
  ['n', 10],
  ['r', 13],
  ['t', 9],
  ['"', 34],
  ["'", 39],
  ['\\', 92],
])

/** `value` as it can stand in a torrc: quoted when a plain value would be read differently, or has bytes beyond ASCII. */
export function formatConfigValue(value: string): string {
  const plain = /^[\x20-\x7e]*$/.test(value) && !value.includes('#') && !value.startsWith('"') && !value.endsWith('\\') && value === value.trim()
  if (plain) return value
  let escaped = ''
  for (const byte of utf8Encode(value)) escaped += escapedByte(byte)
  return `"${escaped}"`
}

/** As C tor writes it: names where there are some, octal for the rest. */
function escapedByte(byte: number): string {
  for (const [letter, code] of simpleEscapes) if (code === byte) return `\\${letter}`
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`
}
