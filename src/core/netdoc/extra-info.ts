/**
 * Extra-info documents (dir-spec §2.1.2): statistics of a relay that clients do not need. The statistics are kept as
 * lines; nothing here looks into them.
 */

import { base64EncodeUnpadded, bytesEqual, hexEncodeUpper, latin1Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { formatIsoTime, type WallMs } from '../base/time.ts'
import { CertType, parseEd25519Cert, verifyEd25519Cert } from '../cert/ed25519-cert.ts'
import { ed25519Verify } from '../crypto/ed25519.ts'
import { sha1, sha256 } from '../crypto/hashes.ts'
import type { RsaPublicKey } from '../crypto/rsa.ts'
import { parseBase64Bytes, parseHexBytes, parseNickname, parseTime } from './fields.ts'
import { maxExtraInfoLength } from './limits.ts'
import { anyNumber, Cursor, documentTable, DocumentWriter, type Item, type Section } from './metaformat.ts'
import type { DescriptorKeys } from './server-descriptor-emit.ts'
import { descriptorEd25519Digest } from './server-descriptor.ts'
import { checkRsaSignature, mustSignedPart } from './signed.ts'
import { dangerouslyAssumeVerified, type Verified } from './trust.ts'

/** What an extra-info document says, apart from keys and signatures. */
export interface ExtraInfoContent {
  readonly nickname: string
  readonly published: WallMs
  /** Statistics lines as written, in order: keyword and the rest of the line. */
  readonly statistics: readonly { readonly keyword: string; readonly text: string }[]
}

export interface ExtraInfoUnverified extends ExtraInfoContent {
  readonly text: string
  /** SHA-1 of the signed part (its digest in URLs and descriptors), and SHA-256 of the whole document with its signatures. */
  readonly digest: Uint8Array
  readonly digestSha256: Uint8Array
  /** 20 bytes, and upper-case hex. */
  readonly rsaIdentity: Uint8Array
  readonly fingerprint: string
  readonly ed25519SigningCertificate?: Uint8Array
  /** The certificate's master key, 32 bytes. */
  readonly ed25519Identity?: Uint8Array
  readonly ed25519Signature?: Uint8Array
  readonly routerSignature: Uint8Array
}

/** Both signatures hold, by the keys of the relay's server descriptor. */
export type ExtraInfo = Verified<ExtraInfoUnverified, 'ExtraInfo'>

/** Keywords of statistics, each at most once, as C tor's table has them; others may appear and are kept too. */
const statisticsOnce =
  'read-history write-history dirreq-stats-end dirreq-v2-ips dirreq-v3-ips dirreq-v2-reqs dirreq-v3-reqs dirreq-v2-share dirreq-v3-share ' +
  'dirreq-v2-resp dirreq-v3-resp dirreq-v2-direct-dl dirreq-v3-direct-dl dirreq-v2-tunneled-dl dirreq-v3-tunneled-dl entry-stats-end entry-ips ' +
  'cell-stats-end cell-processed-cells cell-queued-cells cell-time-in-queue cell-circuits-per-decile exit-stats-end exit-kibibytes-written ' +
  'exit-kibibytes-read exit-streams-opened'
const statisticsAny =
  'ipv6-read-history ipv6-write-history dirreq-read-history dirreq-write-history geoip-db-digest geoip6-db-digest geoip-start-time geoip-client-origins ' +
  'bridge-stats-end bridge-ips bridge-ip-versions bridge-ip-transports hidserv-stats-end hidserv-rend-relayed-cells hidserv-dir-onions-seen ' +
  'hidserv-v3-stats-end hidserv-rend-v3-relayed-cells hidserv-dir-v3-onions-seen conn-bi-direct ipv6-conn-bi-direct padding-counts overload-ratelimits ' +
  'overload-fd-exhausted transport transport-info'

const extraInfoTable = documentTable('extra-info document', {
  'extra-info': { count: 'once', arguments: [2, anyNumber], position: 'first' },
  'identity-ed25519': { count: 'optional', arguments: 'none', object: 'ED25519 CERT', position: 'second' },
  published: { count: 'once', arguments: [2, anyNumber] },
  ...Object.fromEntries(statisticsOnce.split(' ').map((keyword) => [keyword, { count: 'optional', arguments: 'line' } as const])),
  ...Object.fromEntries(statisticsAny.split(' ').map((keyword) => [keyword, { count: 'any', arguments: 'line' } as const])),
  'router-sig-ed25519': { count: 'optional', arguments: [1, anyNumber], position: 'before-last' },
  'router-signature': { count: 'once', arguments: 'none', object: 'SIGNATURE', position: 'last' },
})

const notStatistics: ReadonlySet<string> = new Set(['extra-info', 'identity-ed25519', 'published', 'router-sig-ed25519', 'router-signature'])

export function parseExtraInfo(text: string, annotations: 'skip' | 'refuse' = 'refuse'): ExtraInfoUnverified {
  const cursor = new Cursor(text)
  const document = parseAtCursor(cursor, annotations)
  if (cursor.more()) throw new RelishError('bad-document', 'something follows the extra-info document')
  return document
}

/** Documents one behind the other. Throws at the first malformed one; `splitDocuments` lets a caller go on past it. */
export function parseExtraInfos(text: string, annotations: 'skip' | 'refuse' = 'refuse'): ExtraInfoUnverified[] {
  const cursor = new Cursor(text)
  const found: ExtraInfoUnverified[] = []
  while (cursor.more()) found.push(parseAtCursor(cursor, annotations))
  return found
}

function parseAtCursor(cursor: Cursor, annotations: 'skip' | 'refuse'): ExtraInfoUnverified {
  const section = cursor.section(extraInfoTable, ['extra-info'], annotations)
  const first = section.one('extra-info')
  const text = cursor.text.slice(first.start, section.one('router-signature').end)
  if (text.length > maxExtraInfoLength) throw section.error(`is longer than ${maxExtraInfoLength} characters`)
  const rsaIdentity = parseHexBytes(first, first.arg(1), 20)
  return {
    text,
    digest: sha1(mustSignedPart('extra-info document', text, 0, '\nrouter-signature\n')),
    digestSha256: sha256(latin1Encode(text)),
    nickname: parseNickname(first, first.arg(0)),
    rsaIdentity,
    fingerprint: hexEncodeUpper(rsaIdentity),
    published: parseTime(section.one('published')),
    statistics: section.items.filter((item) => !notStatistics.has(item.keyword)).map((item) => ({ keyword: item.keyword, text: item.rest })),
    routerSignature: section.one('router-signature').object(),
    ...ed25519Parts(section, section.maybe('identity-ed25519'), section.maybe('router-sig-ed25519')),
  }
}

function ed25519Parts(section: Section, certificate: Item | undefined, signature: Item | undefined): Partial<ExtraInfoUnverified> {
  if (certificate === undefined && signature === undefined) return {}
  if (certificate === undefined || signature === undefined) throw section.error('has only one of identity-ed25519 and router-sig-ed25519')
  const encoded = certificate.object()
  const master = parseEd25519Cert(encoded).signingKey
  if (master === undefined) throw certificate.error('does not carry its signing key')
  return { ed25519SigningCertificate: encoded, ed25519Identity: master, ed25519Signature: parseBase64Bytes(signature, signature.arg(0), 64) }
}

/** The relay whose extra-info it claims to be: from its server descriptor. */
export interface ExtraInfoOwner {
  readonly rsaIdentity: Uint8Array
  readonly signingKey: RsaPublicKey
  readonly ed25519Identity?: Uint8Array
}

/** Throws `bad-signature` or `bad-document`. The certificate's expiry is that of the descriptor's, which its own check saw. */
export function verifyExtraInfo(document: ExtraInfoUnverified, owner: ExtraInfoOwner): ExtraInfo {
  if (!bytesEqual(document.rsaIdentity, owner.rsaIdentity)) throw new RelishError('bad-document', 'extra-info document is of another relay')
  if (document.ed25519SigningCertificate !== undefined && document.ed25519Signature !== undefined) {
    const signedBy = owner.ed25519Identity
    const expected = { type: CertType.IDENTITY_SIGNING, now: 'any-time' as const }
    const signing = verifyEd25519Cert(parseEd25519Cert(document.ed25519SigningCertificate), signedBy === undefined ? expected : { ...expected, signedBy })
    const part = mustSignedPart('extra-info document', document.text, 0, '\nrouter-sig-ed25519 ')
    if (!ed25519Verify(signing.certifiedKey, descriptorEd25519Digest(part), document.ed25519Signature)) {
      throw new RelishError('bad-signature', `router-sig-ed25519 of extra-info of ${document.nickname} does not match`)
    }
  }
  checkRsaSignature(`router-signature of extra-info of ${document.nickname}`, owner.signingKey, document.digest, document.routerSignature)
  return dangerouslyAssumeVerified(document)
}

export function signExtraInfo(content: ExtraInfoContent, keys: Pick<DescriptorKeys, 'rsaIdentity' | 'ed25519Signing' | 'ed25519SigningCertificate' | 'ed25519Identity'>): ExtraInfo {
  const rsaIdentity = keys.rsaIdentity.publicKey.fingerprint()
  const parts = { ...content, fingerprint: hexEncodeUpper(rsaIdentity), ed25519SigningCertificate: keys.ed25519SigningCertificate }
  const body = writeUnsigned(parts).text
  const ed25519Signature = keys.ed25519Signing.sign(descriptorEd25519Digest(latin1Encode(`${body}router-sig-ed25519 `)))
  const signed = `${body}router-sig-ed25519 ${base64EncodeUnpadded(ed25519Signature)}\nrouter-signature\n`
  const text = finish(writeUnsigned(parts), ed25519Signature, keys.rsaIdentity.signDigest(sha1(latin1Encode(signed))))
  return verifyExtraInfo(parseExtraInfo(text), { rsaIdentity, signingKey: keys.rsaIdentity.publicKey, ed25519Identity: keys.ed25519Identity })
}

/** The text of a document from its parts, signatures as they are. */
export function emitExtraInfo(document: ExtraInfoUnverified): string {
  return finish(writeUnsigned(document), document.ed25519Signature, document.routerSignature)
}

function writeUnsigned(parts: ExtraInfoContent & { readonly fingerprint: string; readonly ed25519SigningCertificate?: Uint8Array }): DocumentWriter {
  const writer = new DocumentWriter(extraInfoTable)
  writer.item('extra-info', [parts.nickname, parts.fingerprint])
  if (parts.ed25519SigningCertificate !== undefined) writer.item('identity-ed25519', [], parts.ed25519SigningCertificate)
  writer.item('published', formatIsoTime(parts.published))
  for (const line of parts.statistics) writer.item(line.keyword, line.text)
  return writer
}

function finish(writer: DocumentWriter, ed25519Signature: Uint8Array | undefined, routerSignature: Uint8Array): string {
  if (ed25519Signature !== undefined) writer.item('router-sig-ed25519', [base64EncodeUnpadded(ed25519Signature)])
  return writer.item('router-signature', [], routerSignature).finish()
}
