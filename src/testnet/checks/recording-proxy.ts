/** An HTTP CONNECT proxy that keeps what passes: the eyes on a link for `tls-only`. */

import { concatBytes, latin1Decode, latin1Encode } from '../../core/base/encoding.ts'
import { formatAddressPort, parseAddressPort } from '../../core/ident/address.ts'
import type { SocketAddress } from '../../runtime/index.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { proxyRecordBytesMax, sinkRequestBytesMax } from '../limits.ts'
import { dialStream, listenStreams, type WorldStream } from '../world-stream.ts'

export interface RecordedLink {
  readonly target: string
  /** What the client sent and got, in order, as far as the limit goes. */
  sent: Uint8Array[]
  received: Uint8Array[]
  bytes: number
}

export interface RecordingProxy {
  readonly address: SocketAddress
  readonly links: readonly RecordedLink[]
  /** Whether `marker` passed in either direction of any link. */
  saw(marker: Uint8Array): RecordedLink | undefined
  close(): void
}

export async function openRecordingProxy(network: RunningNetwork): Promise<RecordingProxy> {
  const links: RecordedLink[] = []
  const open = new Set<WorldStream>()
  const listener = await listenStreams(network.observer, network.placement.observerHost, async (client) => {
    open.add(client)
    const target = await readConnect(client)
    if (target === undefined) {
      client.destroy()
      return
    }
    const server = await dialStream(network.observer, target, undefined, 10_000)
    open.add(server)
    const link: RecordedLink = { target: formatAddressPort(target), sent: [], received: [], bytes: 0 }
    links.push(link)
    await client.write(latin1Encode('HTTP/1.1 200 Connection established\r\n\r\n'))
    await Promise.all([copy(client, server, link, link.sent), copy(server, client, link, link.received)])
    open.delete(client)
    open.delete(server)
  })
  return {
    address: listener.address,
    links,
    saw: (marker) => links.find((link) => contains(link.sent, marker) || contains(link.received, marker)),
    close: () => {
      listener.close()
      for (const stream of open) stream.destroy()
    },
  }
}

async function readConnect(client: WorldStream): Promise<SocketAddress | undefined> {
  let head = new Uint8Array(0)
  for (;;) {
    const end = latin1Decode(head).indexOf('\r\n\r\n')
    if (end >= 0) {
      client.unread(head.subarray(end + 4))
      const target = /^CONNECT (\S+) HTTP\/1\.[01]\r\n/.exec(latin1Decode(head))?.[1]
      return target === undefined ? undefined : parseAddressPort(target)
    }
    const chunk = await client.read()
    if (chunk === undefined || head.length > sinkRequestBytesMax) return undefined
    head = Uint8Array.from(concatBytes([head, chunk]))
  }
}

async function copy(from: WorldStream, to: WorldStream, link: RecordedLink, record: Uint8Array[]): Promise<void> {
  try {
    for (;;) {
      const chunk = await from.read()
      if (chunk === undefined) break
      if (link.bytes < proxyRecordBytesMax) record.push(chunk.slice())
      link.bytes += chunk.length
      await to.write(chunk)
    }
    to.end()
  } catch {
    from.destroy()
    to.destroy()
  }
}

function contains(chunks: readonly Uint8Array[], marker: Uint8Array): boolean {
  return Buffer.concat(chunks).indexOf(marker) >= 0
}
