/** Makes RSA keys with exponent 65537 on the thread pool, without holding up the process. */

import { generateKeyPair, generatePrime } from 'node:crypto'
import { RelishError } from '../core/base/errors.ts'
import { RsaPrivateKey } from '../core/crypto/rsa.ts'
import { rsaKeyFromPrimes } from '../core/crypto/rsa-seeded.ts'

/**
 * From this size on OpenSSL follows SP 800-56B, whose search takes more than twice as long as that for two random primes of the same
 * strength, which is what it does for smaller keys.
 */
const searchedFromBits = 2048

/** `bits` is even. */
export function makeRsaKey(bits: number, onKey: (key: RsaPrivateKey | RelishError) => void): void {
  const failed = (cause: Error): void => onKey(new RelishError('bug', `OpenSSL makes no RSA key of ${bits} bits`, { cause }))
  if (bits < searchedFromBits) {
    generateKeyPair('rsa', { modulusLength: bits, publicExponent: 65537 }, (error, _public, privateKey) => {
      if (error === null) onKey(new RsaPrivateKey(privateKey))
      else failed(error)
    })
    return
  }
  const primes = new Set<bigint>()
  const search = (): void =>
    generatePrime(bits / 2, { bigint: true }, (error, prime) => {
      // Node.js says undefined where its types say null.
      if (error instanceof Error) {
        failed(error)
        return
      }
      // The exponent, a prime itself, needs an inverse.
      if (prime % 65537n === 1n || primes.has(prime)) {
        search()
        return
      }
      const [first] = primes
      primes.add(prime)
      if (first !== undefined) onKey(rsaKeyFromPrimes(first, prime))
    })
  search()
  search()
}
