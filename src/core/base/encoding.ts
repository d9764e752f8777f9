/** Text encodings of bytes: hexadecimal, base64 (with and without padding) and base32, as Tor's documents use them. */

import { RelishError } from './errors.ts'

const malformed = (what: string): RelishError => new RelishError('bad-document', `malformed ${what}`)

/** Lower-case hexadecimal. */
export function hexEncode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** Upper-case hexadecimal, the form of relay fingerprints. */
export function hexEncodeUpper(bytes: Uint8Array): string {
  return hexEncode(bytes).toUpperCase()
}

/** Throws `bad-document` on anything but pairs of hexadecimal digits. */
export function hexDecode(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw malformed('hexadecimal')
  return plain(Buffer.from(text, 'hex'))
}

/** Base64 with padding, on one line. */
export function base64Encode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** Base64 without `=` padding, the form of digests and keys in directory documents. */
export function base64EncodeUnpadded(bytes: Uint8Array): string {
  return base64Encode(bytes).replace(/=+$/, '')
}

/** Accepts padded and unpadded base64 (not the URL alphabet); white space and stray bits are errors. */
export function base64Decode(text: string): Uint8Array {
  const bare = text.replace(/={1,2}$/, '')
  if (!/^[A-Za-z0-9+/]*$/.test(bare) || bare.length % 4 === 1) throw malformed('base64')
  if (bare.length !== text.length && text.length % 4 !== 0) throw malformed('base64 padding')
  return plain(Buffer.from(bare, 'base64'))
}

const base32Alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** Lower-case base32 without padding (RFC 4648 alphabet). */
export function base32Encode(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5) {
      text += base32Alphabet.charAt((value >>> (bits - 5)) & 31)
      bits -= 5
    }
  }
  if (bits > 0) text += base32Alphabet.charAt((value << (5 - bits)) & 31)
  return text
}

/** Either case; no padding. Throws `bad-document` on other characters. */
export function base32Decode(text: string): Uint8Array {
  const out = new Uint8Array(Math.floor((text.length * 5) / 8))
  let bits = 0
  let value = 0
  let at = 0
  for (const character of text.toLowerCase()) {
    const digit = base32Alphabet.indexOf(character)
    if (digit < 0) throw malformed('base32')
    value = ((value << 5) | digit) & 0xfff
    bits += 5
    if (bits >= 8) {
      out[at++] = (value >>> (bits - 8)) & 255
      bits -= 8
    }
  }
  return out
}

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder('utf-8', { fatal: false })

export const utf8Encode = (text: string): Uint8Array => utf8Encoder.encode(text)
/** Malformed sequences become U+FFFD. */
export const utf8Decode = (bytes: Uint8Array): string => utf8Decoder.decode(bytes)
/** One byte a character, both ways without loss: how directory documents are held as strings. */
export const latin1Decode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
export const latin1Encode = (text: string): Uint8Array => plain(Buffer.from(text, 'latin1'))

/**
 * A new array for whoever fills all of it at once: its content is whatever the memory held. Zeroing a large one costs more than
 * copying what it is for.
 */
export function bytesToFill(length: number): Uint8Array {
  return length < LARGE_BYTES ? new Uint8Array(length) : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

/** From this size on zeroing costs more than the detour. */
const LARGE_BYTES = 4096

/** A copy in memory of its own. `slice` of a Buffer is none, but a view. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  const copy = bytesToFill(bytes.length)
  copy.set(bytes)
  return copy
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = bytesToFill(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Equality of public values. Secrets are compared with `constantTimeEqual` of `core/crypto`. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Lexicographic order of bytes: negative, zero or positive. */
export function bytesCompare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** A Buffer's bytes as a plain Uint8Array of its own, so that tests compare values and not classes. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer)
}
