/** Hash functions and message authentication, over `node:crypto`. All are synchronous. */

import { createHash, createHmac, timingSafeEqual, type Hash } from 'node:crypto'
import { Sha1Stream } from './sha1-stream.ts'

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
  #hash: Hash | Sha1Stream

  constructor(start: 'sha1' | 'sha256' | 'sha3-256' | Hash | Sha1Stream) {
    if (typeof start !== 'string') this.#hash = start
    // Relay cells need a digest each, which our own SHA-1 gives much faster than copies of a native one.
    else this.#hash = start === 'sha1' ? new Sha1Stream() : createHash(start)
  }

  update(data: Uint8Array): this {
    this.#hash.update(data)
    return this
  }

  /** The digest of everything fed so far. */
  peek(): Uint8Array {
    return this.#hash instanceof Sha1Stream ? this.#hash.digest() : new Uint8Array(this.#hash.copy().digest())
  }

  /** Writes the first `length` bytes of that digest to `target` at `at`. */
  peekInto(target: Uint8Array, at: number, length: number): void {
    if (this.#hash instanceof Sha1Stream) this.#hash.digestInto(target, at, length)
    else target.set(this.#hash.copy().digest().subarray(0, length), at)
  }

  /** An independent copy of the state, to go back to when a guess proves wrong. */
  copy(): RunningDigest {
    return new RunningDigest(this.#hash.copy())
  }

  /** Takes over the state of another digest of the same kind: like `copy`, and makes nothing new where that can be helped. */
  become(other: RunningDigest): this {
    if (this.#hash instanceof Sha1Stream && other.#hash instanceof Sha1Stream) this.#hash.become(other.#hash)
    else this.#hash = other.#hash.copy()
    return this
  }
}
