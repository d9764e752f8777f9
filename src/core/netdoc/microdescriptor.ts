/**
 * Microdescriptors (dir-spec §3.3): the part of a server descriptor that clients need and that seldom changes. They are
 * not signed: a consensus names their digests.
 */

import { base64EncodeUnpadded, hexEncodeUpper, latin1Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { parseIsoTime, type WallMs } from '../base/time.ts'
import { sha256 } from '../crypto/hashes.ts'
import { RsaPublicKey } from '../crypto/rsa.ts'
import { formatAddressPort } from '../ident/address.ts'
import { parseBase64Bytes, parseRsaKey } from './fields.ts'
import { maxMicrodescriptorLength } from './limits.ts'
import { anyNumber, Cursor, documentTable, DocumentWriter, type Item } from './metaformat.ts'
import { PortPolicy } from './port-policy.ts'
import { parseOrAddresses, type OrAddress, type ServerDescriptor } from './server-descriptor.ts'

/** What a microdescriptor says. */
export interface MicrodescriptorContent {
  /** PKCS #1 DER. */
  readonly onionKeyDer?: Uint8Array
  /** 32 bytes. Absent in microdescriptors from before 2012. */
  readonly ntorOnionKey?: Uint8Array
  readonly orAddresses: readonly OrAddress[]
  /** As written: nicknames and `$FINGERPRINT`s. */
  readonly family: readonly string[]
  /** `ed25519:BASE64` (prop321). */
  readonly familyIds: readonly string[]
  /** Absent: rejects all. */
  readonly exitPolicy?: PortPolicy
  readonly ipv6ExitPolicy?: PortPolicy
  readonly ed25519Identity?: Uint8Array
  /** From an `id rsa1024` line. */
  readonly rsaIdentity?: Uint8Array
}

/** What vouches for it is its digest in a consensus: looking it up by that digest is the check. */
export interface Microdescriptor extends MicrodescriptorContent {
  /** As received (latin1), without annotations. */
  readonly text: string
  /** SHA-256 of the text, 32 bytes; and base64 without padding, as in `m` lines and URLs. */
  readonly digest: Uint8Array
  readonly digestBase64: string
}

/** SPEC-DIFF: C tor 0.4.9 requires ntor-onion-key; here it is optional for the sake of archived documents. */
const microdescriptorTable = documentTable('microdescriptor', {
  'onion-key': { count: 'once', arguments: 'none', object: 'RSA PUBLIC KEY', objectOptional: true, position: 'first' },
  'ntor-onion-key': { count: 'optional', arguments: [1, anyNumber] },
  a: { count: 'any', arguments: [1, anyNumber] },
  family: { count: 'optional', arguments: 'line' },
  'family-ids': { count: 'optional', arguments: 'line' },
  p: { count: 'optional', arguments: 'line' },
  p6: { count: 'optional', arguments: 'line' },
  id: { count: 'any', arguments: [2, anyNumber] },
})

/** Exactly one, without annotations. */
export function parseMicrodescriptor(text: string): Microdescriptor {
  const cursor = new Cursor(text)
  const found = parseAtCursor(cursor, 'refuse')
  if (cursor.more()) throw new RelishError('bad-document', 'something follows the microdescriptor')
  return found
}

/** Microdescriptors one behind the other, as directories send them. Throws at the first malformed one. */
export function parseMicrodescriptors(text: string): Microdescriptor[] {
  const cursor = new Cursor(text)
  const found: Microdescriptor[] = []
  while (cursor.more()) found.push(parseAtCursor(cursor, 'skip'))
  return found
}

/**
 * The well-formed ones of a text, with the `@last-listed` time in front of each if there is one. What is malformed is
 * reported by the digest that its text has, and skipped. `parse` reads one.
 */
export function parseMicrodescriptorsLeniently(text: string, parse: (text: string) => Microdescriptor = parseMicrodescriptor): { found: { microdescriptor: Microdescriptor; lastListed?: WallMs }[]; malformed: Uint8Array[] } {
  const found: { microdescriptor: Microdescriptor; lastListed?: WallMs }[] = []
  const malformed: Uint8Array[] = []
  for (const { annotations, body } of splitMicrodescriptors(text)) {
    try {
      const microdescriptor = parse(body)
      const lastListed = lastListedOf(annotations)
      found.push(lastListed === undefined ? { microdescriptor } : { microdescriptor, lastListed })
    } catch (error) {
      if (!(error instanceof RelishError)) throw error
      malformed.push(sha256(latin1Encode(body)))
    }
  }
  return { found, malformed }
}

function splitMicrodescriptors(text: string): { annotations: string; body: string }[] {
  const parts: { annotations: string; body: string }[] = []
  const first = text.startsWith('onion-key') ? 0 : text.indexOf('\nonion-key') + 1
  if (first === 0 && !text.startsWith('onion-key')) return parts
  let annotationsStart = 0
  for (let start = first; start >= 0; ) {
    const next = text.indexOf('\nonion-key', start)
    let end = next < 0 ? text.length : next + 1
    // Annotations in front of the next one are not part of this one.
    let bodyEnd = end
    for (;;) {
      const lineStart = text.lastIndexOf('\n', bodyEnd - 2) + 1
      if (lineStart <= start || text.charCodeAt(lineStart) !== 64) break
      bodyEnd = lineStart
    }
    parts.push({ annotations: text.slice(annotationsStart, start), body: text.slice(start, bodyEnd) })
    annotationsStart = bodyEnd
    if (next < 0) end = -1
    start = end
  }
  return parts
}

function lastListedOf(annotations: string): WallMs | undefined {
  const at = annotations.indexOf('@last-listed ')
  return at < 0 ? undefined : parseIsoTime(annotations.slice(at + 13, at + 32))
}

function parseAtCursor(cursor: Cursor, annotations: 'skip' | 'refuse'): Microdescriptor {
  const section = cursor.section(microdescriptorTable, ['onion-key'], annotations)
  const onionKey = section.one('onion-key')
  // The digest covers lines this version does not know, too: all up to where the next one starts.
  const text = cursor.text.slice(onionKey.start, cursor.at)
  if (text.length > maxMicrodescriptorLength) throw section.error(`is longer than ${maxMicrodescriptorLength} characters`)
  const digest = sha256(latin1Encode(text))
  const ntor = section.maybe('ntor-onion-key')
  return {
    text,
    digest,
    digestBase64: base64EncodeUnpadded(digest),
    ...(onionKey.objectTag === undefined ? {} : { onionKeyDer: parseRsaKey(onionKey).der }),
    ...(ntor === undefined ? {} : { ntorOnionKey: parseBase64Bytes(ntor, ntor.arg(0), 32) }),
    orAddresses: parseOrAddresses(section.all('a')),
    family: section.maybe('family')?.args ?? [],
    familyIds: section.maybe('family-ids')?.args ?? [],
    ...policyOf('exitPolicy', section.maybe('p')),
    ...policyOf('ipv6ExitPolicy', section.maybe('p6')),
    ...identitiesOf(section.all('id')),
  }
}

/** A policy C tor cannot read counts as none, which rejects all. */
function policyOf(key: 'exitPolicy' | 'ipv6ExitPolicy', item: Item | undefined): Partial<MicrodescriptorContent> {
  const policy = item === undefined ? undefined : PortPolicy.parse(item.rest)
  return policy === undefined ? {} : { [key]: policy }
}

function identitiesOf(items: readonly Item[]): Partial<MicrodescriptorContent> {
  const found: { ed25519Identity?: Uint8Array; rsaIdentity?: Uint8Array } = {}
  for (const item of items) {
    if (item.arg(0) === 'ed25519') {
      if (found.ed25519Identity !== undefined) throw item.error('is the second of its type')
      found.ed25519Identity = parseBase64Bytes(item, item.arg(1), 32)
    } else if (item.arg(0) === 'rsa1024') {
      found.rsaIdentity = parseBase64Bytes(item, item.arg(1), 20)
    }
  }
  return found
}

/** SHA-256 of the text: the microdescriptor's name. */
export const microdescriptorDigest = (text: string): Uint8Array => sha256(latin1Encode(text))

/** The first consensus method with `family-ids` lines (prop321): C tor's `MIN_METHOD_FOR_FAMILY_IDS`. */
export const firstMethodWithFamilyIds = 35

/**
 * The microdescriptor of a relay under a consensus method (dir-spec §3.3), as C tor 0.4.9 makes it. Undefined for relays
 * without a TAP onion key, of which it makes none.
 */
export function makeMicrodescriptor(descriptor: ServerDescriptor, consensusMethod: number): Microdescriptor | undefined {
  const { onionKeyDer } = descriptor
  if (onionKeyDer === undefined) return undefined
  const summary = descriptor.exitPolicy.summary(4)
  const { ipv6Policy } = descriptor
  const text = emitMicrodescriptor({
    onionKeyDer: RsaPublicKey.fromDer(onionKeyDer).der,
    ntorOnionKey: descriptor.ntorOnionKey,
    // SPEC-DIFF: no "a" lines from method 29 on: addresses are in the consensus.
    orAddresses: [],
    family: descriptor.family.length === 0 ? [] : canonicalFamily(descriptor.family, descriptor.rsaIdentity),
    familyIds: consensusMethod >= firstMethodWithFamilyIds ? descriptor.familyIds : [],
    ...(summary.rejectsAll ? {} : { exitPolicy: summary }),
    ...(ipv6Policy === undefined || ipv6Policy.rejectsAll ? {} : { ipv6ExitPolicy: new PortPolicy(ipv6Policy.accepts, ipv6Policy.ranges) }),
    ed25519Identity: descriptor.ed25519Identity,
  })
  return parseMicrodescriptor(text)
}

/** dir-spec §3.3, family: fingerprints in upper case without nicknames, nicknames in lower case, the relay itself added, sorted, without repeats. */
function canonicalFamily(members: readonly string[], self: Uint8Array): string[] {
  const canonical = members.map((member) => {
    if (/^[A-Za-z0-9]{1,19}$/.test(member)) return member.toLowerCase()
    const digits = /^\$?([0-9A-Fa-f]{40})(?:[=~][A-Za-z0-9]{1,19})?$/.exec(member)?.[1]
    return digits === undefined ? member : `$${digits.toUpperCase()}`
  })
  canonical.push(`$${hexEncodeUpper(self)}`)
  return [...new Set(canonical)].sort()
}

export function emitMicrodescriptor(content: MicrodescriptorContent): string {
  const writer = new DocumentWriter(microdescriptorTable)
  writer.item('onion-key', [], content.onionKeyDer)
  if (content.ntorOnionKey !== undefined) writer.item('ntor-onion-key', [base64EncodeUnpadded(content.ntorOnionKey)])
  for (const address of content.orAddresses) writer.item('a', [formatAddressPort(address)])
  if (content.family.length > 0) writer.item('family', content.family.join(' '))
  if (content.familyIds.length > 0) writer.item('family-ids', content.familyIds.join(' '))
  if (content.exitPolicy !== undefined) writer.item('p', content.exitPolicy.text)
  if (content.ipv6ExitPolicy !== undefined) writer.item('p6', content.ipv6ExitPolicy.text)
  if (content.rsaIdentity !== undefined) writer.item('id', ['rsa1024', base64EncodeUnpadded(content.rsaIdentity)])
  if (content.ed25519Identity !== undefined) writer.item('id', ['ed25519', base64EncodeUnpadded(content.ed25519Identity)])
  return writer.finish()
}
