/** Key derivation: KDF-TOR (tor-spec §5.2.1) and HKDF with SHA-256 (RFC 5869, tor-spec §5.2.2). */

import { concatBytes } from '../base/encoding.ts'
import { hmacSha256, sha1 } from './hashes.ts'

/** KDF-TOR: SHA-1(K0 | 0) | SHA-1(K0 | 1) | …, cut to `length` bytes. */
export function kdfTor(secret: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = []
  for (let i = 0; i * 20 < length; i++) blocks.push(sha1(secret, Uint8Array.of(i)))
  return concatBytes(blocks).slice(0, length)
}

/** HKDF-Extract. */
export const hkdfExtract = (salt: Uint8Array, secret: Uint8Array): Uint8Array => hmacSha256(salt, secret)

/** HKDF-Expand to `length` bytes. */
export function hkdfExpand(pseudorandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = []
  let previous: Uint8Array = new Uint8Array(0)
  for (let i = 1; (i - 1) * 32 < length; i++) {
    previous = hmacSha256(pseudorandomKey, previous, info, Uint8Array.of(i))
    blocks.push(previous)
  }
  return concatBytes(blocks).slice(0, length)
}
