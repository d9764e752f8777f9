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
import { base64Url, isProbablePrime } from './probable-prime.ts'
import { RsaPrivateKey } from './rsa.ts'

const publicExponent = 65537n
/** Small primes below this are sieved out before the costly test. */
const sieveLimit = 16_384
/** Numbers looked at from one random start: about 40 times the mean gap between 2048-bit primes. */
const sieveSpan = 1 << 16

/** A key of exactly `bits` bits (a multiple of 16, 512 to 4096). The same draws give the same key, on every machine. */
export function rsaKeyFromRng(rng: Rng, bits: number): RsaPrivateKey {
  assert(bits % 16 === 0 && bits >= 512 && bits <= 4096, 'RSA keys have 512 to 4096 bits, a multiple of 16')
  const sieve = oddPrimesBelow(sieveLimit)
  const p = primeFromRng(rng, bits / 2, sieve)
  let q = primeFromRng(rng, bits / 2, sieve)
  while (q === p) q = primeFromRng(rng, bits / 2, sieve)
  return rsaKeyFromPrimes(p, q)
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

/** A prime of `bits` bits whose two highest bits are set, so that the product of two has twice as many. */
function primeFromRng(rng: Rng, bits: number, sieve: readonly number[]): bigint {
  for (;;) {
    const random = BigInt(`0x${hexEncode(rng.bytes(bits / 8))}`)
    const start = random | (3n << BigInt(bits - 2)) | 1n
    for (const offset of survivors(start, sieve)) {
      const candidate = start + BigInt(offset)
      if (candidate >> BigInt(bits) !== 0n) break
      // The public exponent is prime: it has an inverse unless it divides p - 1.
      if (candidate % publicExponent !== 1n && isProbablePrime(candidate)) return candidate
    }
  }
}

/** Even offsets from the odd number `start` at which no prime of the sieve divides, in order. */
function* survivors(start: bigint, sieve: readonly number[]): Generator<number> {
  // Index i stands for offset 2i.
  const composite = new Uint8Array(sieveSpan / 2)
  for (const prime of sieve) {
    const remainder = Number(start % BigInt(prime))
    // The first even offset with start + offset = 0 modulo prime.
    let offset = (prime - remainder) % prime
    if (offset % 2 === 1) offset += prime
    for (let i = offset / 2; i < composite.length; i += prime) composite[i] = 1
  }
  for (let i = 0; i < composite.length; i++) if (composite[i] === 0) yield 2 * i
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
