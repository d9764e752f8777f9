/** Names that stand for addresses in questions for the names of an address (RFC 1035 §3.5, RFC 3596 §2.5, tor-spec §6.4). */

import { formatIp, parseIp } from '../core/ident/address.ts'

/** `1.2.0.192.in-addr.arpa` for 192.0.2.1; undefined for what is no IP address. */
export function arpaName(address: string): string | undefined {
  const bytes = parseIp(address)
  if (bytes === undefined) return undefined
  if (bytes.length === 4) return `${[...bytes].reverse().join('.')}.in-addr.arpa`
  const nibbles = [...bytes].flatMap((byte) => [byte >>> 4, byte & 15])
  return `${nibbles.reverse().map((nibble) => nibble.toString(16)).join('.')}.ip6.arpa`
}

/** The address that an `in-addr.arpa` or `ip6.arpa` name stands for; undefined for other names. */
export function addressOfArpaName(name: string): string | undefined {
  const lower = name.toLowerCase()
  if (lower.endsWith('.in-addr.arpa')) {
    const address = lower.slice(0, -'.in-addr.arpa'.length).split('.').reverse().join('.')
    return parseIp(address)?.length === 4 ? address : undefined
  }
  if (!lower.endsWith('.ip6.arpa')) return undefined
  const nibbles = lower.slice(0, -'.ip6.arpa'.length).split('.').reverse()
  if (nibbles.length !== 32 || !nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return undefined
  const bytes = Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(`${nibbles[2 * i]}${nibbles[2 * i + 1]}`, 16))
  return formatIp(bytes)
}
