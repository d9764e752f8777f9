import { describe, expect, test } from 'vitest'
import { concatBytes, latin1Decode, latin1Encode } from '../../../src/core/base/encoding.ts'
import { bodyBytesMax, headerBytesMax } from '../../../src/core/dirhttp/limits.ts'
import { emitRequest, emitResponse, headerOf, reasonFor, type HttpRequest, type HttpResponse } from '../../../src/core/dirhttp/message.ts'
import { RequestParser, ResponseParser } from '../../../src/core/dirhttp/parser.ts'
import { drillStream, expectRefused, type StreamDecoder } from '../../support/codec-drill.ts'

const bytes = (text: string): Uint8Array => latin1Encode(text)

/** Each message has its own parser; what a finished one left over is the start of the next. */
function following<T>(create: () => { feed(chunk: Uint8Array): T | undefined; readonly rest: Uint8Array }): StreamDecoder<T> {
  let parser = create()
  return {
    feed(chunk) {
      const out: T[] = []
      let input = chunk
      for (;;) {
        const message = parser.feed(input)
        if (message === undefined) return out
        out.push(message)
        input = parser.rest
        parser = create()
        if (input.length === 0) return out
      }
    },
  }
}

const requests: readonly HttpRequest[] = [
  { method: 'GET', target: '/tor/status-vote/current/consensus.z', headers: [{ name: 'Host', value: '127.0.0.1' }, { name: 'Accept-Encoding', value: 'deflate, gzip' }], body: new Uint8Array(0) },
  { method: 'POST', target: '/tor/', headers: [{ name: 'Content-Length', value: '5' }], body: bytes('a\r\n\r\n') },
  { method: 'GET', target: '/', headers: [], body: new Uint8Array(0) },
]
drillStream('HTTP request', { encode: emitRequest, createDecoder: () => following(() => new RequestParser()) }, requests.map((value) => ({ value, label: value.target })), { errorKinds: ['protocol', 'limit'] })

const responses: readonly HttpResponse[] = [
  { status: 200, reason: 'OK', headers: [{ name: 'Content-Type', value: 'text/plain' }, { name: 'Content-Length', value: '9' }], body: bytes('HTTP/1.0 ') },
  { status: 404, reason: 'Not found', headers: [{ name: 'Content-Length', value: '0' }], body: new Uint8Array(0) },
  { status: 304, reason: 'Not modified', headers: [], body: new Uint8Array(0) },
]
drillStream('HTTP response', { encode: emitResponse, createDecoder: () => following(() => new ResponseParser()) }, responses.map((value) => ({ value, label: String(value.status) })), { errorKinds: ['protocol', 'limit'] })

const parseRequest = (input: Uint8Array): HttpRequest | undefined => new RequestParser().feed(input)
const parseResponse = (input: Uint8Array): HttpResponse | undefined => new ResponseParser().feed(input)

describe('requests', () => {
  test('a proxy’s form of the target', () => {
    expect(parseRequest(bytes('GET http://127.0.0.1:80/tor/x HTTP/1.1\r\n\r\n'))?.target).toBe('/tor/x')
  })

  test('header names in any case, values without the space around them', () => {
    const request = parseRequest(bytes('GET / HTTP/1.0\r\nX-Or-DIFF:  abc \r\n\r\n'))
    expect(request === undefined ? undefined : headerOf(request, 'x-or-diff')).toBe('abc')
  })

  test.each([
    'GET /\r\n\r\n',
    'get / HTTP/1.0\r\n\r\n',
    'GET / HTTP/2.0\r\n\r\n',
    'GET  / HTTP/1.0\r\n\r\n',
    'GET nowhere HTTP/1.0\r\n\r\n',
    'GET / HTTP/1.0\r\nno colon\r\n\r\n',
    'GET / HTTP/1.0\r\nA: b\r\n folded\r\n\r\n',
    'GET / HTTP/1.0\r\nContent-Length: -1\r\n\r\n',
    'GET / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n',
    '\x16\x03\x01\r\n\r\n',
  ])('refuses %j', (text) => {
    expectRefused(parseRequest, bytes(text), 'protocol')
  })

  test('limits: headers, header lines, body', () => {
    expectRefused(parseRequest, bytes(`GET / HTTP/1.0\r\nA: ${'x'.repeat(headerBytesMax)}`), 'limit')
    expectRefused(parseRequest, bytes(`GET / HTTP/1.0\r\n${'A: b\r\n'.repeat(101)}\r\n`), 'limit')
    expectRefused(parseRequest, bytes(`POST / HTTP/1.0\r\nContent-Length: ${bodyBytesMax + 1}\r\n\r\n`), 'limit')
    expect(() => new RequestParser({ bodyBytesMax: 3 }).feed(bytes('POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\n'))).toThrow('at most 3 bytes')
  })
})

describe('responses', () => {
  test('without Content-Length the body lasts until the end', () => {
    const parser = new ResponseParser()
    expect(parser.feed(bytes('HTTP/1.0 200 OK\r\n\r\nsome'))).toBeUndefined()
    expect(parser.feed(bytes(' text'))).toBeUndefined()
    const response = parser.end()
    expect(latin1Decode(response.body)).toBe('some text')
  })

  test('one that is cut off is an error', () => {
    const cut = new ResponseParser()
    cut.feed(bytes('HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nshort'))
    expect(() => cut.end()).toThrow('shorter than its Content-Length')
    expect(() => new ResponseParser().end()).toThrow('closed before')
  })

  test('an endless body meets the limit', () => {
    const parser = new ResponseParser({ bodyBytesMax: 10 })
    parser.feed(bytes('HTTP/1.0 200 OK\r\n\r\n'))
    expect(() => parser.feed(new Uint8Array(11))).toThrow('at most 10 bytes')
  })

  test('a status without words', () => {
    expect(parseResponse(bytes('HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'))?.status).toBe(200)
  })

  test.each(['HTTP/1.0 99 x\r\n\r\n', 'HTTP/1.0 OK\r\n\r\n', 'ICY 200 OK\r\n\r\n'])('refuses %j', (text) => {
    expectRefused(parseResponse, bytes(text), 'protocol')
  })

  test('a large body in many chunks', () => {
    const parser = new ResponseParser()
    const chunk = new Uint8Array(65_536).fill(7)
    parser.feed(bytes(`HTTP/1.0 200 OK\r\nContent-Length: ${chunk.length * 100}\r\n\r\n`))
    let response: HttpResponse | undefined
    for (let i = 0; i < 100; i++) response = parser.feed(chunk)
    expect(response?.body.length).toBe(chunk.length * 100)
  })
})

test('Content-Length is added where it is missing', () => {
  expect(latin1Decode(emitResponse({ status: 200, reason: reasonFor(200), headers: [], body: bytes('ab') }))).toBe('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab')
  expect(latin1Decode(concatBytes([emitRequest({ method: 'GET', target: '/x', headers: [], body: new Uint8Array(0) })]))).toBe('GET /x HTTP/1.0\r\n\r\n')
})
