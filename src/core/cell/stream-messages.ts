/**
 * Relay messages about streams: BEGIN, CONNECTED, END, RESOLVE, RESOLVED, XON and XOFF (tor-spec §6.2 to §6.4, prop324
 * §4). DATA is bytes as they are; BEGIN_DIR is empty and its content ignored (tor-spec §6.2.1).
 */

import { assert } from '../base/assert.ts'
import { latin1Decode, latin1Encode } from '../base/encoding.ts'
import { protocolError, RelishError } from '../base/errors.ts'
import { Reader } from '../bytes/reader.ts'
import { Writer } from '../bytes/writer.ts'
import { formatIp, parseIp, parsePort } from '../ident/address.ts'
import { EndReason } from './commands.ts'

/** Bits of BEGIN's flags (tor-spec §6.2). */
export const BeginFlags = Object.freeze({ IPV6_OKAY: 1, IPV4_NOT_OKAY: 2, IPV6_PREFERRED: 4 })

export interface Begin {
  /** Host name or IP address, lower case, without brackets. Empty towards an onion service, which knows its own name. */
  readonly host: string
  readonly port: number
  readonly flags: number
}

/** BEGIN: "host:port" | 0 | flags 4, which are left out when zero, as C tor does (tor-spec §6.2). */
export function encodeBegin(message: Begin): Uint8Array {
  const host = message.host.includes(':') ? `[${message.host}]` : message.host
  const writer = new Writer(64).bytes(latin1Encode(`${host.toLowerCase()}:${message.port}`)).u8(0)
  if (message.flags !== 0) writer.u32(message.flags)
  return writer.finish()
}

/** Throws `protocol` for what is not an address and a port: answered with END, reason TORPROTOCOL. */
export function decodeBegin(data: Uint8Array): Begin {
  const reader = new Reader(data)
  const target = latin1Decode(reader.untilZero('BEGIN target')).toLowerCase()
  // Servers ignore what follows the flags, and flags that are cut short.
  const flags = reader.remaining >= 4 ? reader.u32() : 0
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]*)):(\d{1,5})$/.exec(target)
  const port = parsePort(match?.[3] ?? '')
  const bracketed = match?.[1]
  const host = bracketed ?? match?.[2]
  if (host === undefined || port === undefined) throw protocolError('BEGIN target is not an address and a port')
  if (bracketed !== undefined && parseIp(bracketed)?.length !== 16) throw protocolError('BEGIN target in brackets is not an IPv6 address')
  return { host, port, flags }
}

/** CONNECTED: empty, or the address the exit connected to (tor-spec §6.2). */
export interface Connected {
  readonly address?: string
  readonly ttlSec?: number
}

/** IPv4 4 | ttl 4, or zero 4 | type 6 1 | IPv6 16 | ttl 4 */
export function encodeConnected(message: Connected): Uint8Array {
  if (message.address === undefined) return new Uint8Array(0)
  const bytes = parseIp(message.address)
  if (bytes === undefined) throw new RelishError('bug', `CONNECTED with ${message.address}`)
  if (bytes.length === 16) return new Writer(25).u32(0).u8(6).bytes(bytes).u32(message.ttlSec ?? 0).finish()
  const writer = new Writer(8).bytes(bytes)
  if (message.ttlSec !== undefined) writer.u32(message.ttlSec)
  return writer.finish()
}

export function decodeConnected(data: Uint8Array): Connected {
  // The answer to BEGIN_DIR, and what onion services send, has no content.
  if (data.length === 0) return {}
  const reader = new Reader(data)
  const first = reader.view(4, 'IPv4 address')
  if (first.some((byte) => byte !== 0)) {
    const address = formatIp(first)
    return reader.remaining >= 4 ? { address, ttlSec: reader.u32() } : { address }
  }
  if (reader.u8('address type') !== 6) throw protocolError('CONNECTED with an address of unknown type')
  return { address: formatIp(reader.view(16, 'IPv6 address')), ttlSec: reader.u32('ttl') }
}

/** END (tor-spec §6.3). */
export interface End {
  readonly reason: EndReason
  /** With EXITPOLICY: the address the name stood for. */
  readonly address?: string
  readonly ttlSec?: number
}

/** reason 1, and for EXITPOLICY address 4 or 16 | ttl 4 */
export function encodeEnd(message: End): Uint8Array {
  const writer = new Writer(21).u8(message.reason)
  const bytes = message.address === undefined ? undefined : parseIp(message.address)
  if (message.reason === EndReason.EXITPOLICY && bytes !== undefined) writer.bytes(bytes).u32(message.ttlSec ?? 0xffff_ffff)
  return writer.finish()
}

/** Never throws: tor-spec §6.3 has END processed whatever follows the reason, and an empty one taken for MISC. */
export function decodeEnd(data: Uint8Array): End {
  const reason = data[0] ?? EndReason.MISC
  if (reason !== EndReason.EXITPOLICY) return { reason }
  const rest = data.subarray(1)
  const addressBytes = rest.length >= 20 ? 16 : rest.length >= 4 && rest.length <= 8 ? 4 : 0
  if (addressBytes === 0) return { reason }
  const address = formatIp(rest.subarray(0, addressBytes))
  return rest.length >= addressBytes + 4 ? { reason, address, ttlSec: new Reader(rest, addressBytes).u32() } : { reason, address }
}

