import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { base64EncodeUnpadded, hexEncodeUpper, latin1Encode } from '../../../src/core/base/encoding.ts'
import { RelishError } from '../../../src/core/base/errors.ts'
import { ed25519Verify } from '../../../src/core/crypto/ed25519.ts'
import {
  emitEd25519CertFile, emitEd25519FingerprintFile, emitEd25519PublicFile, emitEd25519SecretFile, emitFingerprintFile, emitNtorKeyFile,
  emitRsaKeyFile, emitTaggedFile, parseEd25519CertFile, parseEd25519PublicFile, parseEd25519SecretFile, parseNtorKeyFile, parseRsaKeyFile,
  parseTaggedFile,
} from '../../../src/core/ident/key-files.ts'

const vector = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../vectors/ctor-keys/relay/${path}`, import.meta.url)))
const ed25519Identity = 'VdVSTEWNoJ/hjvfes3n8pyazH/C0r7/wvYIsx+Zzoyw'

describe("C tor's key files", () => {
  test('the RSA identity key', () => {
    const bytes = vector('keys/secret_id_key')
    const key = parseRsaKeyFile(bytes)
    expect(hexEncodeUpper(key.publicKey.fingerprint())).toBe('F35FAD8160A55D9B1425F7A82C8874264F3FB0F2')
    // C tor ends this file, and no other, with the zero byte of its string.
    expect(bytes.at(-1)).toBe(0)
    expect(emitRsaKeyFile(key)).toEqual(bytes.slice(0, -1))
    expect(emitFingerprintFile('vectorrelay', key.publicKey.fingerprint())).toEqual(vector('fingerprint'))
  })

  test('the master identity', () => {
    const secret = vector('keys/ed25519_master_id_secret_key')
    const key = parseEd25519SecretFile(secret, 'type0')
    expect(base64EncodeUnpadded(key.publicKey)).toBe(ed25519Identity)
    expect(emitEd25519SecretFile(key, 'type0')).toEqual(secret)
    const published = vector('keys/ed25519_master_id_public_key')
    expect(parseEd25519PublicFile(published, 'type0')).toEqual(key.publicKey)
    expect(emitEd25519PublicFile(key.publicKey, 'type0')).toEqual(published)
    expect(emitEd25519FingerprintFile('vectorrelay', key.publicKey)).toEqual(vector('fingerprint-ed25519'))
  })

  test('the signing key signs', () => {
    const bytes = vector('keys/ed25519_signing_secret_key')
    const key = parseEd25519SecretFile(bytes, 'type4')
    expect(emitEd25519SecretFile(key, 'type4')).toEqual(bytes)
    const message = latin1Encode('message')
    expect(ed25519Verify(key.publicKey, message, key.sign(message))).toBe(true)
  })

  test('the signing certificate file', () => {
    const bytes = vector('keys/ed25519_signing_cert')
    expect(emitEd25519CertFile(parseEd25519CertFile(bytes, 'type4'), 'type4')).toEqual(bytes)
  })

  test('the ntor key', () => {
    const bytes = vector('keys/secret_onion_key_ntor')
    expect(emitNtorKeyFile(parseNtorKeyFile(bytes))).toEqual(bytes)
  })
})

describe('malformed key files', () => {
  const refused = (parse: () => unknown): void => {
    try {
      parse()
    } catch (error) {
      expect(error).toBeInstanceOf(RelishError)
      expect((error as RelishError).kind).toBe('bad-document')
      return
    }
    expect.fail('was accepted')
  }

  test('every strict prefix and a longer file are refused', () => {
    const bytes = vector('keys/secret_onion_key_ntor')
    for (let length = 0; length < bytes.length; length++) refused(() => parseNtorKeyFile(bytes.slice(0, length)))
    refused(() => parseNtorKeyFile(new Uint8Array([...bytes, 0])))
  })

  test('halves that do not belong together are refused', () => {
    const bytes = vector('keys/secret_onion_key_ntor')
    bytes[95] = (bytes[95] ?? 0) ^ 1
    refused(() => parseNtorKeyFile(bytes))
  })

  test('a file of another kind or tag is refused', () => {
    refused(() => parseEd25519SecretFile(vector('keys/ed25519_signing_secret_key'), 'type0'))
    refused(() => parseEd25519PublicFile(vector('keys/ed25519_master_id_secret_key'), 'type0'))
    refused(() => parseEd25519CertFile(vector('keys/ed25519_signing_secret_key'), 'type4'))
    refused(() => parseRsaKeyFile(latin1Encode('-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n')))
    refused(() => parseRsaKeyFile(new Uint8Array(0)))
  })

  test('a header must be padded with zeros', () => {
    const bytes = emitTaggedFile({ type: 'a', tag: 'b', content: Uint8Array.of(1) })
    expect(parseTaggedFile(bytes)).toEqual({ type: 'a', tag: 'b', content: Uint8Array.of(1) })
    bytes[31] = 1
    refused(() => parseTaggedFile(bytes))
  })
})
