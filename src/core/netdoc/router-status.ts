/** One relay's entry in a consensus or vote (dir-spec §3.4.1, §3.5): types, reading, writing. */

import { base64EncodeUnpadded } from '../base/encoding.ts'
import { formatIsoTime, parseIsoTime, type WallMs } from '../base/time.ts'
import { formatAddressPort } from '../ident/address.ts'
import { decodeBase64Fixed, isBase64Fixed } from './base64.ts'
import { decimal, FingerprintWriter, isIpv4, isNickname, parseBase64Bytes, parseInteger } from './fields.ts'
import { anyNumber, documentTable, DocumentWriter, type Cursor, type DocumentTable, type Item, type Section } from './metaformat.ts'
import { PortPolicy } from './port-policy.ts'
import { ProtocolList } from './protocol-list.ts'
import { parseOrAddresses, type OrAddress } from './server-descriptor.ts'

export interface RouterStatus {
  readonly nickname: string
  /** 20 bytes, and upper-case hex. */
  readonly rsaIdentity: Uint8Array
  readonly fingerprint: string
  /** SHA-1 of the server descriptor. Votes and the ns flavour; absent in the microdesc flavour. */
  readonly descriptorDigest?: Uint8Array
  /** SHA-256 of the microdescriptor, unpadded base64, as in its `m` line. Microdesc flavour only. */
  readonly microdescriptorDigest?: string
  /** 2038-01-01 00:00:00 in consensuses, from method 33 on. */
  readonly published: WallMs
  /** IPv4. */
  readonly address: string
  readonly orPort: number
  readonly dirPort: number
  readonly orAddresses: readonly OrAddress[]
  /** In the order of the document, which is alphabetical. */
  readonly flags: ReadonlySet<string>
  /** `Tor 0.4.9.11`. */
  readonly version?: string
  readonly protocols?: ProtocolList
  /** Kilobytes a second, from `w Bandwidth=`. */
  readonly bandwidth?: number
  /** `w Unmeasured=1`. */
  readonly unmeasured: boolean
  readonly guardFraction?: number
  /** ns flavour and votes. */
  readonly exitPolicy?: PortPolicy
}

/** What only votes say of a relay. */
export interface VoteRouterStatus extends RouterStatus {
  readonly descriptorDigest: Uint8Array
  /** `w Measured=`, kilobytes a second. */
  readonly measured?: number
  /** `w MeasuredButAuthority=`. */
  readonly measuredButAuthority?: number
  /** `m` lines in order: for each list of methods, the microdescriptor's digest (unpadded base64). */
  readonly microdescriptors: readonly { readonly methods: readonly number[]; readonly digest: string }[]
  /** `id ed25519` line: 32 bytes; `none` when the authority says the relay has no such key; undefined without the line. */
  readonly ed25519Identity?: Uint8Array | 'none'
  /** `stats wfu=… tk=… mtbf=…`, as written. */
  readonly stats?: string
}

export type RouterStatusKind = 'ns' | 'microdesc' | 'vote'

const rules = {
  a: { count: 'any', arguments: [1, anyNumber] },
  s: { count: 'once', arguments: 'line' },
  v: { count: 'optional', arguments: 'line' },
  w: { count: 'optional', arguments: [0, anyNumber] },
  p: { count: 'optional', arguments: 'line' },
  m: { count: 'any', arguments: 'line' },
  id: { count: 'any', arguments: [2, anyNumber] },
  stats: { count: 'any', arguments: 'line' },
  // C tor requires "pr", which documents from before 2016 do not have.
  pr: { count: 'optional', arguments: 'line' },
} as const

const fullTable = documentTable('router status', { r: { count: 'once', arguments: [8, anyNumber], position: 'first' }, ...rules })
/** dir-spec §3.9.2: the r line of the microdesc flavour has no descriptor digest. */
const microdescTable = documentTable('router status', { r: { count: 'once', arguments: [7, anyNumber], position: 'first' }, ...rules })

const tableOf = (kind: RouterStatusKind): DocumentTable => (kind === 'microdesc' ? microdescTable : fullTable)

/** What follows the list of relays, and a relay. */
const stops: readonly string[] = Object.freeze(['r', 'directory-footer', 'directory-signature'])

/**
 * Reads the entries of one document. Lines that many relays share are read once: flags, protocols and policies of equal
 * text are one object. Lives as long as the parse.
 */
export class RouterStatusReader {
  readonly #kind: RouterStatusKind
  readonly #flags = new Map<string, ReadonlySet<string>>()
  readonly #protocols = new Map<string, ProtocolList>()
  readonly #policies = new Map<string, PortPolicy>()
  readonly #fingerprints = new FingerprintWriter()
  #publishedText = ''
  #published: WallMs | undefined