/** RESOLVE: a name, or an in-addr.arpa name, and a zero byte (tor-spec §6.4). */
export interface Resolve {
  readonly name: string
}

export const encodeResolve = (message: Resolve): Uint8Array => new Writer(64).bytes(latin1Encode(message.name)).u8(0).finish()
export const decodeResolve = (data: Uint8Array): Resolve => ({ name: latin1Decode(new Reader(data).untilZero('name to resolve')).toLowerCase() })

export type ResolvedAnswer =
  | { readonly kind: 'address'; readonly address: string; readonly ttlSec: number }
  | { readonly kind: 'hostname'; readonly name: string; readonly ttlSec: number }
  | { readonly kind: 'error'; readonly transient: boolean; readonly ttlSec: number }

export interface Resolved {
  readonly answers: readonly ResolvedAnswer[]
}

const RESOLVED_HOSTNAME = 0x00
const RESOLVED_IPV4 = 0x04
const RESOLVED_IPV6 = 0x06
const RESOLVED_ERROR_TRANSIENT = 0xf0
const RESOLVED_ERROR = 0xf1
const errorText = latin1Encode('Error resolving hostname')

/** RESOLVED: any number of type 1 | length 1 | value | ttl 4 (tor-spec §6.4). IPv4 answers are moved to the front. */
export function encodeResolved(message: Resolved): Uint8Array {
  const isIpv4 = (answer: ResolvedAnswer): boolean => answer.kind === 'address' && !answer.address.includes(':')
  const writer = new Writer(64)
  for (const answer of [...message.answers.filter(isIpv4), ...message.answers.filter((each) => !isIpv4(each))]) {
    const { type, value } = resolvedValue(answer)
    writer.u8(type).sized(1, (inside) => inside.bytes(value)).u32(answer.ttlSec)
  }
  return writer.finish()
}

function resolvedValue(answer: ResolvedAnswer): { type: number; value: Uint8Array } {
  switch (answer.kind) {
    case 'address': {
      const value = parseIp(answer.address)
      if (value === undefined) throw new RelishError('bug', `RESOLVED with ${answer.address}`)
      return { type: value.length === 4 ? RESOLVED_IPV4 : RESOLVED_IPV6, value }
    }
    case 'hostname':
      assert(answer.name.length > 0 && answer.name.length <= 255, 'a host name has 1 to 255 characters')
      return { type: RESOLVED_HOSTNAME, value: latin1Encode(answer.name) }
    case 'error':
      return { type: answer.transient ? RESOLVED_ERROR_TRANSIENT : RESOLVED_ERROR, value: errorText }
  }
}

/** Answers of unknown types are left out. */
export function decodeResolved(data: Uint8Array): Resolved {
  const reader = new Reader(data)
  const answers: ResolvedAnswer[] = []
  while (reader.remaining > 0) {
    const type = reader.u8('answer type')
    const value = reader.view(reader.u8('answer length'), 'answer')
    const ttlSec = reader.u32('ttl')
    switch (type) {
      case RESOLVED_HOSTNAME:
        if (value.length === 0) throw protocolError('RESOLVED with an empty host name')
        answers.push({ kind: 'hostname', name: latin1Decode(value), ttlSec })
        break
      case RESOLVED_IPV4:
      case RESOLVED_IPV6:
        if (value.length !== (type === RESOLVED_IPV4 ? 4 : 16)) throw protocolError('RESOLVED address of wrong length')
        answers.push({ kind: 'address', address: formatIp(value), ttlSec })
        break
      case RESOLVED_ERROR_TRANSIENT:
      case RESOLVED_ERROR:
        // tor-spec §6.4: the text of an error is ignored.
        answers.push({ kind: 'error', transient: type === RESOLVED_ERROR_TRANSIENT, ttlSec })
        break
      default:
        break
    }
  }
  return { answers }
}

/** XON: "send again, about this fast" (prop324 §4.1). */
export interface Xon {
  /** Kilobytes a second; 0 means no limit. */
  readonly kilobytesPerSec: number
}

/** version 1 = 0 | rate 4 */
export const encodeXon = (message: Xon): Uint8Array => new Writer(5).u8(0).u32(message.kilobytesPerSec).finish()

/** Throws `protocol` for unknown versions (prop324 §4.1: the circuit is closed). */
export function decodeXon(data: Uint8Array): Xon {
  const reader = new Reader(data)
  requireVersionZero(reader, 'XON')
  return { kilobytesPerSec: reader.u32('XON rate') }
}

/** XOFF: "stop sending on this stream" (prop324 §4.1): version 1 = 0 */
export const encodeXoff = (): Uint8Array => Uint8Array.of(0)
export const decodeXoff = (data: Uint8Array): void => requireVersionZero(new Reader(data), 'XOFF')

function requireVersionZero(reader: Reader, what: string): void {
  const version = reader.u8(`${what} version`)
  if (version !== 0) throw protocolError(`${what} of version ${version}`)
}
