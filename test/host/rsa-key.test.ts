import { expect, test } from 'vitest'
import { sha1 } from '../../src/core/crypto/hashes.ts'
import { RsaPrivateKey } from '../../src/core/crypto/rsa.ts'
import { SystemRng } from '../../src/host/host-runtime.ts'
import { makeRsaKey } from '../../src/host/rsa-key.ts'

test.each([1024, 2048, 3072])('keys of %d bits have that size and sign', async (bits) => {
  const key = await new Promise<RsaPrivateKey>((resolve, reject) => makeRsaKey(bits, new SystemRng(), (made) => (made instanceof RsaPrivateKey ? resolve(made) : reject(made))))
  expect(key.publicKey.bits).toBe(bits)
  const digest = sha1(new Uint8Array([bits & 255]))
  expect(key.publicKey.verifyDigest(digest, key.signDigest(digest))).toBe(true)
  expect(key.publicKey.verifyDigest(sha1(), key.signDigest(digest))).toBe(false)
})
