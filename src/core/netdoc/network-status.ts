/** What votes and consensuses share (dir-spec §3.4.1): the header, its sources, and signatures. */

import { base64Encode, hexEncodeUpper } from '../base/encoding.ts'
import { formatIsoTime, type WallMs } from '../base/time.ts'
import { decimal, parseBase64Bytes, parseHexBytes, parseInteger, parseIpv4, parsePort, parseTime } from './fields.ts'
import { anyNumber, documentTable, type DocumentWriter, formatObject, type Item, type ItemRule, type Section } from './metaformat.ts'
import { ProtocolList } from './protocol-list.ts'

export interface NetworkStatusHeader {
  readonly validAfter: WallMs
  readonly freshUntil: WallMs
  readonly validUntil: WallMs
  readonly votingDelay: { readonly voteSec: number; readonly distSec: number }
  /** Undefined when the line is absent, which differs from an empty list. */
  readonly clientVersions?: readonly string[]
  readonly serverVersions?: readonly string[]
  /** `package` lines, which methods 34 and later omit. */
  readonly packages?: readonly string[]
  readonly knownFlags: readonly string[]
  readonly recommendedClientProtocols?: ProtocolList
  readonly recommendedRelayProtocols?: ProtocolList
  readonly requiredClientProtocols?: ProtocolList
  readonly requiredRelayProtocols?: ProtocolList
  /** In the order of the document, which is ascending by keyword. */
  readonly params: ReadonlyMap<string, number>
  readonly sharedRandomPrevious?: SharedRandomValue
  readonly sharedRandomCurrent?: SharedRandomValue
}

export interface SharedRandomValue {
  /** How many authorities revealed for it. */
  readonly reveals: number
  /** 32 bytes. */
  readonly value: Uint8Array
}

/** `dir-source` and its `contact`. */
export interface DirectorySource {
  readonly nickname: string
  /** The authority's v3 identity: 20 bytes, and upper-case hex. */
  readonly identity: Uint8Array
  readonly identityFingerprint: string
  readonly hostname: string
  readonly address: string
  readonly dirPort: number
  readonly orPort: number
  readonly contact: string
}

/** `directory-signature`. */
export interface DirectorySignature {
  readonly algorithm: 'sha1' | 'sha256'
  readonly identityFingerprint: string
  readonly signingKeyFingerprint: string
  readonly signature: Uint8Array
}

/** Rules of the items in both headers. */
export const networkStatusRules = Object.freeze({
  'network-status-version': { count: 'once', arguments: [1, anyNumber], position: 'first' },
  'vote-status': { count: 'once', arguments: [1, anyNumber] },
  'valid-after': { count: 'once', arguments: [2, anyNumber] },
  'fresh-until': { count: 'once', arguments: [2, anyNumber] },
  'valid-until': { count: 'once', arguments: [2, anyNumber] },
  'voting-delay': { count: 'once', arguments: [2, anyNumber] },
  'client-versions': { count: 'optional', arguments: 'line' },
  'server-versions': { count: 'optional', arguments: 'line' },
  package: { count: 'any', arguments: 'line' },
  'known-flags': { count: 'once', arguments: [0, anyNumber] },
  'recommended-client-protocols': { count: 'optional', arguments: 'line' },
  'recommended-relay-protocols': { count: 'optional', arguments: 'line' },
  'required-client-protocols': { count: 'optional', arguments: 'line' },
  'required-relay-protocols': { count: 'optional', arguments: 'line' },
  params: { count: 'optional', arguments: [0, anyNumber] },
  'shared-rand-previous-value': { count: 'optional', arguments: [2, 2] },
  'shared-rand-current-value': { count: 'optional', arguments: [2, 2] },
} as const satisfies Record<string, ItemRule>)

export const footerTable = documentTable('directory footer', {
  'directory-footer': { count: 'optional', arguments: 'none', position: 'first' },
  'bandwidth-weights': { count: 'optional', arguments: [0, anyNumber] },
  'directory-signature': { count: 'any', arguments: [2, anyNumber], object: 'SIGNATURE' },
})

