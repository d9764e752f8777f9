/** Fuzzers of what applications, directories and proxies say: SOCKS, HTTP, compressed bodies. Chunk borders must not matter. */

import { deepStrictEqual } from 'node:assert'
import { concatBytes, latin1Decode, utf8Decode, utf8Encode } from '../../src/core/base/encoding.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { randomBelow, type Rng } from '../../src/core/base/rng.ts'
import type { ControlActions } from '../../src/core/control/actions.ts'
import { parseKeyValues, parseSecret } from '../../src/core/control/arguments.ts'
import { ControlReplyDecoder } from '../../src/core/control/reply-decoder.ts'
import { ControlSession } from '../../src/core/control/session.ts'
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

/** A node behind a control port that knows little and never fails. */
function controlActions(): ControlActions {
  return {
    version: '0.0.0',
    secrets: () => ({ cookie: undefined, cookieFile: undefined, passwords: [] }),
    randomBytes: (length) => new Uint8Array(length),
    info: (key) => (key.startsWith('x') ? { kind: 'unknown' } : { kind: 'value', value: key.endsWith('m') ? 'two\nlines' : 'value' }),
    conf: (keyword) => (keyword.length % 2 === 0 ? { kind: 'unknown' } : { kind: 'values', lines: [{ name: keyword, value: 'v' }] }),
    knowsOption: (keyword) => keyword.length % 3 !== 0,
    setConf: () => undefined,
    loadConf: () => undefined,
    saveConf: () => undefined,
    signal: () => undefined,
    extendCircuit: (_path, _purpose, onDone) => onDone({ ok: true, value: 1 }),
    closeCircuit: (id) => id === 1,
    mapAddress: (from, to) => ({ from, to }),
    resolve: () => undefined,
    takeOwnership: () => undefined,
    eventNames: ['CIRC', 'STREAM'],
    eventsChanged: () => undefined,
  }
}

/** Everything a session says to `input`, in the pieces that `cut` gives. */
function controlTalk(input: Uint8Array, pieceLength: () => number): string {
  const said: Uint8Array[] = []
  let closed = false
  const session = new ControlSession(controlActions(), {
    send: (bytes) => {
      if (closed) throw new Error('something was sent after the close')
      said.push(bytes.slice())
    },
    close: () => {
      closed = true
    },
  })
  for (let at = 0; at < input.length; ) {
    const end = Math.min(input.length, at + pieceLength())
    session.handleData(input.slice(at, end))
    at = end
  }
  const text = latin1Decode(concatBytes(said))
  // Errors of ours would be told to the controller too; its mistakes have other words.
  if (/is not a function|undefined|assertion failed|cannot read/i.test(text)) throw new Error(`a mistake of ours was answered: ${text}`)
  return text
}

const controlSession = utf8Encode(
  [
    'PROTOCOLINFO 1', 'AUTHENTICATE ""', 'GETINFO version circuit-status multi-m', 'SETEVENTS CIRC STREAM EXTENDED', 'SETCONF Nickname=a ContactInfo="b \\"c\\" \\101"', 'GETCONF Nickname ORPort',
    'EXTENDCIRCUIT 0 $0123456789ABCDEF0123456789ABCDEF01234567,b purpose=general', 'CLOSECIRCUIT 1 IfUnused', 'MAPADDRESS a=b c=d', 'RESOLVE mode=reverse 1.2.3.4', 'SIGNAL NEWNYM',
    '+LOADCONF', 'Nickname x', '..dot', '.', 'SAVECONF', 'RESETCONF Nickname', 'TAKEOWNERSHIP', 'DROPOWNERSHIP', 'QUIT', '',
  ].join('\r\n'),
)

export const applicationFuzzers: readonly Fuzzer[] = [
  application('control-session', () => [controlSession], (input, rng) => {
    const whole = controlTalk(input, () => Math.max(1, input.length))
    deepStrictEqual(controlTalk(input, () => 1 + randomBelow(rng, 40)), whole)
    return whole
  }, { form: 'text', allowed: [], smokeCases: 500 }),
  application('control-replies', () => [utf8Encode('250-version=0.4.9.11\r\n250+circuit-status=\r\n1 BUILT\r\n..dot\r\n.\r\n250 OK\r\n650 CIRC 1 BUILT\r\n')], (input, rng) => {
    const all = (pieceLength: () => number): unknown => {
      const found: unknown[] = []
      const decoder = new ControlReplyDecoder()
      // An error ends it; what came before counts all the same.
      const outcome = outcomeOf(input, pieceLength, (chunk) => {
        for (const reply of decoder.feed(chunk)) found.push(reply)
        return undefined
      })
      return { found, outcome }
    }
    const whole = all(() => Math.max(1, input.length))
    deepStrictEqual(all(() => 1 + randomBelow(rng, 40)), whole)
    return whole
  }, { form: 'text' }),
  application('control-arguments', () => [utf8Encode('key other=value quoted="a \\"b\\" \\101\\n"'), utf8Encode('"secret"'), utf8Encode('deadBEEF')], (input) => {
    const text = utf8Decode(input)
    const attempts = [() => parseKeyValues(text), () => parseSecret(text)]
    return attempts.map((attempt) => {
      try {
        return attempt()
      } catch (thrown) {
        if (thrown instanceof RelishError && thrown.kind === 'protocol') return 'refused'
        throw thrown
      }
    })
  }, { form: 'text', allowed: [], smokeCases: 800 }),
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
