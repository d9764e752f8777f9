import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { hexEncodeUpper } from '../../../src/core/base/encoding.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { emitAuthorityIdentityKey, loadAuthorityKeys, parseAuthorityIdentityKey } from '../../../src/core/cert/authority-keys.ts'
import { rsaKeyFromRng } from '../../../src/core/crypto/rsa-seeded.ts'
import { keyFilePaths } from '../../../src/core/ident/key-files.ts'
import { MemoryKeyStore } from '../../support/memory-key-store.ts'

const captured = fileURLToPath(new URL('../../vectors/ctor-keys/authority', import.meta.url))

describe('authority keys', () => {
  test("C tor's identity key opens with its passphrase only", () => {
    const pem = MemoryKeyStore.from(captured).files.get(keyFilePaths.authorityIdentity) ?? new Uint8Array()
    const key = parseAuthorityIdentityKey(pem, 'password')
    expect(hexEncodeUpper(key.publicKey.fingerprint())).toBe('D83E46AFFBFBE1FABA011EB6557CA213B83BB09B')
    expect(key.publicKey.bits).toBe(3072)
    expect(() => parseAuthorityIdentityKey(pem, 'wrong')).toThrow()
  })

  test('C tor\'s signing key and certificate are loaded', () => {
    const files = loadAuthorityKeys(MemoryKeyStore.from(captured))
    expect(files.signingKey.publicKey.bits).toBe(2048)
    expect(files.certificate).toContain(files.signingKey.publicKey.keyObject().export({ format: 'pem', type: 'pkcs1' }))
  })

  test('an identity key is written encrypted', () => {
    const key = rsaKeyFromRng(new SeededRng('authority'), 1024)
    const pem = emitAuthorityIdentityKey(key, 'some words')
    expect(Buffer.from(pem).toString()).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
    expect(parseAuthorityIdentityKey(pem, 'some words').toPem()).toBe(key.toPem())
    expect(() => emitAuthorityIdentityKey(key, 'abc')).toThrow(/4 characters/)
  })

  test('a missing file is named', () => {
    expect(() => loadAuthorityKeys(new MemoryKeyStore())).toThrow(/authority_signing_key/)
  })
})
