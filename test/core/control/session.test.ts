import { describe, expect, test } from 'vitest'
import { hexDecode, hexEncode, latin1Decode, utf8Encode } from '../../../src/core/base/encoding.ts'
import { RelishError } from '../../../src/core/base/errors.ts'
import { hmacSha256 } from '../../../src/core/crypto/hashes.ts'
import type { ControlActions, ControlSignal } from '../../../src/core/control/actions.ts'
import { parseKeyValues, parseSecret, quote } from '../../../src/core/control/arguments.ts'
import { ControlCommandDecoder, emitCommand, type ControlCommand } from '../../../src/core/control/command-codec.ts'
import { commandBytesMax } from '../../../src/core/control/limits.ts'
import { emitEvent, emitReply, keyValueLine, okReply } from '../../../src/core/control/reply.ts'
import { ControlSession } from '../../../src/core/control/session.ts'
import type { ConfigLine } from '../../../src/core/torrc/config-line.ts'
import { hashPassword } from '../../../src/core/torrc/hashed-password.ts'
import { drillStream, expectRefused } from '../../support/codec-drill.ts'

const commands: readonly ControlCommand[] = [
  { keyword: 'GETINFO', args: 'version config-file', data: undefined },
  { keyword: 'LOADCONF', args: '', data: 'SocksPort 9050\n.hidden\n\n..two' },
  { keyword: 'QUIT', args: '', data: undefined },
]
drillStream(
  'control command',
  {
    encode: emitCommand,
    createDecoder: () => {
      const decoder = new ControlCommandDecoder()
      return { feed: (chunk) => [...decoder.feed(chunk)] }
    },
  },
  commands.map((value) => ({ value, label: value.keyword })),
  { errorKinds: ['protocol', 'limit'] },
)

test('a bare line feed ends a line too; empty lines say nothing', () => {
  expect([...new ControlCommandDecoder().feed(utf8Encode('\r\n\ngetinfo version\n'))]).toEqual([{ keyword: 'GETINFO', args: 'version', data: undefined }])
})

test('commands have limits', () => {
  const feed = (text: Uint8Array): unknown => [...new ControlCommandDecoder().feed(text)]
  expectRefused(feed, new Uint8Array(commandBytesMax + 1).fill(65), 'limit')
  expectRefused(feed, utf8Encode(`+LOADCONF\r\n${'x'.repeat(1000)}\r\n`.concat(`${'y'.repeat(1000)}\r\n`.repeat(1100))), 'limit')
  expectRefused(feed, utf8Encode('\x01\x02\r\n'), 'protocol')
})

describe('arguments', () => {
  test('pairs', () => {
    expect(parseKeyValues('a b=c d="e f\\"g\\n" h=')).toEqual([
      { key: 'a', value: undefined },
      { key: 'b', value: 'c' },
      { key: 'd', value: 'e f"g\n' },
      { key: 'h', value: '' },
    ])
    for (const bad of ['a="b', 'a="b"c', '"a"=b', '=a']) expect(() => parseKeyValues(bad)).toThrow(RelishError)
  })

  test('a quoted string comes back as it was', () => {
    for (const text of ['plain', 'with "quotes" and \\', 'line\nend\r\t', 'Zoë ☃']) expect(parseKeyValues(`k=${quote(text)}`)[0]?.value).toBe(text)
  })

  test('secrets', () => {
    expect(parseSecret('"foo"')).toEqual(utf8Encode('foo'))
    expect(parseSecret('0A0b')).toEqual(Uint8Array.of(10, 11))
    expect(parseSecret('')).toEqual(new Uint8Array(0))
    for (const bad of ['"foo', '0a0', 'xyz', '"a"b']) expect(() => parseSecret(bad)).toThrow(RelishError)
  })
})

test('replies as bytes', () => {
  expect(latin1Decode(emitReply([keyValueLine('a', 'b'), keyValueLine('c', 'one\n.two\n'), ...okReply]))).toBe('250-a=b\r\n250+c=\r\none\r\n..two\r\n.\r\n250 OK\r\n')
  expect(latin1Decode(emitEvent('BW 1 2'))).toBe('650 BW 1 2\r\n')
  expect(latin1Decode(emitEvent('NS', 'r a\n'))).toBe('650+NS\r\nr a\r\n.\r\n650 OK\r\n')
  expect(latin1Decode(emitEvent('NOTICE two\r\nlines'))).toBe('650 NOTICE two lines\r\n')
})