  constructor(kind: RouterStatusKind) {
    this.#kind = kind
  }

  /** The entry at the cursor, which stands at an `r` line. */
  read(cursor: Cursor): RouterStatus {
    return this.#common(cursor.section(tableOf(this.#kind), stops))
  }

  readVote(cursor: Cursor): VoteRouterStatus {
    const section = cursor.section(fullTable, stops)
    const common = this.#common(section)
    const { descriptorDigest } = common
    if (descriptorDigest === undefined) throw section.error('has no descriptor digest')
    return { ...common, descriptorDigest, microdescriptors: section.all('m').map(parseVoteMicrodescriptor), ...this.#voteParts(section) }
  }

  #common(section: Section): RouterStatus {
    const r = section.one('r')
    const args = r.args
    const shift = this.#kind === 'microdesc' ? -1 : 0
    const nickname = args[0] as string
    if (!isNickname(nickname)) throw r.error(`"${nickname.slice(0, 40)}" is no nickname`)
    const rsaIdentity = decodeBase64Fixed(args[1] as string, 20)
    if (rsaIdentity === undefined) throw r.error('second argument is not 20 bytes in base64')
    const address = args[5 + shift] as string
    if (!isIpv4(address)) throw r.error(`"${address.slice(0, 40)}" is no IPv4 address`)
    const status: { -readonly [Key in keyof RouterStatus]: RouterStatus[Key] } = {
      nickname,
      rsaIdentity,
      fingerprint: this.#fingerprints.of(rsaIdentity),
      published: this.#time(r, args[3 + shift] as string, args[4 + shift] as string),
      address,
      orPort: port(r, args[6 + shift] as string),
      dirPort: port(r, args[7 + shift] as string),
      orAddresses: parseOrAddresses(section.all('a')),
      flags: this.#flagsOf(section.one('s')),
      unmeasured: false,
    }
    if (this.#kind !== 'microdesc') {
      const digest = decodeBase64Fixed(args[2] as string, 20)
      if (digest === undefined) throw r.error('third argument is not 20 bytes in base64')
      status.descriptorDigest = digest
    } else {
      const m = section.maybe('m')
      if (m !== undefined) {
        if (!isBase64Fixed(m.rest, 32)) throw m.error('is not 32 bytes in base64')
        status.microdescriptorDigest = m.rest
      }
    }
    const v = section.maybe('v')
    if (v !== undefined) status.version = v.rest
    const pr = section.maybe('pr')
    if (pr !== undefined) status.protocols = this.#protocolsOf(pr)
    const w = section.maybe('w')
    if (w !== undefined) readBandwidth(w, status)
    const p = section.maybe('p')
    if (p !== undefined) status.exitPolicy = this.#policyOf(p)
    return status
  }

  #voteParts(section: Section): Partial<VoteRouterStatus> {
    const parts: { -readonly [Key in keyof VoteRouterStatus]?: VoteRouterStatus[Key] } = {}
    const w = section.maybe('w')
    for (const word of w?.args ?? []) {
      if (w === undefined) break
      if (word.startsWith('Measured=')) parts.measured = parseInteger(w, word.slice(9), 0, 0xffffffff)
      else if (word.startsWith('MeasuredButAuthority=')) parts.measuredButAuthority = parseInteger(w, word.slice(21), 0, 0xffffffff)
    }
    for (const id of section.all('id')) {
      if (id.arg(0) === 'ed25519') parts.ed25519Identity = id.arg(1) === 'none' ? 'none' : parseBase64Bytes(id, id.arg(1), 32)
    }
    const stats = section.maybe('stats')
    if (stats !== undefined) parts.stats = stats.rest
    return parts
  }

  #time(item: Item, date: string, time: string): WallMs {
    // In the microdesc flavour all relays have the same time.
    const text = `${date} ${time}`
    if (text !== this.#publishedText || this.#published === undefined) {
      this.#published = parseIsoTime(text)
      this.#publishedText = text
      if (this.#published === undefined) throw item.error(`"${text.slice(0, 40)}" is no time`)
    }
    return this.#published
  }

  #flagsOf(item: Item): ReadonlySet<string> {
    let flags = this.#flags.get(item.rest)
    if (flags === undefined) {
      flags = new Set(item.args)
      this.#flags.set(item.rest, flags)
    }
    return flags
  }

  #protocolsOf(item: Item): ProtocolList {
    let protocols = this.#protocols.get(item.rest)
    if (protocols === undefined) {
      protocols = ProtocolList.parse(item.rest)
      this.#protocols.set(item.rest, protocols)
    }
    return protocols
  }

  #policyOf(item: Item): PortPolicy {
    let policy = this.#policies.get(item.rest)
    if (policy === undefined) {
      policy = PortPolicy.parse(item.rest)
      if (policy === undefined) throw item.error('is no port list')
      this.#policies.set(item.rest, policy)
    }
    return policy
  }
}

