import { expect, it } from 'vitest'
import { hexEncode, utf8Decode } from '../../../src/core/base/encoding.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { emitAuthorityIdentityKey } from '../../../src/core/cert/authority-keys.ts'
import { RsaPrivateKey } from '../../../src/core/crypto/rsa.ts'
import { RsaKeySearch, rsaKeyFromRng } from '../../../src/core/crypto/rsa-seeded.ts'

it('the same seed gives the same key, another seed another', () => {
  const fingerprint = (seed: string, bits: number): string => hexEncode(rsaKeyFromRng(new SeededRng(seed), bits).publicKey.fingerprint())
  expect(fingerprint('a', 1024)).toBe(fingerprint('a', 1024))
  expect(fingerprint('a', 1024)).not.toBe(fingerprint('b', 1024))
  // Written down on purpose: recorded runs replay only while this stays.
  expect(fingerprint('relish', 1024)).toMatchInlineSnapshot(`"2b2a7d0c752404a1081a997ca116946231103a37"`)
})

it.each([512, 768, 1024, 2048, 3072])('a key of %i bits has that size and works', (bits) => {
  const key = rsaKeyFromRng(new SeededRng(`size ${bits}`), bits)
  expect(key.publicKey.bits).toBe(bits)
  expect(key.publicKey.keyObject().asymmetricKeyDetails?.publicExponent).toBe(65537n)
  const digest = new Uint8Array(20).fill(bits & 255)
  expect(key.publicKey.verifyDigest(digest, key.signDigest(digest))).toBe(true)
  // The written form is read again, which checks that all its numbers fit together.
  expect(RsaPrivateKey.fromPem(key.toPem()).publicKey.fingerprint()).toEqual(key.publicKey.fingerprint())
})

it.each([2048, 3072])('a key of %i bits may have three primes', (bits) => {
  const key = new RsaKeySearch(new SeededRng(`three of ${bits}`)).keyOfThreePrimes(bits)
  expect(key.publicKey.bits).toBe(bits)
  const digest = new Uint8Array(20).fill(bits & 255)
  // OpenSSL checks what it has computed by the three primes with the public key.
  expect(key.publicKey.verifyDigest(digest, key.signDigest(digest))).toBe(true)
  const encrypted = emitAuthorityIdentityKey(key, 'passphrase')
  expect(RsaPrivateKey.fromPem(utf8Decode(encrypted), 'passphrase').toPem()).toBe(key.toPem())
})

it('a prime may be far from where the search begins', () => {
  // By 4858, in the second part of what is sieved. The key is that of a sieve in one part.
  expect(hexEncode(rsaKeyFromRng(new SeededRng('far 190'), 2048).publicKey.fingerprint())).toBe('b1d1f09643e9f4170d9d3ad546d47644c256f065')
})

it('refuses other sizes', () => {
  expect(() => rsaKeyFromRng(new SeededRng('x'), 1000)).toThrow(/multiple of 16/)
  expect(() => rsaKeyFromRng(new SeededRng('x'), 8192)).toThrow(/multiple of 16/)
  expect(() => new RsaKeySearch(new SeededRng('x')).keyOfThreePrimes(1024)).toThrow(/2048 to 4096/)
})
