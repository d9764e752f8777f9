/**
 * Ed25519 certificates (cert-spec §2.1): one key, certified by another until an hour. Parsing gives
 * `Ed25519CertUnverified`; only `verifyEd25519Cert` gives an `Ed25519Cert`. The RSA-signed certificate of CERTS type 7
 * is another format and lives in `rsa-cross-cert.ts`.
 *
 *     VERSION [1] = 1, CERT_TYPE [1], EXPIRATION_DATE [4] hours, CERT_KEY_TYPE [1], CERTIFIED_KEY [32],
 *     N_EXTENSIONS [1], { ExtLength [2] ExtType [1] ExtFlags [1] ExtData } …, SIGNATURE [64]
 */

import { assert } from '../base/assert.ts'
import { bytesEqual, concatBytes } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { wallFromSec, wallToSec, type DurationMs, type WallMs } from '../base/time.ts'
import { wireCodes, type WireCode } from '../base/wire-code.ts'
import { Reader } from '../bytes/reader.ts'
import { Writer } from '../bytes/writer.ts'
import { ed25519Verify, type Ed25519KeyPair } from '../crypto/ed25519.ts'

export type CertType = WireCode<'CertType'>
/** What a certificate is for (cert-spec §A.1). */
export const CertType = wireCodes('CertType')({
  IDENTITY_SIGNING: 4,
  SIGNING_TLS_LINK: 5,
  SIGNING_LINK_AUTH: 6,
  HS_BLINDED_SIGNING: 8,
  HS_INTRO_AUTH: 9,
  NTOR_ONION_IDENTITY: 10,
  HS_INTRO_ENCRYPTION: 11,
  // SPEC-DIFF: family certificates (proposal 321) came after the numbered specification; C tor 0.4.9.11 has them.
  FAMILY_IDENTITY: 12,
})

export type CertifiedKeyType = WireCode<'CertifiedKeyType'>
/** What the 32 certified bytes are (cert-spec §A.4). */
export const CertifiedKeyType = wireCodes('CertifiedKeyType')({ ED25519: 1, SHA256_OF_RSA: 2, SHA256_OF_X509: 3 })

const EXTENSION_SIGNED_WITH_KEY = 4
const FLAG_AFFECTS_VALIDATION = 1
const SIGNATURE_BYTES = 64

interface Ed25519CertFields {
  readonly type: CertType
  /** The certificate is good up to and including this time. A whole hour. */
  readonly expires: WallMs
  readonly keyType: CertifiedKeyType
  /** 32 bytes: an Ed25519 key, or a SHA-256 digest as `keyType` says. */
  readonly certifiedKey: Uint8Array
  /** The key that signed, where the certificate carries it (cert-spec §2.2.1). */
  readonly signingKey: Uint8Array | undefined
  /** The certificate as received or made. */
  readonly encoded: Uint8Array
}

export interface Ed25519CertUnverified extends Ed25519CertFields {
  readonly trust: 'unverified'
}

/** A certificate whose signature was checked with `signedBy` and that had not expired at the time of the check. */
export interface Ed25519Cert extends Ed25519CertFields {
  readonly trust: 'verified'
  readonly signedBy: Uint8Array
}

/** Throws `bad-document` for truncated, oversized or ambiguous certificates and for extensions that must be understood. */
export function parseEd25519Cert(encoded: Uint8Array): Ed25519CertUnverified {
  try {
    return parse(encoded)
  } catch (error) {
    // The reader calls truncation a breach of protocol; here it is a bad certificate, wherever it came from.
    if (error instanceof RelishError && error.kind === 'protocol') {
      throw new RelishError('bad-document', `Ed25519 certificate: ${error.message}`, { cause: error })
    }
    throw error
  }
}

