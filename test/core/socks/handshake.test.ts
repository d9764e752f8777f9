import { describe, expect, test } from 'vitest'
import { concatBytes, hexDecode, hexEncode, latin1Decode, latin1Encode } from '../../../src/core/base/encoding.ts'
import { SocksClientHandshake, type SocksClientRequest, type SocksReply } from '../../../src/core/socks/client-handshake.ts'
import { emitFailure, emitReply, emitRequest4, emitRequest5, SocksCommand, SocksStatus, type SocksRequest } from '../../../src/core/socks/message.ts'
import { SocksServerHandshake, type SocksServerStep } from '../../../src/core/socks/server-handshake.ts'
import { drillStream } from '../../support/codec-drill.ts'

const none = { kind: 'none' } as const
const text = latin1Encode

/** A request as it leaves an application, negotiation included. */
function encodeRequest(request: SocksRequest): Uint8Array {
  const { credentials } = request
  if (request.version === 4) return emitRequest4(request, credentials.kind === 'socks4' ? credentials.userId : new Uint8Array(0))
  if (credentials.kind !== 'socks5') return concatBytes([Uint8Array.of(5, 1, 0), emitRequest5(request)])
  const { username, password } = credentials
  return concatBytes([Uint8Array.of(5, 2, 0, 2, 1, username.length), username, Uint8Array.of(password.length), password, emitRequest5(request)])
}

function serverDecoder() {
  let handshake = new SocksServerHandshake()
  return {
    feed(chunk: Uint8Array): SocksRequest[] {
      const out: SocksRequest[] = []
      let input = chunk
      for (;;) {
        const step = handshake.handle(input)
        if (step.kind === 'refused') throw new Error(step.reason)
        if (step.kind === 'more') return out
        out.push(step.request)
        handshake = new SocksServerHandshake()
        input = step.early
        if (input.length === 0) return out
      }
    },
  }
}

const requests: readonly SocksRequest[] = [
  { version: 4, command: SocksCommand.CONNECT, host: '203.0.113.7', hostKind: 'ipv4', port: 80, credentials: none, numeric: true },
  { version: 4, command: SocksCommand.CONNECT, host: 'www.example.com', hostKind: 'name', port: 443, credentials: { kind: 'socks4', userId: text('swordfish') }, numeric: false },
  { version: 4, command: SocksCommand.RESOLVE, host: 'example.com', hostKind: 'name', port: 0, credentials: none, numeric: false },
  { version: 5, command: SocksCommand.CONNECT, host: '127.0.0.7', hostKind: 'ipv4', port: 8080, credentials: none, numeric: true },
  { version: 5, command: SocksCommand.CONNECT, host: '2001:db8::1', hostKind: 'ipv6', port: 22, credentials: { kind: 'socks5', username: text('u'), password: text('p') }, numeric: true },
  { version: 5, command: SocksCommand.RESOLVE, host: 'exa_mple.com', hostKind: 'name', port: 0, credentials: { kind: 'socks5', username: text(''), password: text('') }, numeric: false },
  { version: 5, command: SocksCommand.RESOLVE_PTR, host: '192.0.2.1', hostKind: 'ipv4', port: 0, credentials: none, numeric: true },
]
drillStream('SOCKS request', { encode: encodeRequest, createDecoder: serverDecoder }, requests.map((value, i) => ({ value, label: `${i}: SOCKS ${value.version} ${SocksCommand.nameOf(value.command)} ${value.host}` })))

/** The whole exchange from hexadecimal chunks: what is sent back, and the last step. */
function exchange(...chunks: string[]): { replies: string[]; last: SocksServerStep } {
  const handshake = new SocksServerHandshake()
  const steps = chunks.map((chunk) => handshake.handle(hexDecode(chunk.replace(/ /g, ''))))
  const last = steps.at(-1)
  if (last === undefined) throw new Error('no chunk')
  return { replies: steps.map((step) => hexEncode(step.reply)), last }
}

describe('server', () => {
  test('negotiation: credentials are preferred, unless they are of no use', () => {
    expect(exchange('05 02 00 02').replies).toEqual(['0502'])
    expect(exchange('05 01 00').replies).toEqual(['0500'])
    expect(hexEncode(new SocksServerHandshake({ preferNoAuth: true }).handle(hexDecode('05020002')).reply)).toBe('0500')
    expect(exchange('05 01 01').last).toMatchObject({ kind: 'refused', reply: hexDecode('05ff') })
  })

  test('all at once, with data of the stream behind it', () => {
    const { last, replies } = exchange('05 01 02 01 01 41 01 42 05 01 00 01 7f000001 0050 474554')
    expect(replies).toEqual(['05020100'])
    expect(last).toMatchObject({ kind: 'request', early: text('GET') })
  })

  test('credentials that were not asked for are taken', () => {
    const { last } = exchange('05 01 00', '01 01 41 01 42', '05 01 00 01 7f000001 0050')
    expect(last).toMatchObject({ kind: 'request', request: { credentials: { kind: 'socks5' } } })
  })

  test('names that spell an address', () => {
    expect(exchange('05 01 00 05 01 00 03 09 3132372e302e302e31 0050').last).toMatchObject({ request: { host: '127.0.0.1', hostKind: 'ipv4', numeric: false } })
  })

  test.each([
    ['BIND', '05 01 00 05 02 00 01 7f000001 0050', '05000507000100000000' + '0000'],
    ['UDP ASSOCIATE', '05 01 00 05 03 00 01 7f000001 0050', '05000507000100000000' + '0000'],
    ['an unknown address type', '05 01 00 05 01 00 02 7f000001 0050', '05000508000100000000' + '0000'],
    ['RESOLVE_PTR of a name', '05 01 00 05 f1 00 03 01 61 0000', '05000508000100000000' + '0000'],
    ['an empty name', '05 01 00 05 01 00 03 00 0050', '05000501000100000000' + '0000'],
    ['a name with a zero byte', '05 01 00 05 01 00 03 03 610062 0050', '05000501000100000000' + '0000'],
    ['port 0', '05 01 00 05 01 00 01 7f000001 0000', '05000501000100000000' + '0000'],
    ['SOCKS 4 BIND', '04 02 0050 7f000001 00', '005b000000000000'],
    ['SOCKS 4a without a name', '04 01 0050 00000001 00 00', '005b000000000000'],
    ['reserved usernames', '05 01 02 01 09 3c746f725330583e31 00', '05020101'],
    ['an unknown version of authentication', '05 01 02 02 01 41 01 41', '05020101'],
    ['another version', '06 01 00', ''],
  ])('refuses %s', (_label, chunk, reply) => {
    expect(exchange(chunk)).toMatchObject({ last: { kind: 'refused', httpSeen: false }, replies: [reply] })
  })

  test.each(['GET / HTTP/1.0', 'CONNECT a:443', 'POST /', 'HEAD /'])('%s gets a page that explains', (start) => {
    const step = new SocksServerHandshake().handle(text(start))
    expect(step).toMatchObject({ kind: 'refused', httpSeen: true })
    expect(latin1Decode(step.reply)).toContain('501 Tor is not an HTTP Proxy')
  })

  test('SOCKS 4 strings without end meet the limit', () => {
    const handshake = new SocksServerHandshake()
    expect(handshake.handle(concatBytes([hexDecode('0401005000000001'), new Uint8Array(400).fill(65)])).kind).toBe('more')
    expect(handshake.handle(new Uint8Array(200).fill(65)).kind).toBe('refused')
  })
})

