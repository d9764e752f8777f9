/**
 * The connecting side of a SOCKS handshake: for checks that play the application, and for proxies. Replies in, bytes to
 * send and finally the answer out.
 */

import { concatBytes, latin1Decode } from '../base/encoding.ts'
import { protocolError } from '../base/errors.ts'
import { assert } from '../base/assert.ts'
import { describeAddress, emitRequest4, emitRequest5, SocksStatus, type SocksCommand } from './message.ts'

export interface SocksClientRequest {
  readonly version: 4 | 5
  readonly command: SocksCommand
  /** A host name or an address; SOCKS 4 has no IPv6. */
  readonly host: string
  readonly port: number
  /** SOCKS 5: both. SOCKS 4: the username is the user id. */
  readonly username?: Uint8Array
  readonly password?: Uint8Array
}

export interface SocksReply {
  readonly status: SocksStatus
  /** The bound address, the answer of RESOLVE, or the name that RESOLVE_PTR found. */
  readonly host: string
  readonly hostKind: 'name' | 'ipv4' | 'ipv6'
  readonly port: number
}

export type SocksClientStep =
  | { readonly kind: 'more'; readonly send: Uint8Array }
  /** `early` are bytes of the stream that came with the reply. */
  | { readonly kind: 'reply'; readonly reply: SocksReply; readonly early: Uint8Array }

type State = 'methods' | 'password' | 'reply4' | 'reply5' | 'done'

const nothing = new Uint8Array(0)

export class SocksClientHandshake {
  readonly #request: SocksClientRequest
  #state: State
  #buffer: Uint8Array = nothing

  constructor(request: SocksClientRequest) {
    assert((request.username?.length ?? 0) <= 255 && (request.password?.length ?? 0) <= 255, 'SOCKS credentials have at most 255 bytes')
    this.#request = request
    this.#state = request.version === 4 ? 'reply4' : 'methods'
  }

  /** What to send first. */
  start(): Uint8Array {
    if (this.#request.version === 4) return emitRequest4(this.#request, this.#request.username ?? nothing)
    return this.#request.username === undefined ? Uint8Array.of(5, 1, 0) : Uint8Array.of(5, 1, 2)
  }

  /** Throws `protocol` for a server that does not speak SOCKS, `refused` never: a refusal is a reply. */
  handle(chunk: Uint8Array): SocksClientStep {
    this.#buffer = concatBytes([this.#buffer, chunk])
    const send: Uint8Array[] = []
    for (;;) {
      const outcome = this.#step()
      if (outcome === undefined) return { kind: 'more', send: concatBytes(send) }
      if (outcome instanceof Uint8Array) {
        send.push(outcome)
        continue
      }
      this.#state = 'done'
      return { kind: 'reply', reply: outcome, early: this.#buffer.slice() }
    }
  }

  /** Undefined: more is needed. Bytes: send them and go on. */
  #step(): Uint8Array | SocksReply | undefined {
    switch (this.#state) {
      case 'methods':
        return this.#methods()
      case 'password': {
        if (this.#buffer.length < 2) return undefined
        if (this.#buffer[1] !== 0) throw protocolError('SOCKS server refused the credentials')
        this.#buffer = this.#buffer.subarray(2)
        this.#state = 'reply5'
        return emitRequest5(this.#request)
      }
      case 'reply4':
        return this.#reply4()
      case 'reply5':
        return this.#reply5()
      case 'done':
        throw protocolError('SOCKS handshake is over')
    }
  }

  #methods(): Uint8Array | undefined {
    if (this.#buffer.length < 2) return undefined
    const [version, method] = this.#buffer
    if (version !== 5) throw protocolError('not a SOCKS 5 server')
    if (method !== (this.#request.username === undefined ? 0 : 2)) throw protocolError('SOCKS server accepts none of our authentication methods')
    this.#buffer = this.#buffer.subarray(2)
    if (this.#request.username === undefined) {
      this.#state = 'reply5'
      return emitRequest5(this.#request)
    }
    const { username, password = nothing } = this.#request
    this.#state = 'password'
    return concatBytes([Uint8Array.of(1, username.length), username, Uint8Array.of(password.length), password])
  }

  #reply4(): SocksReply | undefined {
    const buffer = this.#buffer
    if (buffer.length < 8) return undefined
    if (buffer[0] !== 0) throw protocolError('not a SOCKS 4 reply')
    this.#buffer = buffer.subarray(8)
    const status = buffer[1] === 0x5a ? SocksStatus.SUCCEEDED : SocksStatus.GENERAL_FAILURE
    return { status, ...describeAddress(buffer.subarray(4, 8)), port: ((buffer[2] ?? 0) << 8) | (buffer[3] ?? 0) }
  }

  #reply5(): SocksReply | undefined {
    const buffer = this.#buffer
    const [version, status, , addressType, nameLength] = buffer
    if (version !== undefined && version !== 5) throw protocolError('not a SOCKS 5 reply')
    if (status === undefined || addressType === undefined || nameLength === undefined) return undefined
    const start = addressType === 3 ? 5 : 4
    // SPEC-DIFF: C tor's refusal of RESOLVE has ATYP 0, which RFC 1928 §6 does not know, with the length of an IPv4 address.
    const isAddressless = addressType === 0 && status !== SocksStatus.SUCCEEDED
    const length = addressType === 1 || isAddressless ? 4 : addressType === 4 ? 16 : addressType === 3 ? nameLength : undefined
    if (length === undefined) throw protocolError('unknown address type in a SOCKS 5 reply')
    if (buffer.length < start + length + 2) return undefined
    const field = buffer.subarray(start, start + length)
    const port = ((buffer[start + length] ?? 0) << 8) | (buffer[start + length + 1] ?? 0)
    this.#buffer = buffer.subarray(start + length + 2)
    const bound = addressType === 3 ? { host: latin1Decode(field), hostKind: 'name' as const } : describeAddress(field)
    return { status, ...bound, port }
  }
}
