/** Fuzzers of what applications, directories and proxies say: SOCKS, HTTP, compressed bodies. Chunk borders must not matter. */

import { deepStrictEqual } from 'node:assert'
import { concatBytes, utf8Encode } from '../../src/core/base/encoding.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { randomBelow, type Rng } from '../../src/core/base/rng.ts'
import { compressBody, decodeBody } from '../../src/core/dirhttp/compression.ts'
import { RequestParser, ResponseParser } from '../../src/core/dirhttp/parser.ts'
import { SocksClientHandshake } from '../../src/core/socks/client-handshake.ts'
import { SocksCommand } from '../../src/core/socks/message.ts'
import { SocksServerHandshake } from '../../src/core/socks/server-handshake.ts'
import { parseConnectAnswer } from '../../src/host/http-connect.ts'
import { wireKinds, type Fuzzer } from './fuzzer.ts'

const application = (name: string, corpus: () => readonly Uint8Array[], run: Fuzzer['run'], more: Partial<Fuzzer> = {}): Fuzzer => ({
  name: `application/${name}`,
  corpus,
  run,
  allowed: wireKinds,
  form: 'bytes',
  inputBytesMax: 4096,
  smokeCases: 400,
  ...more,
})

/** What a machine makes of `input`, in the pieces that `cut` gives. An error is part of the answer, by its kind. */
function outcomeOf(input: Uint8Array, pieceLength: () => number, feed: (chunk: Uint8Array) => unknown): unknown {
  try {
    for (let at = 0; at < input.length; ) {
      const end = Math.min(input.length, at + pieceLength())
      const answer = feed(input.slice(at, end))
      if (answer !== undefined) return { answer, usedAtLeast: true }
      at = end
    }
    return 'more'
  } catch (thrown) {
    if (!(thrown instanceof RelishError)) throw thrown
    return { error: thrown.kind }
  }
}

/** Decodes in one piece, byte by byte and in random pieces; all must agree. Then throws what the one piece throws. */
function inPieces(input: Uint8Array, rng: Rng, make: () => (chunk: Uint8Array) => unknown): unknown {
  const whole = outcomeOf(input, () => Math.max(1, input.length), make())
  deepStrictEqual(outcomeOf(input, () => 1, make()), whole)
  deepStrictEqual(outcomeOf(input, () => 1 + randomBelow(rng, 50), make()), whole)
  return whole
}

const socks5 = concatBytes([Uint8Array.of(5, 1, 0), Uint8Array.of(5, 1, 0, 3, 11), utf8Encode('example.com'), Uint8Array.of(0, 80)])
const socks5Password = concatBytes([Uint8Array.of(5, 2, 0, 2), Uint8Array.of(1, 4), utf8Encode('user'), Uint8Array.of(4), utf8Encode('pass'), Uint8Array.of(5, 0xf0, 0, 1, 127, 0, 0, 1, 0, 0)])
const socks4a = concatBytes([Uint8Array.of(4, 1, 0, 80, 0, 0, 0, 1), utf8Encode('me\0example.com\0')])

/** The request alone: how many bytes followed it depends on where the chunk ended. */
function socksServer(): (chunk: Uint8Array) => unknown {
  const handshake = new SocksServerHandshake()
  return (chunk) => {
    const step = handshake.handle(chunk)
    if (step.kind === 'request') return { request: step.request }
    if (step.kind === 'refused') return { refused: step.reason }
    return undefined
  }
}

function socksClient(): (chunk: Uint8Array) => unknown {
  const handshake = new SocksClientHandshake({ version: 5, command: SocksCommand.CONNECT, host: 'example.com', port: 80, username: utf8Encode('u'), password: utf8Encode('p') })
  handshake.start()
  return (chunk) => {
    const step = handshake.handle(chunk)
    return step.kind === 'reply' ? step.reply : undefined
  }
}

const httpRequest = utf8Encode('POST /tor/post/vote HTTP/1.0\r\nContent-Length: 5\r\nHost: a\r\n\r\nhello')
const httpResponse = utf8Encode('HTTP/1.0 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Encoding: identity\r\nContent-Length: 4\r\n\r\nbody')

export const applicationFuzzers: readonly Fuzzer[] = [
  application('socks-server', () => [socks5, socks5Password, socks4a], (input, rng) => inPieces(input, rng, socksServer), { smokeCases: 800 }),
  application('socks-client', () => [concatBytes([Uint8Array.of(5, 2), Uint8Array.of(1, 0), Uint8Array.of(5, 0, 0, 1, 1, 2, 3, 4, 0, 80)])], (input, rng) => inPieces(input, rng, socksClient), { smokeCases: 800 }),
  application('http-request', () => [httpRequest, utf8Encode('GET /tor/status-vote/current/consensus.z HTTP/1.0\r\n\r\n')], (input, rng) =>
    inPieces(input, rng, () => {
      const parser = new RequestParser()
      return (chunk) => parser.feed(chunk)
    }), { form: 'text' }),
  application('http-response', () => [httpResponse], (input, rng) =>
    inPieces(input, rng, () => {
      const parser = new ResponseParser()
      return (chunk) => parser.feed(chunk)
    }), { form: 'text' }),
  application('http-response-end', () => [utf8Encode('HTTP/1.0 200 OK\r\n\r\nuntil the end')], (input) => {
    const parser = new ResponseParser()
    return parser.feed(input) ?? parser.end()
  }, { form: 'text' }),
  application('http-connect-answer', () => [utf8Encode('HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n')], (input) => parseConnectAnswer(input), { form: 'text', allowed: ['protocol', 'limit', 'refused'] }),
  application('compressed-body', () => [compressBody('gzip', utf8Encode('a'.repeat(2000))), compressBody('deflate', utf8Encode('hello hello'))], (input) => decodeBody(undefined, input), { growthMax: 4096 }),
]
