/** Makes RSA keys with exponent 65537 of the system's randomness. */

import { generateKeyPair } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { RelishError, asRelishError } from '../core/base/errors.ts'
import type { Rng } from '../core/base/rng.ts'
import { RsaPrivateKey } from '../core/crypto/rsa.ts'
import { RsaKeySearch, rsaKeyFromRng } from '../core/crypto/rsa-seeded.ts'

/**
 * Below 2048 bits, keys are made on the thread pool, each in 10 ms. For larger ones OpenSSL follows SP 800-56B, whose search takes 180 ms for
 * 2048 bits; ours takes 30 to 40 and holds the process up for that long.
 */
const searchedFromBits = 2048
/** With more, nobody's start waits for the key. */
const searchedToBits = 3072

/** `bits` is even. */
export function makeRsaKey(bits: number, rng: Rng, onKey: (key: RsaPrivateKey | RelishError) => void): void {
  if (isSearched(bits)) setImmediate(() => onKey(rsaKeyFromRng(rng, bits)))
  else makeInPool(bits, onKey)
}

const isSearched = (bits: number): boolean => bits >= searchedFromBits && bits <= searchedToBits && bits % 16 === 0

function makeInPool(bits: number, onKey: (key: RsaPrivateKey | RelishError) => void): void {
  generateKeyPair('rsa', { modulusLength: bits, publicExponent: 65537 }, (error, _public, privateKey) => {
    onKey(error === null ? new RsaPrivateKey(privateKey) : new RelishError('bug', `OpenSSL makes no RSA key of ${bits} bits`, { cause: error }))
  })
}

interface Wanted {
  readonly bits: number
  readonly onKey: (key: RsaPrivateKey | RelishError) => void
}

/**
 * Many keys for somebody who has nothing else to do before they are there. The thread pool makes small ones, and so does this thread, a key a
 * turn of the event loop, after those that only it makes; they have three primes. All cores are busy until the last key.
 */
export class RsaKeyMaker {
  readonly #search: RsaKeySearch
  readonly #large: Wanted[] = []
  readonly #small: Wanted[] = []
  /** More would not be made sooner, and what waits in the pool cannot be made here any more. */
  readonly #inPoolMax = availableParallelism()
  #inPool = 0
  #isTurnPlanned = false

  constructor(rng: Rng) {
    this.#search = new RsaKeySearch(rng)
  }

  /** `bits` is a multiple of 16, 512 to 3072. */
  make(bits: number): Promise<RsaPrivateKey> {
    return new Promise((resolve, reject) => {
      const wanted: Wanted = { bits, onKey: (made) => (made instanceof RelishError ? reject(made) : resolve(made)) }
      ;(isSearched(bits) ? this.#large : this.#small).push(wanted)
      this.#plan()
    })
  }

  #plan(): void {
    while (this.#inPool < this.#inPoolMax) {
      const next = this.#small.shift()
      if (next === undefined) break
      this.#inPool++
      makeInPool(next.bits, (made) => {
        this.#inPool--
        this.#plan()
        next.onKey(made)
      })
    }
    if (this.#isTurnPlanned || this.#large.length + this.#small.length === 0) return
    this.#isTurnPlanned = true
    setImmediate(() => this.#turn())
  }

  /** What was asked for last: the pool begins with what is wanted first. */
  #turn(): void {
    this.#isTurnPlanned = false
    const next = this.#large.shift() ?? this.#small.pop()
    this.#plan()
    if (next === undefined) return
    try {
      next.onKey(isSearched(next.bits) ? this.#search.keyOfThreePrimes(next.bits) : this.#search.key(next.bits))
    } catch (thrown) {
      next.onKey(asRelishError(thrown))
    }
  }
}