describe('replies', () => {
  test('bytes', () => {
    expect(hexEncode(emitReply(5, SocksStatus.SUCCEEDED))).toBe('05000001000000000000')
    expect(hexEncode(emitReply(5, SocksStatus.SUCCEEDED, { kind: 'address', host: '::1', port: 80 }))).toBe('05000004000000000000000000000000000000010050')
    expect(hexEncode(emitReply(5, SocksStatus.SUCCEEDED, { kind: 'name', host: 'a.b' }))).toBe('0500000303612e620000')
    expect(hexEncode(emitReply(4, SocksStatus.SUCCEEDED, { kind: 'address', host: '127.0.0.1', port: 80 }))).toBe('005a00507f000001')
    expect(hexEncode(emitReply(4, SocksStatus.HOST_UNREACHABLE))).toBe('005b000000000000')
  })

  test('extended errors go to those who asked for them', () => {
    const request = requests[3] as SocksRequest
    expect(emitFailure(request, SocksStatus.HS_INTRO_FAILED, true)[1]).toBe(0xf2)
    expect(emitFailure(request, SocksStatus.HS_INTRO_FAILED, false)[1]).toBe(SocksStatus.HOST_UNREACHABLE)
  })

})

describe('client and server understand each other', () => {
  const cases: readonly SocksClientRequest[] = [
    { version: 4, command: SocksCommand.CONNECT, host: '192.0.2.1', port: 80, username: text('me') },
    { version: 4, command: SocksCommand.CONNECT, host: 'a.example', port: 80 },
    { version: 5, command: SocksCommand.CONNECT, host: 'a.example', port: 80 },
    { version: 5, command: SocksCommand.RESOLVE, host: 'a.example', port: 0, username: text('u'), password: text('p') },
  ]
  test.each(cases)('SOCKS $version $host', (wish) => {
    const client = new SocksClientHandshake(wish)
    const server = new SocksServerHandshake()
    let toServer = client.start()
    for (let turn = 0; turn < 5; turn++) {
      const step = server.handle(toServer)
      if (step.kind === 'refused') throw new Error(step.reason)
      if (step.kind === 'request') {
        expect(step.request).toMatchObject({ version: wish.version, command: wish.command, host: wish.host, port: wish.port })
        client.handle(step.reply)
        const end = client.handle(concatBytes([emitReply(wish.version, SocksStatus.SUCCEEDED, { kind: 'address', host: '198.51.100.1', port: 9 }), text('early')]))
        expect(end).toMatchObject({ kind: 'reply', reply: { status: 0, host: '198.51.100.1', port: 9 }, early: text('early') })
        return
      }
      const answer = client.handle(step.reply)
      if (answer.kind !== 'more') throw new Error('too early')
      toServer = answer.send
    }
    throw new Error('no end')
  })

  const reply = (host: string, hostKind: SocksReply['hostKind'], port: number): SocksReply => ({ status: SocksStatus.SUCCEEDED, host, hostKind, port })
  const afterMethods = (): SocksClientHandshake => {
    const client = new SocksClientHandshake({ version: 5, command: SocksCommand.CONNECT, host: 'a', port: 1 })
    client.handle(Uint8Array.of(5, 0))
    return client
  }
  drillStream(
    'SOCKS reply',
    {
      encode: (value: SocksReply) => emitReply(5, value.status, value.hostKind === 'name' ? { kind: 'name', host: value.host } : { kind: 'address', host: value.host, port: value.port }),
      createDecoder: () => {
        let client = afterMethods()
        return {
          feed: (chunk) => {
            const out: SocksReply[] = []
            let input = chunk
            for (;;) {
              const step = client.handle(input)
              if (step.kind === 'more') return out
              out.push(step.reply)
              client = afterMethods()
              input = step.early
              if (input.length === 0) return out
            }
          },
        }
      },
    },
    [{ value: reply('192.0.2.1', 'ipv4', 80) }, { value: reply('2001:db8::1', 'ipv6', 81) }, { value: reply('name.example', 'name', 0) }],
  )
})
