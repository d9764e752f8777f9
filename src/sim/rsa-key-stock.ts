/**
 * RSA keys of a simulation, each of two primes that the asker's randomness picks. No two machines get the same pair. Keys
 * of other sizes than 1024 bits come from a search for primes.
 */

import { randomBelow, type Rng } from '../core/base/rng.ts'
import type { RsaPrivateKey } from '../core/crypto/rsa.ts'
import { rsaKeyFromPrimes, rsaKeyFromRng } from '../core/crypto/rsa-seeded.ts'
import { rsaPrimes } from './rsa-primes.ts'
import { simLimits } from './limits.ts'

export class RsaKeyStock {
  readonly #bitsMax: number
  /** By both places in the list. */
  readonly #taken = new Set<number>()

  /** Keys of more than `bitsMax` are made with `bitsMax`. */
  constructor(bitsMax: number) {
    this.#bitsMax = bitsMax
  }

  make(rng: Rng, wantedBits: number): RsaPrivateKey {
    const bits = Math.min(wantedBits, this.#bitsMax)
    if (bits !== 1024 || this.#taken.size >= simLimits.rsaKeysFromStockMax) return rsaKeyFromRng(rng, bits)
    for (;;) {
      const first = randomBelow(rng, rsaPrimes.length)
      const second = randomBelow(rng, rsaPrimes.length)
      const pair = Math.min(first, second) * rsaPrimes.length + Math.max(first, second)
      if (first === second || this.#taken.has(pair)) continue
      this.#taken.add(pair)
      return rsaKeyFromPrimes(primeAt(first), primeAt(second))
    }
  }
}

const primeAt = (place: number): bigint => BigInt(`0x${Buffer.from(rsaPrimes[place] ?? '', 'base64').toString('hex')}`)
