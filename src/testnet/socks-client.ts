/** An application's side of SOCKS in any world: dial the client's port, shake hands, and have a stream or an answer. */

import { utf8Encode } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import { SocksClientHandshake, type SocksReply } from '../core/socks/client-handshake.ts'
import { SocksCommand, SocksStatus } from '../core/socks/message.ts'
import type { Network, SocketAddress } from '../runtime/index.ts'
import { socksTimeoutMs } from './limits.ts'
import { dialStream, type WorldStream } from './world-stream.ts'

export interface SocksOptions {
  /** `4a` is 4 with a name; what the target is decides. Default 5. */
  readonly version?: '4' | '4a' | '5'
  /** Credentials; streams with different ones share no circuit. */
  readonly username?: string
  readonly password?: string
}

/** The client's SOCKS port said no. `code` is its reply. */
export class SocksRefusal extends RelishError {
  readonly code: SocksStatus

  constructor(target: string, code: SocksStatus) {
    super('refused', `${target}: ${SocksStatus.nameOf(code)}`)
    this.code = code
  }
}

export async function connectThroughSocks(network: Network, socks: SocketAddress, from: string, target: SocketAddress, options: SocksOptions): Promise<WorldStream> {
  const { stream } = await shakeHands(network, socks, from, SocksCommand.CONNECT, target, options)
  return stream
}

/** The address of a name (`resolve`) or the name of an address (`resolve-ptr`). */
export async function resolveThroughSocks(network: Network, socks: SocketAddress, from: string, kind: 'resolve' | 'resolve-ptr', host: string, options: SocksOptions): Promise<string> {
  const command = kind === 'resolve' ? SocksCommand.RESOLVE : SocksCommand.RESOLVE_PTR
  const { stream, reply } = await shakeHands(network, socks, from, command, { host, port: 0 }, options)
  stream.destroy()
  return reply.host
}

async function shakeHands(network: Network, socks: SocketAddress, from: string, command: SocksCommand, target: SocketAddress, options: SocksOptions): Promise<{ stream: WorldStream; reply: SocksReply }> {
  const stream = await dialStream(network, socks, from, socksTimeoutMs)
  try {
    const handshake = new SocksClientHandshake({
      version: options.version === '4' || options.version === '4a' ? 4 : 5,
      command,
      host: target.host,
      port: target.port,
      ...(options.username === undefined ? {} : { username: utf8Encode(options.username), password: utf8Encode(options.password ?? '') }),
    })
    await stream.write(handshake.start())
    for (;;) {
      const chunk = await stream.read()
      if (chunk === undefined) throw new RelishError('unavailable', `the SOCKS port of ${socks.host} closed without an answer for ${target.host}`)
      const step = handshake.handle(chunk)
      if (step.kind === 'more') {
        if (step.send.length > 0) await stream.write(step.send)
        continue
      }
      if (step.reply.status !== SocksStatus.SUCCEEDED) throw new SocksRefusal(command === SocksCommand.CONNECT ? `${target.host}:${target.port}` : target.host, step.reply.status)
      stream.unread(step.early)
      return { stream, reply: step.reply }
    }
  } catch (error) {
    stream.destroy()
    throw error
  }
}
