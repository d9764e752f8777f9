/**
 * The listening side of a SOCKS handshake: chunks in, replies and finally a request out. It connects nothing; the caller
 * answers the request with `emitReply`. What an application sends ahead of our reply is kept as `early` data
 * (socks-extensions §5).
 */

import { concatBytes, latin1Decode } from '../base/encoding.ts'
import { parseIp } from '../ident/address.ts'
import { hostNameBytesMax, socks4RequestBytesMax } from './limits.ts'
import { describeAddress, emitReply, notAnHttpProxy, SocksCommand, SocksStatus, type SocksCredentials, type SocksRequest } from './message.ts'

export interface SocksServerOptions {
  /** Take "no authentication" where the application offers both: its credentials are of no use to us. */
  readonly preferNoAuth?: boolean
}

export type SocksServerStep =
  /** More is needed; `reply` may be empty. */
  | { readonly kind: 'more'; readonly reply: Uint8Array }
  | { readonly kind: 'request'; readonly reply: Uint8Array; readonly request: SocksRequest; readonly early: Uint8Array }
  /** Send `reply` and close. */
  | { readonly kind: 'refused'; readonly reply: Uint8Array; readonly reason: string; readonly httpSeen: boolean }

type State =
  | { readonly name: 'version' }
  /** RFC 1929. */
  | { readonly name: 'password' }
  | { readonly name: 'request5'; readonly credentials: SocksCredentials }
  | { readonly name: 'done' }

/** One message taken off the front of the buffer. */
type Taken =
  | { readonly kind: 'reply'; readonly used: number; readonly reply: Uint8Array; readonly next: State }
  | { readonly kind: 'request'; readonly used: number; readonly request: SocksRequest }
  | { readonly kind: 'refused'; readonly reply: Uint8Array; readonly reason: string; readonly httpSeen: boolean }

const nothing = new Uint8Array(0)
const METHOD_NONE = 0
const METHOD_PASSWORD = 2
const METHOD_NO_ACCEPTABLE = 0xff

export class SocksServerHandshake {
  readonly #options: SocksServerOptions
  #state: State = { name: 'version' }
  #buffer: Uint8Array = nothing

  constructor(options: SocksServerOptions = {}) {
    this.#options = options
  }

  /** After `request` or `refused`, further chunks belong to the caller. */
  handle(chunk: Uint8Array): SocksServerStep {
    this.#buffer = this.#buffer.length === 0 ? chunk.slice() : concatBytes([this.#buffer, chunk])
    const replies: Uint8Array[] = []
    for (;;) {
      const taken = this.#take(this.#buffer)
      if (taken === undefined) return { kind: 'more', reply: concatBytes(replies) }
      if (taken.kind === 'refused') {
        this.#state = { name: 'done' }
        return { ...taken, reply: concatBytes([...replies, taken.reply]) }
      }
      this.#buffer = this.#buffer.subarray(taken.used)
      if (taken.kind === 'request') {
        this.#state = { name: 'done' }
        return { kind: 'request', reply: concatBytes(replies), request: taken.request, early: this.#buffer.slice() }
      }
      replies.push(taken.reply)
      this.#state = taken.next
    }
  }

  #take(buffer: Uint8Array): Taken | undefined {
    const state = this.#state
    switch (state.name) {
      case 'version':
        return this.#takeVersion(buffer)
      case 'password':
        return takePassword(buffer)
      case 'request5':
        // Some clients send credentials though none were asked for (socks-extensions §1.1).
        return buffer[0] === 1 && state.credentials.kind === 'none' ? takePassword(buffer) : takeRequest5(buffer, state.credentials)
      case 'done':
        return refusal('data after the handshake')
    }
  }

  #takeVersion(buffer: Uint8Array): Taken | undefined {
    switch (buffer[0]) {
      case undefined:
        return undefined
      case 4:
        return takeRequest4(buffer)
      case 5:
        return this.#takeMethods(buffer)
      case 0x43: // CONNECT
      case 0x47: // GET
      case 0x48: // HEAD
      case 0x50: // POST, PUT
        return { kind: 'refused', reply: notAnHttpProxy, reason: 'HTTP spoken to a SOCKS port', httpSeen: true }
      default:
        return refusal(`SOCKS version ${buffer[0]} is not known`)
    }
  }

  /** RFC 1928 §3. */
  #takeMethods(buffer: Uint8Array): Taken | undefined {
    const count = buffer[1]
    if (count === undefined || buffer.length < 2 + count) return undefined
    const offered = buffer.subarray(2, 2 + count)
    const order = this.#options.preferNoAuth === true ? [METHOD_NONE, METHOD_PASSWORD] : [METHOD_PASSWORD, METHOD_NONE]
    const method = order.find((candidate) => offered.includes(candidate))
    if (method === undefined) return refusal('no authentication method in common', Uint8Array.of(5, METHOD_NO_ACCEPTABLE))
    const next: State = method === METHOD_NONE ? { name: 'request5', credentials: { kind: 'none' } } : { name: 'password' }
    return { kind: 'reply', used: 2 + count, reply: Uint8Array.of(5, method), next }
  }
}

function refusal(reason: string, reply: Uint8Array = nothing): Taken {
  return { kind: 'refused', reply, reason, httpSeen: false }
}

