/**
 * Bodies of the cells that open and keep a link: VERSIONS, CERTS, AUTH_CHALLENGE, AUTHENTICATE, NETINFO and
 * PADDING_NEGOTIATE (tor-spec §4 and §7.2). What is in the certificates and in the authentication is not looked at here.
 * Encoders give the body without the zeros that fill a fixed-length cell.
 */

import { assert } from '../base/assert.ts'
import { protocolError } from '../base/errors.ts'
import { wireCodes, type WireCode } from '../base/wire-code.ts'
import { Reader } from '../bytes/reader.ts'
import { Writer } from '../bytes/writer.ts'
import type { CertsEntry } from '../cert/link-certs.ts'
import { formatIp, parseIp } from '../ident/address.ts'

/** VERSIONS: link protocol versions, 2 bytes each (tor-spec §4.1). Never padded. */
export function encodeVersions(versions: readonly number[]): Uint8Array {
  const writer = new Writer(versions.length * 2)
  for (const version of versions) writer.u16(version)
  return writer.finish()
}

export function decodeVersions(body: Uint8Array): number[] {
  // tor-spec §4.1: an odd number of bytes closes the connection.
  if (body.length % 2 !== 0) throw protocolError('VERSIONS cell of odd length')
  const reader = new Reader(body)
  const versions: number[] = []
  while (reader.remaining > 0) versions.push(reader.u16())
  return versions
}

/** CERTS: count 1, then each: type 1 | length 2 | certificate (tor-spec §4.2). */
export function encodeCerts(entries: readonly CertsEntry[]): Uint8Array {
  const writer = new Writer(2048).u8(entries.length)
  for (const entry of entries) writer.u8(entry.type).sized(2, (inside) => inside.bytes(entry.body))
  return writer.finish()
}

/** Bytes after the last certificate are ignored (tor-spec §4.2). Whether the entries prove anything is for `core/cert`. */
export function decodeCerts(content: Uint8Array): CertsEntry[] {
  const reader = new Reader(content)
  const count = reader.u8('number of certificates')
  const entries: CertsEntry[] = []
  for (let i = 0; i < count; i++) {
    const type = reader.u8('certificate type')
    const body = reader.take(reader.u16('certificate length'), 'certificate')
    entries.push({ type, body })
  }
  return entries
}

/** Methods of link authentication (tor-spec §4.4). Type 1 rests on TLS 1.2 secrets and is not spoken any more. */
export type LinkAuthMethod = WireCode<'LinkAuthMethod'>
export const LinkAuthMethod = wireCodes('LinkAuthMethod')({ RSA_SHA256_TLSSECRET: 1, ED25519_SHA256_RFC5705: 3 })

export interface AuthChallenge {
  /** 32 bytes. */
  readonly challenge: Uint8Array
  readonly methods: readonly LinkAuthMethod[]
}

/** AUTH_CHALLENGE: challenge 32 | count 2 | methods 2 each (tor-spec §4.3). */
export function encodeAuthChallenge(message: AuthChallenge): Uint8Array {
  assert(message.challenge.length === 32, 'a challenge has 32 bytes')
  const writer = new Writer(40).bytes(message.challenge).u16(message.methods.length)
  for (const method of message.methods) writer.u16(method)
  return writer.finish()
}

/** Bytes at the end are ignored (tor-spec §4.3). */
export function decodeAuthChallenge(body: Uint8Array): AuthChallenge {
  const reader = new Reader(body)
  const challenge = reader.take(32, 'challenge')
  const methods: LinkAuthMethod[] = []
  for (let left = reader.u16('number of methods'); left > 0; left--) methods.push(reader.u16('method'))
  return { challenge, methods }
}

export interface Authenticate {
  readonly method: LinkAuthMethod
  readonly authentication: Uint8Array
}

/** AUTHENTICATE: method 2 | length 2 | authentication (tor-spec §4.4). */
export function encodeAuthenticate(message: Authenticate): Uint8Array {
  return new Writer(4 + message.authentication.length).u16(message.method).sized(2, (inside) => inside.bytes(message.authentication)).finish()
}

