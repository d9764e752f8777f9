import { describe, expect, test } from 'vitest'
import { EndReason } from '../../src/core/cell/commands.ts'
import { httpTunnelHeaderBytesMax } from '../../src/node/client-limits.ts'
import { HttpTunnelProtocol } from '../../src/node/http-tunnel-protocol.ts'
import type { FakeStream } from '../support/fake-circuits.ts'
import { ClientBench } from './client-bench.ts'

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1')

describe('HTTP CONNECT', () => {
  test('is read byte by byte, with what follows it', () => {
    const request = 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nProxy-Authorization: Basic YTpi\r\n\r\n'
    const protocol = new HttpTunnelProtocol('1')
    for (const byte of bytes(request.slice(0, -1))) expect(protocol.handle(Uint8Array.of(byte))).toEqual({ kind: 'more', reply: new Uint8Array(0) })
    expect(protocol.handle(bytes('\nearly'))).toEqual({
      kind: 'request', reply: new Uint8Array(0), early: bytes('early'),
      request: { kind: 'connect', host: 'example.com', port: 443, credentials: 'http:["Basic YTpi",null]', protocol: 'http-connect', numeric: false },
    })
  })

  test.each([
    ['CONNECT [2001:db8::1]:80 HTTP/1.0\r\n\r\n', { host: '2001:db8::1', port: 80, numeric: true, credentials: '' }],
    ['CONNECT 192.0.2.1:80 HTTP/1.0\r\nX-Tor-Stream-Isolation: x\r\n\r\n', { host: '192.0.2.1', port: 80, numeric: true, credentials: 'http:[null,"x"]' }],
  ])('%j', (request, expected) => {
    expect(new HttpTunnelProtocol('1').handle(bytes(request))).toMatchObject({ kind: 'request', request: expected })
  })

  test.each([
    ['GET http://example.com/ HTTP/1.0\r\n\r\n', 'HTTP/1.0 405 Method Not Allowed\r\n'], ['CONNECT example.com HTTP/1.0\r\n\r\n', 'HTTP/1.0 400 Bad Request\r\n'],
    ['CONNECT a:b:c HTTP/1.0\r\n\r\n', 'HTTP/1.0 400 Bad Request\r\n'], ['CONNECT a:99999 HTTP/1.0\r\n\r\n', 'HTTP/1.0 400 Bad Request\r\n'], ['hello\r\n\r\n', ''], ['CONNECT a:1 HTTP/2\r\n\r\n', ''],
    ['OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n', 'HTTP/1.0 405'], ['OPTIONS * HTTP/1.1\r\nHost: localhost:9080\r\n\r\n', 'HTTP/1.0 200 OK\r\nAllow: OPTIONS, CONNECT\r\n'],
  ])('%j is refused with %j', (request, reply) => {
    const step = new HttpTunnelProtocol('1').handle(bytes(request))
    expect(step.kind).toBe('refused')
    expect(text(step.reply).slice(0, reply.length)).toBe(reply)
    if (reply === '') expect(step.reply).toHaveLength(0)
  })

  test('has a limit for its headers', () => {
    const protocol = new HttpTunnelProtocol('1')
    expect(protocol.handle(bytes('CONNECT a:1 HTTP/1.1\r\n')).kind).toBe('more')
    expect(protocol.handle(bytes(`X: ${'y'.repeat(httpTunnelHeaderBytesMax)}`)).kind).toBe('refused')
  })

  test('answers as C tor does', () => {
    const protocol = new HttpTunnelProtocol('0.4.9.11')
    expect(text(protocol.connected())).toBe('HTTP/1.0 200 OK\r\nTor-Capabilities: \r\nVia: tor/1.0 tor-network (tor 0.4.9.11)\r\n\r\n')
    expect(text(protocol.failed(EndReason.EXITPOLICY))).toBe('HTTP/1.0 403 Forbidden (exit policy)\r\nTor-Capabilities: \r\nVia: tor/1.0 tor-network (tor 0.4.9.11)\r\nTor-Request-Failed: end/EXITPOLICY\r\n\r\n')
    expect(text(protocol.failed(257))).toContain('Tor-Request-Failed: c-tor/CANT_ATTACH')
  })

  test('carries streams', () => {
    const bench = new ClientBench({ stream: (stream: FakeStream) => stream.connect() }, {}, '9050', undefined, '9080').learn().run()
    const app = bench.connect(9080).send('CONNECT example.com:443 HTTP/1.1\r\n\r\nhello')
    bench.until(() => app.text.endsWith('\r\n\r\n'))
    expect(app.text).toMatch(/^HTTP\/1\.0 200 OK\r\n/)
    const stream = bench.circuits.streams[0]
    expect(stream?.target).toMatchObject({ host: 'example.com', port: 443 })
    expect(stream?.text).toBe('hello')
    stream?.send('world')
    bench.until(() => app.text.endsWith('world'))
  })
})