/** RFC 1929 §2. Both fields may be empty (socks-extensions §1.1). */
function takePassword(buffer: Uint8Array): Taken | undefined {
  if (buffer[0] !== undefined && buffer[0] !== 1) return refusal('unknown version of username authentication', Uint8Array.of(1, 1))
  const userLength = buffer[1]
  if (userLength === undefined) return undefined
  const passwordLength = buffer[2 + userLength]
  if (passwordLength === undefined || buffer.length < 3 + userLength + passwordLength) return undefined
  const username = buffer.slice(2, 2 + userLength)
  const password = buffer.slice(3 + userLength, 3 + userLength + passwordLength)
  // Names that begin so are reserved; version 0 without more means nothing special, and all else is not for us.
  const reserved = latin1Decode(username)
  if (reserved.startsWith('<torS0X>') && reserved !== '<torS0X>0') return refusal('unknown extended parameters in the username', Uint8Array.of(1, 1))
  const next: State = { name: 'request5', credentials: { kind: 'socks5', username, password } }
  return { kind: 'reply', used: 3 + userLength + passwordLength, reply: Uint8Array.of(1, 0), next }
}

/** RFC 1928 §4. */
function takeRequest5(buffer: Uint8Array, credentials: SocksCredentials): Taken | undefined {
  const fail = (status: SocksStatus, reason: string): Taken => refusal(reason, emitReply(5, status))
  if (buffer[0] !== undefined && buffer[0] !== 5) return fail(SocksStatus.GENERAL_FAILURE, 'malformed SOCKS 5 request')
  const command = buffer[1]
  const addressType = buffer[3]
  if (command === undefined || addressType === undefined) return undefined
  const nameLength = buffer[4]
  if (addressType === 3 && nameLength === undefined) return undefined
  const start = addressType === 3 ? 5 : 4
  const length = addressType === 1 ? 4 : addressType === 4 ? 16 : addressType === 3 ? (nameLength ?? 0) : undefined
  if (length === undefined) return fail(SocksStatus.ADDRESS_TYPE_NOT_SUPPORTED, `SOCKS 5 address type ${addressType} is not known`)
  if (buffer.length < start + length + 2) return undefined
  const field = buffer.subarray(start, start + length)
  const port = ((buffer[start + length] ?? 0) << 8) | (buffer[start + length + 1] ?? 0)
  const target = addressType === 3 ? describeName(field) : { ...describeAddress(field), numeric: true }
  const known: readonly number[] = [SocksCommand.CONNECT, SocksCommand.RESOLVE, SocksCommand.RESOLVE_PTR]
  if (!known.includes(command)) return fail(SocksStatus.COMMAND_NOT_SUPPORTED, `SOCKS command ${SocksCommand.nameOf(command)} is not supported`)
  if (target === undefined) return fail(SocksStatus.GENERAL_FAILURE, 'malformed host name')
  if (command === SocksCommand.RESOLVE_PTR && target.hostKind === 'name') return fail(SocksStatus.ADDRESS_TYPE_NOT_SUPPORTED, 'RESOLVE_PTR needs an address')
  if (command === SocksCommand.CONNECT && port === 0) return fail(SocksStatus.GENERAL_FAILURE, 'port 0')
  return { kind: 'request', used: start + length + 2, request: { version: 5, command, ...target, port, credentials } }
}

/** SOCKS 4 and 4a, which have no specification but the memos of their authors. */
function takeRequest4(buffer: Uint8Array): Taken | undefined {
  const fail = (reason: string): Taken => refusal(reason, emitReply(4, SocksStatus.GENERAL_FAILURE))
  const needMore = (): Taken | undefined =>
    buffer.length >= socks4RequestBytesMax ? fail(`SOCKS 4 request longer than ${socks4RequestBytesMax} bytes`) : undefined
  if (buffer.length < 9) return undefined
  const command = buffer[1] ?? 0
  const port = ((buffer[2] ?? 0) << 8) | (buffer[3] ?? 0)
  const address = buffer.subarray(4, 8)
  const userEnd = indexOfZero(buffer, 8)
  if (userEnd === undefined) return needMore()
  const userId = buffer.slice(8, userEnd)
  const credentials: SocksCredentials = userId.length === 0 ? { kind: 'none' } : { kind: 'socks4', userId }
  // 4a: an address 0.0.0.x with x not zero says that a host name follows.
  const hasName = address[0] === 0 && address[1] === 0 && address[2] === 0 && address[3] !== 0
  const nameEnd = hasName ? indexOfZero(buffer, userEnd + 1) : undefined
  if (hasName && nameEnd === undefined) return needMore()
  const used = (nameEnd ?? userEnd) + 1
  if (used > socks4RequestBytesMax) return fail(`SOCKS 4 request longer than ${socks4RequestBytesMax} bytes`)
  const target = hasName ? describeName(buffer.subarray(userEnd + 1, nameEnd)) : { ...describeAddress(address), numeric: true }
  if (command !== SocksCommand.CONNECT && command !== SocksCommand.RESOLVE) return fail(`SOCKS command ${SocksCommand.nameOf(command)} is not supported`)
  if (target === undefined) return fail('malformed host name')
  if (command === SocksCommand.CONNECT && port === 0) return fail('port 0')
  return { kind: 'request', used, request: { version: 4, command, ...target, port, credentials } }
}

function indexOfZero(buffer: Uint8Array, from: number): number | undefined {
  const at = buffer.indexOf(0, from)
  return at < 0 ? undefined : at
}

/** A host name as sent; names that spell an address are that address. Undefined when malformed. */
function describeName(bytes: Uint8Array): Pick<SocksRequest, 'host' | 'hostKind' | 'numeric'> | undefined {
  if (bytes.length === 0 || bytes.length > hostNameBytesMax) return undefined
  const name = latin1Decode(bytes)
  const address = parseIp(name)
  if (address !== undefined) return { ...describeAddress(address), numeric: false }
  // Underscores are in no RFC and in many names.
  if (!/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$/.test(name)) return undefined
  return { host: name, hostKind: 'name', numeric: false }
}
