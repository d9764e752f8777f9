/**
 * IP addresses and ports as text and bytes. An address is held as text in one canonical form (dotted IPv4, RFC 5952
 * IPv6 without brackets), the form of the Runtime's `SocketAddress`, so that two equal addresses are equal strings.
 * Host names are not resolved here.
 */

import { RelishError } from '../base/errors.ts'

/** An address and a TCP port; `host` is canonical, without brackets. Structurally the Runtime's `SocketAddress`. */
export interface AddressPort {
  readonly host: string
  readonly port: number
}

/** Four bytes, or undefined for anything but four decimal numbers without leading zeros. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const out = new Uint8Array(4)
  for (let i = 0; i < 4; i++) {
    const part = parts[i] as string
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return undefined
    const value = Number(part)
    if (value > 255) return undefined
    out[i] = value
  }
  return out
}

/** Sixteen bytes, or undefined. Accepts `::` and a dotted IPv4 tail; no brackets, no zone. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0] as string, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1] as string, true) : []
  if (head === undefined || tail === undefined) return undefined
  const given = head.length + tail.length
  // `::` stands for at least one group.
  if (halves.length === 1 ? given !== 8 : given > 7) return undefined
  const groups = [...head, ...new Array<number>(8 - given).fill(0), ...tail]
  const out = new Uint8Array(16)
  groups.forEach((group, i) => {
    out[2 * i] = group >>> 8
    out[2 * i + 1] = group & 255
  })
  return out
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string
    if (i === parts.length - 1 && mayEndInIpv4 && part.includes('.')) {
      const ipv4 = parseIpv4(part)
      if (ipv4 === undefined) return undefined
      groups.push(((ipv4[0] as number) << 8) | (ipv4[1] as number), ((ipv4[2] as number) << 8) | (ipv4[3] as number))
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
    } else {
      return undefined
    }
  }
  return groups.length <= 8 ? groups : undefined
}

/** Four or sixteen bytes; undefined when `text` is no IP address. Brackets around IPv6 are accepted. */
export function parseIp(text: string): Uint8Array | undefined {
  if (text.startsWith('[') && text.endsWith(']')) return parseIpv6(text.slice(1, -1))
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** Canonical text of four or sixteen bytes. Throws `protocol` for other lengths. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw new RelishError('protocol', `an IP address has 4 or 16 bytes, not ${bytes.length}`)
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] as number) << 8) | (bytes[i + 1] as number))
  if (isIpv4Mapped(bytes)) return `::ffff:${bytes.subarray(12).join('.')}`
  // RFC 5952 §4.2: the longest run of two or more zero groups is shortened, the first one among equals.
  let start = -1
  let length = 1
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && groups[end] === 0) end++
    if (end - i > length) {
      start = i
      length = end - i
    }
  }
  const hex = groups.map((group) => group.toString(16))
  if (start < 0) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

function isIpv4Mapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
}

/** The canonical form of an address; undefined when it is none. */
export function canonicalIp(text: string): string | undefined {
  const bytes = parseIp(text)
  return bytes === undefined ? undefined : formatIp(bytes)
}

export const isIpv4 = (host: string): boolean => parseIpv4(host) !== undefined
export const isIpv6 = (host: string): boolean => parseIpv6(host) !== undefined

/** A port of 1 to 65535, or 0 where `allowZero`; undefined otherwise. */
export function parsePort(text: string, allowZero = false): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined
  const port = Number(text)
  return port > 65535 || (port === 0 && !allowZero) ? undefined : port
}

/** `127.0.0.1:9001` or `[::1]:9001`, with the address made canonical. Undefined when it is not exactly that. */
export function parseAddressPort(text: string): AddressPort | undefined {
  const colon = text.lastIndexOf(':')
  if (colon < 0) return undefined
  const hostText = text.slice(0, colon)
  const port = parsePort(text.slice(colon + 1))
  if (port === undefined) return undefined
  // A bare IPv6 address cannot be told from its port; it needs brackets.
  const bytes = hostText.startsWith('[') ? parseIp(hostText) : parseIpv4(hostText)
  return bytes === undefined ? undefined : { host: formatIp(bytes), port }
}

/** `127.0.0.1:9001` or `[::1]:9001`. */
export function formatAddressPort(address: AddressPort): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/**
 * Whether an address is meant for a local network or host only: such addresses are not published, and exits refuse
 * them unless told otherwise. The ranges are those of C tor's `tor_addr_is_internal`: 0/8, 10/8, 100.64/10, 127/8,
 * 169.254/16, 172.16/12, 192.168/16; fc00::/7, fe80::/10, fec0::/10, ::/127, and IPv4-mapped forms of the former.
 * Text that is no address counts as private.
 */
export function isPrivateIp(host: string): boolean {
  let bytes = parseIp(host)
  if (bytes === undefined) return true
  if (isIpv4Mapped(bytes)) bytes = bytes.subarray(12)
  const first = bytes[0] as number
  const second = bytes[1] as number
  if (bytes.length === 4) {
    return (
      first === 0 ||
      first === 10 ||
      first === 127 ||
      (first === 100 && (second & 0xc0) === 64) ||
      (first === 169 && second === 254) ||
      (first === 172 && (second & 0xf0) === 16) ||
      (first === 192 && second === 168)
    )
  }
  if ((first & 0xfe) === 0xfc || (first === 0xfe && second >= 0x80)) return true
  return bytes.subarray(0, 15).every((byte) => byte === 0) && (bytes[15] as number) <= 1
}
