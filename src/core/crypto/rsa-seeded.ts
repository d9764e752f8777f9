/**
 * RSA keys that follow from an Rng: for simulations, since OpenSSL takes no seed, and where its search takes too long. A random start, a
 * sieve of small primes over the numbers after it, and a probabilistic primality test on what passes.
 *
 * Not for keys beyond test networks: neither the search nor the arithmetic hides the secret from timing.
 */

import { createPrivateKey } from 'node:crypto'
import { assert } from '../base/assert.ts'
import { hexEncode } from '../base/encoding.ts'
import type { Rng } from '../base/rng.ts'
import { derPositive, derSequence } from './der.ts'
import { isProbablePrime } from './probable-prime.ts'
import { RsaPrivateKey } from './rsa.ts'

const publicExponent = 65537n
/** Small primes below this are sieved out before the costly test. */
const sieveLimit = 16_384
/** Numbers looked at from one random start: about 40 times the mean gap between 2048-bit primes. */
const sieveSpan = 1 << 16
/** Of these so many are sieved at a time: few searches need a second part. */
const sievePart = 1 << 12
/** As the product of small primes, so that a remainder by it is a small integer. */
const productMax = 2 ** 31

/** A key of exactly `bits` bits (a multiple of 16, 512 to 4096). The same draws give the same key, on every machine. */
export function rsaKeyFromRng(rng: Rng, bits: number): RsaPrivateKey {
  return new RsaKeySearch(rng).key(bits)
}

/** For several keys: the small primes are found once. */
export class RsaKeySearch {
  readonly #rng: Rng
  readonly #smallPrimes = oddPrimesBelow(sieveLimit)

  constructor(rng: Rng) {
    this.#rng = rng
  }

  key(bits: number): RsaPrivateKey {
    assert(bits % 16 === 0 && bits >= 512 && bits <= 4096, 'RSA keys have 512 to 4096 bits, a multiple of 16')
    const p = this.#prime(bits / 2, 3n)
    let q = this.#prime(bits / 2, 3n)
    while (q === p) q = this.#prime(bits / 2, 3n)
    return rsaKeyFromPrimes(p, q)
  }

  /**
   * The same of three primes (RFC 8017 §3), which OpenSSL allows from 1024 bits on: a quarter of the work for 2048 bits. Who has the public
   * key sees no difference; who reads the private key has to understand it, as OpenSSL does.
   */
  keyOfThreePrimes(bits: number): RsaPrivateKey {
    assert(bits % 256 === 0 && bits >= 2048 && bits <= 4096, 'RSA keys of three primes have 2048 to 4096 bits, a multiple of 256')
    // OpenSSL's arithmetic is quick for these: a test of 768 bits takes less time than one of 680. The smallest has 512 bits.
    const large = Math.ceil(bits / 3 / 256) * 256
    // Seven eighths to the power of three is more than a half, so that the product has all bits.
    const primes = [large, large, bits - 2 * large].map((each) => this.#prime(each, 7n))
    return new Set(primes).size === primes.length ? rsaKeyFromThreePrimes(primes as [bigint, bigint, bigint]) : this.keyOfThreePrimes(bits)
  }

  /** A prime of `bits` bits, of which the highest are `head`. */
  #prime(bits: number, head: bigint): bigint {
    const headBits = head.toString(2).length
    for (;;) {
      const random = BigInt(`0x${hexEncode(this.#rng.bytes(bits / 8))}`)
      const start = random | (head << BigInt(bits - headBits)) | 1n
      for (const offset of this.#survivors(start)) {
        const candidate = start + BigInt(offset)
        if (candidate >> BigInt(bits) !== 0n) break
        // The public exponent is prime: it has an inverse unless it divides p - 1.
        if (candidate % publicExponent !== 1n && isProbablePrime(candidate)) return candidate
      }
    }
  }