/** A controller's view of a session: what it sends, what comes back, what was done. */
function controller(secrets: Partial<ReturnType<ControlActions['secrets']>> = {}, overrides: Partial<ControlActions> = {}) {
  let received = ''
  let closed = false
  const done: string[] = []
  const actions: ControlActions = {
    version: '0.0.0',
    eventNames: ['CIRC', 'BW'],
    secrets: () => ({ cookie: undefined, cookieFile: undefined, passwords: [], ...secrets }),
    randomBytes: (length) => new Uint8Array(length).fill(7),
    info: (key) => (key === 'version' ? { kind: 'value', value: '0.0.0' } : key === 'address' ? { kind: 'failed', reason: 'Address unknown' } : { kind: 'unknown' }),
    conf: (keyword) => (keyword === 'Nickname' ? { kind: 'values', lines: [{ name: 'Nickname', value: 'x' }] } : { kind: 'unknown' }),
    knowsOption: (keyword) => keyword !== 'Bogus',
    setConf: (lines: readonly ConfigLine[]) => void done.push(lines.map((line) => `${line.command} ${line.keyword}=${line.value}`).join(', ')),
    loadConf: (text) => void done.push(`load ${JSON.stringify(text)}`),
    saveConf: () => void done.push('save'),
    signal: (signal: ControlSignal) => void done.push(`signal ${signal}`),
    extendCircuit: (path, purpose, onDone) => {
      done.push(`extend ${path?.join('>') ?? 'any'} ${purpose}`)
      onDone({ ok: true, value: 12 })
    },
    closeCircuit: (id) => id === 12,
    mapAddress: (from, to) => ({ from, to }),
    resolve: () => undefined,
    takeOwnership: (own) => void done.push(`own ${own}`),
    eventsChanged: (events) => void done.push(`events ${[...events].join(' ')}`),
    ...overrides,
  }
  const session = new ControlSession(actions, { send: (bytes) => void (received += latin1Decode(bytes)), close: () => void (closed = true) })
  return {
    session,
    done,
    isClosed: () => closed,
    say(text: string): string {
      received = ''
      session.handleData(utf8Encode(text))
      return received
    },
  }
}

const cookie = new Uint8Array(32).fill(3)

describe('authentication', () => {
  test('without secrets, AUTHENTICATE is still needed', () => {
    const c = controller()
    expect(c.say('PROTOCOLINFO 1\r\n')).toBe('250-PROTOCOLINFO 1\r\n250-AUTH METHODS=NULL\r\n250-VERSION Tor="0.0.0"\r\n250 OK\r\n')
    expect(c.say('AUTHENTICATE\r\n')).toBe('250 OK\r\n')
    expect(c.say('GETINFO version\r\n')).toBe('250-version=0.0.0\r\n250 OK\r\n')
  })

  test('cookie and password', () => {
    const secrets = { cookie, cookieFile: '/a "b', passwords: [hashPassword('foo', new Uint8Array(8))] }
    expect(controller(secrets).say('PROTOCOLINFO\r\n')).toContain('METHODS=COOKIE,SAFECOOKIE,HASHEDPASSWORD COOKIEFILE="/a \\"b"\r\n')
    expect(controller(secrets).say(`AUTHENTICATE ${hexEncode(cookie)}\r\n`)).toBe('250 OK\r\n')
    expect(controller(secrets).say('AUTHENTICATE "foo"\r\n')).toBe('250 OK\r\n')
    for (const bad of ['AUTHENTICATE\r\n', 'AUTHENTICATE "bar"\r\n', 'AUTHENTICATE xyz\r\n', `AUTHENTICATE ${'00'.repeat(32)}\r\n`]) {
      const c = controller(secrets)
      expect(c.say(bad)).toMatch(/^5[15]\d /)
      expect(c.isClosed()).toBe(true)
    }
  })

  test('safe cookie', () => {
    const c = controller({ cookie })
    const clientNonce = new Uint8Array(32).fill(9)
    const answer = c.say(`AUTHCHALLENGE SAFECOOKIE ${hexEncode(clientNonce)}\r\n`)
    const [, serverHash, serverNonce] = /^250 AUTHCHALLENGE SERVERHASH=([0-9A-F]{64}) SERVERNONCE=([0-9A-F]{64})\r\n$/.exec(answer) ?? []
    const proof = (key: string): string => hexEncode(hmacSha256(utf8Encode(key), cookie, clientNonce, hexDecode(serverNonce ?? '')))
    expect(serverHash?.toLowerCase()).toBe(proof('Tor safe cookie authentication server-to-controller hash'))
    expect(c.say(`AUTHENTICATE ${proof('Tor safe cookie authentication controller-to-server hash')}\r\n`)).toBe('250 OK\r\n')
  })

  test('after a challenge the cookie itself is not enough', () => {
    const c = controller({ cookie })
    c.say(`AUTHCHALLENGE SAFECOOKIE ${'00'.repeat(32)}\r\n`)
    expect(c.say(`AUTHENTICATE ${hexEncode(cookie)}\r\n`)).toMatch(/^515 /)
    expect(c.isClosed()).toBe(true)
  })

  test.each(['GETINFO version', 'SIGNAL HALT', 'PROTOCOLINFO 1\r\nPROTOCOLINFO 1', 'AUTHCHALLENGE SAFECOOKIE 00\r\nAUTHCHALLENGE SAFECOOKIE 00', 'GET / HTTP/1.0'])('%j before it ends the connection', (text) => {
    const c = controller({ cookie })
    c.say(`${text}\r\n`)
    expect(c.isClosed()).toBe(true)
    expect(c.done).toEqual([])
    expect(c.say('GETINFO version\r\n')).toBe('')
  })
})

