import { checkPrimeSync } from 'node:crypto'
import { expect, it } from 'vitest'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { littleEndianToBigInt } from '../../../src/core/crypto/little-endian.ts'
import { isProbablePrime } from '../../../src/core/crypto/probable-prime.ts'

it('says of each odd number what OpenSSL says', () => {
  const start = littleEndianToBigInt(new SeededRng('primes').bytes(32)) | (1n << 255n) | 1n
  let primes = 0
  for (let candidate = start; candidate < start + 1000n; candidate += 2n) {
    const isPrime = checkPrimeSync(candidate)
    expect(isProbablePrime(candidate)).toBe(isPrime)
    if (isPrime) primes++
  }
  expect(primes).toBeGreaterThan(2)
})

it('knows primes with many halvings, and composites that Fermat takes for primes', () => {
  // The fields of secp256k1 and P-224 (2^96 divides the prime less one), a product of two primes, and Chernick's of three.
  expect(isProbablePrime(2n ** 256n - 2n ** 32n - 977n)).toBe(true)
  expect(isProbablePrime(2n ** 224n - 2n ** 96n + 1n)).toBe(true)
  expect(isProbablePrime((2n ** 128n - 159n) * (2n ** 128n - 173n))).toBe(false)
  const k = firstChernick()
  const carmichael = (6n * k + 1n) * (12n * k + 1n) * (18n * k + 1n)
  expect(checkPrimeSync(carmichael)).toBe(false)
  expect(isProbablePrime(carmichael)).toBe(false)
})

/** With which 6k + 1, 12k + 1 and 18k + 1 are prime: their product is a Carmichael number. */
function firstChernick(): bigint {
  for (let k = (1n << 84n) + 1n; ; k++) if ([6n, 12n, 18n].every((factor) => checkPrimeSync(factor * k + 1n))) return k
}
