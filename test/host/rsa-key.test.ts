import { expect, test } from 'vitest'
import { sha1 } from '../../src/core/crypto/hashes.ts'
import { RsaPrivateKey } from '../../src/core/crypto/rsa.ts'
import { SystemRng } from '../../src/host/host-runtime.ts'
import { RsaKeyMaker, makeRsaKey } from '../../src/host/rsa-key.ts'

test.each([1024, 2048, 3072])('keys of %d bits have that size and sign', async (bits) => {
  const key = await new Promise<RsaPrivateKey>((resolve, reject) => makeRsaKey(bits, new SystemRng(), (made) => (made instanceof RsaPrivateKey ? resolve(made) : reject(made))))
  expect(key.publicKey.bits).toBe(bits)
  const digest = sha1(new Uint8Array([bits & 255]))
  expect(key.publicKey.verifyDigest(digest, key.signDigest(digest))).toBe(true)
  expect(key.publicKey.verifyDigest(sha1(), key.signDigest(digest))).toBe(false)
})

test('many at once, by the pool and by this thread, are all different and of their sizes', async () => {
  const maker = new RsaKeyMaker(new SystemRng())
  const sizes = [1024, 2048, 1024, 1024, 512, 1024, 1024, 2048]
  const keys = await Promise.all(sizes.map((bits) => maker.make(bits)))
  expect(keys.map((key) => key.publicKey.bits)).toEqual(sizes)
  expect(new Set(keys.map((key) => key.toPem())).size).toBe(sizes.length)
  for (const key of keys) expect(key.publicKey.verifyDigest(sha1(), key.signDigest(sha1()))).toBe(true)
})