export function parseHeader(section: Section): NetworkStatusHeader {
  const validAfter = parseTime(section.one('valid-after'))
  const freshUntil = parseTime(section.one('fresh-until'))
  const validUntil = parseTime(section.one('valid-until'))
  if (freshUntil <= validAfter) throw section.one('fresh-until').error('is not after valid-after')
  if (validUntil < freshUntil) throw section.one('valid-until').error('is before fresh-until')
  const delay = section.one('voting-delay')
  const packages = section.all('package').map((item) => item.rest)
  return {
    validAfter,
    freshUntil,
    validUntil,
    votingDelay: { voteSec: parseInteger(delay, delay.arg(0), 0, 2 ** 31 - 1), distSec: parseInteger(delay, delay.arg(1), 0, 2 ** 31 - 1) },
    knownFlags: parseKnownFlags(section.one('known-flags')),
    params: parseAssignments(section.maybe('params'), 'ascending'),
    ...(packages.length === 0 ? {} : { packages }),
    ...versions('clientVersions', section.maybe('client-versions')),
    ...versions('serverVersions', section.maybe('server-versions')),
    ...protocols('recommendedClientProtocols', section.maybe('recommended-client-protocols')),
    ...protocols('recommendedRelayProtocols', section.maybe('recommended-relay-protocols')),
    ...protocols('requiredClientProtocols', section.maybe('required-client-protocols')),
    ...protocols('requiredRelayProtocols', section.maybe('required-relay-protocols')),
    ...sharedRandom('sharedRandomPrevious', section.maybe('shared-rand-previous-value')),
    ...sharedRandom('sharedRandomCurrent', section.maybe('shared-rand-current-value')),
  }
}

function parseKnownFlags(item: Item): readonly string[] {
  // dir-spec §3.4.1: in lexical order, and so without repeats.
  item.args.forEach((flag, i) => {
    if (i > 0 && flag <= (item.args[i - 1] as string)) throw item.error(`${flag} is out of order`)
  })
  return item.args
}

/** `keyword=integer` words (`params`, `bandwidth-weights`), without repeats. */
export function parseAssignments(item: Item | undefined, order: 'ascending' | 'any-order'): ReadonlyMap<string, number> {
  const values = new Map<string, number>()
  let previous: string | undefined
  for (const word of item?.args ?? []) {
    if (item === undefined) break
    const equals = word.indexOf('=')
    const value = equals < 1 ? undefined : decimal(word.slice(equals + 1))
    if (value === undefined || value < -(2 ** 31) || value > 2 ** 31 - 1) throw item.error(`"${word.slice(0, 60)}" is not keyword=integer`)
    const keyword = word.slice(0, equals)
    if (values.has(keyword)) throw item.error(`${keyword} appears twice`)
    // C tor compares the whole words.
    if (order === 'ascending' && previous !== undefined && word <= previous) throw item.error(`${keyword} is out of order`)
    values.set(keyword, value)
    previous = word
  }
  return values
}

export const formatAssignments = (values: ReadonlyMap<string, number>): string => [...values].map(([keyword, value]) => `${keyword}=${value}`).join(' ')

function versions(key: 'clientVersions' | 'serverVersions', item: Item | undefined): Partial<NetworkStatusHeader> {
  if (item === undefined) return {}
  return { [key]: item.rest === '' ? [] : item.rest.split(',') }
}

type ProtocolsKey = 'recommendedClientProtocols' | 'recommendedRelayProtocols' | 'requiredClientProtocols' | 'requiredRelayProtocols'

function protocols(key: ProtocolsKey, item: Item | undefined): Partial<NetworkStatusHeader> {
  return item === undefined ? {} : { [key]: ProtocolList.parse(item.rest) }
}

function sharedRandom(key: 'sharedRandomPrevious' | 'sharedRandomCurrent', item: Item | undefined): Partial<NetworkStatusHeader> {
  if (item === undefined) return {}
  return { [key]: { reveals: parseInteger(item, item.arg(0), 0, 2 ** 31 - 1), value: parseBase64Bytes(item, item.arg(1), 32) } }
}

