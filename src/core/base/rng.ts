/**
 * Randomness is an argument. Everything in `core` and `node` that needs random bytes takes an `Rng`; the host gives one
 * backed by the operating system, the simulator one derived from its seed.
 */

import { createHash, createCipheriv } from 'node:crypto'
import { assert } from './assert.ts'

export interface Rng {
  /** `length` fresh random bytes. */
  bytes(length: number): Uint8Array
  /** An independent generator for `purpose`: draws from one do not move the other. */
  derive(purpose: string): Rng
}

/** An unbiased integer in [0, limit). `limit` is at most 2^48. */
export function randomBelow(rng: Rng, limit: number): number {
  assert(Number.isInteger(limit) && limit > 0 && limit <= 2 ** 48, 'limit of a random draw is between 1 and 2^48')
  const span = 2 ** 48
  const usable = span - (span % limit)
  for (;;) {
    const b = rng.bytes(6)
    const value =
      (b[0] ?? 0) * 2 ** 40 + (b[1] ?? 0) * 2 ** 32 + (b[2] ?? 0) * 2 ** 24 + (b[3] ?? 0) * 2 ** 16 + (b[4] ?? 0) * 2 ** 8 + (b[5] ?? 0)
    if (value < usable) return value % limit
  }
}

/** A number in [0, 1) with 48 random bits. */
export const randomUnit = (rng: Rng): number => randomBelow(rng, 2 ** 48) / 2 ** 48

/** An element chosen uniformly; undefined for an empty list. */
export function randomChoice<T>(rng: Rng, items: readonly T[]): T | undefined {
  return items.length === 0 ? undefined : items[randomBelow(rng, items.length)]
}

/** A shuffled copy. */
export function shuffled<T>(rng: Rng, items: readonly T[]): T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const j = randomBelow(rng, i + 1)
    const a = out[i] as T
    out[i] = out[j] as T
    out[j] = a
  }
  return out
}

/** A generator whose output is AES-256-CTR keystream under SHA-256(seed): fast, and the same on every machine. */
export class SeededRng implements Rng {
  readonly #key: Uint8Array
  readonly #stream: { update(data: Uint8Array): Uint8Array }
  #pool: Uint8Array = new Uint8Array(0)
  #at = 0

  constructor(seed: string | Uint8Array) {
    this.#key = createHash('sha256').update(seed).digest()
    this.#stream = createCipheriv('aes-256-ctr', this.#key, new Uint8Array(16))
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length)
    let filled = 0
    while (filled < length) {
      if (this.#at === this.#pool.length) {
        this.#pool = this.#stream.update(new Uint8Array(1024))
        this.#at = 0
      }
      const take = Math.min(length - filled, this.#pool.length - this.#at)
      out.set(this.#pool.subarray(this.#at, this.#at + take), filled)
      this.#at += take
      filled += take
    }
    return out
  }

  derive(purpose: string): SeededRng {
    return new SeededRng(createHash('sha256').update(this.#key).update('derive:').update(purpose).digest())
  }
}