  /** Even offsets from the odd number `start` at which no prime of the sieve divides, in order. */
  *#survivors(start: bigint): Generator<number> {
    const primes = this.#smallPrimes
    // Index i stands for offset 2i; each prime's next multiple is told from the part's beginning.
    const next = this.#firstMultiples(start)
    const composite = new Uint8Array(sievePart / 2)
    for (let partStart = 0; partStart < sieveSpan; partStart += sievePart) {
      composite.fill(0)
      for (let k = 0; k < primes.length; k++) {
        const prime = primes[k] as number
        let i = next[k] as number
        for (; i < composite.length; i += prime) composite[i] = 1
        next[k] = i - composite.length
      }
      for (let i = composite.indexOf(0); i >= 0; i = composite.indexOf(0, i + 1)) yield partStart + 2 * i
    }
  }

  /** For each prime half the first even offset with start + offset = 0 modulo the prime. */
  #firstMultiples(start: bigint): Int32Array {
    const primes = this.#smallPrimes
    const multiples = new Int32Array(primes.length)
    for (let k = 0; k < primes.length; ) {
      // A long number's remainder costs much more than a short one's: one for as many primes as fit.
      let end = k
      let product = 1
      while (end < primes.length && product * (primes[end] as number) < productMax) product *= primes[end++] as number
      const remainder = Number(start % BigInt(product))
      for (; k < end; k++) {
        const prime = primes[k] as number
        const offset = (prime - (remainder % prime)) % prime
        multiples[k] = (offset % 2 === 0 ? offset : offset + prime) / 2
      }
    }
    return multiples
  }
}

/** The key of two different primes of the same size, neither of them 1 modulo 65537. */
export function rsaKeyFromPrimes(p: bigint, q: bigint): RsaPrivateKey {
  const d = inverse(publicExponent, (p - 1n) * (q - 1n))
  return new RsaPrivateKey(
    createPrivateKey({
      format: 'jwk',
      key: {
        kty: 'RSA',
        n: base64Url(p * q),
        e: base64Url(publicExponent),
        d: base64Url(d),
        p: base64Url(p),
        q: base64Url(q),
        dp: base64Url(d % (p - 1n)),
        dq: base64Url(d % (q - 1n)),
        qi: base64Url(inverse(q, p)),
      },
    }),
  )
}

/** As PKCS #1 has it with `otherPrimeInfos` (RFC 8017 appendix A.1.2): JSON Web Keys of Node.js know two primes only. */
function rsaKeyFromThreePrimes([p, q, r]: readonly [bigint, bigint, bigint]): RsaPrivateKey {
  const d = inverse(publicExponent, (p - 1n) * (q - 1n) * (r - 1n))
  const numbers = [1n, p * q * r, publicExponent, d, p, q, d % (p - 1n), d % (q - 1n), inverse(q, p)]
  const other = [r, d % (r - 1n), inverse(p * q, r)]
  const der = derSequence(...numbers.map(derPositive), derSequence(derSequence(...other.map(derPositive))))
  return new RsaPrivateKey(createPrivateKey({ format: 'der', type: 'pkcs1', key: Buffer.from(der) }))
}

function oddPrimesBelow(limit: number): number[] {
  const composite = new Uint8Array(limit)
  const primes: number[] = []
  for (let n = 3; n < limit; n += 2) {
    if (composite[n] === 1) continue
    primes.push(n)
    for (let multiple = n * n; multiple < limit; multiple += 2 * n) composite[multiple] = 1
  }
  return primes
}

/** The inverse of `value` modulo `modulus`, by the extended Euclidean algorithm. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [r0, r1] = [modulus, value % modulus]
  let [t0, t1] = [0n, 1n]
  while (r1 !== 0n) {
    const quotient = r0 / r1
    ;[r0, r1] = [r1, r0 - quotient * r1]
    ;[t0, t1] = [t1, t0 - quotient * t1]
  }
  assert(r0 === 1n, 'an inverse exists')
  return t0 < 0n ? t0 + modulus : t0
}

/** A positive number as JSON Web Keys have it. */
function base64Url(value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url')
}
