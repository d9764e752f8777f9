/**
 * Whether a random number is prime, by the few rounds of Miller and Rabin that suffice for numbers somebody drew at random (FIPS
 * 186-4 table C.2). OpenSSL offers only a test that holds for numbers an adversary chose as well, in 64 rounds: two thirds of its
 * search for a prime go into those.
 *
 * The power modulo the number is an RSA encryption without padding, whose exponent may be any odd number below it.
 */

import { constants, createPublicKey, publicEncrypt } from 'node:crypto'
import { derPositive, derSequence } from './der.ts'

/** One more than the table has for primes of RSA keys from 1024 bits on, by as many bases. */
const bases = [2, 3, 5, 7, 11, 13]
/** OpenSSL takes no long exponents for moduli of more bits. */
const bitsMax = 3072

/** `candidate` is odd, of a multiple of 8 bits, and nobody's choice. Its highest bit is set. */
export function isProbablePrime(candidate: bigint): boolean {
  const length = candidate.toString(16).length / 2
  if (length * 8 > bitsMax) throw new RangeError(`no number of more than ${bitsMax} bits can be tested`)
  let odd = candidate - 1n
  let halvings = 0
  for (; odd % 2n === 0n; halvings++) odd /= 2n
  // As PKCS #1, which OpenSSL reads three times as fast as Node.js does a JSON Web Key.
  const key = createPublicKey({ format: 'der', type: 'pkcs1', key: Buffer.from(derSequence(derPositive(candidate), derPositive(odd))) })
  const base = Buffer.alloc(length)
  return bases.every((value) => {
    base[length - 1] = value
    let power = BigInt(`0x${publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, base).toString('hex')}`)
    if (power === 1n || power === candidate - 1n) return true
    for (let i = 1; i < halvings; i++) {
      power = (power * power) % candidate
      if (power === candidate - 1n) return true
    }
    return false
  })
}
