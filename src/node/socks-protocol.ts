/** SOCKS 4, 4a and 5 as an application protocol: the handshake is core/socks, the choice of replies is C tor's. */

import { must } from '../core/base/assert.ts'
import { hexEncode } from '../core/base/encoding.ts'
import type { ResolvedAnswer } from '../core/cell/stream-messages.ts'
import { emitFailure, emitReply, SocksCommand, SocksStatus, type SocksRequest } from '../core/socks/message.ts'
import { SocksServerHandshake } from '../core/socks/server-handshake.ts'
import type { StreamFlags } from '../core/torrc/port-spec.ts'
import type { ApplicationProtocol, ProtocolStep } from './application-protocol.ts'
import { socksStatusFor } from './end-reasons.ts'

export class SocksProtocol implements ApplicationProtocol {
  readonly #flags: StreamFlags
  readonly #handshake: SocksServerHandshake
  #request: SocksRequest | undefined

  constructor(flags: StreamFlags) {
    this.#flags = flags
    this.#handshake = new SocksServerHandshake({ preferNoAuth: flags.preferSocksNoAuth })
  }

  handle(chunk: Uint8Array): ProtocolStep {
    const step = this.#handshake.handle(chunk)
    switch (step.kind) {
      case 'more':
        return step
      case 'refused':
        return { kind: 'refused', reply: step.reply, level: step.httpSeen ? 'warn' : 'info', words: `SOCKS request refused: ${step.reason}` }
      case 'request': {
        const { request } = step
        this.#request = request
        return {
          kind: 'request',
          reply: step.reply,
          early: step.early,
          request: {
            kind: request.command === SocksCommand.CONNECT ? 'connect' : request.command === SocksCommand.RESOLVE ? 'resolve' : 'resolve-ptr',
            host: request.host,
            port: request.port,
            credentials: credentialsKey(request),
            protocol: request.version === 4 ? 'socks4' : 'socks5',
            numeric: request.numeric,
          },
        }
      }
    }
  }

  /** As C tor does, the reply names no address. */
  connected(): Uint8Array {
    return emitReply(this.#asked.version, SocksStatus.SUCCEEDED)
  }

  /** The one answer a SOCKS reply has room for (socks-extensions §2). */
  answered(answers: readonly ResolvedAnswer[]): Uint8Array {
    const { command, version } = this.#asked
    if (command === SocksCommand.RESOLVE_PTR) {
      const name = answers.find((answer) => answer.kind === 'hostname')
      if (name?.kind === 'hostname') return emitReply(version, SocksStatus.SUCCEEDED, { kind: 'name', host: name.name })
      return emitReply(version, SocksStatus.HOST_UNREACHABLE)
    }
    const { ipv4Traffic, ipv6Traffic, preferIpv6 } = this.#flags
    const addresses = answers.flatMap((answer) => (answer.kind === 'address' ? [answer.address] : []))
    const ipv4 = ipv4Traffic ? addresses.find((address) => !address.includes(':')) : undefined
    const ipv6 = ipv6Traffic && version === 5 ? addresses.find((address) => address.includes(':')) : undefined
    const chosen = preferIpv6 ? (ipv6 ?? ipv4) : (ipv4 ?? ipv6)
    if (chosen === undefined) return emitReply(version, SocksStatus.HOST_UNREACHABLE)
    return emitReply(version, SocksStatus.SUCCEEDED, { kind: 'address', host: chosen })
  }

  /** C tor answers lookups that fail in one way only. */
  failed(reason: number): Uint8Array {
    const status = this.#asked.command === SocksCommand.CONNECT ? socksStatusFor(reason) : SocksStatus.HOST_UNREACHABLE
    return emitFailure(this.#asked, status, this.#flags.extendedErrors)
  }

  get #asked(): SocksRequest {
    return must(this.#request, 'replies follow a request')
  }
}

/** One text for what the application gave to keep its streams apart; different credentials give different texts. */
function credentialsKey(request: SocksRequest): string {
  const { credentials } = request
  switch (credentials.kind) {
    case 'none':
      return ''
    case 'socks4':
      return `4:${hexEncode(credentials.userId)}`
    case 'socks5':
      return `5:${hexEncode(credentials.username)}:${hexEncode(credentials.password)}`
  }
}
