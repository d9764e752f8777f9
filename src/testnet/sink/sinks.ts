/**
 * Servers that a check's streams end at. Each remembers who came, from which address, and what it was sent: what the
 * server saw is the evidence.
 */

import { latin1Decode, latin1Encode, utf8Encode } from '../../core/base/encoding.ts'
import type { Network, SocketAddress } from '../../runtime/index.ts'
import { sinkBytesMax, sinkRequestBytesMax, sinkVisitsKept } from '../limits.ts'
import { listenStreams, type WorldListener, type WorldStream } from '../world-stream.ts'

export interface Visit {
  /** Who connected, as the server sees it. */
  readonly from: SocketAddress
  /** `clock.now()` at the connection. */
  readonly atMs: number
  /** Bytes that came so far. */
  bytes: number
  /** HTTP only: the request line and headers. */
  request?: string
}

export interface Sink {
  readonly kind: 'echo' | 'http' | 'silent'
  readonly address: SocketAddress
  readonly visits: readonly Visit[]
  close(): void
}

/** Everything of a sink but its kind: bounded memory of visits. */
async function openSink(kind: Sink['kind'], network: Network, host: string, now: () => number, serve: (stream: WorldStream, visit: Visit) => Promise<void>, port = 0): Promise<Sink> {
  const visits: Visit[] = []
  const open = new Set<WorldStream>()
  const listener: WorldListener = await listenStreams(network, host, async (stream) => {
    const visit: Visit = { from: stream.remote, atMs: now(), bytes: 0 }
    if (visits.length < sinkVisitsKept) visits.push(visit)
    open.add(stream)
    try {
      await serve(stream, visit)
    } finally {
      open.delete(stream)
    }
  }, port)
  return {
    kind,
    address: listener.address,
    visits,
    close: () => {
      listener.close()
      for (const stream of open) stream.destroy()
    },
  }
}

/** Sends back every byte, and ends when the other side does. */
export function openEchoSink(network: Network, host: string, now: () => number, port = 0): Promise<Sink> {
  return openSink('echo', network, host, now, async (stream, visit) => {
    for (;;) {
      const chunk = await stream.read()
      if (chunk === undefined) break
      visit.bytes += chunk.length
      if (visit.bytes > sinkBytesMax) {
        stream.destroy()
        return
      }
      await stream.write(chunk)
    }
    stream.end()
  }, port)
}

/** Takes bytes and says nothing until the other side ends. */
export function openSilentSink(network: Network, host: string, now: () => number): Promise<Sink> {
  return openSink('silent', network, host, now, async (stream, visit) => {
    for (;;) {
      const chunk = await stream.read()
      if (chunk === undefined) break
      visit.bytes += chunk.length
    }
    stream.end()
  })
}

/** Answers each HTTP request with the address it came from, as text, and closes. */
export function openHttpSink(network: Network, host: string, now: () => number): Promise<Sink> {
  return openSink('http', network, host, now, async (stream, visit) => {
    let head = ''
    while (!head.includes('\r\n\r\n')) {
      const chunk = await stream.read()
      if (chunk === undefined || head.length > sinkRequestBytesMax) {
        stream.destroy()
        return
      }
      visit.bytes += chunk.length
      head += latin1Decode(chunk)
    }
    visit.request = head
    const body = utf8Encode(`${stream.remote.host}\n`)
    await stream.write(latin1Encode(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`))
    await stream.write(body)
    stream.end()
  })
}
