/** RFC vectors, and the second implementation (`@noble/*`) as the oracle of differential tests. */

import { createPublicKey } from 'node:crypto'
import { ctr } from '@noble/ciphers/aes.js'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha1 as nobleSha1 } from '@noble/hashes/legacy.js'
import { sha256 as nobleSha256, sha512 as nobleSha512 } from '@noble/hashes/sha2.js'
import { sha3_256 as nobleSha3, shake256 as nobleShake } from '@noble/hashes/sha3.js'
import { describe, expect, test } from 'vitest'
import { concatBytes, hexDecode, hexEncode, utf8Encode } from '../../../src/core/base/encoding.ts'
import { RelishError } from '../../../src/core/base/errors.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { AesCtrStream } from '../../../src/core/crypto/aes.ts'
import { multiplyEd25519Base } from '../../../src/core/crypto/ed25519-base.ts'
import { bigIntToLittleEndian, littleEndianToBigInt } from '../../../src/core/crypto/little-endian.ts'
import { ed25519FromExpanded, ed25519FromSeed, ed25519FromX25519, ed25519PublicFromX25519, ed25519Verify } from '../../../src/core/crypto/ed25519.ts'
import { constantTimeEqual, hmacSha256, RunningDigest, sha1, sha256, sha3_256, sha512, shake256 } from '../../../src/core/crypto/hashes.ts'
import { hkdfExpand, hkdfExtract, kdfTor } from '../../../src/core/crypto/kdf.ts'
import { derInteger, derSequence } from '../../../src/core/crypto/der.ts'
import { RsaPrivateKey, RsaPublicKey } from '../../../src/core/crypto/rsa.ts'
import { rsaKeyFromRng } from '../../../src/core/crypto/rsa-seeded.ts'
import { x25519KeyPair, x25519Shared } from '../../../src/core/crypto/x25519.ts'

const rng = new SeededRng('crypto tests')
const lengths = [0, 1, 55, 56, 63, 64, 65, 127, 135, 136, 137, 509, 5000]

