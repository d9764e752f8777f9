/**
 * A set of relays as options name it: `EntryNodes`, `ExcludeNodes`, `TestingDirAuthVoteExit` and their kin. Members are
 * fingerprints, nicknames, `{cc}` country codes and address patterns. tor(1), "ExcludeNodes".
 */

import { formatFingerprint, isNickname } from '../ident/fingerprint.ts'
import { parseIp } from '../ident/address.ts'
import { configError, type ConfigLine } from './config-line.ts'

export interface AddressPattern {
  /** 4 or 16 bytes; undefined for `*`. */
  readonly address: Uint8Array | undefined
  readonly bits: number
  readonly minPort: number
  readonly maxPort: number
}

/** What a set needs to know of a relay. */
export interface RouterSetSubject {
  readonly rsaIdentity: Uint8Array
  readonly nickname?: string
  readonly addresses: readonly { readonly host: string; readonly port: number }[]
  /** Two lower-case letters, where known. */
  readonly country?: string
}

export class RouterSet {
  /** As written, for dumps. */
  readonly text: string
  readonly fingerprints: ReadonlySet<string>
  readonly nicknames: ReadonlySet<string>
  readonly countries: ReadonlySet<string>
  readonly patterns: readonly AddressPattern[]

  constructor(text: string, fingerprints: ReadonlySet<string>, nicknames: ReadonlySet<string>, countries: ReadonlySet<string>, patterns: readonly AddressPattern[]) {
    this.text = text
    this.fingerprints = fingerprints
    this.nicknames = nicknames
    this.countries = countries
    this.patterns = patterns
  }

  get isEmpty(): boolean {
    return this.fingerprints.size + this.nicknames.size + this.countries.size + this.patterns.length === 0
  }

  contains(relay: RouterSetSubject): boolean {
    if (this.fingerprints.has(formatFingerprint(relay.rsaIdentity))) return true
    if (relay.nickname !== undefined && this.nicknames.has(relay.nickname.toLowerCase())) return true
    if (relay.country !== undefined && this.countries.has(relay.country)) return true
    return relay.addresses.some((address) => this.patterns.some((pattern) => matches(pattern, address)))
  }
}

export const emptyRouterSet: RouterSet = Object.freeze(new RouterSet('', new Set(), new Set(), new Set(), []))

function matches(pattern: AddressPattern, address: { readonly host: string; readonly port: number }): boolean {
  if (address.port < pattern.minPort || address.port > pattern.maxPort) return false
  if (pattern.address === undefined) return true
  const bytes = parseIp(address.host)
  if (bytes === undefined || bytes.length !== pattern.address.length) return false
  for (let bit = 0; bit < pattern.bits; bit += 8) {
    const left = Math.min(8, pattern.bits - bit)
    const mask = (0xff << (8 - left)) & 0xff
    if (((bytes[bit >> 3] ?? 0) & mask) !== ((pattern.address[bit >> 3] ?? 0) & mask)) return false
  }
  return true
}

/** The members of all lines together. Throws `config`. */
export function parseRouterSet(lines: readonly ConfigLine[]): RouterSet {
  const fingerprints = new Set<string>()
  const nicknames = new Set<string>()
  const countries = new Set<string>()
  const patterns: AddressPattern[] = []
  const members: string[] = []
  for (const line of lines) {
    for (const item of line.value.split(',').map((text) => text.trim()).filter((text) => text !== '')) {
      members.push(item)
      const country = /^\{([A-Za-z]{2}|\?\?)\}$/.exec(item)?.[1]
      const pattern = /[.:*]/.test(item) ? parseAddressPattern(item) : undefined
      if (/^\$?[0-9a-fA-F]{40}$/.test(item)) fingerprints.add(item.replace('$', '').toUpperCase())
      else if (isNickname(item)) nicknames.add(item.toLowerCase())
      else if (country !== undefined) countries.add(country.toLowerCase())
      else if (pattern !== undefined) patterns.push(pattern)
      else throw configError(`${line.keyword}: "${item}" names no relay`, line.position, 'members are fingerprints, nicknames, {cc} country codes and address patterns such as 10.0.0.0/8')
    }
  }
  return new RouterSet(members.join(','), fingerprints, nicknames, countries, patterns)
}

/** `address[/bits][:port[-port]]`, where address may be `*`. */
export function parseAddressPattern(text: string): AddressPattern | undefined {
  const match = /^(\*|\[[0-9a-fA-F:.]+\]|[0-9.]+|[0-9a-fA-F:]+)(?:\/(\d{1,3}))?(?::(\*|\d{1,5}(?:-\d{1,5})?))?$/.exec(text)
  if (match === null) return undefined
  const [, host, mask, ports] = match
  const address = host === '*' ? undefined : parseIp(host ?? '')
  if (host !== '*' && address === undefined) return undefined
  const width = address === undefined ? 0 : address.length * 8
  const bits = mask === undefined ? width : Number(mask)
  if (bits > width) return undefined
  const [low, high] = ports === undefined || ports === '*' ? [1, 65535] : ports.split('-').map(Number)
  const minPort = low ?? 1
  const maxPort = high ?? minPort
  if (minPort < 1 || maxPort > 65535 || minPort > maxPort) return undefined
  return { address, bits, minPort, maxPort }
}
