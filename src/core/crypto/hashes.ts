/** Hash functions and message authentication, over `node:crypto`. All are synchronous. */

import { createHash, createHmac, timingSafeEqual, type Hash } from 'node:crypto'

function digest(algorithm: string, parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash(algorithm)
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** SHA-1 of the parts joined: 20 bytes. */
export const sha1 = (...parts: Uint8Array[]): Uint8Array => digest('sha1', parts)
/** SHA-256 of the parts joined: 32 bytes. */
export const sha256 = (...parts: Uint8Array[]): Uint8Array => digest('sha256', parts)
/** SHA-512 of the parts joined: 64 bytes. */
export const sha512 = (...parts: Uint8Array[]): Uint8Array => digest('sha512', parts)
/** SHA3-256 of the parts joined: 32 bytes. */
export const sha3_256 = (...parts: Uint8Array[]): Uint8Array => digest('sha3-256', parts)

/** `length` bytes of SHAKE-256 output over the parts joined. */
export function shake256(length: number, ...parts: Uint8Array[]): Uint8Array {
  const hash = createHash('shake256', { outputLength: length })
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** HMAC-SHA-256: 32 bytes. */
export function hmacSha256(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const mac = createHmac('sha256', key)
  for (const part of parts) mac.update(part)
  return new Uint8Array(mac.digest())
}

/** Equality of secrets in constant time; lengths are public. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** A digest that goes on: what has been fed so far can be read without ending it. */
export class RunningDigest {
  readonly #hash: Hash

  constructor(start: 'sha1' | 'sha256' | 'sha3-256' | Hash) {
    this.#hash = typeof start === 'string' ? createHash(start) : start
  }

  update(data: Uint8Array): this {
    this.#hash.update(data)
    return this
  }

  /** The digest of everything fed so far. */
  peek(): Uint8Array {
    return new Uint8Array(this.#hash.copy().digest())
  }

  /** An independent copy of the state, to go back to when a guess proves wrong. */
  copy(): RunningDigest {
    return new RunningDigest(this.#hash.copy())
  }
}
