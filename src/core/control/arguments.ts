/** Arguments of control commands: words, quoted strings and `key=value` pairs (control-spec §2.1, §2.4). */

import { RelishError } from '../base/errors.ts'
import { utf8Decode, utf8Encode } from '../base/encoding.ts'

/** Thrown for arguments that cannot be read; the session answers 512. */
const malformed = (what: string): RelishError => new RelishError('protocol', what)

export const splitWords = (args: string): string[] => args.split(/[ \t]+/).filter((word) => word !== '')

/** A QuotedString. */
export function quote(text: string): string {
  let out = ''
  for (const byte of utf8Encode(text)) {
    if (byte === 34 || byte === 92) out += `\\${String.fromCharCode(byte)}`
    else if (byte === 10) out += '\\n'
    else if (byte === 13) out += '\\r'
    else if (byte === 9) out += '\\t'
    else out += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`
  }
  return `"${out}"`
}

export interface KeyValue {
  readonly key: string
  /** Undefined when there was no `=`. */
  readonly value: string | undefined
}

/** `key key=value key="quoted value" …`. Throws `protocol`. */
export function parseKeyValues(args: string): KeyValue[] {
  const pairs: KeyValue[] = []
  let at = 0
  for (;;) {
    while (args[at] === ' ' || args[at] === '\t') at++
    if (at >= args.length) return pairs
    const match = /^[^\s="]+/.exec(args.slice(at))
    if (match === null) throw malformed('expected a keyword')
    const key = match[0]
    at += key.length
    if (args[at] !== '=') {
      if (at < args.length && !/[ \t]/.test(args[at] ?? '')) throw malformed(`unexpected character after ${key}`)
      pairs.push({ key, value: undefined })
      continue
    }
    const { value, end } = readValue(args, at + 1)
    pairs.push({ key, value })
    at = end
  }
}

/** A quoted string or a word at `at`. Throws `protocol`. */
function readValue(args: string, at: number): { value: string; end: number } {
  if (args[at] !== '"') {
    const word = /^[^\s]*/.exec(args.slice(at))?.[0] ?? ''
    return { value: word, end: at + word.length }
  }
  const quoted = readQuoted(args, at)
  const after = args[quoted.end]
  if (after !== undefined && after !== ' ' && after !== '\t') throw malformed('text after a quoted string')
  return quoted
}

function readQuoted(args: string, at: number): { value: string; end: number } {
  const bytes: number[] = []
  let i = at + 1
  for (;;) {
    const character = args[i]
    if (character === undefined) throw malformed('quoted string without its closing quote')
    if (character === '"') return { value: utf8Decode(Uint8Array.from(bytes)), end: i + 1 }
    if (character !== '\\') {
      const whole = String.fromCodePoint(args.codePointAt(i) ?? 0)
      bytes.push(...utf8Encode(whole))
      i += whole.length
      continue
    }
    const octal = /^[0-3]?[0-7]{1,2}/.exec(args.slice(i + 1))?.[0]
    if (octal !== undefined) {
      bytes.push(parseInt(octal, 8))
      i += 1 + octal.length
      continue
    }
    const next = args[i + 1]
    if (next === undefined) throw malformed('quoted string ends in a backslash')
    const simple = { n: 10, r: 13, t: 9 }[next]
    if (simple === undefined) bytes.push(...utf8Encode(next))
    else bytes.push(simple)
    i += 2
  }
}

/**
 * The argument of AUTHENTICATE and AUTHCHALLENGE: a quoted string, or the hexadecimal of its bytes. Throws `protocol`.
 * `empty` where there is none.
 */
export function parseSecret(args: string): Uint8Array {
  const text = args.trim()
  if (text === '') return new Uint8Array(0)
  if (text.startsWith('"')) {
    const { value, end } = readQuoted(text, 0)
    if (end !== text.length) throw malformed('text after a quoted string')
    return utf8Encode(value)
  }
  if (!/^([0-9a-fA-F]{2})+$/.test(text)) throw malformed('expected a quoted string or hexadecimal digits')
  return Uint8Array.from(Buffer.from(text, 'hex'))
}
