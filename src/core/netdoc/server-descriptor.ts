/**
 * Server descriptors (dir-spec §2.1): what a relay says of itself. Reading and checking; server-descriptor-emit.ts
 * writes them. Not here: whether an authority wants the relay.
 */

import { bytesEqual, concatBytes, hexEncodeUpper, utf8Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { parseIsoTime, wallMs, type WallMs } from '../base/time.ts'
import { CertType, parseEd25519Cert, verifyEd25519Cert } from '../cert/ed25519-cert.ts'
import { ed25519PublicFromX25519, ed25519Verify } from '../crypto/ed25519.ts'
import { sha1, sha256 } from '../crypto/hashes.ts'
import { RsaPublicKey } from '../crypto/rsa.ts'
import { parseAddressPort } from '../ident/address.ts'
import { ExitPolicy, parseDescriptorRule, type PolicyRule } from './exit-policy.ts'
import { decimal, parseBase64Bytes, parseHexBytes, parseInteger, parseIpv4, parseNickname, parsePort, parseRsaKey, parseTime } from './fields.ts'
import { maxServerDescriptorLength } from './limits.ts'
import { anyNumber, Cursor, documentTable, type Item, type Section } from './metaformat.ts'
import { PortPolicy } from './port-policy.ts'
import { ProtocolList } from './protocol-list.ts'
import { checkRsaSignature, mustSignedPart } from './signed.ts'
import { dangerouslyAssumeVerified, type Verified } from './trust.ts'

/** `or-address` and `a` lines: IPv6 hosts are without brackets. */
export interface OrAddress {
  readonly host: string
  readonly port: number
}

/** What a server descriptor says, apart from keys and signatures. */
export interface ServerDescriptorContent {
  readonly nickname: string
  /** IPv4. */
  readonly address: string
  readonly orPort: number
  readonly dirPort: number
  readonly orAddresses: readonly OrAddress[]
  readonly platform?: string
  readonly protocols: ProtocolList
  readonly published: WallMs
  readonly uptimeSec?: number
  /** Bytes a second. */
  readonly bandwidth: { readonly rate: number; readonly burst: number; readonly observed: number }
  readonly extraInfoDigest?: { readonly sha1: Uint8Array; readonly sha256?: Uint8Array }
  readonly cachesExtraInfo: boolean
  readonly hibernating: boolean
  readonly hiddenServiceDir: boolean
  /** As written: nicknames and `$fingerprints`. */
  readonly family: readonly string[]
  readonly contact?: string
  readonly bridgeDistributionRequest?: string
  readonly exitPolicy: ExitPolicy
  readonly ipv6Policy?: PortPolicy
  readonly tunnelledDirServer: boolean
  readonly overloadGeneral?: { readonly version: number; readonly at: WallMs }
}

export interface ServerDescriptorUnverified extends ServerDescriptorContent {
  /** The whole document as received (latin1), from `router` to the end of its signature. */
  readonly text: string
  /** SHA-1 and SHA-256 of the signed part (dir-spec §1.3); the first is the descriptor digest of consensuses. */
  readonly digest: Uint8Array
  readonly digestSha256: Uint8Array
  /** SHA-1 of `signingKey`, 20 bytes, and the same in upper-case hex. */
  readonly rsaIdentity: Uint8Array
  readonly fingerprint: string
  /** The RSA identity key: `signing-key` is its historical name. */
  readonly signingKey: RsaPublicKey
  /** `master-key-ed25519`, 32 bytes. Absent in descriptors from before 2015, which authorities refuse. */
  readonly ed25519Identity?: Uint8Array
  /** The encoded `identity-ed25519` certificate. */
  readonly ed25519SigningCertificate?: Uint8Array
  /** The TAP onion key, PKCS #1 DER. C tor 0.4.9 still publishes it, unless `publish-dummy-tap-key=0`. */
  readonly onionKeyDer?: Uint8Array
  readonly onionKeyCrosscert?: Uint8Array
  /** 32 bytes. Absent in descriptors from before 2012. */
  readonly ntorOnionKey?: Uint8Array
  readonly ntorOnionKeyCrosscert?: { readonly signBit: 0 | 1; readonly certificate: Uint8Array }
  /** Encoded `family-cert` certificates (prop321). */
  readonly familyCertificates: readonly Uint8Array[]
  /** `ed25519:BASE64` of each family that certified this relay, sorted, without repeats. */
  readonly familyIds: readonly string[]
  readonly routerSignature: Uint8Array
  readonly ed25519Signature?: Uint8Array
}

/** All signatures and cross-certificates hold. */
export type ServerDescriptor = Verified<ServerDescriptorUnverified, 'ServerDescriptor'> & {
  readonly ed25519Identity: Uint8Array
  readonly ntorOnionKey: Uint8Array
}

/** Prefix of what the Ed25519 signatures of descriptors and extra-info documents cover (dir-spec §2.1.1). */
const descriptorSignaturePrefix = 'Tor router descriptor signature v1'

/**
 * SPEC-DIFF: C tor 0.4.9 requires proto, identity-ed25519, master-key-ed25519, the ntor key and its cross-certificate;
 * here they are optional for the sake of archived descriptors, and `verifyServerDescriptor` requires them.
 */
export const serverDescriptorTable = documentTable('server descriptor', {
  router: { count: 'once', arguments: [5, anyNumber], position: 'first' },
  'identity-ed25519': { count: 'optional', arguments: 'none', object: 'ED25519 CERT', position: 'second' },
  'master-key-ed25519': { count: 'optional', arguments: [1, anyNumber] },
  'or-address': { count: 'any', arguments: [1, anyNumber] },
  platform: { count: 'optional', arguments: 'line' },
  proto: { count: 'optional', arguments: 'line' },
  published: { count: 'once', arguments: [2, anyNumber] },
  fingerprint: { count: 'optional', arguments: 'line' },
  uptime: { count: 'optional', arguments: [1, anyNumber] },
  bandwidth: { count: 'once', arguments: [3, anyNumber] },
  'extra-info-digest': { count: 'optional', arguments: [1, anyNumber] },
  'caches-extra-info': { count: 'optional', arguments: 'none' },
  'onion-key': { count: 'optional', arguments: 'none', object: 'RSA PUBLIC KEY' },
  'signing-key': { count: 'once', arguments: 'none', object: 'RSA PUBLIC KEY' },
  'onion-key-crosscert': { count: 'optional', arguments: 'none', object: 'CROSSCERT' },
  'ntor-onion-key-crosscert': { count: 'optional', arguments: [1, 1], object: 'ED25519 CERT' },
  family: { count: 'optional', arguments: [0, anyNumber] },
  hibernating: { count: 'optional', arguments: [1, anyNumber] },
  'hidden-service-dir': { count: 'optional', arguments: 'none' },
  'family-cert': { count: 'any', arguments: [0, anyNumber], object: 'FAMILY CERT' },
  contact: { count: 'optional', arguments: 'line' },
  'bridge-distribution-request': { count: 'optional', arguments: 'line' },
  'ntor-onion-key': { count: 'optional', arguments: [1, anyNumber] },
  accept: { count: 'any', arguments: [1, 1] },
  reject: { count: 'any', arguments: [1, 1] },
  'ipv6-policy': { count: 'optional', arguments: 'line' },
  'tunnelled-dir-server': { count: 'optional', arguments: 'none' },
  'overload-general': { count: 'optional', arguments: [3, anyNumber] },
  'router-sig-ed25519': { count: 'optional', arguments: [1, anyNumber], position: 'before-last' },
  'router-signature': { count: 'once', arguments: 'none', object: 'SIGNATURE', position: 'last' },
})

/** One descriptor, which `text` holds and nothing else, save annotations (`@…`) where `annotations` says to skip them. */
export function parseServerDescriptor(text: string, annotations: 'skip' | 'refuse' = 'refuse'): ServerDescriptorUnverified {
  const all = parseServerDescriptors(text, annotations)
  const only = all[0]
  if (only === undefined || all.length > 1) throw new RelishError('bad-document', `${all.length} server descriptors where one was expected`)
  return only
}

/** Descriptors one behind the other. Throws at the first malformed one: see `splitServerDescriptors` to go on past it. */
export function parseServerDescriptors(text: string, annotations: 'skip' | 'refuse' = 'refuse'): ServerDescriptorUnverified[] {
  const cursor = new Cursor(text)
  const found: ServerDescriptorUnverified[] = []
  while (cursor.more()) found.push(parseAtCursor(cursor, annotations))
  return found
}

/** Texts of documents that follow each other, each starting at a line `keyword …` and any annotations in front of it. */
export function splitDocuments(text: string, keyword: string): string[] {
  const starts: number[] = []
  for (let at = text.startsWith(`${keyword} `) ? 0 : nextDocument(text, keyword, 0); at >= 0; at = nextDocument(text, keyword, at)) {
    let start = at
    // Annotations belong to the document behind them.
    while (start > 0) {
      const lineStart = text.lastIndexOf('\n', start - 2) + 1
      if (text.charCodeAt(lineStart) !== 64) break
      start = lineStart
    }
    starts.push(start)
  }
  return starts.map((start, i) => text.slice(start, starts[i + 1]))
}

function nextDocument(text: string, keyword: string, from: number): number {
  const at = text.indexOf(`\n${keyword} `, from)
  return at < 0 ? -1 : at + 1
}

function parseAtCursor(cursor: Cursor, annotations: 'skip' | 'refuse'): ServerDescriptorUnverified {
  const section = cursor.section(serverDescriptorTable, ['router'], annotations)
  const start = section.one('router').start
  const text = cursor.text.slice(start, section.one('router-signature').end)
  if (text.length > maxServerDescriptorLength) throw section.error(`is longer than ${maxServerDescriptorLength} characters`)
  return readSection(section, text)
}

function readSection(section: Section, text: string): ServerDescriptorUnverified {
  const router = section.one('router')
  const signed = mustSignedPart('server descriptor', text, 0, '\nrouter-signature\n')
  const signingKey = parseRsaKey(section.one('signing-key'))
  const rsaIdentity = signingKey.fingerprint()
  checkFingerprintLine(section.maybe('fingerprint'), rsaIdentity)
  const familyCertificates = section.all('family-cert').map((item) => item.object())
  return {
    text,
    digest: sha1(signed),
    digestSha256: sha256(signed),
    nickname: parseNickname(router, router.arg(0)),
    address: parseIpv4(router, router.arg(1)),
    orPort: parsePort(router, router.arg(2)),
    dirPort: parsePort(router, router.arg(4)),
    orAddresses: parseOrAddresses(section.all('or-address')),
    protocols: parseProtocols(section.maybe('proto')),
    published: parseTime(section.one('published')),
    bandwidth: parseBandwidth(section.one('bandwidth')),
    cachesExtraInfo: section.has('caches-extra-info'),
    hibernating: section.maybe('hibernating')?.arg(0) === '1',
    hiddenServiceDir: section.has('hidden-service-dir'),
    family: parseFamily(section.maybe('family')),
    exitPolicy: parseRules(section),
    tunnelledDirServer: section.has('tunnelled-dir-server'),
    rsaIdentity,
    fingerprint: hexEncodeUpper(rsaIdentity),
    signingKey,
    familyCertificates,
    familyIds: familyIdsOf(familyCertificates),
    routerSignature: section.one('router-signature').object(),
    ...optionalParts(section),
  }
}

type OptionalParts = Pick<
  ServerDescriptorUnverified,
  | 'platform' | 'uptimeSec' | 'extraInfoDigest' | 'contact' | 'bridgeDistributionRequest' | 'ipv6Policy' | 'overloadGeneral' | 'ed25519Identity'
  | 'ed25519SigningCertificate' | 'onionKeyDer' | 'onionKeyCrosscert' | 'ntorOnionKey' | 'ntorOnionKeyCrosscert' | 'ed25519Signature'
>

function optionalParts(section: Section): OptionalParts {
  const take = <Key extends keyof OptionalParts>(keyword: string, key: Key, read: (item: Item) => OptionalParts[Key]): Partial<OptionalParts> => {
    const item = section.maybe(keyword)
    return item === undefined ? {} : ({ [key]: read(item) } as Partial<OptionalParts>)
  }
  return {
    ...take('platform', 'platform', (item) => item.rest),
    ...take('uptime', 'uptimeSec', (item) => parseInteger(item, item.arg(0), 0, Number.MAX_SAFE_INTEGER)),
    ...take('extra-info-digest', 'extraInfoDigest', parseExtraInfoDigest),
    ...take('contact', 'contact', (item) => item.rest),
    ...take('bridge-distribution-request', 'bridgeDistributionRequest', (item) => item.rest),
    ...take('ipv6-policy', 'ipv6Policy', (item) => {
      const policy = PortPolicy.parse(item.rest)
      if (policy === undefined) throw item.error('is no port list')
      return policy
    }),
    ...take('overload-general', 'overloadGeneral', (item) => {
      const at = parseIsoTime(`${item.arg(1)} ${item.arg(2)}`)
      return at === undefined ? undefined : { version: decimal(item.arg(0)) ?? 0, at }
    }),
    ...take('master-key-ed25519', 'ed25519Identity', (item) => parseBase64Bytes(item, item.arg(0), 32)),
    ...take('identity-ed25519', 'ed25519SigningCertificate', (item) => item.object()),
    ...take('onion-key', 'onionKeyDer', (item) => parseRsaKey(item).der),
    ...take('onion-key-crosscert', 'onionKeyCrosscert', (item) => item.object()),
    ...take('ntor-onion-key', 'ntorOnionKey', (item) => parseBase64Bytes(item, item.arg(0), 32)),
    ...take('ntor-onion-key-crosscert', 'ntorOnionKeyCrosscert', (item) => {
      const signBit = item.arg(0)
      if (signBit !== '0' && signBit !== '1') throw item.error('sign bit is 0 or 1')
      return { signBit: signBit === '1' ? 1 : 0, certificate: item.object() }
    }),
    ...take('router-sig-ed25519', 'ed25519Signature', (item) => parseBase64Bytes(item, item.arg(0), 64)),
  }
}

function checkFingerprintLine(item: Item | undefined, rsaIdentity: Uint8Array): void {
  if (item === undefined) return
  // dir-spec §2.1.1: the line, if there is one, must match the key.
  if (!bytesEqual(parseHexBytes(item, item.rest.replaceAll(' ', ''), 20), rsaIdentity)) throw item.error('is not that of the signing-key')
}

/** `or-address` and `a` lines that C tor understands: one IPv6 address and port. Others are left alone. */
export function parseOrAddresses(items: readonly Item[]): OrAddress[] {
  const found: OrAddress[] = []
  for (const item of items) {
    const address = parseAddressPort(item.arg(0))
    if (address !== undefined) found.push(address)
  }
  return found
}

function parseProtocols(item: Item | undefined): ProtocolList {
  return item === undefined ? ProtocolList.empty : ProtocolList.parse(item.rest)
}

function parseBandwidth(item: Item): ServerDescriptorContent['bandwidth'] {
  const most = 2 ** 31 - 1
  return { rate: parseInteger(item, item.arg(0), 1, most), burst: parseInteger(item, item.arg(1), 0, most), observed: parseInteger(item, item.arg(2), 0, most) }
}

function parseExtraInfoDigest(item: Item): { sha1: Uint8Array; sha256?: Uint8Array } {
  const digest = parseHexBytes(item, item.arg(0), 20)
  const second = item.args[1]
  return second === undefined ? { sha1: digest } : { sha1: digest, sha256: parseBase64Bytes(item, second, 32) }
}

function parseFamily(item: Item | undefined): readonly string[] {
  if (item === undefined) return []
  for (const member of item.args) if (!isFamilyMember(member)) throw item.error(`"${member.slice(0, 60)}" is neither nickname nor fingerprint`)
  return item.args
}

/** A nickname, or forty hexadecimal digits with an optional `$` before and `=` or `~` and a nickname after. */
function isFamilyMember(text: string): boolean {
  return /^(?:[A-Za-z0-9]{1,19}|\$?[0-9A-Fa-f]{40}(?:[=~][A-Za-z0-9]{1,19})?)$/.test(text)
}

function parseRules(section: Section): ExitPolicy {
  const rules: PolicyRule[] = []
  for (const item of section.items) {
    if (item.keyword !== 'accept' && item.keyword !== 'reject') continue
    const parsed = parseDescriptorRule(item.keyword, item.arg(0))
    if (parsed === undefined) throw item.error(`"${item.rest.slice(0, 80)}" is no pattern of IPv4 addresses and ports`)
    rules.push(...parsed)
  }
  if (rules.length === 0) throw section.error('has no exit policy')
  return new ExitPolicy(rules)
}

/** Identities of families from their certificates (prop321). Malformed ones throw. */
function familyIdsOf(certificates: readonly Uint8Array[]): readonly string[] {
  const ids = certificates.map((encoded) => {
    const cert = parseEd25519Cert(encoded)
    if (cert.signingKey === undefined) throw new RelishError('bad-document', 'family certificate does not carry its signing key')
    return `ed25519:${Buffer.from(cert.signingKey).toString('base64').replace(/=+$/, '')}`
  })
  return [...new Set(ids)].sort()
}

/**
 * Checks everything C tor checks of a descriptor by itself: certificates, cross-certificates, both signatures and that
 * no certificate has expired at `now`. Throws `bad-signature` or `bad-document`.
 */
export function verifyServerDescriptor(descriptor: ServerDescriptorUnverified, now: WallMs | 'any-time'): ServerDescriptor {
  const { ed25519Identity, ed25519SigningCertificate, ed25519Signature, ntorOnionKey, ntorOnionKeyCrosscert } = descriptor
  const missing = (what: string): RelishError => new RelishError('bad-document', `server descriptor of ${descriptor.nickname} has no ${what}`)
  if (ed25519Identity === undefined) throw missing('master-key-ed25519')
  if (ed25519SigningCertificate === undefined) throw missing('identity-ed25519')
  if (ed25519Signature === undefined) throw missing('router-sig-ed25519')
  if (ntorOnionKey === undefined) throw missing('ntor-onion-key')
  if (ntorOnionKeyCrosscert === undefined) throw missing('ntor-onion-key-crosscert')
  if (descriptor.protocols === ProtocolList.empty) throw missing('proto')
  if (descriptor.orPort === 0) throw new RelishError('bad-document', `server descriptor of ${descriptor.nickname} has OR port 0`)

  // dir-spec §2.1.1, identity-ed25519: the certificate carries its signing key, which is the master key.
  const signing = verifyEd25519Cert(parseEd25519Cert(ed25519SigningCertificate), { type: CertType.IDENTITY_SIGNING, signedBy: ed25519Identity, now })
  verifyOnionKeyCrosscert(descriptor, ed25519Identity)
  verifyNtorCrosscert(ntorOnionKey, ntorOnionKeyCrosscert, ed25519Identity, now)
  for (const encoded of descriptor.familyCertificates) {
    const cert = verifyEd25519Cert(parseEd25519Cert(encoded), { type: CertType.FAMILY_IDENTITY, now: 'any-time' })
    if (!bytesEqual(cert.certifiedKey, ed25519Identity)) throw new RelishError('bad-document', 'family certificate is for another relay')
  }

  const signedByEd25519 = mustSignedPart('server descriptor', descriptor.text, 0, '\nrouter-sig-ed25519 ')
  if (!ed25519Verify(signing.certifiedKey, descriptorEd25519Digest(signedByEd25519), ed25519Signature)) {
    throw new RelishError('bad-signature', `router-sig-ed25519 of ${descriptor.nickname} does not match`)
  }
  checkRsaSignature(`router-signature of ${descriptor.nickname}`, descriptor.signingKey, descriptor.digest, descriptor.routerSignature)
  return dangerouslyAssumeVerified<ServerDescriptorUnverified & { ed25519Identity: Uint8Array; ntorOnionKey: Uint8Array }, 'ServerDescriptor'>({
    ...descriptor,
    ed25519Identity,
    ntorOnionKey,
  })
}

/** When the first of the certificates expires that a descriptor must have to be good. */
export function descriptorExpiry(descriptor: ServerDescriptor): WallMs {
  const certificates = [descriptor.ed25519SigningCertificate, descriptor.ntorOnionKeyCrosscert?.certificate].filter((one) => one !== undefined)
  return wallMs(Math.min(...certificates.map((one) => parseEd25519Cert(one).expires)))
}

/** What the Ed25519 signature of a descriptor or extra-info document is over (dir-spec §2.1.1, router-sig-ed25519). */
export function descriptorEd25519Digest(signedPartOfText: Uint8Array): Uint8Array {
  return sha256(utf8Encode(descriptorSignaturePrefix), signedPartOfText)
}

/** dir-spec §2.1.1, onion-key-crosscert: the TAP key signs the RSA identity digest and the Ed25519 identity. */
function verifyOnionKeyCrosscert(descriptor: ServerDescriptorUnverified, ed25519Identity: Uint8Array): void {
  const { onionKeyDer, onionKeyCrosscert } = descriptor
  if ((onionKeyDer === undefined) !== (onionKeyCrosscert === undefined)) {
    throw new RelishError('bad-document', 'server descriptor has only one of onion-key and onion-key-crosscert')
  }
  if (onionKeyDer === undefined || onionKeyCrosscert === undefined) return
  checkRsaSignature('onion-key-crosscert', RsaPublicKey.fromDer(onionKeyDer), concatBytes([descriptor.rsaIdentity, ed25519Identity]), onionKeyCrosscert)
}

/** dir-spec §2.1.1, ntor-onion-key-crosscert (prop228 §2.4): the ntor key, as an Ed25519 key, signs the Ed25519 identity. */
function verifyNtorCrosscert(ntorOnionKey: Uint8Array, crosscert: { signBit: 0 | 1; certificate: Uint8Array }, ed25519Identity: Uint8Array, now: WallMs | 'any-time'): void {
  const key = ed25519PublicFromX25519(ntorOnionKey, crosscert.signBit)
  if (key === undefined) throw new RelishError('bad-document', 'ntor-onion-key is no Curve25519 key of an Ed25519 key')
  const cert = verifyEd25519Cert(parseEd25519Cert(crosscert.certificate), { type: CertType.NTOR_ONION_IDENTITY, signedBy: key, now })
  if (!bytesEqual(cert.certifiedKey, ed25519Identity)) throw new RelishError('bad-document', 'ntor-onion-key-crosscert is for another identity')
}

