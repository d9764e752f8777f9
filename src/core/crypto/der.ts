/** Just enough DER (X.690) for RSA private keys and to write the two X.509 certificates of a link. Reading X.509 is left to `node:crypto`. */

import { concatBytes, utf8Encode } from '../base/encoding.ts'
import { formatIsoTime, type WallMs } from '../base/time.ts'

function tagged(tag: number, content: Uint8Array): Uint8Array {
  const length = content.length
  const header =
    length < 0x80
      ? Uint8Array.of(tag, length)
      : length < 0x100
        ? Uint8Array.of(tag, 0x81, length)
        : Uint8Array.of(tag, 0x82, length >>> 8, length & 255)
  return concatBytes([header, content])
}

export const derSequence = (...parts: Uint8Array[]): Uint8Array => tagged(0x30, concatBytes(parts))
export const derSet = (...parts: Uint8Array[]): Uint8Array => tagged(0x31, concatBytes(parts))
export const derExplicit = (number: number, content: Uint8Array): Uint8Array => tagged(0xa0 | number, content)
export const derNull = (): Uint8Array => tagged(0x05, new Uint8Array(0))
export const derUtf8String = (text: string): Uint8Array => tagged(0x0c, utf8Encode(text))
export const derBitString = (bytes: Uint8Array): Uint8Array => tagged(0x03, concatBytes([Uint8Array.of(0), bytes]))

/** A positive integer from its big-endian magnitude. */
export function derInteger(magnitude: Uint8Array): Uint8Array {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const digits = magnitude.subarray(start)
  const needsSign = digits.length === 0 || (digits[0] as number) >= 0x80
  return tagged(0x02, needsSign ? concatBytes([Uint8Array.of(0), digits]) : digits)
}

export const derPositive = (value: bigint): Uint8Array => {
  const hex = value.toString(16)
  return derInteger(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'))
}

/** From dotted text; each component below 2^28. */
export function derObjectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes: number[] = [first * 40 + second]
  for (const component of rest) {
    const groups = [component & 0x7f]
    for (let left = component >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return tagged(0x06, Uint8Array.from(bytes))
}

/** UTCTime until 2049, GeneralizedTime from 2050 on, as RFC 5280 §4.1.2.5 has it. */
export function derTime(time: WallMs): Uint8Array {
  const digits = formatIsoTime(time).replace(/\D/g, '')
  return Number(digits.slice(0, 4)) < 2050 ? tagged(0x17, utf8Encode(`${digits.slice(2)}Z`)) : tagged(0x18, utf8Encode(`${digits}Z`))
}

/** Magnitudes of the integers of a sequence of nothing else, none of them negative or longer than 64 KB. Undefined for anything else. */
export function readDerIntegers(der: Uint8Array): Uint8Array[] | undefined {
  const [whole, end] = readTagged(der, 0, 0x30) ?? []
  if (whole === undefined || end !== der.length) return undefined
  const found: Uint8Array[] = []
  for (let at = 0; at < whole.length; ) {
    const [content, next] = readTagged(whole, at, 0x02) ?? []
    if (content === undefined || next === undefined || content.length === 0 || (content[0] as number) >= 0x80) return undefined
    found.push(content[0] === 0 ? content.subarray(1) : content)
    at = next
  }
  return found
}

/** Content of what begins at `at`, and where it ends. */
function readTagged(der: Uint8Array, at: number, tag: number): [Uint8Array, number] | undefined {
  const first = der[at + 1]
  if (der[at] !== tag || first === undefined) return undefined
  const lengthBytes = first < 0x80 ? 0 : first - 0x80
  if (first === 0x80 || lengthBytes > 2 || at + 2 + lengthBytes > der.length) return undefined
  let length = lengthBytes === 0 ? first : 0
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (der[at + 2 + i] as number)
  const start = at + 2 + lengthBytes
  return start + length > der.length ? undefined : [der.subarray(start, start + length), start + length]
}