function parse(encoded: Uint8Array): Ed25519CertUnverified {
  const reader = new Reader(encoded)
  if (reader.u8('version') !== 1) throw new RelishError('bad-document', 'Ed25519 certificate of unknown version')
  const type = reader.u8('certificate type')
  const expires = wallFromSec(reader.u32('expiration date') * 3600)
  const keyType = reader.u8('key type')
  const certifiedKey = reader.take(32, 'certified key')
  let signingKey: Uint8Array | undefined
  for (let left = reader.u8('number of extensions'); left > 0; left--) {
    const length = reader.u16('extension length')
    const extensionType = reader.u8('extension type')
    const flags = reader.u8('extension flags')
    const data = reader.take(length, 'extension')
    if (extensionType === EXTENSION_SIGNED_WITH_KEY) {
      if (data.length !== 32) throw new RelishError('bad-document', 'signed-with-ed25519-key extension is not 32 bytes')
      if (signingKey !== undefined) throw new RelishError('bad-document', 'certificate names its signing key twice')
      signingKey = data
    } else if ((flags & FLAG_AFFECTS_VALIDATION) !== 0) {
      // cert-spec §2.1: such an extension must be understood, or the certificate not accepted.
      throw new RelishError('bad-document', `certificate has an extension ${extensionType} that must be understood`)
    }
  }
  reader.skip(SIGNATURE_BYTES, 'signature')
  reader.finish('Ed25519 certificate')
  return { trust: 'unverified', type, expires, keyType, certifiedKey, signingKey, encoded: encoded.slice() }
}

export interface CertExpectation {
  readonly type: CertType
  /** The key that must have signed; if absent, the key that the certificate carries, which must then be there. */
  readonly signedBy?: Uint8Array
  /** `any-time` only for certificates whose expiry is checked with the document that holds them. */
  readonly now: WallMs | 'any-time'
}

/**
 * The certificate as verified. Throws `bad-document` for the wrong type, a missing or contradicting signing key and
 * expiry, `bad-signature` when the signature does not match.
 */
export function verifyEd25519Cert(cert: Ed25519CertUnverified, expected: CertExpectation): Ed25519Cert {
  if (cert.type !== expected.type) {
    throw new RelishError('bad-document', `certificate is of type ${CertType.nameOf(cert.type)}, expected ${CertType.nameOf(expected.type)}`)
  }
  const signedBy = expected.signedBy ?? cert.signingKey
  if (signedBy === undefined) throw new RelishError('bad-document', 'certificate does not carry its signing key')
  // cert-spec §2.2.1: when the extension is present, it MUST match the key used to sign.
  if (cert.signingKey !== undefined && !bytesEqual(cert.signingKey, signedBy)) {
    throw new RelishError('bad-document', 'certificate names another signing key')
  }
  if (expected.now !== 'any-time' && expected.now > cert.expires) throw new RelishError('bad-document', 'certificate has expired')
  const signedLength = cert.encoded.length - SIGNATURE_BYTES
  if (!ed25519Verify(signedBy, cert.encoded.subarray(0, signedLength), cert.encoded.subarray(signedLength))) {
    throw new RelishError('bad-signature', `signature of ${CertType.nameOf(cert.type)} certificate does not match`)
  }
  return { ...cert, trust: 'verified', signedBy }
}

export interface CertContent {
  readonly type: CertType
  readonly certifiedKey: Uint8Array
  /** An Ed25519 key unless said otherwise. */
  readonly keyType?: CertifiedKeyType
  readonly expires: WallMs
  /** Whether to carry the signing key in an extension. */
  readonly includeSigningKey?: boolean
}

/** Makes and signs a certificate. The expiry is rounded up to a whole hour, so that it lasts at least as long as asked. */
export function signEd25519Cert(signer: Ed25519KeyPair, content: CertContent): Ed25519Cert {
  assert(content.certifiedKey.length === 32, 'a certified key has 32 bytes')
  const hours = Math.ceil(wallToSec(content.expires) / 3600)
  const keyType = content.keyType ?? CertifiedKeyType.ED25519
  const writer = new Writer(140).u8(1).u8(content.type).u32(hours).u8(keyType).bytes(content.certifiedKey)
  if (content.includeSigningKey === true) {
    writer.u8(1).u16(32).u8(EXTENSION_SIGNED_WITH_KEY).u8(0).bytes(signer.publicKey)
  } else {
    writer.u8(0)
  }
  const signed = writer.finish()
  return {
    trust: 'verified',
    type: content.type,
    expires: wallFromSec(hours * 3600),
    keyType,
    certifiedKey: content.certifiedKey.slice(),
    signingKey: content.includeSigningKey === true ? signer.publicKey.slice() : undefined,
    encoded: concatBytes([signed, signer.sign(signed)]),
    signedBy: signer.publicKey.slice(),
  }
}

/** Whether a certificate expires before `now` + `margin`, so that it is time for the next one. */
export const expiresWithin = (cert: { readonly expires: WallMs }, now: WallMs, margin: DurationMs): boolean =>
  cert.expires < now + margin
