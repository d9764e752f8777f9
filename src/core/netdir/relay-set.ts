/**
 * Sets of relays as the configuration names them (`ExcludeNodes`, `EntryNodes`, `ExitNodes`, `MiddleNodes`, `NodeFamily`, …):
 * identity fingerprints, nicknames, address patterns and country codes, separated by commas.
 *
 * Country codes are kept but match nothing, since no address database is at hand.
 */

import { RelishError } from '../base/errors.ts'
import { parseIp } from '../ident/address.ts'
import type { RelayStatus } from './relay.ts'
import { sharePrefix } from './subnet.ts'

interface AddressPattern {
  /** Undefined matches any address. */
  readonly bytes: Uint8Array | undefined
  readonly bits: number
  readonly portLow: number
  readonly portHigh: number
}

export class RelaySet {
  readonly #fingerprints: ReadonlySet<string>
  readonly #nicknames: ReadonlySet<string>
  readonly #patterns: readonly AddressPattern[]
  readonly #countries: readonly string[]
  /** The elements as written, joined by commas. */
  readonly text: string

  private constructor(fingerprints: ReadonlySet<string>, nicknames: ReadonlySet<string>, patterns: readonly AddressPattern[], countries: readonly string[], text: string) {
    this.#fingerprints = fingerprints
    this.#nicknames = nicknames
    this.#patterns = patterns
    this.#countries = countries
    this.text = text
  }

  /** Throws `config` for an element that is none of the four kinds. */
  static parse(text: string | readonly string[]): RelaySet {
    const elements = (typeof text === 'string' ? text.split(',') : text.flatMap((part) => part.split(','))).map((part) => part.trim()).filter((part) => part !== '')
    const fingerprints = new Set<string>()
    const nicknames = new Set<string>()
    const patterns: AddressPattern[] = []
    const countries: string[] = []
    for (const element of elements) {
      const identity = /^\$?([0-9a-fA-F]{40})(?:[~=][A-Za-z0-9]{1,19})?$/.exec(element)
      if (identity?.[1] !== undefined) fingerprints.add(identity[1].toUpperCase())
      else if (/^\{[A-Za-z?]{2}\}$/.test(element)) countries.push(element.slice(1, 3).toLowerCase())
      else if (/^[A-Za-z0-9]{1,19}$/.test(element)) nicknames.add(element.toLowerCase())
      else {
        const pattern = parsePattern(element)
        if (pattern === undefined) throw new RelishError('config', `'${element}' is not a fingerprint, nickname, address pattern or country code`)
        patterns.push(pattern)
      }
    }
    return new RelaySet(fingerprints, nicknames, patterns, countries, elements.join(','))
  }

  static readonly empty = new RelaySet(new Set(), new Set(), [], [], '')

  get isEmpty(): boolean {
    return this.#fingerprints.size === 0 && this.#nicknames.size === 0 && this.#patterns.length === 0 && this.#countries.length === 0
  }

  contains(relay: Pick<RelayStatus, 'fingerprint' | 'nickname' | 'addresses'>): boolean {
    if (this.#fingerprints.has(relay.fingerprint) || this.#nicknames.has(relay.nickname.toLowerCase())) return true
    if (this.#patterns.length === 0) return false
    return relay.addresses.some(({ host, port }) => {
      const bytes = parseIp(host)
      return bytes !== undefined && this.#patterns.some((pattern) => matches(pattern, bytes, port))
    })
  }
}

function matches(pattern: AddressPattern, bytes: Uint8Array, port: number): boolean {
  if (port < pattern.portLow || port > pattern.portHigh) return false
  return pattern.bytes === undefined || sharePrefix(pattern.bytes, bytes, pattern.bits)
}

/** `ADDRESS[/BITS|/MASK][:PORT[-PORT]]` with `[…]` around IPv6, or `*` for either part. */
function parsePattern(element: string): AddressPattern | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|(\d+\.\d+\.\d+\.\d+)|(\*))(?:\/([0-9.]+))?(?::(\*|\d+(?:-\d+)?))?$/.exec(element)
  if (match === null) return undefined
  const [, ipv6, ipv4, , maskText, portText] = match
  const host = ipv6 ?? ipv4
  const bytes = host === undefined ? undefined : parseIp(host)
  if (host !== undefined && bytes === undefined) return undefined
  const bits = maskText === undefined ? (bytes?.length ?? 0) * 8 : maskBits(maskText, bytes)
  if (bits === undefined) return undefined
  const [low, high] = portText === undefined || portText === '*' ? [1, 65_535] : portText.split('-').map(Number)
  const portLow = low ?? 1
  const portHigh = high ?? portLow
  if (portLow > portHigh || portHigh > 65_535) return undefined
  return { bytes, bits, portLow, portHigh }
}

function maskBits(text: string, bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined) return undefined
  if (/^\d{1,3}$/.test(text)) return Number(text) <= bytes.length * 8 ? Number(text) : undefined
  const mask = bytes.length === 4 ? parseIp(text) : undefined
  if (mask === undefined) return undefined
  const pattern = [...mask].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(pattern) ? pattern.replace(/0+$/, '').length : undefined
}
