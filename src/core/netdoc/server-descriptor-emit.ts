/** Writing and signing server descriptors (dir-spec §2.1.1), in the order of lines that C tor has. */

import { base64EncodeUnpadded, concatBytes, hexEncodeUpper, latin1Decode, latin1Encode, utf8Encode } from '../base/encoding.ts'
import { formatIsoTime, later, type DurationMs } from '../base/time.ts'
import { hours } from '../base/time.ts'
import { CertType, signEd25519Cert } from '../cert/ed25519-cert.ts'
import { ed25519FromX25519, type Ed25519KeyPair } from '../crypto/ed25519.ts'
import { sha1 } from '../crypto/hashes.ts'
import type { RsaPrivateKey } from '../crypto/rsa.ts'
import type { X25519KeyPair } from '../crypto/x25519.ts'
import { formatAddressPort } from '../ident/address.ts'
import { formatEd25519Identity, formatSpacedFingerprint } from '../ident/fingerprint.ts'
import { ExitPolicy, formatDescriptorRule, parseDescriptorRule } from './exit-policy.ts'
import { DocumentWriter } from './metaformat.ts'
import {
  descriptorEd25519Digest,
  parseServerDescriptor,
  serverDescriptorTable,
  verifyServerDescriptor,
  type ServerDescriptor,
  type ServerDescriptorContent,
  type ServerDescriptorUnverified,
} from './server-descriptor.ts'

export interface DescriptorKeys {
  readonly rsaIdentity: RsaPrivateKey
  /** The master key's public half, 32 bytes: the master secret may be offline. */
  readonly ed25519Identity: Uint8Array
  readonly ed25519Signing: Ed25519KeyPair
  /** Encoded IDENTITY_SIGNING certificate of the master key over the signing key. */
  readonly ed25519SigningCertificate: Uint8Array
  /** The TAP onion key, RSA with 1024 bits; none where `publish-dummy-tap-key=0`. */
  readonly onionKey?: RsaPrivateKey
  readonly ntorOnionKey: X25519KeyPair
  /** How long the onion key lives: its cross-certificate expires then (`onion-key-rotation-days`). */
  readonly onionKeyLifetime: DurationMs
  /** Family keys this relay holds (prop321). */
  readonly familyKeys: readonly Ed25519KeyPair[]
}

/** C tor's `FAMILY_CERT_LIFETIME`. */
const familyCertificateLifetime = hours(30 * 24)

type Unsigned = Omit<ServerDescriptorUnverified, 'text' | 'digest' | 'digestSha256' | 'rsaIdentity' | 'fingerprint' | 'familyIds' | 'routerSignature' | 'ed25519Signature'>

/** What tells descriptors apart that say the same of a relay from those that do not. */
export type DescriptorStatement = ServerDescriptorContent & Pick<ServerDescriptor, 'onionKeyDer' | 'ntorOnionKey' | 'familyIds'>

/** What a descriptor of these would say when it is read. Nothing is signed for it, which is most of what making one costs. */
export function statedByDescriptor(content: ServerDescriptorContent, keys: DescriptorKeys): DescriptorStatement {
  return {
    ...onWire(content),
    exitPolicy: new ExitPolicy(statedRules(content.exitPolicy).flatMap((rule) => parseDescriptorRule(rule.keyword, rule.pattern) ?? [])),
    ...(keys.onionKey === undefined ? {} : { onionKeyDer: keys.onionKey.publicKey.der }),
    ntorOnionKey: keys.ntorOnionKey.publicKey,
    familyIds: [...new Set(keys.familyKeys.map((key) => `ed25519:${formatEd25519Identity(key.publicKey)}`))].sort(),
  }
}

/** A descriptor of this relay, signed, as our own parser and checks take it. */
export function signServerDescriptor(content: ServerDescriptorContent, keys: DescriptorKeys): ServerDescriptor {
  const published = content.published
  const ntor = ed25519FromX25519(keys.ntorOnionKey.secretKey)
  const ntorCert = signEd25519Cert(ntor.keyPair, {
    type: CertType.NTOR_ONION_IDENTITY,
    certifiedKey: keys.ed25519Identity,
    expires: later(published, keys.onionKeyLifetime),
  })
  const familyCertificates = keys.familyKeys.map(
    (key) =>
      signEd25519Cert(key, {
        type: CertType.FAMILY_IDENTITY,
        certifiedKey: keys.ed25519Identity,
        expires: later(published, familyCertificateLifetime),
        includeSigningKey: true,
      }).encoded,
  )
  const unsigned: Unsigned = {
    ...onWire(content),
    signingKey: keys.rsaIdentity.publicKey,
    ed25519Identity: keys.ed25519Identity,
    ed25519SigningCertificate: keys.ed25519SigningCertificate,
    ...(keys.onionKey === undefined
      ? {}
      : {
          onionKeyDer: keys.onionKey.publicKey.der,
          onionKeyCrosscert: keys.onionKey.signDigest(concatBytes([keys.rsaIdentity.publicKey.fingerprint(), keys.ed25519Identity])),
        }),
    ntorOnionKey: keys.ntorOnionKey.publicKey,
    ntorOnionKeyCrosscert: { signBit: ntor.signBit, certificate: ntorCert.encoded },
    familyCertificates,
  }
  const body = writeUnsigned(unsigned).text
  const ed25519Signature = keys.ed25519Signing.sign(descriptorEd25519Digest(latin1Encode(`${body}router-sig-ed25519 `)))
  const withEd25519 = `${body}router-sig-ed25519 ${base64EncodeUnpadded(ed25519Signature)}\n`
  const routerSignature = keys.rsaIdentity.signDigest(sha1(latin1Encode(`${withEd25519}router-signature\n`)))
  const text = finish(writeUnsigned(unsigned), ed25519Signature, routerSignature)
  return verifyServerDescriptor(parseServerDescriptor(text), published)
}

