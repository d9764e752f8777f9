/**
 * The outside of an onion-service descriptor (rend-spec-v3 §2.4): what a directory sees and checks before it keeps and
 * serves it. It learns a blinded key, a lifetime and a counter; what is inside `superencrypted` is for clients, and not
 * looked at here.
 */

import { latin1Encode, base64EncodeUnpadded, concatBytes, utf8Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { minutes, type DurationMs, type WallMs } from '../base/time.ts'
import { CertifiedKeyType, CertType, parseEd25519Cert, signEd25519Cert, verifyEd25519Cert, type Ed25519CertUnverified } from '../cert/ed25519-cert.ts'
import { ed25519Verify, type Ed25519KeyPair } from '../crypto/ed25519.ts'
import { parseBase64Bytes, parseInteger } from './fields.ts'
import { hsDescriptorLifetimeMinutesMax } from './limits.ts'
import { Cursor, documentTable, DocumentWriter, type Item } from './metaformat.ts'
import type { Verified } from './trust.ts'

const VERSION = 3
const signaturePrefix = utf8Encode('Tor onion service descriptor sig v3')
const signatureLine = '\nsignature '
/** Salt and MAC of the encrypted part, which must have something between them (rend-spec-v3 §2.5). */
const ENCRYPTED_OVERHEAD_BYTES = 16 + 32

const table = documentTable('onion-service descriptor', {
  'hs-descriptor': { count: 'once', arguments: [1, 1], position: 'first' },
  'descriptor-lifetime': { count: 'once', arguments: [1, 1] },
  'descriptor-signing-key-cert': { count: 'once', arguments: 'none', object: 'ED25519 CERT' },
  'revision-counter': { count: 'once', arguments: [1, 1] },
  superencrypted: { count: 'once', arguments: 'none', object: 'MESSAGE' },
  signature: { count: 'once', arguments: [1, 1], position: 'last' },
})

export interface HsDescriptorOuterUnverified {
  /** As received (latin1). */
  readonly text: string
  /** How long a directory keeps it. */
  readonly lifetime: DurationMs
  /** By the blinded key, which it carries, for the key that signs the descriptor. */
  readonly signingKeyCertificate: Ed25519CertUnverified
  /** Of two descriptors of one key, the one with the greater counter is newer. 64 bits. */
  readonly revisionCounter: bigint
  readonly superencrypted: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** Signed for a blinded key, with a certificate that had not expired. */
export type HsDescriptorOuter = Verified<HsDescriptorOuterUnverified, 'onion-service descriptor'> & {
  /** 32 bytes: the name under which clients ask for it. */
  readonly blindedKey: Uint8Array
}

/** Throws `bad-document`. How long the text may be is the caller's to check, since a consensus parameter says so. */
export function parseHsDescriptorOuter(text: string): HsDescriptorOuterUnverified {
  const section = new Cursor(text).section(table)
  const version = section.one('hs-descriptor')
  if (parseInteger(version, version.arg(0), 0, 0xffff_ffff) !== VERSION) throw version.error(`version ${version.arg(0)} is not known`)
  // SPEC-DIFF: rend-spec-v3 §2.4 wants at least 30 minutes; C tor takes less, and services of private networks may use it.
  const lifetime = section.one('descriptor-lifetime')
  const lifetimeMinutes = parseInteger(lifetime, lifetime.arg(0), 0, hsDescriptorLifetimeMinutesMax)
  const superencrypted = section.one('superencrypted').object()
  if (superencrypted.length <= ENCRYPTED_OVERHEAD_BYTES) throw section.one('superencrypted').error('is too short to hold anything')
  const signature = section.one('signature')
  return {
    text,
    lifetime: minutes(lifetimeMinutes),
    signingKeyCertificate: parseEd25519Cert(section.one('descriptor-signing-key-cert').object()),
    revisionCounter: parseCounter(section.one('revision-counter')),
    superencrypted,
    signature: parseBase64Bytes(signature, signature.arg(0), 64),
  }
}

function parseCounter(item: Item): bigint {
  const text = item.arg(0)
  if (!/^[0-9]{1,20}$/.test(text) || BigInt(text) >= 1n << 64n) throw item.error(`"${text.slice(0, 40)}" is no 64-bit number`)
  return BigInt(text)
}

/** Throws `bad-document` for a certificate that will not do, `bad-signature` when a signature does not match. */
export function verifyHsDescriptorOuter(document: HsDescriptorOuterUnverified, now: WallMs): HsDescriptorOuter {
  const certificate = verifyEd25519Cert(document.signingKeyCertificate, { type: CertType.HS_BLINDED_SIGNING, now })
  if (certificate.keyType !== CertifiedKeyType.ED25519) throw new RelishError('bad-document', 'onion-service descriptor: its certificate is not for an Ed25519 key')
  // The first line that begins like this is the one the parser saw: no argument or object can hold it.
  const signedText = document.text.slice(0, document.text.indexOf(signatureLine) + 1)
  if (!ed25519Verify(certificate.certifiedKey, signedBytes(signedText), document.signature)) {
    throw new RelishError('bad-signature', 'signature of the onion-service descriptor does not match')
  }
  return { ...document, blindedKey: certificate.signedBy } as HsDescriptorOuter
}

const signedBytes = (text: string): Uint8Array => concatBytes([signaturePrefix, latin1Encode(text)])

export interface HsDescriptorOuterContent {
  readonly lifetimeMinutes: number
  readonly revisionCounter: bigint
  readonly superencrypted: Uint8Array
  /** When the certificate of the signing key ends. */
  readonly certificateExpires: WallMs
}

/** The text of a signed descriptor. */
export function signHsDescriptorOuter(content: HsDescriptorOuterContent, blindedKey: Ed25519KeyPair, signingKey: Ed25519KeyPair): string {
  const certificate = signEd25519Cert(blindedKey, {
    type: CertType.HS_BLINDED_SIGNING,
    certifiedKey: signingKey.publicKey,
    expires: content.certificateExpires,
    includeSigningKey: true,
  })
  const writer = new DocumentWriter(table)
    .item('hs-descriptor', [VERSION])
    .item('descriptor-lifetime', [content.lifetimeMinutes])
    .item('descriptor-signing-key-cert', [], certificate.encoded)
    .item('revision-counter', [content.revisionCounter.toString()])
    .item('superencrypted', [], content.superencrypted)
  return writer.item('signature', [base64EncodeUnpadded(signingKey.sign(signedBytes(writer.text)))]).finish()
}
