import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { base64EncodeUnpadded, concatBytes, hexDecode } from '../../../src/core/base/encoding.ts'
import { RelishError, type ErrorKind } from '../../../src/core/base/errors.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { formatIsoTime, wallFromSec, wallMs } from '../../../src/core/base/time.ts'
import { ed25519Generate } from '../../../src/core/crypto/ed25519.ts'
import { CertType, CertifiedKeyType, parseEd25519Cert, signEd25519Cert, verifyEd25519Cert } from '../../../src/core/cert/ed25519-cert.ts'
import { parseEd25519CertFile, parseEd25519PublicFile } from '../../../src/core/ident/key-files.ts'
import { expectRefused } from '../../support/codec-drill.ts'

const vector = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../vectors/ctor-keys/relay/keys/${name}`, import.meta.url)))
const rng = new SeededRng('ed25519-cert')
const signer = ed25519Generate(rng)
const now = wallFromSec(1_700_000_000)

function kindOf(action: () => unknown): ErrorKind | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    return (error as RelishError).kind
  }
}

describe('Ed25519 certificates', () => {
  test('one that C tor made', () => {
    const encoded = parseEd25519CertFile(vector('ed25519_signing_cert'), 'type4')
    const master = parseEd25519PublicFile(vector('ed25519_master_id_public_key'), 'type0')
    const cert = verifyEd25519Cert(parseEd25519Cert(encoded), { type: CertType.IDENTITY_SIGNING, signedBy: master, now: wallMs(Date.UTC(2026, 10, 23)) })
    expect(base64EncodeUnpadded(cert.signingKey ?? new Uint8Array())).toBe('VdVSTEWNoJ/hjvfes3n8pyazH/C0r7/wvYIsx+Zzoyw')
    expect(formatIsoTime(cert.expires)).toBe('2026-12-22 10:00:00')
    expect(cert.keyType).toBe(CertifiedKeyType.ED25519)
  })

  test.each([true, false])('made and read again, signing key included: %s', (includeSigningKey) => {
    const made = signEd25519Cert(signer, { type: CertType.SIGNING_TLS_LINK, keyType: CertifiedKeyType.SHA256_OF_X509, certifiedKey: rng.bytes(32), expires: now, includeSigningKey })
    const read = verifyEd25519Cert(parseEd25519Cert(made.encoded), { type: CertType.SIGNING_TLS_LINK, signedBy: signer.publicKey, now })
    expect(read).toEqual(made)
    expect(made.encoded.length).toBe(includeSigningKey ? 140 : 104)
    // The expiry is rounded up to a whole hour.
    expect(made.expires).toBeGreaterThanOrEqual(now)
    expect(made.expires % 3_600_000).toBe(0)
  })

  const cert = signEd25519Cert(signer, { type: CertType.IDENTITY_SIGNING, certifiedKey: rng.bytes(32), expires: now, includeSigningKey: true })

  test('every strict prefix and trailing bytes are refused', () => {
    for (let length = 0; length < cert.encoded.length; length++) expectRefused(parseEd25519Cert, cert.encoded.slice(0, length), 'bad-document')
    expectRefused(parseEd25519Cert, concatBytes([cert.encoded, Uint8Array.of(0)]), 'bad-document')
  })

  test('every changed bit is found', () => {
    for (let at = 0; at < cert.encoded.length; at++) {
      const changed = cert.encoded.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      const kind = kindOf(() => verifyEd25519Cert(parseEd25519Cert(changed), { type: CertType.IDENTITY_SIGNING, signedBy: signer.publicKey, now }))
      expect(['bad-document', 'bad-signature']).toContain(kind)
    }
  })

  test('wrong type, wrong key, missing key, expired', () => {
    const parsed = parseEd25519Cert(cert.encoded)
    const other = ed25519Generate(rng)
    expect(kindOf(() => verifyEd25519Cert(parsed, { type: CertType.SIGNING_LINK_AUTH, now }))).toBe('bad-document')
    expect(kindOf(() => verifyEd25519Cert(parsed, { type: CertType.IDENTITY_SIGNING, signedBy: other.publicKey, now }))).toBe('bad-document')
    expect(kindOf(() => verifyEd25519Cert(parsed, { type: CertType.IDENTITY_SIGNING, now: wallMs(cert.expires + 1) }))).toBe('bad-document')
    expect(kindOf(() => verifyEd25519Cert(parsed, { type: CertType.IDENTITY_SIGNING, now: cert.expires }))).toBeUndefined()
    expect(kindOf(() => verifyEd25519Cert(parsed, { type: CertType.IDENTITY_SIGNING, now: 'any-time' }))).toBeUndefined()
    const bare = signEd25519Cert(signer, { type: CertType.IDENTITY_SIGNING, certifiedKey: rng.bytes(32), expires: now })
    expect(kindOf(() => verifyEd25519Cert(parseEd25519Cert(bare.encoded), { type: CertType.IDENTITY_SIGNING, now }))).toBe('bad-document')
  })

  test('extensions: unknown ones are passed over, unless they must be understood', () => {
    const build = (flags: number): Uint8Array =>
      concatBytes([hexDecode('01040006f00001'), new Uint8Array(32), Uint8Array.of(1, 0, 2, 0x77, flags, 9, 9), new Uint8Array(64)])
    expect(parseEd25519Cert(build(0)).signingKey).toBeUndefined()
    expectRefused(parseEd25519Cert, build(1), 'bad-document')
  })
})