/** The text of a descriptor from its parts, signatures as they are. */
export function emitServerDescriptor(descriptor: ServerDescriptorUnverified): string {
  return finish(writeUnsigned(descriptor), descriptor.ed25519Signature, descriptor.routerSignature)
}

function finish(writer: DocumentWriter, ed25519Signature: Uint8Array | undefined, routerSignature: Uint8Array): string {
  if (ed25519Signature !== undefined) writer.item('router-sig-ed25519', [base64EncodeUnpadded(ed25519Signature)])
  return writer.item('router-signature', [], routerSignature).finish()
}

function writeUnsigned(d: Unsigned): DocumentWriter {
  const writer = new DocumentWriter(serverDescriptorTable)
  writer.item('router', [d.nickname, d.address, d.orPort, 0, d.dirPort])
  if (d.ed25519SigningCertificate !== undefined) writer.item('identity-ed25519', [], d.ed25519SigningCertificate)
  if (d.ed25519Identity !== undefined) writer.item('master-key-ed25519', [base64EncodeUnpadded(d.ed25519Identity)])
  for (const address of d.orAddresses) writer.item('or-address', [formatAddressPort(address)])
  if (d.platform !== undefined) writer.item('platform', d.platform)
  if (d.protocols.text !== '') writer.item('proto', d.protocols.text)
  writer.item('published', formatIsoTime(d.published))
  writer.item('fingerprint', formatSpacedFingerprint(d.signingKey.fingerprint()))
  if (d.uptimeSec !== undefined) writer.item('uptime', [d.uptimeSec])
  writer.item('bandwidth', [d.bandwidth.rate, d.bandwidth.burst, d.bandwidth.observed])
  if (d.extraInfoDigest !== undefined) {
    const { sha1: digest, sha256 } = d.extraInfoDigest
    writer.item('extra-info-digest', [hexEncodeUpper(digest), ...(sha256 === undefined ? [] : [base64EncodeUnpadded(sha256)])])
  }
  if (d.cachesExtraInfo) writer.item('caches-extra-info')
  if (d.onionKeyDer !== undefined) writer.item('onion-key', [], d.onionKeyDer)
  writer.item('signing-key', [], d.signingKey.der)
  if (d.onionKeyCrosscert !== undefined) writer.item('onion-key-crosscert', [], d.onionKeyCrosscert)
  if (d.ntorOnionKeyCrosscert !== undefined) writer.item('ntor-onion-key-crosscert', [d.ntorOnionKeyCrosscert.signBit], d.ntorOnionKeyCrosscert.certificate)
  if (d.family.length > 0) writer.item('family', d.family)
  if (d.hibernating) writer.item('hibernating', [1])
  if (d.hiddenServiceDir) writer.item('hidden-service-dir')
  for (const certificate of d.familyCertificates) writer.item('family-cert', [], certificate)
  if (d.contact !== undefined) writer.item('contact', d.contact)
  if (d.bridgeDistributionRequest !== undefined) writer.item('bridge-distribution-request', d.bridgeDistributionRequest)
  if (d.ntorOnionKey !== undefined) writer.item('ntor-onion-key', [base64EncodeUnpadded(d.ntorOnionKey)])
  writePolicy(writer, d)
  if (d.tunnelledDirServer) writer.item('tunnelled-dir-server')
  if (d.overloadGeneral !== undefined) writer.item('overload-general', [d.overloadGeneral.version, formatIsoTime(d.overloadGeneral.at)].join(' '))
  return writer
}

/** dir-spec §2.1.1: `accept` and `reject` lines are about IPv4; IPv6 has its summary. */
function writePolicy(writer: DocumentWriter, d: Unsigned): void {
  for (const { keyword, pattern } of statedRules(d.exitPolicy)) writer.item(keyword, [pattern])
  if (d.ipv6Policy !== undefined && !d.ipv6Policy.rejectsAll) writer.item('ipv6-policy', d.ipv6Policy.text)
}

function statedRules(policy: ExitPolicy): { readonly keyword: string; readonly pattern: string }[] {
  const rules = policy.rules.filter((rule) => rule.family === 4)
  return rules.length === 0 ? [{ keyword: 'reject', pattern: '*:*' }] : rules.map(formatDescriptorRule)
}

const onWire = (content: ServerDescriptorContent): ServerDescriptorContent => (content.contact === undefined ? content : { ...content, contact: onOneLine(content.contact) })

/** Contact lines come from a person: what does not fit on a line of bytes is encoded as UTF-8, and line breaks are escaped as C tor does. */
function onOneLine(text: string): string {
  const bytes = [...text].some((character) => character.charCodeAt(0) > 255) ? latin1Decode(utf8Encode(text)) : text
  return /[\n\r\0]/.test(bytes) ? JSON.stringify(bytes) : bytes
}
