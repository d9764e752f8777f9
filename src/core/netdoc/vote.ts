/** Votes (dir-spec §3.4): one authority's view of the network, with its certificate and signature. */

import { hexEncodeUpper, latin1Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { formatIsoTime, type WallMs } from '../base/time.ts'
import { sha1 } from '../crypto/hashes.ts'
import type { RsaPrivateKey } from '../crypto/rsa.ts'
import { parseCertificateAt, verifyAuthorityCertificate, type AuthorityCertificate, type AuthorityCertificateUnverified } from './authority-certificate.ts'
import { parseHexBytes, parseInteger, parseTime } from './fields.ts'
import { maxConsensusLength, maxKnownFlags, maxRelaysPerConsensus } from './limits.ts'
import { anyNumber, Cursor, documentTable, DocumentWriter, type Item, type Section } from './metaformat.ts'
import {
  footerTable,
  formatAssignments,
  formatSignature,
  networkStatusRules,
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
import { emitVoteRouterStatus, RouterStatusReader, type VoteRouterStatus } from './router-status.ts'
import { checkRsaSignature, mustSignedPart } from './signed.ts'
import { dangerouslyAssumeVerified, type Verified } from './trust.ts'

/** `shared-rand-commit 1 sha3-256 IDENTITY COMMIT [REVEAL]` (srv-spec §4.1.1). */
export interface SharedRandomCommit {
  readonly version: number
  readonly algorithm: string
  /** Upper-case hex of the authority's v3 identity. */
  readonly identityFingerprint: string
  /** Base64, as written. */
  readonly commit: string
  /** Base64. Empty in the reveal phase for a commit nobody has revealed: C tor then writes a blank behind the commit. */
  readonly reveal?: string
}

/** What a vote says, apart from its certificate and signature. */
export interface VoteContent extends NetworkStatusHeader {
  readonly consensusMethods: readonly number[]
  readonly published: WallMs
  /** `flag-thresholds`: `stable-uptime=…` …, as written. */
  readonly flagThresholds?: string
  /** `key=value` words of `bandwidth-file-headers`. */
  readonly bandwidthFileHeaders?: string
  /** `sha256=…` words of `bandwidth-file-digest`. */
  readonly bandwidthFileDigest?: string
  readonly source: DirectorySource
  /** Upper-case hex of `legacy-dir-key`. */
  readonly legacyKeyFingerprint?: string
  readonly sharedRandomParticipates: boolean
  readonly sharedRandomCommits: readonly SharedRandomCommit[]
  /** Ascending by RSA identity. */
  readonly relays: readonly VoteRouterStatus[]
}

export interface VoteUnverified extends VoteContent {
  readonly text: string
  readonly certificate: AuthorityCertificateUnverified
  /** SHA-1 of the signed part: the `vote-digest` of consensuses. */
  readonly digest: Uint8Array
  readonly signature: DirectorySignature
}

/** Its certificate is good and its signature made with the key it certifies. */
export type Vote = Verified<VoteUnverified, 'Vote'> & { readonly certificate: AuthorityCertificate }

const table = documentTable('vote', {
  ...networkStatusRules,
  'consensus-methods': { count: 'once', arguments: [1, anyNumber] },
  published: { count: 'once', arguments: [2, anyNumber] },
  'flag-thresholds': { count: 'optional', arguments: 'line' },
  'bandwidth-file-headers': { count: 'optional', arguments: 'line' },
  'bandwidth-file-digest': { count: 'optional', arguments: 'line' },
  'dir-source': { count: 'once', arguments: [6, anyNumber] },
  contact: { count: 'once', arguments: 'line' },
  'shared-rand-participate': { count: 'optional', arguments: 'none' },
  'shared-rand-commit': { count: 'any', arguments: [3, anyNumber] },
  'legacy-dir-key': { count: 'optional', arguments: [1, anyNumber] },
})

const afterCertificate: readonly string[] = Object.freeze(['r', 'directory-footer', 'directory-signature'])

/** One vote. Throws `bad-document`. */
export function parseVote(text: string): VoteUnverified {
  if (text.length > maxConsensusLength) throw new RelishError('limit', `a vote has at most ${maxConsensusLength} characters`)
  const cursor = new Cursor(text)
  const header = cursor.section(table, ['dir-key-certificate-version'], 'skip')
  const version = header.one('network-status-version')
  if (version.arg(0) !== '3' || version.args.length > 1) throw version.error('is not 3 without flavour')
  const status = header.one('vote-status')
  if (status.arg(0) !== 'vote') throw status.error('is not "vote"')
  if (!cursor.more()) throw header.error('has no authority certificate')
  const certificate = parseCertificateAt(cursor, afterCertificate)
  const source = { ...parseSource(header.one('dir-source')), contact: header.one('contact').rest }
  if (source.identityFingerprint !== certificate.identityFingerprint) throw header.one('dir-source').error('is not the authority of the certificate')
  const head = parseHeader(header)
  if (head.knownFlags.length > maxKnownFlags) throw header.one('known-flags').error(`lists more than ${maxKnownFlags} flags`)
  const relays = readRelays(cursor, new Set(head.knownFlags))
  const footer = cursor.section(footerTable)
  const [signature, ...more] = parseSignatures(footer)
  if (signature === undefined || more.length > 0) throw footer.error('has not exactly one directory-signature')
  if (signature.identityFingerprint !== certificate.identityFingerprint) throw footer.error('is signed by another authority')
  return {
    text,
    digest: sha1(mustSignedPart('vote', text, version.start, '\ndirectory-signature ')),
    certificate,
    signature,
    ...head,
    source,
    consensusMethods: header.one('consensus-methods').args.map((word) => parseInteger(header.one('consensus-methods'), word, 1, 2 ** 31 - 1)),
    published: parseTime(header.one('published')),
    sharedRandomParticipates: header.has('shared-rand-participate'),
    sharedRandomCommits: header.all('shared-rand-commit').map(parseCommit),
    relays,
    ...optionalParts(header),
  }
}

function optionalParts(header: Section): Partial<VoteContent> {
  const line = (key: 'flagThresholds' | 'bandwidthFileHeaders' | 'bandwidthFileDigest', keyword: string): Partial<VoteContent> => {
    const item = header.maybe(keyword)
    return item === undefined ? {} : { [key]: item.rest }
  }
  const legacy = header.maybe('legacy-dir-key')
  return {
    ...line('flagThresholds', 'flag-thresholds'),
    ...line('bandwidthFileHeaders', 'bandwidth-file-headers'),
    ...line('bandwidthFileDigest', 'bandwidth-file-digest'),
    ...(legacy === undefined ? {} : { legacyKeyFingerprint: hexEncodeUpper(parseHexBytes(legacy, legacy.arg(0), 20)) }),
  }
}

function parseCommit(item: Item): SharedRandomCommit {
  const reveal = item.args[4] ?? (item.rest.endsWith(' ') ? '' : undefined)
  return {
    version: parseInteger(item, item.arg(0), 0, 2 ** 31 - 1),
    algorithm: item.arg(1),
    identityFingerprint: hexEncodeUpper(parseHexBytes(item, item.arg(2), 20)),
    commit: item.args[3] ?? '',
    ...(reveal === undefined ? {} : { reveal }),
  }
}

function readRelays(cursor: Cursor, knownFlags: ReadonlySet<string>): VoteRouterStatus[] {
  const reader = new RouterStatusReader('vote')
  const relays: VoteRouterStatus[] = []
  while (cursor.more() && cursor.nextIs('r')) {
    if (relays.length === maxRelaysPerConsensus) throw new RelishError('limit', `a vote lists at most ${maxRelaysPerConsensus} relays`)
    const line = cursor.line
    const relay = reader.readVote(cursor)
    const at = { position: { line } }
    const previous = relays[relays.length - 1]
    if (previous !== undefined && relay.fingerprint <= previous.fingerprint) throw new RelishError('bad-document', `vote, line ${line}: relay ${relay.fingerprint} is out of order`, at)
    // dir-spec §3.4.1, s: only flags that known-flags lists.
    for (const flag of relay.flags) if (!knownFlags.has(flag)) throw new RelishError('bad-document', `vote, line ${line}: flag ${flag.slice(0, 40)} is not in known-flags`, at)
    relays.push(relay)
  }
  return relays
}

/** Checks the certificate and the signature. Throws `bad-signature` or, for an expired certificate, `bad-document`. */
export function verifyVote(vote: VoteUnverified, now: WallMs | 'any-time'): Vote {
  const certificate = verifyAuthorityCertificate(vote.certificate)
  if (now !== 'any-time') requireLiveVote(vote, now)
  if (vote.signature.signingKeyFingerprint !== certificate.signingKeyFingerprint) {
    throw new RelishError('bad-document', `vote of ${vote.source.nickname} is signed with a key other than its certificate's`)
  }
  checkRsaSignature(`signature of the vote of ${vote.source.nickname}`, certificate.signingKey, vote.digest, vote.signature.signature)
  return dangerouslyAssumeVerified<VoteUnverified & { certificate: AuthorityCertificate }, 'Vote'>({ ...vote, certificate })
}

/** Throws `bad-document` when the certificate of the vote has expired. */
export function requireLiveVote(vote: VoteUnverified, now: WallMs): void {
  if (vote.certificate.expires < now) throw new RelishError('bad-document', `certificate of ${vote.source.nickname} has expired`)
}

/** A vote whose signatures are good, whatever the time. Throws `bad-document` and `bad-signature`. */
export const readVote = (text: string): Vote => verifyVote(parseVote(text), 'any-time')

/** A signed vote. `read`: what reads our own work back. */
export function signVote(content: VoteContent, certificate: AuthorityCertificate, signingKey: RsaPrivateKey, read: (text: string) => Vote = readVote): Vote {
  const unsigned = emitUnsignedVote(content, certificate.text)
  const text = unsigned + formatSignature({
    algorithm: 'sha1',
    identityFingerprint: certificate.identityFingerprint,
    signingKeyFingerprint: certificate.signingKeyFingerprint,
    signature: signingKey.signDigest(sha1(latin1Encode(`${unsigned}directory-signature `))),
  })
  return read(text)
}

/** The text of a vote from its parts. */
export function emitVote(vote: VoteUnverified): string {
  return emitUnsignedVote(vote, vote.certificate.text) + formatSignature(vote.signature)
}

/** In the order of lines of C tor's `format_networkstatus_vote`. */
function emitUnsignedVote(vote: VoteContent, certificateText: string): string {
  const writer = new DocumentWriter(table)
  writer.item('network-status-version', [3])
  writer.item('vote-status', ['vote'])
  writer.item('consensus-methods', vote.consensusMethods)
  writer.item('published', formatIsoTime(vote.published))
  writeTimes(writer, vote)
  writeVersions(writer, vote)
  if (vote.recommendedRelayProtocols !== undefined) writer.item('recommended-relay-protocols', vote.recommendedRelayProtocols.text)
  if (vote.recommendedClientProtocols !== undefined) writer.item('recommended-client-protocols', vote.recommendedClientProtocols.text)
  if (vote.requiredRelayProtocols !== undefined) writer.item('required-relay-protocols', vote.requiredRelayProtocols.text)
  if (vote.requiredClientProtocols !== undefined) writer.item('required-client-protocols', vote.requiredClientProtocols.text)
  writer.item('known-flags', vote.knownFlags.join(' '))
  if (vote.flagThresholds !== undefined) writer.item('flag-thresholds', vote.flagThresholds)
  writer.item('params', formatAssignments(vote.params))
  if (vote.bandwidthFileHeaders !== undefined) writer.item('bandwidth-file-headers', vote.bandwidthFileHeaders)
  if (vote.bandwidthFileDigest !== undefined) writer.item('bandwidth-file-digest', vote.bandwidthFileDigest)
  writeSource(writer, vote.source)
  writer.item('contact', vote.source.contact)
  if (vote.sharedRandomParticipates) writer.item('shared-rand-participate')
  for (const commit of vote.sharedRandomCommits) {
    const words = [commit.version, commit.algorithm, commit.identityFingerprint, commit.commit]
    writer.item('shared-rand-commit', commit.reveal === undefined ? words : [...words, commit.reveal])
  }
  writeSharedRandom(writer, vote)
  if (vote.legacyKeyFingerprint !== undefined) writer.item('legacy-dir-key', [vote.legacyKeyFingerprint])
  const parts = [writer.finish(), certificateText]
  for (const relay of vote.relays) parts.push(emitVoteRouterStatus(relay))
  parts.push('directory-footer\n')
  return parts.join('')
}