/** The arguments of a `dir-source` line. */
export function parseSource(item: Item): Omit<DirectorySource, 'contact'> {
  const identity = parseHexBytes(item, item.arg(1), 20)
  return {
    nickname: item.arg(0),
    identity,
    identityFingerprint: hexEncodeUpper(identity),
    hostname: item.arg(2),
    address: parseIpv4(item, item.arg(3)),
    dirPort: parsePort(item, item.arg(4)),
    orPort: parsePort(item, item.arg(5)),
  }
}

/** Signatures of a footer. Those with a digest we do not know are left out; a second one by the same key and digest too, as C tor does. */
export function parseSignatures(footer: Section): DirectorySignature[] {
  const found: DirectorySignature[] = []
  for (const item of footer.all('directory-signature')) {
    const parsed = parseSignature(item, item.args)
    if (parsed !== undefined && !found.some((earlier) => sameSigner(earlier, parsed))) found.push(parsed)
  }
  return found
}

/** dir-spec §3.4.1, directory-signature: `[algorithm] identity signing-key-digest`, where no algorithm is sha1. */
export function parseSignature(item: Item, args: readonly string[]): DirectorySignature | undefined {
  const algorithm = args.length > 2 ? args[0] : 'sha1'
  const [identity, key] = args.length > 2 ? [args[1], args[2]] : [args[0], args[1]]
  const signature = item.object()
  if (signature.length < 128 || signature.length > 512) throw item.error('signature has a length no RSA key of ours gives')
  const parsed = {
    identityFingerprint: hexEncodeUpper(parseHexBytes(item, identity ?? '', 20)),
    signingKeyFingerprint: hexEncodeUpper(parseHexBytes(item, key ?? '', 20)),
    signature,
  }
  return algorithm === 'sha1' || algorithm === 'sha256' ? { algorithm, ...parsed } : undefined
}

function sameSigner(a: DirectorySignature, b: DirectorySignature): boolean {
  return a.algorithm === b.algorithm && a.identityFingerprint === b.identityFingerprint
}

/** `directory-signature` and its object. SHA-1, of votes and the ns flavour, is not named. */
export function formatSignature(signature: DirectorySignature): string {
  const algorithm = signature.algorithm === 'sha1' ? '' : `${signature.algorithm} `
  return `directory-signature ${algorithm}${signature.identityFingerprint} ${signature.signingKeyFingerprint}\n${formatObject('SIGNATURE', signature.signature)}`
}

export function writeTimes(writer: DocumentWriter, header: NetworkStatusHeader): void {
  writer.item('valid-after', formatIsoTime(header.validAfter))
  writer.item('fresh-until', formatIsoTime(header.freshUntil))
  writer.item('valid-until', formatIsoTime(header.validUntil))
  writer.item('voting-delay', [header.votingDelay.voteSec, header.votingDelay.distSec])
}

export function writeVersions(writer: DocumentWriter, header: NetworkStatusHeader): void {
  if (header.clientVersions !== undefined) writer.item('client-versions', header.clientVersions.join(','))
  if (header.serverVersions !== undefined) writer.item('server-versions', header.serverVersions.join(','))
  for (const line of header.packages ?? []) writer.item('package', line)
}

export function writeSharedRandom(writer: DocumentWriter, header: NetworkStatusHeader): void {
  const { sharedRandomPrevious: previous, sharedRandomCurrent: current } = header
  if (previous !== undefined) writer.item('shared-rand-previous-value', [previous.reveals, base64Encode(previous.value)])
  if (current !== undefined) writer.item('shared-rand-current-value', [current.reveals, base64Encode(current.value)])
}

export function writeSource(writer: DocumentWriter, source: DirectorySource): void {
  writer.item('dir-source', [source.nickname, source.identityFingerprint, source.hostname, source.address, source.dirPort, source.orPort])
}