/** Bytes at the end are ignored (tor-spec §4.4). */
export function decodeAuthenticate(body: Uint8Array): Authenticate {
  const reader = new Reader(body)
  const method = reader.u16('authentication method')
  return { method, authentication: reader.take(reader.u16('authentication length'), 'authentication') }
}

export interface Netinfo {
  /** Seconds since 1970; 0 when the sender hides its clock, as clients do. */
  readonly timestampSec: number
  /** The receiver's address as the sender sees it; undefined for an address of a kind we do not know. */
  readonly otherAddress: string | undefined
  /** The sender's own addresses, those of unknown kinds left out. */
  readonly myAddresses: readonly string[]
}

const ADDRESS_IPV4 = 4
const ADDRESS_IPV6 = 6

/** NETINFO: time 4 | other address | count 1 | own addresses; an address is type 1 | length 1 | value (tor-spec §4.5). */
export function encodeNetinfo(message: Netinfo): Uint8Array {
  const writer = new Writer(64).u32(message.timestampSec)
  writeAddress(writer, message.otherAddress)
  writer.u8(message.myAddresses.length)
  for (const address of message.myAddresses) writeAddress(writer, address)
  return writer.finish()
}

/** Bytes at the end are ignored (tor-spec §4.5). */
export function decodeNetinfo(body: Uint8Array): Netinfo {
  const reader = new Reader(body)
  const timestampSec = reader.u32('timestamp')
  const otherAddress = readAddress(reader)
  const myAddresses: string[] = []
  for (let left = reader.u8('number of addresses'); left > 0; left--) {
    const address = readAddress(reader)
    if (address !== undefined) myAddresses.push(address)
  }
  return { timestampSec, otherAddress, myAddresses }
}

function writeAddress(writer: Writer, address: string | undefined): void {
  const bytes = address === undefined ? undefined : parseIp(address)
  assert(address === undefined || bytes !== undefined, 'NETINFO carries IP addresses')
  if (bytes === undefined) writer.u8(0).u8(0)
  else writer.u8(bytes.length === 4 ? ADDRESS_IPV4 : ADDRESS_IPV6).sized(1, (inside) => inside.bytes(bytes))
}

function readAddress(reader: Reader): string | undefined {
  const type = reader.u8('address type')
  const value = reader.view(reader.u8('address length'), 'address')
  // tor-spec §4.5: an address whose length does not fit its type is ignored.
  if ((type === ADDRESS_IPV4 && value.length === 4) || (type === ADDRESS_IPV6 && value.length === 16)) return formatIp(value)
  return undefined
}

/** PADDING_NEGOTIATE (tor-spec §7.2): a client says whether and how often it wants link padding. */
export type PaddingNegotiate =
  | { readonly command: 'stop' }
  /** Bounds in milliseconds between which padding is sent on an idle link; 0 and 0 mean the consensus' values. */
  | { readonly command: 'start'; readonly lowMs: number; readonly highMs: number }

const PADDING_STOP = 1
const PADDING_START = 2

/** version 1 = 0 | command 1 | low 2 | high 2 */
export function encodePaddingNegotiate(message: PaddingNegotiate): Uint8Array {
  const writer = new Writer(6).u8(0)
  if (message.command === 'stop') return writer.u8(PADDING_STOP).u16(0).u16(0).finish()
  return writer.u8(PADDING_START).u16(message.lowMs).u16(message.highMs).finish()
}

/** The rest of the cell is padding. */
export function decodePaddingNegotiate(body: Uint8Array): PaddingNegotiate {
  const reader = new Reader(body)
  const version = reader.u8('padding negotiation version')
  if (version !== 0) throw protocolError(`PADDING_NEGOTIATE of version ${version}`)
  const command = reader.u8('padding command')
  const lowMs = reader.u16('low padding timeout')
  const highMs = reader.u16('high padding timeout')
  if (command === PADDING_STOP) return { command: 'stop' }
  if (command === PADDING_START) return { command: 'start', lowMs, highMs }
  throw protocolError(`PADDING_NEGOTIATE with command ${command}`)
}