function readBandwidth(w: Item, status: { bandwidth?: number; unmeasured: boolean; guardFraction?: number }): void {
  for (const word of w.args) {
    if (word.startsWith('Bandwidth=')) status.bandwidth = parseInteger(w, word.slice(10), 0, 0xffffffff)
    else if (word === 'Unmeasured=1') status.unmeasured = true
    else if (word.startsWith('GuardFraction=')) status.guardFraction = parseInteger(w, word.slice(14), 0, 100)
  }
}

/** dir-spec §3.4.1, `m`: `28,29,30 sha256=DIGEST`. Other digests may follow; the one of SHA-256 is ours. */
function parseVoteMicrodescriptor(item: Item): { methods: readonly number[]; digest: string } {
  const [list, ...digests] = item.args
  const methods = (list ?? '').split(',').map((word) => decimal(word))
  const digest = digests.find((word) => word.startsWith('sha256='))?.slice(7)
  if (digest === undefined || !isBase64Fixed(digest, 32)) throw item.error('has no sha256= digest')
  return {
    methods: methods.map((method) => {
      if (method === undefined) throw item.error('starts with a list of consensus methods')
      return method
    }),
    digest,
  }
}

function port(item: Item, text: string): number {
  const value = decimal(text)
  if (value === undefined || value < 0 || value > 65535) throw item.error(`"${text.slice(0, 40)}" is no port`)
  return value
}

/** An entry of a consensus, in the order of lines that C tor's `networkstatus_compute_consensus` has. */
export function emitRouterStatus(status: RouterStatus, flavour: 'ns' | 'microdesc'): string {
  const writer = new DocumentWriter(tableOf(flavour))
  writeStart(writer, status, flavour)
  if (flavour === 'microdesc' && status.microdescriptorDigest !== undefined) writer.item('m', status.microdescriptorDigest)
  writeMiddle(writer, status)
  if (status.bandwidth !== undefined) {
    const guardFraction = status.guardFraction === undefined ? [] : [`GuardFraction=${status.guardFraction}`]
    writer.item('w', [`Bandwidth=${status.bandwidth}`, ...(status.unmeasured ? ['Unmeasured=1'] : []), ...guardFraction])
  }
  if (flavour === 'ns' && status.exitPolicy !== undefined) writer.item('p', status.exitPolicy.text)
  return writer.finish()
}

/** An entry of a vote, in the order of lines that C tor's `routerstatus_format_entry` has. */
export function emitVoteRouterStatus(status: VoteRouterStatus): string {
  const writer = new DocumentWriter(fullTable)
  writeStart(writer, status, 'vote')
  writeMiddle(writer, status)
  if (status.bandwidth !== undefined) {
    const words = [`Bandwidth=${status.bandwidth}`]
    if (status.measured !== undefined) words.push(`Measured=${status.measured}`)
    if (status.measuredButAuthority !== undefined) words.push(`MeasuredButAuthority=${status.measuredButAuthority}`)
    if (status.guardFraction !== undefined) words.push(`GuardFraction=${status.guardFraction}`)
    writer.item('w', words)
  }
  if (status.exitPolicy !== undefined) writer.item('p', status.exitPolicy.text)
  if (status.ed25519Identity !== undefined) {
    writer.item('id', ['ed25519', status.ed25519Identity === 'none' ? 'none' : base64EncodeUnpadded(status.ed25519Identity)])
  }
  if (status.stats !== undefined) writer.item('stats', status.stats)
  for (const { methods, digest } of status.microdescriptors) writer.item('m', `${methods.join(',')} sha256=${digest}`)
  return writer.finish()
}

function writeStart(writer: DocumentWriter, status: RouterStatus, kind: RouterStatusKind): void {
  const digest = kind === 'microdesc' || status.descriptorDigest === undefined ? [] : [base64EncodeUnpadded(status.descriptorDigest)]
  const identity = base64EncodeUnpadded(status.rsaIdentity)
  const [date, time] = formatIsoTime(status.published).split(' ')
  writer.item('r', [status.nickname, identity, ...digest, date ?? '', time ?? '', status.address, status.orPort, status.dirPort])
  for (const address of status.orAddresses) writer.item('a', [formatAddressPort(address)])
}

function writeMiddle(writer: DocumentWriter, status: RouterStatus): void {
  // An empty list still has its line, without a blank behind the keyword.
  if (status.flags.size === 0) writer.bare('s')
  else writer.item('s', [...status.flags].join(' '))
  if (status.version !== undefined) writer.item('v', status.version)
  if (status.protocols !== undefined) writer.item('pr', status.protocols.text)
}