describe('commands', () => {
  const ready = (overrides: Partial<ControlActions> = {}) => {
    const c = controller({}, overrides)
    c.say('AUTHENTICATE\r\n')
    return c
  }

  test.each([
    ['GETINFO version nonsense', '552 Unrecognized key "nonsense"\r\n'],
    ['GETINFO address', '551 Address unknown\r\n'],
    ['GETCONF Nickname', '250 Nickname=x\r\n'],
    ['GETCONF Bogus', '552 Unrecognized configuration key "Bogus"\r\n'],
    ['GETCONF', '250 OK\r\n'],
    ['SETCONF Bogus=1', "552 Unrecognized option: Unknown option 'Bogus'.  Failing.\r\n"],
    ['SETEVENTS CIRC NOPE', '552 Unrecognized event "NOPE"\r\n'],
    ['SIGNAL NOPE', '552 Unrecognized signal code "NOPE"\r\n'],
    ['USEFEATURE VERBOSE_NAMES extended_events', '250 OK\r\n'],
    ['USEFEATURE X', '552 Unrecognized feature "X"\r\n'],
    ['EXTENDCIRCUIT 0 a,b,c purpose=controller', '250 EXTENDED 12\r\n'],
    ['EXTENDCIRCUIT x', '512 syntax error: circuit id expected\r\n'],
    ['CLOSECIRCUIT 12', '250 OK\r\n'],
    ['CLOSECIRCUIT 13', '552 Unknown circuit "13"\r\n'],
    ['MAPADDRESS a=b c', "250-a=b\r\n512 syntax error: mapping \"c\" is not of expected form 'foo=bar'.\r\n"],
    ['NOSUCHCOMMAND', '510 Unrecognized command "NOSUCHCOMMAND"\r\n'],
    ['SETCONF Nickname="open', '512 syntax error in command argument: quoted string without its closing quote\r\n'],
  ])('%s', (command, reply) => {
    expect(ready().say(`${command}\r\n`)).toBe(reply)
  })

  test('SETCONF and RESETCONF', () => {
    const c = ready()
    c.say('SETCONF A=1 A="2 3" B\r\nRESETCONF C D=4\r\n+LOADCONF\r\nX 1\r\n.\r\nSAVECONF\r\n')
    expect(c.done).toEqual(['replace A=1, replace A=2 3, clear B=', 'reset C=, replace D=4', 'load "X 1"', 'save'])
  })

  test('a configuration that is refused is told', () => {
    const c = ready({
      setConf: () => {
        throw new RelishError('config', 'no')
      },
    })
    expect(c.say('SETCONF A=1\r\n')).toBe('513 Unacceptable option value: no\r\n')
  })

  test('a signal is obeyed after its answer, and what follows waits', () => {
    const c = ready()
    expect(c.say('SIGNAL NEWNYM\r\nTAKEOWNERSHIP\r\n')).toBe('250 OK\r\n250 OK\r\n')
    expect(c.done).toEqual(['signal NEWNYM', 'own true'])
  })

  test('answers stay in order when one takes its time', () => {
    let finish: ((outcome: { ok: true; value: number }) => void) | undefined
    const c = ready({ extendCircuit: (_path, _purpose, onDone) => void (finish = onDone) })
    expect(c.say('EXTENDCIRCUIT 0\r\nGETINFO version\r\n')).toBe('')
    finish?.({ ok: true, value: 3 })
    expect(c.say('')).toBe('')
    expect(c.session.isAuthenticated).toBe(true)
  })

  test('events go to those who asked', () => {
    const c = ready()
    expect(c.say('SETEVENTS EXTENDED CIRC BW\r\n')).toBe('250 OK\r\n')
    expect([...c.session.events]).toEqual(['CIRC', 'BW'])
    c.say('SETEVENTS\r\n')
    expect(c.session.events.size).toBe(0)
  })

  test('QUIT', () => {
    const c = ready()
    expect(c.say('QUIT\r\nGETINFO version\r\n')).toBe('250 closing connection\r\n')
    expect(c.isClosed()).toBe(true)
  })

  test('too many commands behind a slow one', () => {
    const c = ready({ extendCircuit: () => undefined })
    c.say(`EXTENDCIRCUIT 0\r\n${'GETINFO version\r\n'.repeat(1001)}`)
    expect(c.isClosed()).toBe(true)
  })
})