describe('hashes', () => {
  test('known answers for "abc" (FIPS 180-4, FIPS 202)', () => {
    const abc = utf8Encode('abc')
    expect(hexEncode(sha1(abc))).toBe('a9993e364706816aba3e25717850c26c9cd0d89d')
    expect(hexEncode(sha256(abc))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(hexEncode(sha512(abc))).toMatch(/^ddaf35a193617abacc417349ae204131/)
    expect(hexEncode(sha3_256(abc))).toBe('3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532')
  })

  test.each(lengths)('the same as @noble/hashes for %i bytes, whole and in parts', (length) => {
    const data = rng.bytes(length)
    const [head, tail] = [data.subarray(0, length >> 1), data.subarray(length >> 1)]
    for (const parts of [[data], [head, tail]]) {
      expect(hexEncode(sha1(...parts))).toBe(hexEncode(nobleSha1(data)))
      expect(hexEncode(sha256(...parts))).toBe(hexEncode(nobleSha256(data)))
      expect(hexEncode(sha512(...parts))).toBe(hexEncode(nobleSha512(data)))
      expect(hexEncode(sha3_256(...parts))).toBe(hexEncode(nobleSha3(data)))
      expect(hexEncode(shake256(77, ...parts))).toBe(hexEncode(nobleShake(data, { dkLen: 77 })))
      const key = rng.bytes(20)
      expect(hexEncode(hmacSha256(key, ...parts))).toBe(hexEncode(hmac(nobleSha256, key, data)))
    }
  })

  test('a running digest can be read, copied and continued', () => {
    const running = new RunningDigest('sha1').update(utf8Encode('ab'))
    const other = running.copy().update(utf8Encode('x'))
    expect(hexEncode(running.peek())).toBe(hexEncode(sha1(utf8Encode('ab'))))
    running.update(utf8Encode('c'))
    expect(hexEncode(running.peek())).toBe(hexEncode(sha1(utf8Encode('abc'))))
    expect(hexEncode(other.peek())).toBe(hexEncode(sha1(utf8Encode('abx'))))
  })

  test('comparison of secrets', () => {
    expect(constantTimeEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
    expect(constantTimeEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
    expect(constantTimeEqual(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false)
  })
})

describe('AES in counter mode', () => {
  test('NIST SP 800-38A F.5.1', () => {
    const stream = new AesCtrStream(hexDecode('2b7e151628aed2a6abf7158809cf4f3c'), hexDecode('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'))
    expect(hexEncode(stream.apply(hexDecode('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51')))).toBe(
      '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff',
    )
  })

  test.each([16, 32])('the same as @noble/ciphers with a key of %i bytes, in pieces of all sizes', (keyLength) => {
    const key = rng.bytes(keyLength)
    const data = rng.bytes(3000)
    const stream = new AesCtrStream(key)
    const pieces: Uint8Array[] = []
    for (let at = 0, size = 1; at < data.length; at += size, size = (size * 3) % 517 + 1) pieces.push(stream.apply(data.subarray(at, at + size)).slice())
    expect(hexEncode(concatBytes(pieces).slice(0, 3000))).toBe(hexEncode(ctr(key, new Uint8Array(16)).encrypt(data)))
  })
})

describe('X25519', () => {
  test('RFC 7748 §6.1', () => {
    const secretAlice = hexDecode('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a')
    const secretBob = hexDecode('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb')
    const pairA = x25519KeyPair(secretAlice)
    const pairB = x25519KeyPair(secretBob)
    expect(hexEncode(pairA.publicKey)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
    expect(hexEncode(pairB.publicKey)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
    const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
    expect(hexEncode(x25519Shared(pairA.secretKey, pairB.publicKey))).toBe(shared)
    expect(hexEncode(x25519Shared(pairB.secretKey, pairA.publicKey))).toBe(shared)
  })

  test('the same as @noble/curves', () => {
    for (let i = 0; i < 10; i++) {
      const a = x25519KeyPair(rng.bytes(32))
      const b = x25519KeyPair(rng.bytes(32))
      expect(hexEncode(a.publicKey)).toBe(hexEncode(x25519.getPublicKey(a.secretKey)))
      expect(hexEncode(x25519Shared(a.secretKey, b.publicKey))).toBe(hexEncode(x25519.getSharedSecret(a.secretKey, b.publicKey)))
    }
  })

  test('keys of small order and wrong lengths are refused as a breach of protocol', () => {
    const own = x25519KeyPair(rng.bytes(32))
    const one = new Uint8Array(32)
    one[0] = 1
    for (const bad of [new Uint8Array(32), one, hexDecode('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'), new Uint8Array(31), new Uint8Array(33)]) {
      try {
        x25519Shared(own.secretKey, bad)
        expect.fail('was accepted')
      } catch (error) {
        expect((error as RelishError).kind).toBe('protocol')
      }
    }
  })
})

describe('Ed25519', () => {
  test('RFC 8032 §7.1, test 2', () => {
    const key = ed25519FromSeed(hexDecode('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'))
    expect(hexEncode(key.publicKey)).toBe('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
    const signature = key.sign(Uint8Array.of(0x72))
    expect(hexEncode(signature)).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
    expect(ed25519Verify(key.publicKey, Uint8Array.of(0x72), signature)).toBe(true)
    expect(ed25519Verify(key.publicKey, Uint8Array.of(0x73), signature)).toBe(false)
  })

  test('a key known in expanded form signs the same bytes as from its seed, and as @noble/curves', () => {
    for (let i = 0; i < 5; i++) {
      const seed = rng.bytes(32)
      const message = rng.bytes(i * 40)
      const whole = ed25519FromSeed(seed)
      const expanded = ed25519FromExpanded(whole.expandedSecret)
      expect(hexEncode(expanded.publicKey)).toBe(hexEncode(whole.publicKey))
      expect(hexEncode(expanded.sign(message))).toBe(hexEncode(whole.sign(message)))
      expect(hexEncode(whole.sign(message))).toBe(hexEncode(ed25519.sign(message, seed)))
    }
  })

  test('malformed keys and signatures are bad signatures, not exceptions', () => {
    const key = ed25519FromSeed(rng.bytes(32))
    const signature = key.sign(new Uint8Array(1))
    expect(ed25519Verify(new Uint8Array(31), new Uint8Array(1), signature)).toBe(false)
    expect(ed25519Verify(new Uint8Array(32).fill(255), new Uint8Array(1), signature)).toBe(false)
    expect(ed25519Verify(key.publicKey, new Uint8Array(1), signature.slice(1))).toBe(false)
    expect(ed25519Verify(key.publicKey, new Uint8Array(1), new Uint8Array(64).fill(255))).toBe(false)
  })

  test('multiples of the base point are those of point arithmetic, next to the ends as well', () => {
    const order = ed25519.Point.Fn.ORDER
    const random = Array.from({ length: 20 }, (_, i) => littleEndianToBigInt(rng.bytes(32)) % order >> BigInt(i % 3))
    for (const scalar of [1n, 2n, 7n, 8n, 9n, order - 9n, order - 8n, order - 1n, order / 2n, ...random]) {
      const product = hexEncode(ed25519.Point.BASE.multiply(scalar).toBytes())
      const found = multiplyEd25519Base(scalar)
      if (found !== undefined) expect(hexEncode(found)).toBe(product)
      if (random.includes(scalar)) expect(found).toBeDefined()
      const secret = concatBytes([bigIntToLittleEndian(scalar), new Uint8Array(32)])
      expect(hexEncode(ed25519FromExpanded(secret).publicKey)).toBe(product)
    }
    expect(multiplyEd25519Base(0n)).toBeUndefined()
  })

  test('the Ed25519 form of a Curve25519 key is found from either half', () => {
    for (let i = 0; i < 8; i++) {
      const onion = x25519KeyPair(rng.bytes(32))
      const { keyPair, signBit } = ed25519FromX25519(onion.secretKey)
      expect(hexEncode(ed25519PublicFromX25519(onion.publicKey, signBit) ?? new Uint8Array())).toBe(hexEncode(keyPair.publicKey))
      const message = utf8Encode('cross-certified')
      expect(ed25519Verify(keyPair.publicKey, message, keyPair.sign(message))).toBe(true)
    }
  })
})

describe('key derivation', () => {
  test('RFC 5869, test case 1', () => {
    const pseudorandomKey = hkdfExtract(hexDecode('000102030405060708090a0b0c'), hexDecode('0b'.repeat(22)))
    expect(hexEncode(hkdfExpand(pseudorandomKey, hexDecode('f0f1f2f3f4f5f6f7f8f9'), 42))).toBe(
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    )
  })

  test('the same as @noble/hashes for all lengths around blocks', () => {
    const [secret, salt, info] = [rng.bytes(32), rng.bytes(16), rng.bytes(10)]
    for (const length of [1, 31, 32, 33, 64, 92, 100]) {
      expect(hexEncode(hkdfExpand(hkdfExtract(salt, secret), info, length))).toBe(hexEncode(hkdf(nobleSha256, secret, salt, info, length)))
    }
  })

  test('KDF-TOR is SHA-1 over the secret and a counter (tor-spec §5.2.1)', () => {
    const secret = rng.bytes(40)
    const expected = [0, 1, 2, 3, 4].map((i) => nobleSha1(concatBytes([secret, Uint8Array.of(i)])))
    expect(hexEncode(kdfTor(secret, 92))).toBe(hexEncode(concatBytes(expected).slice(0, 92)))
  })
})

describe('RSA', () => {
  const key = rsaKeyFromRng(new SeededRng('rsa tests'), 1024)

  test('signatures over bare digests', () => {
    for (const length of [20, 32]) {
      const digest = rng.bytes(length)
      const signature = key.signDigest(digest)
      expect(signature.length).toBe(128)
      expect(key.publicKey.verifyDigest(digest, signature)).toBe(true)
      expect(key.publicKey.recover(signature)).toEqual(digest)
      expect(key.publicKey.verifyDigest(rng.bytes(length), signature)).toBe(false)
      signature[5] = (signature[5] ?? 0) ^ 1
      expect(key.publicKey.verifyDigest(digest, signature)).toBe(false)
    }
    expect(key.publicKey.recover(new Uint8Array(3))).toBeUndefined()
    expect(key.publicKey.recover(new Uint8Array(128).fill(255))).toBeUndefined()
  })

  test('DER and PEM round trips', () => {
    expect(RsaPublicKey.fromDer(key.publicKey.der).der).toEqual(key.publicKey.der)
    expect(RsaPrivateKey.fromPem(key.toPem()).toPem()).toBe(key.toPem())
    expect(hexEncode(key.publicKey.fingerprint())).toBe(hexEncode(nobleSha1(key.publicKey.der)))
    expect(key.toPem()).toMatch(/^-----BEGIN RSA PRIVATE KEY-----\n/)
  })

  test('a key that was read, or made of numbers, is as good as the one that was written', () => {
    const digest = new Uint8Array(20).fill(7)
    const signature = key.signDigest(digest)
    const read = RsaPublicKey.fromDer(key.publicKey.der)
    expect([read.bits, read.verifyDigest(digest, signature)]).toEqual([1024, true])
    // As OpenSSL has it, by each way that leads into it.
    const openssl = createPublicKey({ format: 'der', type: 'pkcs1', key: Buffer.from(key.publicKey.der) })
    expect(RsaPublicKey.fromKeyObject(openssl).der).toEqual(key.publicKey.der)
    expect(read.keyObject().equals(openssl)).toBe(true)
    expect(Buffer.from(read.keyObject().export({ format: 'der', type: 'pkcs1' }))).toEqual(Buffer.from(key.publicKey.der))
  })

  test('nothing verifies by a key that is none, and nothing is thrown', () => {
    for (const modulus of [[1], [3], [0xff], [0x81, 1], new Array<number>(2048).fill(0xff), new Array<number>(4000).fill(1)]) {
      const odd = RsaPublicKey.fromDer(derSequence(derInteger(Uint8Array.from(modulus)), derInteger(Uint8Array.of(1, 0, 1))))
      expect(odd.verifyDigest(new Uint8Array(20), new Uint8Array(modulus.length).fill(1))).toBe(false)
      expect(odd.keyObject().asymmetricKeyType).toBe('rsa')
    }
    for (const modulus of [[0], [2], [0xff, 0xfe]]) {
      expect(() => RsaPublicKey.fromDer(derSequence(derInteger(Uint8Array.from(modulus)), derInteger(Uint8Array.of(1, 0, 1))))).toThrow(/malformed/)
    }
    expect(() => RsaPublicKey.fromDer(derSequence(derInteger(Uint8Array.of(5)), derInteger(Uint8Array.of(3))))).toThrow(/exponent 65537/)
    expect(() => RsaPublicKey.fromDer(Uint8Array.of(0x30, 9, 2, 2, 0, 5, 2, 3, 1, 0, 1))).toThrow(/canonical/)
  })

  test('malformed keys are refused', () => {
    const der = key.publicKey.der
    for (const bad of [der.slice(1), der.slice(0, -1), new Uint8Array([...der, 0]), new Uint8Array(0)]) {
      try {
        RsaPublicKey.fromDer(bad)
        expect.fail('was accepted')
      } catch (error) {
        expect((error as RelishError).kind).toBe('bad-document')
      }
    }
    expect(() => RsaPrivateKey.fromPem('nothing')).toThrow(/malformed/)
  })

  test('private keys in other forms are read as well', () => {
    const pkcs1 = key.toPem()
    const pkcs8 = key.keyObject().export({ format: 'pem', type: 'pkcs8' }).toString()
    for (const pem of [pkcs1.replaceAll('\n', '\r\n'), `a comment\n${pkcs1}`, pkcs1.trimEnd(), pkcs8]) expect(RsaPrivateKey.fromPem(pem).toPem()).toBe(pkcs1)
  })

  test('malformed private keys are refused', () => {
    const der = key.keyObject().export({ format: 'der', type: 'pkcs1' })
    const pemOf = (bytes: Uint8Array): string => `-----BEGIN RSA PRIVATE KEY-----\n${Buffer.from(bytes).toString('base64')}\n-----END RSA PRIVATE KEY-----\n`
    expect(RsaPrivateKey.fromPem(pemOf(der)).toPem()).toBe(key.toPem())
    for (const end of [0, 1, 2, 3, 4, 7, 20, der.length - 1]) expect(() => RsaPrivateKey.fromPem(pemOf(der.subarray(0, end)))).toThrow(/malformed/)
  })
})
