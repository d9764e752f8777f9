/**
 * Passwords of controllers as `HashedControlPassword` holds them: `16:` and the hexadecimal of salt, cost and digest of
 * OpenPGP's iterated and salted string-to-key function with SHA-1 (RFC 2440 §3.6.1.3; control-spec §5.1).
 */

import { concatBytes, hexDecode, hexEncodeUpper, utf8Encode } from '../base/encoding.ts'
import { constantTimeEqual, RunningDigest } from '../crypto/hashes.ts'
import { configError, type ConfigLine } from './config-line.ts'

export interface HashedPassword {
  /** 8 bytes. */
  readonly salt: Uint8Array
  /** The coded iteration count. */
  readonly cost: number
  /** 20 bytes. */
  readonly digest: Uint8Array
}

/** The cost C tor uses: 65,536 bytes are hashed. */
const usualCost = 0x60

/** Throws `config`. */
export function parseHashedPassword(line: ConfigLine): HashedPassword {
  const match = /^16:([0-9a-fA-F]{58})$/.exec(line.value.trim())
  if (match === null) {
    throw configError(`${line.keyword}: expected 16: and 58 hexadecimal digits`, line.position, 'make one with: relish-tor --hash-password PASSWORD')
  }
  const bytes = hexDecode(match[1] ?? '')
  return { salt: bytes.subarray(0, 8), cost: bytes[8] ?? 0, digest: bytes.subarray(9) }
}

/** `salt` of 8 random bytes. */
export function hashPassword(password: string, salt: Uint8Array): HashedPassword {
  return { salt, cost: usualCost, digest: stringToKey(password, salt, usualCost) }
}

export const formatHashedPassword = (hashed: HashedPassword): string =>
  `16:${hexEncodeUpper(concatBytes([hashed.salt, Uint8Array.of(hashed.cost), hashed.digest]))}`

export const passwordMatches = (password: Uint8Array | string, hashed: HashedPassword): boolean =>
  constantTimeEqual(stringToKey(password, hashed.salt, hashed.cost), hashed.digest)

/** RFC 2440 §3.6.1.3: salt and password are repeated until the coded count of bytes is hashed, and at least once. */
function stringToKey(password: Uint8Array | string, salt: Uint8Array, cost: number): Uint8Array {
  const unit = concatBytes([salt, typeof password === 'string' ? utf8Encode(password) : password])
  let left = Math.max((16 + (cost & 15)) << ((cost >> 4) + 6), unit.length)
  const digest = new RunningDigest('sha1')
  while (left > 0) {
    const take = Math.min(left, unit.length)
    digest.update(unit.subarray(0, take))
    left -= take
  }
  return digest.peek()
}
