/**
 * Consensuses in both flavours (dir-spec §3.4, §3.9): what the authorities agreed on, signed by them. Reading, writing
 * and checking; how votes become one is in core/dirvote.
 */

import { hexEncodeUpper, latin1Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import type { WallMs } from '../base/time.ts'
import { sha1, sha256 } from '../crypto/hashes.ts'
import type { RsaPrivateKey } from '../crypto/rsa.ts'
import type { AuthorityCertificate } from './authority-certificate.ts'
import { parseHexBytes, parseInteger } from './fields.ts'
import { maxAuthorities, maxConsensusLength, maxConsensusSignatures, maxRelaysPerConsensus } from './limits.ts'
import { anyNumber, Cursor, documentTable, DocumentWriter, type Item, type Section } from './metaformat.ts'
import {
  footerTable,
  formatAssignments,
  formatSignature,
  networkStatusRules,
  parseAssignments,
  parseHeader,
  parseSignatures,
  parseSource,
  writeSharedRandom,
  writeSource,
  writeTimes,
  writeVersions,
  type DirectorySignature,
  type DirectorySource,
  type NetworkStatusHeader,
} from './network-status.ts'
import { QuickRouterStatusReader } from './quick-router-status.ts'
import { emitRouterStatus, RouterStatusReader, type RouterStatus } from './router-status.ts'
import { dangerouslyAssumeVerified, type Verified } from './trust.ts'

export type ConsensusFlavour = 'ns' | 'microdesc'

export interface ConsensusSource extends DirectorySource {
  /** SHA-1 of that authority's vote, 20 bytes. Absent in the extra entry of an authority's legacy key, which has no contact either. */
  readonly voteDigest?: Uint8Array
}

/** What a consensus says, apart from its signatures. */
export interface ConsensusContent extends NetworkStatusHeader {
  readonly flavour: ConsensusFlavour
  readonly consensusMethod: number
  /** Ascending by identity, legacy entries included. */
  readonly sources: readonly ConsensusSource[]
  /** Ascending by RSA identity. */
  readonly relays: readonly RouterStatus[]
  /** `Wgg=5869` …, in the order of the document. */
  readonly bandwidthWeights: ReadonlyMap<string, number>
}

export interface ConsensusUnverified extends ConsensusContent {
  /** The document as received (latin1). */
  readonly text: string
  /** Digests of the signed part: `network-status-version` to the space after the first `directory-signature`. */
  readonly sha1: Uint8Array
  readonly sha256: Uint8Array
  readonly signatures: readonly DirectorySignature[]
}

/** More than half of the trusted authorities signed it. */
export type Consensus = Verified<ConsensusUnverified, 'Consensus'>

const table = documentTable('consensus', {
  ...networkStatusRules,
  'consensus-method': { count: 'optional', arguments: [1, 1] },
  'dir-source': { count: 'some', arguments: [6, anyNumber] },
  contact: { count: 'any', arguments: 'line' },
  'vote-digest': { count: 'any', arguments: [1, anyNumber] },
})

const afterHeader: readonly string[] = Object.freeze(['r', 'directory-footer', 'directory-signature'])

/** One consensus, annotations in front of it skipped. Throws `bad-document`. */
export function parseConsensus(text: string): ConsensusUnverified {
  if (text.length > maxConsensusLength) throw new RelishError('limit', `a consensus has at most ${maxConsensusLength} characters`)
  const cursor = new Cursor(text)
  const header = cursor.section(table, afterHeader, 'skip')
  const version = header.one('network-status-version')
  const flavour = flavourOf(version)
  const status = header.one('vote-status')
  if (status.arg(0) !== 'consensus') throw status.error('is not "consensus"')
  const method = header.maybe('consensus-method')
  const bytes = Buffer.from(text, 'latin1')
  const relays = readRelays(cursor, flavour, bytes)
  const footer = cursor.section(footerTable)
  const signatures = parseSignatures(footer)
  if (signatures.length > maxConsensusSignatures) throw footer.error(`has more than ${maxConsensusSignatures} signatures`)
  return {
    text,
    ...digestsOf(bytes.subarray(version.start, signedEnd(text, version.start))),
    ...parseHeader(header),
    flavour,
    consensusMethod: method === undefined ? 1 : parseInteger(method, method.arg(0), 1, 2 ** 31 - 1),
    sources: parseSources(header),
    relays,
    bandwidthWeights: parseAssignments(footer.maybe('bandwidth-weights'), 'any-order'),
    signatures,
  }
}

function flavourOf(version: Item): ConsensusFlavour {
  if (version.arg(0) !== '3') throw version.error('is not 3')
  const flavour = version.args[1] ?? 'ns'
  if (flavour !== 'ns' && flavour !== 'microdesc') throw version.error(`flavour "${flavour.slice(0, 40)}" is unknown`)
  return flavour
}

function readRelays(cursor: Cursor, flavour: ConsensusFlavour, bytes: Uint8Array): RouterStatus[] {
  const careful = new RouterStatusReader(flavour)
  const quick = new QuickRouterStatusReader(cursor.text, bytes, flavour)
  const relays: RouterStatus[] = []
  while (cursor.more() && cursor.nextIs('r')) {
    if (relays.length === maxRelaysPerConsensus) throw new RelishError('limit', `a consensus lists at most ${maxRelaysPerConsensus} relays`)
    let relay = quick.read(cursor)
    if (relay === undefined) {
      relay = careful.read(cursor)
      quick.learn(relay)
    }
    const previous = relays[relays.length - 1]
    // dir-spec §3.8.1: sorted by identity, each relay once.
    if (previous !== undefined && relay.fingerprint <= previous.fingerprint) {
      throw new RelishError('bad-document', `consensus, before line ${cursor.line}: relay ${relay.fingerprint} is out of order`, { position: { line: cursor.line } })
    }
    relays.push(relay)
  }
  return relays
}

/** `contact` and `vote-digest` belong to the `dir-source` above them. */
function parseSources(header: Section): ConsensusSource[] {
  const sources: { -readonly [Key in keyof ConsensusSource]: ConsensusSource[Key] }[] = []
  for (const item of header.items) {
    const current = sources[sources.length - 1]
    if (item.keyword === 'dir-source') {
      if (sources.length === maxAuthorities) throw item.error(`is one of more than ${maxAuthorities}`)
      sources.push({ ...parseSource(item), contact: '' })
    } else if (item.keyword === 'contact') {
      if (current === undefined) throw item.error('is in front of all dir-source lines')
      current.contact = item.rest
    } else if (item.keyword === 'vote-digest') {
      if (current === undefined || current.voteDigest !== undefined) throw item.error('belongs to no dir-source line')
      current.voteDigest = parseHexBytes(item, item.arg(0), 20)
    }
  }
  return sources
}

/** The signed part of a consensus as received; without a signature, all of it from its first line on. */
export function signedTextOf(text: string): string {
  return signedText(text, documentStart(text))
}

/** Where the consensus begins, behind annotations. */
function documentStart(text: string): number {
  return text.startsWith('network-status-version') ? 0 : text.indexOf('\nnetwork-status-version') + 1
}

/** dir-spec §3.4.1, directory-signature: the signed part ends with the space after that keyword. */
function signedText(text: string, start: number): string {
  return text.slice(start, signedEnd(text, start))
}

function signedEnd(text: string, start: number): number {
  const at = text.indexOf('\ndirectory-signature ', start)
  return at < 0 ? text.length : at + '\ndirectory-signature '.length
}

/** Digests of a consensus: `signed` is its text up to and with the first `directory-signature` and a space. */
export function consensusDigests(signed: string): { sha1: Uint8Array; sha256: Uint8Array } {
  return digestsOf(latin1Encode(signed))
}

function digestsOf(bytes: Uint8Array): { sha1: Uint8Array; sha256: Uint8Array } {
  return { sha1: sha1(bytes), sha256: sha256(bytes) }
}

/** What came of checking a consensus against certificates. Fingerprints are of authorities' v3 identities. */
export interface SignatureCheck {
  /** Trusted authorities whose signature is good. */
  readonly good: readonly string[]
  /** Trusted authorities whose signature does not match. */
  readonly bad: readonly string[]
  /** Signatures by trusted authorities for which no live certificate is held. */
  readonly missingCertificates: readonly { readonly identityFingerprint: string; readonly signingKeyFingerprint: string }[]
  /** How many good ones make a majority of the trusted authorities. */
  readonly required: number
}

/** The certificate of an authority's signing key, if one is held. */
export type CertificateLookup = (identityFingerprint: string, signingKeyFingerprint: string) => AuthorityCertificate | undefined

/** Whether a signature of a consensus is that of the key which `certificate` certifies. */
export type SignatureTest = (consensus: ConsensusUnverified, signature: DirectorySignature, certificate: AuthorityCertificate) => boolean

export const isGoodSignature: SignatureTest = (consensus, signature, certificate) =>
  certificate.signingKey.verifyDigest(signature.algorithm === 'sha1' ? consensus.sha1 : consensus.sha256, signature.signature)

/**
 * Counts good signatures by trusted authorities. Only the flavour's own digest counts: SHA-1 for ns, SHA-256 for
 * microdesc (dir-spec §3.9.1). Expired certificates count as missing, as in C tor.
 */
export function checkConsensusSignatures(consensus: ConsensusUnverified, trusted: ReadonlySet<string>, certificateOf: CertificateLookup, now: WallMs, isGood: SignatureTest = isGoodSignature): SignatureCheck {
  const good = new Set<string>()
  const bad = new Set<string>()
  const missingCertificates: { identityFingerprint: string; signingKeyFingerprint: string }[] = []
  for (const signature of consensus.signatures) {
    const { identityFingerprint, signingKeyFingerprint } = signature
    if (!trusted.has(identityFingerprint) || good.has(identityFingerprint)) continue
    const certificate = certificateOf(identityFingerprint, signingKeyFingerprint)
    if (certificate === undefined || certificate.expires < now) missingCertificates.push({ identityFingerprint, signingKeyFingerprint })
    else if (isGood(consensus, signature, certificate)) good.add(identityFingerprint)
    else bad.add(identityFingerprint)
  }
  return {
    good: [...good],
    bad: [...bad].filter((identity) => !good.has(identity)),
    missingCertificates: missingCertificates.filter((one) => !good.has(one.identityFingerprint)),
    required: Math.floor(trusted.size / 2) + 1,
  }
}

/** Throws `unavailable` while certificates may still make the difference, `bad-signature` when they cannot. */
export function verifyConsensus(consensus: ConsensusUnverified, trusted: ReadonlySet<string>, certificateOf: CertificateLookup, now: WallMs, isGood: SignatureTest = isGoodSignature): Consensus {
  const check = checkConsensusSignatures(consensus, trusted, certificateOf, now, isGood)
  if (check.good.length >= check.required) return dangerouslyAssumeVerified(consensus)
  const words = `${check.good.length} of the ${check.required} signatures wanted on the ${consensus.flavour} consensus are good, ${check.bad.length} are bad`
  if (check.good.length + check.missingCertificates.length >= check.required) {
    throw new RelishError('unavailable', `${words}, ${check.missingCertificates.length} certificates are missing`)
  }
  throw new RelishError('bad-signature', words)
}

/** The text of a consensus up to its signatures, in the order of lines of C tor's `networkstatus_compute_consensus`. */
export function emitUnsignedConsensus(content: ConsensusContent): string {
  const writer = new DocumentWriter(table)
  writer.item('network-status-version', content.flavour === 'ns' ? [3] : [3, content.flavour])
  writer.item('vote-status', ['consensus'])
  // Documents from before methods were written down have none.
  if (content.consensusMethod > 1) writer.item('consensus-method', [content.consensusMethod])
  writeTimes(writer, content)
  writeVersions(writer, content)
  writer.item('known-flags', content.knownFlags)
  if (content.recommendedClientProtocols !== undefined) writer.item('recommended-client-protocols', content.recommendedClientProtocols.text)
  if (content.recommendedRelayProtocols !== undefined) writer.item('recommended-relay-protocols', content.recommendedRelayProtocols.text)
  if (content.requiredClientProtocols !== undefined) writer.item('required-client-protocols', content.requiredClientProtocols.text)
  if (content.requiredRelayProtocols !== undefined) writer.item('required-relay-protocols', content.requiredRelayProtocols.text)
  if (content.params.size > 0) writer.item('params', formatAssignments(content.params))
  writeSharedRandom(writer, content)
  for (const source of content.sources) {
    writeSource(writer, source)
    if (source.voteDigest === undefined) continue
    writer.item('contact', source.contact)
    writer.item('vote-digest', [hexEncodeUpper(source.voteDigest)])
  }
  const parts = [writer.finish()]
  for (const relay of content.relays) parts.push(emitRouterStatus(relay, content.flavour))
  parts.push('directory-footer\n')
  if (content.bandwidthWeights.size > 0) parts.push(`bandwidth-weights ${formatAssignments(content.bandwidthWeights)}\n`)
  return parts.join('')
}

/** An authority's signature under the unsigned text of a consensus. */
export function signConsensus(unsigned: string, flavour: ConsensusFlavour, identityFingerprint: string, signingKey: RsaPrivateKey): DirectorySignature {
  const digests = consensusDigests(`${unsigned}directory-signature `)
  const algorithm = flavour === 'ns' ? 'sha1' : 'sha256'
  return {
    algorithm,
    identityFingerprint,
    signingKeyFingerprint: hexEncodeUpper(signingKey.publicKey.fingerprint()),
    signature: signingKey.signDigest(digests[algorithm]),
  }
}

/** The document with these signatures, in this order. */
export function assembleConsensus(unsigned: string, signatures: readonly DirectorySignature[]): string {
  return unsigned + signatures.map(formatSignature).join('')
}

/** The text of a parsed consensus from its parts. */
export function emitConsensus(consensus: ConsensusUnverified): string {
  return assembleConsensus(emitUnsignedConsensus(consensus), consensus.signatures)
}

/** The unsigned text of a received consensus, for adding signatures to. */
export function unsignedTextOf(consensus: ConsensusUnverified): string {
  const start = documentStart(consensus.text)
  const end = consensus.text.indexOf('\ndirectory-signature ', start)
  return end < 0 ? consensus.text.slice(start) : consensus.text.slice(start, end + 1)
}
