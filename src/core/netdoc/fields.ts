/** Arguments that many documents share, read with errors that name line and keyword: numbers, times, digests, addresses. */

import { hexDecode, latin1Encode } from '../base/encoding.ts'
import { parseIsoTime, type WallMs } from '../base/time.ts'
import { RsaPublicKey } from '../crypto/rsa.ts'
import { RelishError } from '../base/errors.ts'
import { decodeBase64Fixed } from './base64.ts'
import type { Item } from './metaformat.ts'

/** A decimal integer between `low` and `high`, without sign unless negative. */
export function parseInteger(item: Item, text: string, low: number, high: number): number {
  const value = decimal(text)
  if (value === undefined || value < low || value > high) throw item.error(`"${text.slice(0, 40)}" is no integer from ${low} to ${high}`)
  return value
}

/** Undefined unless `text` is decimal digits, perhaps behind a minus sign, within 53 bits. */
export function decimal(text: string): number | undefined {
  const start = text.charCodeAt(0) === 45 ? 1 : 0
  if (text.length === start || text.length > 17) return undefined
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 48 || code > 57) return undefined
  }
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}

/** Two arguments, `YYYY-MM-DD HH:MM:SS`, the first at `index`. */
export function parseTime(item: Item, index = 0): WallMs {
  const time = parseIsoTime(`${item.arg(index)} ${item.arg(index + 1)}`)
  if (time === undefined) throw item.error('has no time of the form YYYY-MM-DD HH:MM:SS')
  return time
}

export function parseHexBytes(item: Item, text: string, length: number): Uint8Array {
  if (text.length === length * 2) {
    try {
      return hexDecode(text)
    } catch {
      // Said below, with the line.
    }
  }
  throw item.error(`"${text.slice(0, 80)}" is not ${length} bytes in hexadecimal`)
}

/** A digest or key in base64, padded or not. */
export function parseBase64Bytes(item: Item, text: string, length: number): Uint8Array {
  const bytes = decodeBase64Fixed(text, length)
  if (bytes === undefined) throw item.error(`"${text.slice(0, 80)}" is not ${length} bytes in base64`)
  return bytes
}

/** dir-spec §2.1.1: 1 to 19 letters and digits. Character by character, as all here that every entry of a consensus goes through. */
export function parseNickname(item: Item, text: string): string {
  if (!isNickname(text)) throw item.error(`"${text.slice(0, 40)}" is no nickname`)
  return text
}

export function isNickname(text: string): boolean {
  if (text.length < 1 || text.length > 19) return false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (!((code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122))) return false
  }
  return true
}

export function parseIpv4(item: Item, text: string): string {
  if (!isIpv4(text)) throw item.error(`"${text.slice(0, 40)}" is no IPv4 address`)
  return text
}

/** Dotted form with four decimal parts. */
export function isIpv4(text: string): boolean {
  let parts = 1
  let digits = 0
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 46) {
      if (digits === 0) return false
      parts++
      digits = 0
      value = 0
    } else {
      if (code < 48 || code > 57) return false
      value = value * 10 + code - 48
      digits++
      if (digits > 3 || value > 255) return false
    }
  }
  return parts === 4 && digits > 0
}

export function parsePort(item: Item, text: string): number {
  return parseInteger(item, text, 0, 65535)
}

/** The item's object as an RSA public key. */
export function parseRsaKey(item: Item): RsaPublicKey {
  try {
    return RsaPublicKey.fromDer(item.object())
  } catch (error) {
    if (error instanceof RelishError) throw item.error(error.message)
    throw error
  }
}

/** Of 0 to F, in ASCII. */
const hexDigits: Uint8Array = /* @__PURE__ */ latin1Encode('0123456789ABCDEF')

/** Writes fingerprints out, of which a consensus has one for each relay: put together from pairs, each would leave a chain of twenty strings behind. */
export class FingerprintWriter {
  readonly #hex = Buffer.alloc(40)

  /** Upper-case hex of 20 bytes. */
  of(identity: Uint8Array): string {
    const hex = this.#hex
    for (let i = 0; i < 20; i++) {
      const byte = identity[i] as number
      hex[2 * i] = hexDigits[byte >> 4] as number
      hex[2 * i + 1] = hexDigits[byte & 15] as number
    }
    return hex.toString('latin1')
  }
}
