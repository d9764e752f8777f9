/**
 * Base64 as directory documents use it: with line breaks in objects, without padding in digests. Written out by hand
 * because a consensus holds tens of thousands of short ones and must refuse what is not base64.
 */

const values: Int8Array = /* @__PURE__ */ (() => {
  const table = new Int8Array(128).fill(-1)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  for (let i = 0; i < alphabet.length; i++) table[alphabet.charCodeAt(i)] = i
  return table
})()

/** Whether `decodeBase64Fixed` would take it: for digests that are only looked up, of which a consensus has one for each relay. */
export function isBase64Fixed(text: string, length: number): boolean {
  const unpadded = Math.ceil((length * 4) / 3)
  if (!hasLengthOf(text, unpadded, Math.ceil(length / 3) * 4)) return false
  for (let i = 0; i < unpadded; i++) {
    const code = text.charCodeAt(i)
    if (code >= 128 || (values[code] as number) < 0) return false
  }
  return true
}

function hasLengthOf(text: string, unpadded: number, padded: number): boolean {
  if (text.length === unpadded) return true
  if (text.length !== padded) return false
  for (let i = unpadded; i < padded; i++) if (text.charCodeAt(i) !== 61) return false
  return true
}

/** Exactly `length` bytes from the unpadded or padded base64 of that many; undefined for anything else. */
export function decodeBase64Fixed(text: string, length: number): Uint8Array | undefined {
  const unpadded = Math.ceil((length * 4) / 3)
  if (!hasLengthOf(text, unpadded, Math.ceil(length / 3) * 4)) return undefined
  const out = new Uint8Array(length)
  let held = 0
  let bits = 0
  let at = 0
  for (let i = 0; i < unpadded; i++) {
    const code = text.charCodeAt(i)
    const value = code < 128 ? (values[code] as number) : -1
    if (value < 0) return undefined
    held = ((held << 6) | value) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      out[at++] = (held >>> bits) & 255
    }
  }
  return out
}

/** `length` bytes from unpadded base64 that stands at `at` of a text given as bytes; undefined if it does not. */
export function decodeBase64At(text: Uint8Array, at: number, length: number): Uint8Array | undefined {
  const out = new Uint8Array(length)
  let held = 0
  let bits = 0
  for (let from = at, to = 0; to < length; from++) {
    const value = values[text[from] as number] as number
    if (!(value >= 0)) return undefined
    held = ((held << 6) | value) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      out[to++] = (held >>> bits) & 255
    }
  }
  return out
}

/** Whether a text given as bytes is base64 from `at` to `end`, without padding. */
export function isBase64At(text: Uint8Array, at: number, end: number): boolean {
  for (let i = at; i < end; i++) if (!((values[text[i] as number] as number) >= 0)) return false
  return true
}

/** The bytes of padded or unpadded base64 with line breaks and blanks anywhere; undefined if it is not that. */
export function decodeBase64(text: string): Uint8Array | undefined {
  let digits = 0
  let padding = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 10 || code === 32 || code === 9 || code === 13) continue
    if (code === 61) {
      padding++
      continue
    }
    // Digits after padding, or a character outside the alphabet.
    if (padding > 0 || code >= 128 || (values[code] as number) < 0) return undefined
    digits++
  }
  if (digits % 4 === 1 || padding > 2 || (padding > 0 && (digits + padding) % 4 !== 0)) return undefined
  return new Uint8Array(Buffer.from(text, 'base64'))
}
