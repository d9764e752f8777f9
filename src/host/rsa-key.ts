/** Makes RSA keys with exponent 65537 of the system's randomness. */

import { generateKeyPair } from 'node:crypto'
import { RelishError } from '../core/base/errors.ts'
import type { Rng } from '../core/base/rng.ts'
import { RsaPrivateKey } from '../core/crypto/rsa.ts'
import { rsaKeyFromRng } from '../core/crypto/rsa-seeded.ts'

/**
 * Below 2048 bits, keys are made on the thread pool, each in 10 ms. For larger ones OpenSSL follows SP 800-56B, whose search takes 180 ms for
 * 2048 bits; ours takes 30 to 40 and holds the process up for that long.
 */
const searchedFromBits = 2048
/** With more, nobody's start waits for the key. */
const searchedToBits = 3072

/** `bits` is even. */
export function makeRsaKey(bits: number, rng: Rng, onKey: (key: RsaPrivateKey | RelishError) => void): void {
  if (bits >= searchedFromBits && bits <= searchedToBits && bits % 16 === 0) {
    setImmediate(() => onKey(rsaKeyFromRng(rng, bits)))
    return
  }
  generateKeyPair('rsa', { modulusLength: bits, publicExponent: 65537 }, (error, _public, privateKey) => {
    onKey(error === null ? new RsaPrivateKey(privateKey) : new RelishError('bug', `OpenSSL makes no RSA key of ${bits} bits`, { cause: error }))
  })
}
