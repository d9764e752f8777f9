/** What a check does with a client: streams, names and HTTP through its SOCKS port. */

import { concatBytes, latin1Decode, utf8Encode } from '../../core/base/encoding.ts'
import { RelishError } from '../../core/base/errors.ts'
import type { SocketAddress } from '../../runtime/index.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { answerBytesMax } from '../limits.ts'
import { connectThroughSocks, resolveThroughSocks, type SocksOptions } from '../socks-client.ts'
import type { WorldStream } from '../world-stream.ts'

export interface CheckClient {
  readonly name: string
  /** Where applications connect to it. */
  readonly socks: SocketAddress
  /** A stream through the network. Throws `SocksRefusal` when the client says no. */
  connect(target: { readonly host: string; readonly port: number }, options?: SocksOptions): Promise<WorldStream>
  /** The address that an exit finds for a name. */
  resolve(name: string, options?: SocksOptions): Promise<string>
  /** The name that an exit finds for an address. */
  resolvePtr(address: string, options?: SocksOptions): Promise<string>
  /** The body of a plain HTTP page; throws unless the answer is 200. */
  fetch(url: string, options?: SocksOptions): Promise<Uint8Array>
}

export function makeCheckClient(network: RunningNetwork, name: string): CheckClient {
  const { host, socksPort } = network.placementOf(name)
  if (socksPort === undefined) throw new RelishError('config', `${name} has no SOCKS port`)
  const socks = { host, port: socksPort }
  // An application is on the observer's host: what it sends to its client is no part of the network.
  const from = network.placement.observerHost
  return {
    name,
    socks,
    connect: (target, options = {}) => connectThroughSocks(network.observer, socks, from, target, options),
    resolve: (query, options = {}) => resolveThroughSocks(network.observer, socks, from, 'resolve', query, options),
    resolvePtr: (address, options = {}) => resolveThroughSocks(network.observer, socks, from, 'resolve-ptr', address, options),
    fetch: async (url, options = {}) => {
      const { hostname, port, pathname, search, host: hostHeader } = new URL(url)
      const stream = await connectThroughSocks(network.observer, socks, from, { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port) }, options)
      await stream.write(utf8Encode(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostHeader}\r\nConnection: close\r\n\r\n`))
      return bodyOf(url, await stream.readAll(answerBytesMax))
    },
  }
}

/** What `work` finds for each client, in their order. They do not wait for each other: each is mostly waiting for its circuits. */
export async function forEachClient(clients: readonly CheckClient[], work: (client: CheckClient, index: number) => Promise<readonly string[]>): Promise<string[]> {
  return (await Promise.all(clients.map(work))).flat()
}

function bodyOf(url: string, answer: Uint8Array): Uint8Array {
  const end = latin1Decode(answer).indexOf('\r\n\r\n')
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(latin1Decode(answer.subarray(0, 16)))?.[1]
  if (end < 0 || status !== '200') throw new RelishError('protocol', `${url} answered ${status ?? 'without HTTP'}`)
  return concatBytes([answer.subarray(end + 4)])
}
