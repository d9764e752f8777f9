/**
 * The client side of HTTP CONNECT through a proxy (RFC 9110 §9.3.6), as C tor's HTTPSProxy option uses it: request out,
 * head of the answer in, then the socket belongs to whoever asked.
 */

import type { Socket } from 'node:net'
import { latin1Decode } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import { formatAddressPort } from '../core/ident/address.ts'
import type { SocketAddress } from '../runtime/index.ts'
import { hostLimits } from './limits.ts'

export const connectRequest = (target: SocketAddress): string =>
  `CONNECT ${formatAddressPort(target)} HTTP/1.1\r\nHost: ${formatAddressPort(target)}\r\n\r\n`

/**
 * What the bytes received so far say: undefined while the head is incomplete; else how many of them belong to the head.
 * Throws `protocol` for what is not HTTP, `refused` for a status other than 2xx, `limit` for a head without end.
 */
export function parseConnectAnswer(received: Uint8Array): { headBytes: number } | undefined {
  const text = latin1Decode(received.subarray(0, hostLimits.proxyAnswerBytesMax))
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) {
    if (received.length >= hostLimits.proxyAnswerBytesMax) throw new RelishError('limit', 'the proxy answers CONNECT with an endless head')
    return undefined
  }
  const status = /^HTTP\/1\.[01] (\d{3})(?: .*)?$/.exec(text.slice(0, text.indexOf('\r\n')))?.[1]
  if (status === undefined) throw new RelishError('protocol', 'the proxy does not answer CONNECT in HTTP')
  if (!status.startsWith('2')) throw new RelishError('refused', `the proxy answers CONNECT with status ${status}`)
  return { headBytes: end + 4 }
}

/** Asks the proxy at the other end of `socket` for `target`. Exactly one of the callbacks is called. */
export function askProxy(socket: Socket, target: SocketAddress, onTunnel: () => void, onError: (error: RelishError) => void): void {
  let received = Buffer.alloc(0)
  const settle = (): void => {
    socket.off('data', onData)
    socket.off('end', onEnd)
    socket.pause()
  }
  const onData = (chunk: Buffer): void => {
    received = Buffer.concat([received, chunk])
    try {
      const answer = parseConnectAnswer(received)
      if (answer === undefined) return
      settle()
      const rest = received.subarray(answer.headBytes)
      if (rest.length > 0) socket.unshift(rest)
      onTunnel()
    } catch (thrown) {
      settle()
      onError(thrown instanceof RelishError ? thrown : new RelishError('bug', 'answer of the proxy', { cause: thrown }))
    }
  }
  const onEnd = (): void => {
    settle()
    onError(new RelishError('refused', 'the proxy closed before it answered CONNECT'))
  }
  socket.on('data', onData)
  socket.on('end', onEnd)
  socket.resume()
  socket.write(connectRequest(target))
}
