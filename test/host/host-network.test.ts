/** What only the real network has: proxies and Unix sockets. Inherited sockets are tried with real processes. */

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8Decode, utf8Encode } from '../../src/core/base/encoding.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { seconds } from '../../src/core/base/time.ts'
import { createHostRuntime } from '../../src/host/host-runtime.ts'
import type { HostOptions, HostRuntime } from '../../src/host/host-options.ts'
import { parseConnectAnswer } from '../../src/host/http-connect.ts'
import { hostLimits } from '../../src/host/limits.ts'
import type { ByteStream, SocketAddress } from '../../src/runtime/index.ts'

let folder: string
const opened: { close(): void }[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'relish-host-'))
})

afterEach(() => {
  for (const thing of opened.splice(0)) thing.close()
  rmSync(folder, { recursive: true, force: true })
})

function runtime(options: Partial<HostOptions> = {}): HostRuntime {
  const made = createHostRuntime({ dataDirectory: folder, onBug: (error) => { throw error }, ...options })
  opened.push(made)
  return made
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within five seconds: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function rawServer(onSocket: (socket: Socket) => void): Promise<{ server: Server; address: SocketAddress }> {
  const server = createServer(onSocket)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  opened.push(server)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not a TCP server')
  return { server, address: { host: address.address, port: address.port } }
}

const collect = (stream: ByteStream): { text: () => string; closed: () => boolean } => {
  let text = ''
  let closed = false
  stream.start({ onData: (chunk) => (text += utf8Decode(chunk)), onEnd: () => undefined, onDrain: () => undefined, onClose: () => (closed = true) })
  return { text: () => text, closed: () => closed }
}

describe('HTTP CONNECT', () => {
  it('tunnels, and keeps what came with the head', async () => {
    let request = ''
    const proxy = await rawServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', (chunk) => {
        request = chunk.toString()
        socket.write('HTTP/1.1 200 Connection ')
        setImmediate(() => socket.write('established\r\nVia: test\r\n\r\nearly '))
        socket.on('data', (more) => socket.write(more.toString().toUpperCase()))
      })
    })
    let stream: ByteStream | undefined
    runtime().network.dial({ target: { host: '192.0.2.1', port: 443 }, timeout: seconds(5), httpsProxy: proxy.address }, {
      onConnect: (made) => (stream = made),
      onError: (error) => { throw error },
    })
    await until('the tunnel', () => stream !== undefined)
    expect(request).toBe('CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n')
    const seen = collect(stream as unknown as ByteStream)
    ;(stream as unknown as ByteStream).write(utf8Encode('words'))
    await until('the echo', () => seen.text() === 'early WORDS')
  })

  it.each([
    ['HTTP/1.1 403 Forbidden\r\n\r\n', 'refused'],
    ['SSH-2.0-x\r\n\r\n', 'protocol'],
    [`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(hostLimits.proxyAnswerBytesMax)}`, 'limit'],
    ['', 'refused'],
  ])('answer %.20j is %s', async (answer, kind) => {
    const proxy = await rawServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => (answer === '' ? socket.end() : socket.write(answer)))
    })
    let error: RelishError | undefined
    runtime().network.dial({ target: { host: '192.0.2.1', port: 443 }, timeout: seconds(5), httpsProxy: proxy.address }, {
      onConnect: () => { throw new Error('connected') },
      onError: (found) => (error = found),
    })
    await until('the error', () => error !== undefined)
    expect(error?.kind).toBe(kind)
  })

  it('reads the head byte by byte', () => {
    const whole = utf8Encode('HTTP/1.0 200 ok\r\nA: b\r\n\r\nrest')
    for (let length = 0; length < whole.length - 4; length++) expect(parseConnectAnswer(whole.subarray(0, length))).toBeUndefined()
    expect(parseConnectAnswer(whole)).toEqual({ headBytes: whole.length - 4 })
  })
})

describe('listening', () => {
  it('on a Unix socket', async () => {
    const node = runtime()
    const path = join(folder, 'control')
    let listening = false
    let accepted: ByteStream | undefined
    node.network.listenUnix(path, { onListening: () => (listening = true), onConnection: (stream) => (accepted = stream), onError: (error) => { throw error } })
    await until('listening', () => listening)
    const { connect } = await import('node:net')
    const client = connect(path)
    opened.push({ close: () => client.destroy() })
    client.write('PROTOCOLINFO\r\n')
    await until('a connection', () => accepted !== undefined)
    const seen = collect(accepted as unknown as ByteStream)
    await until('the words', () => seen.text() === 'PROTOCOLINFO\r\n')
    expect(accepted?.remote.host).toBe(path)
  })

  it('an address that is not ours is an error', async () => {
    let error: RelishError | undefined
    runtime().network.listen({ host: '192.0.2.1', port: 0 }, { onListening: () => undefined, onConnection: () => undefined, onError: (found) => (error = found) })
    await until('the error', () => error !== undefined)
    expect(error?.kind).toBe('local-io')
  })

  it('close ends everything that is left', async () => {
    const node = runtime()
    let address: SocketAddress | undefined
    node.network.listen({ host: '127.0.0.1', port: 0 }, { onListening: (bound) => (address = bound), onConnection: () => undefined, onError: (error) => { throw error } })
    await until('listening', () => address !== undefined)
    let stream: ByteStream | undefined
    const other = runtime()
    other.network.dial({ target: address as unknown as SocketAddress, timeout: seconds(5) }, { onConnect: (made) => (stream = made), onError: (error) => { throw error } })
    await until('connected', () => stream !== undefined)
    const seen = collect(stream as unknown as ByteStream)
    let fired = false
    node.setTimer(seconds(0), () => (fired = true))
    node.close()
    ;(stream as unknown as ByteStream).end()
    await until('closed', () => seen.closed())
    expect(fired).toBe(false)
  })
})
