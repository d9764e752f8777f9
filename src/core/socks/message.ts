/**
 * What a SOCKS request asks for, and replies. Versions 4, 4a and 5 (RFC 1928, RFC 1929) with Tor's commands RESOLVE and
 * RESOLVE_PTR (socks-extensions §2) and its extended errors (prop304). The handshakes are in files of their own.
 */

import { formatIp, parseIp } from '../ident/address.ts'
import { concatBytes, latin1Encode } from '../base/encoding.ts'
import { assert } from '../base/assert.ts'
import { wireCodes, type WireCode } from '../base/wire-code.ts'
import { Writer } from '../bytes/writer.ts'

export type SocksCommand = WireCode<'SocksCommand'>
export const SocksCommand = wireCodes('SocksCommand')({
  CONNECT: 1,
  BIND: 2,
  UDP_ASSOCIATE: 3,
  /** socks-extensions §2. */
  RESOLVE: 0xf0,
  RESOLVE_PTR: 0xf1,
})

/** Replies of SOCKS 5 (RFC 1928 §6); SOCKS 4 knows only granted and refused. From 0xF0 on: prop304, sent only on request. */
export type SocksStatus = WireCode<'SocksStatus'>
export const SocksStatus = wireCodes('SocksStatus')({
  SUCCEEDED: 0,
  GENERAL_FAILURE: 1,
  NOT_ALLOWED: 2,
  NETWORK_UNREACHABLE: 3,
  HOST_UNREACHABLE: 4,
  CONNECTION_REFUSED: 5,
  TTL_EXPIRED: 6,
  COMMAND_NOT_SUPPORTED: 7,
  ADDRESS_TYPE_NOT_SUPPORTED: 8,
  HS_DESC_NOT_FOUND: 0xf0,
  HS_DESC_INVALID: 0xf1,
  HS_INTRO_FAILED: 0xf2,
  HS_REND_FAILED: 0xf3,
  HS_MISSING_CLIENT_AUTH: 0xf4,
  HS_WRONG_CLIENT_AUTH: 0xf5,
  HS_BAD_ADDRESS: 0xf6,
  HS_INTRO_TIMED_OUT: 0xf7,
})

/** Who asks. Streams of different credentials share no circuit unless the listener says otherwise. */
export type SocksCredentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'socks4'; readonly userId: Uint8Array }
  | { readonly kind: 'socks5'; readonly username: Uint8Array; readonly password: Uint8Array }

export interface SocksRequest {
  readonly version: 4 | 5
  /** CONNECT, RESOLVE or RESOLVE_PTR: others are refused in the handshake. */
  readonly command: SocksCommand
  /** A host name, or an IP address in canonical form without brackets. */
  readonly host: string
  readonly hostKind: 'name' | 'ipv4' | 'ipv6'
  /** 0 only for RESOLVE and RESOLVE_PTR. */
  readonly port: number
  readonly credentials: SocksCredentials
  /** The application sent a numeric address: it may have resolved a name itself, outside Tor. */
  readonly numeric: boolean
}

/** What a reply says beside its status: the answer of RESOLVE, or the address a stream was connected to. */
export type SocksAnswer =
  | { readonly kind: 'address'; readonly host: string; readonly port?: number }
  | { readonly kind: 'name'; readonly host: string }

/** The bytes of a reply. An answer that the version cannot carry is left out. */
export function emitReply(version: 4 | 5, status: SocksStatus, answer?: SocksAnswer): Uint8Array {
  return version === 4 ? emitReply4(status, answer) : emitReply5(status, answer)
}

/** The reply to `request` that tells of the end of its stream before it was connected. */
export function emitFailure(request: SocksRequest, status: SocksStatus, extendedErrors: boolean): Uint8Array {
  // prop304 §2: extended codes go only to listeners that ask for them.
  const told = status >= 0xf0 && !extendedErrors ? SocksStatus.HOST_UNREACHABLE : status
  return emitReply(request.version, told)
}

function emitReply4(status: SocksStatus, answer: SocksAnswer | undefined): Uint8Array {
  const address = answer?.kind === 'address' ? parseIp(answer.host) : undefined
  const writer = new Writer(8).u8(0).u8(status === SocksStatus.SUCCEEDED ? 0x5a : 0x5b)
  writer.u16(answer?.kind === 'address' ? (answer.port ?? 0) : 0)
  return writer.bytes(address?.length === 4 ? address : new Uint8Array(4)).finish()
}

/** RFC 1928 §6. */
function emitReply5(status: SocksStatus, answer: SocksAnswer | undefined): Uint8Array {
  const writer = new Writer(22).u8(5).u8(status).u8(0)
  if (answer?.kind === 'name') {
    const name = latin1Encode(answer.host).subarray(0, 255)
    return writer.u8(3).u8(name.length).bytes(name).u16(0).finish()
  }
  const address = answer === undefined ? undefined : parseIp(answer.host)
  if (address === undefined) return writer.u8(1).zeros(6).finish()
  return writer.u8(address.length === 4 ? 1 : 4).bytes(address).u16(answer?.kind === 'address' ? (answer.port ?? 0) : 0).finish()
}

/** Sent to whoever speaks HTTP to a SOCKS port (socks-extensions §4), before the connection is closed. */
export const notAnHttpProxy: Uint8Array = latin1Encode(
  [
    'HTTP/1.0 501 Tor is not an HTTP Proxy',
    'Content-Type: text/html; charset=iso-8859-1',
    'Connection: close',
    '',
    '<html><head><title>This is a SOCKS proxy, not an HTTP proxy</title></head>',
    '<body><h1>This is a SOCKS proxy, not an HTTP proxy.</h1>',
    '<p>Configure your program to use this port as a SOCKS proxy, version 4a or 5.</p></body></html>',
    '',
  ].join('\r\n'),
)

/** The bytes of a SOCKS 4 or 4a request. A host name makes it 4a. */
export function emitRequest4(request: Pick<SocksRequest, 'command' | 'host' | 'port'>, userId: Uint8Array): Uint8Array {
  assert(!userId.includes(0), 'a SOCKS 4 user id has no zero byte')
  const address = parseIp(request.host)
  assert(address === undefined || address.length === 4, 'SOCKS 4 has no IPv6 addresses')
  const head = new Writer(16).u8(4).u8(request.command).u16(request.port)
  if (address !== undefined) return head.bytes(address).bytes(userId).u8(0).finish()
  return head.bytes(Uint8Array.of(0, 0, 0, 1)).bytes(userId).u8(0).bytes(latin1Encode(request.host)).u8(0).finish()
}

/** The bytes of a SOCKS 5 request (RFC 1928 §4), without the negotiation before it. */
export function emitRequest5(request: Pick<SocksRequest, 'command' | 'host' | 'port'>): Uint8Array {
  return concatBytes([Uint8Array.of(5, request.command, 0), emitAddress5(request.host), new Writer(2).u16(request.port).finish()])
}

function emitAddress5(host: string): Uint8Array {
  const address = parseIp(host)
  if (address !== undefined) return concatBytes([Uint8Array.of(address.length === 4 ? 1 : 4), address])
  const name = latin1Encode(host)
  assert(name.length > 0 && name.length <= 255, 'a host name has 1 to 255 bytes')
  return concatBytes([Uint8Array.of(3, name.length), name])
}

/** The text of a numeric address and its kind. */
export function describeAddress(bytes: Uint8Array): { host: string; hostKind: 'ipv4' | 'ipv6' } {
  return { host: formatIp(bytes), hostKind: bytes.length === 4 ? 'ipv4' : 'ipv6' }
}
