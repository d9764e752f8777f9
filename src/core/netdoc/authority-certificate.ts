/** Authority key certificates (dir-spec §3.1): an authority's identity key vouches for a signing key. */

import { bytesEqual, hexEncodeUpper, latin1Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { formatIsoTime, type WallMs } from '../base/time.ts'
import { sha1 } from '../crypto/hashes.ts'
import type { RsaPrivateKey, RsaPublicKey } from '../crypto/rsa.ts'
import { formatAddressPort, parseAddressPort } from '../ident/address.ts'
import { parseHexBytes, parseRsaKey, parseTime } from './fields.ts'
import { maxAuthorityCertificateLength } from './limits.ts'
import { anyNumber, Cursor, documentTable, DocumentWriter } from './metaformat.ts'
import { checkRsaSignature, mustSignedPart } from './signed.ts'
import { dangerouslyAssumeVerified, type Verified } from './trust.ts'

export interface AuthorityCertificateUnverified {
  /** As received, up to and with the newline after its last signature. */
  readonly text: string
  /** SHA-1 of the signed part. */
  readonly digest: Uint8Array
  readonly address?: { readonly host: string; readonly port: number }
  /** SHA-1 of the identity key: the authority's v3 identity. 20 bytes, and upper-case hex. */
  readonly identity: Uint8Array
  readonly identityFingerprint: string
  readonly identityKey: RsaPublicKey
  readonly published: WallMs
  readonly expires: WallMs
  readonly signingKey: RsaPublicKey
  /** SHA-1 of the signing key. */
  readonly signingKeyDigest: Uint8Array
  readonly signingKeyFingerprint: string
  /** The signing key's signature over `identity`. Absent in certificates from before 2009, which are not verified. */
  readonly crosscert?: Uint8Array
  readonly certification: Uint8Array
}

/** Both signatures hold. Whether it is an authority one trusts is for the holder of the list of authorities. */
export type AuthorityCertificate = Verified<AuthorityCertificateUnverified, 'AuthorityCertificate'>

const table = documentTable('authority certificate', {
  'dir-key-certificate-version': { count: 'once', arguments: [1, anyNumber], position: 'first' },
  'dir-address': { count: 'optional', arguments: [1, anyNumber] },
  fingerprint: { count: 'once', arguments: [1, anyNumber] },
  'dir-key-published': { count: 'once', arguments: [2, anyNumber] },
  'dir-key-expires': { count: 'once', arguments: [2, anyNumber] },
  'dir-identity-key': { count: 'once', arguments: 'none', object: 'RSA PUBLIC KEY' },
  'dir-signing-key': { count: 'once', arguments: 'none', object: 'RSA PUBLIC KEY' },
  // SPEC-DIFF: C tor requires it, and so does `verifyAuthorityCertificate`; archived certificates may have none, or one of the older tag.
  'dir-key-crosscert': { count: 'optional', arguments: 'none', object: 'ID SIGNATURE', oldObject: 'SIGNATURE' },
  'dir-key-certification': { count: 'once', arguments: 'none', object: 'SIGNATURE', position: 'last' },
})

export function parseAuthorityCertificate(text: string): AuthorityCertificateUnverified {
  const all = parseAuthorityCertificates(text)
  const only = all[0]
  if (only === undefined || all.length > 1) throw new RelishError('bad-document', `${all.length} authority certificates where one was expected`)
  return only
}

/** Certificates one behind the other, annotations between them skipped, as in `cached-certs` and answers of directories. */
export function parseAuthorityCertificates(text: string): AuthorityCertificateUnverified[] {
  const cursor = new Cursor(text)
  const found: AuthorityCertificateUnverified[] = []
  while (cursor.more()) found.push(parseCertificateAt(cursor, ['dir-key-certificate-version']))
  return found
}

/** The certificate that starts at the cursor and ends before one of `stops`. */
export function parseCertificateAt(cursor: Cursor, stops: readonly string[]): AuthorityCertificateUnverified {
  const section = cursor.section(table, stops, 'skip')
  const version = section.one('dir-key-certificate-version')
  if (version.arg(0) !== '3') throw version.error('is not 3')
  const text = cursor.text.slice(version.start, section.one('dir-key-certification').end)
  if (text.length > maxAuthorityCertificateLength) throw section.error(`is longer than ${maxAuthorityCertificateLength} characters`)
  const identityKey = parseRsaKey(section.one('dir-identity-key'))
  const identity = identityKey.fingerprint()
  const declared = section.one('fingerprint')
  if (!bytesEqual(parseHexBytes(declared, declared.arg(0), 20), identity)) throw declared.error('is not that of dir-identity-key')
  const signingKey = parseRsaKey(section.one('dir-signing-key'))
  const signingKeyDigest = signingKey.fingerprint()
  const crosscert = section.maybe('dir-key-crosscert')
  const addressItem = section.maybe('dir-address')
  const address = addressItem === undefined ? undefined : parseAddressPort(addressItem.arg(0))
  if (addressItem !== undefined && address === undefined) throw addressItem.error('is no address and port')
  return {
    text,
    digest: sha1(mustSignedPart('authority certificate', text, 0, '\ndir-key-certification\n')),
    ...(address === undefined ? {} : { address }),
    identity,
    identityFingerprint: hexEncodeUpper(identity),
    identityKey,
    published: parseTime(section.one('dir-key-published')),
    expires: parseTime(section.one('dir-key-expires')),
    signingKey,
    signingKeyDigest,
    signingKeyFingerprint: hexEncodeUpper(signingKeyDigest),
    ...(crosscert === undefined ? {} : { crosscert: crosscert.object() }),
    certification: section.one('dir-key-certification').object(),
  }
}

/**
 * Checks both signatures (dir-spec §3.1). Expiry is for the user to look at: an expired certificate still tells who
 * signed an old consensus. Throws `bad-signature`.
 */
export function verifyAuthorityCertificate(certificate: AuthorityCertificateUnverified): AuthorityCertificate {
  const of = `authority certificate of ${certificate.identityFingerprint}`
  checkRsaSignature(`dir-key-certification of ${of}`, certificate.identityKey, certificate.digest, certificate.certification)
  if (certificate.crosscert === undefined) throw new RelishError('bad-document', `${of} has no dir-key-crosscert`)
  checkRsaSignature(`dir-key-crosscert of ${of}`, certificate.signingKey, certificate.identity, certificate.crosscert)
  return dangerouslyAssumeVerified(certificate)
}

export interface AuthorityCertificateContent {
  readonly address?: { readonly host: string; readonly port: number }
  readonly published: WallMs
  readonly expires: WallMs
}

export function signAuthorityCertificate(content: AuthorityCertificateContent, identityKey: RsaPrivateKey, signingKey: RsaPrivateKey): AuthorityCertificate {
  const identity = identityKey.publicKey.fingerprint()
  const parts = {
    ...content,
    identityFingerprint: hexEncodeUpper(identity),
    identityKey: identityKey.publicKey,
    signingKey: signingKey.publicKey,
    crosscert: signingKey.signDigest(identity),
  }
  const digest = sha1(latin1Encode(`${writeUnsigned(parts).text}dir-key-certification\n`))
  const text = writeUnsigned(parts).item('dir-key-certification', [], identityKey.signDigest(digest)).finish()
  return verifyAuthorityCertificate(parseAuthorityCertificate(text))
}

/** The text of a certificate from its parts. */
export function emitAuthorityCertificate(certificate: AuthorityCertificateUnverified): string {
  return writeUnsigned(certificate).item('dir-key-certification', [], certificate.certification).finish()
}

type Unsigned = AuthorityCertificateContent & Pick<AuthorityCertificateUnverified, 'identityFingerprint' | 'identityKey' | 'signingKey' | 'crosscert'>

function writeUnsigned(parts: Unsigned): DocumentWriter {
  const writer = new DocumentWriter(table).item('dir-key-certificate-version', [3])
  if (parts.address !== undefined) writer.item('dir-address', [formatAddressPort(parts.address)])
  writer
    .item('fingerprint', [parts.identityFingerprint])
    .item('dir-key-published', formatIsoTime(parts.published))
    .item('dir-key-expires', formatIsoTime(parts.expires))
    .item('dir-identity-key', [], parts.identityKey.der)
    .item('dir-signing-key', [], parts.signingKey.der)
  if (parts.crosscert !== undefined) writer.item('dir-key-crosscert', [], parts.crosscert)
  return writer
}
