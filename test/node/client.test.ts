import { describe, expect, test } from 'vitest'
import { durationMs, hours, later, minutes, seconds } from '../../src/core/base/time.ts'
import { EndReason } from '../../src/core/cell/commands.ts'
import { parseRouterSet } from '../../src/core/torrc/router-set.ts'
import { SocksCommand } from '../../src/core/socks/message.ts'
import { parsePortLines } from '../../src/core/torrc/port-spec.ts'
import { optimisticBytesMax, relayCircuitDelay } from '../../src/node/client-limits.ts'
import { madeUpConsensus } from '../support/made-up-consensus.ts'
import { exitFlags } from '../support/made-up-network.ts'
import type { FakeStream } from '../support/fake-circuits.ts'
import { basicRelays, ClientBench } from './client-bench.ts'

const connectAll = { stream: (stream: FakeStream) => stream.connect('192.0.2.1') }
/** The stream opened last. */
const lastStream = (bench: ClientBench): FakeStream => {
  const stream = bench.circuits.streams.at(-1)
  if (stream === undefined) throw new Error('no stream')
  return stream
}

describe('circuits ahead of need', () => {
  test('are built as soon as the network is known, and told of once', () => {
    const bench = new ClientBench()
    bench.run()
    expect(bench.circuits.all).toHaveLength(0)
    bench.learn().run()
    expect(bench.open).toHaveLength(2)
    expect(bench.firstCircuits).toBe(1)
    expect(bench.log.filter((line) => line.message === 'Tor has successfully opened a circuit. Looks like client functionality is working.')).toHaveLength(1)
    expect(bench.logged('Bootstrapped 100% (done): Done')).toBe(true)
    expect(bench.events).toContainEqual({ kind: 'bootstrap', progress: 100, tag: 'done', summary: 'Done' })
    for (const circuit of bench.open) expect(circuit.exit).toMatch(/^exit/)
  })

  test('cover ports that were used, and no longer after half an hour', () => {
    const bench = new ClientBench(connectAll).learn([...basicRelays.slice(0, 3), { nickname: 'web', exitsTo: [80, 443] }, { nickname: 'mail', exitsTo: [25] }])
    bench.run()
    bench.connect().socks5('example.com', 25)
    bench.run()
    expect(bench.open.filter((circuit) => circuit.exit === 'mail')).toHaveLength(3)
    bench.run(hours(2))
    expect(bench.open.filter((circuit) => circuit.streams.length === 0)).toHaveLength(0)
  })

  test('come after the first, but do not wait for one that takes long', () => {
    const slow = new ClientBench({ build: () => 'never' }).learn()
    slow.run(durationMs(900))
    expect(slow.circuits.all).toHaveLength(1)
    slow.run(durationMs(200))
    expect(slow.circuits.all).toHaveLength(2)
    const begun: number[] = []
    const bench = new ClientBench({ build: () => (begun.push(bench.open.length), 'open') })
    bench.learn().run(durationMs(900))
    expect(begun).toEqual([0, 1])
  })

  test('are internal where nothing exits', () => {
    const bench = new ClientBench().learn(basicRelays.slice(0, 4).map((relay) => ({ nickname: relay.nickname })))
    bench.run()
    expect(bench.open.map((circuit) => circuit.purpose)).toEqual(['internal'])
    expect(bench.firstCircuits).toBe(1)
  })

  test('that fail are tried again, less and less often', () => {
    let built = 0
    const bench = new ClientBench({ build: () => (built++, { failAt: 2 }) }).learn()
    bench.run(seconds(5))
    const first = built
    expect(first).toBeGreaterThan(5)
    bench.run(minutes(5))
    expect(built - first).toBeLessThan(60)
    expect(bench.firstCircuits).toBe(0)
    expect(bench.setbacks.at(-1)).toMatch(/^a circuit failed at relay \d: as the test wants it$/)
    const told = bench.setbacks.length
    bench.circuits.world.build = () => 'open'
    bench.run(seconds(61))
    expect(bench.firstCircuits).toBe(1)
    expect(bench.setbacks.length).toBe(told)
  })

  test('that fail together have failed once', () => {
    const begun = new Set<number>()
    const bench = new ClientBench({ build: (circuit) => (begun.add(circuit.createdAt), { failAt: 2 }) }).learn()
    for (const user of ['alice', 'bob']) bench.connect().socks5('example.com', 8080, { user, password: '' })
    bench.run(seconds(5))
    // The first is alone.
    expect(bench.circuits.all.length).toBeGreaterThanOrEqual(2 * begun.size - 2)
    // At 0, 0.1, 0.3, 0.7, 1.5 and 3.1 seconds.
    expect(begun.size).toBeGreaterThanOrEqual(6)
  })

  test('are not forgotten when their time comes in the middle of a turn', () => {
    const ORPort = parsePortLines([{ keyword: 'ORPort', value: '9001', command: 'replace', position: {} }], 'or')
    for (let before = 1; before <= 12; before++) {
      const bench = new ClientBench({}, { ORPort }, '0').learn()
      bench.run(durationMs(relayCircuitDelay - before))
      expect(bench.circuits.all).toHaveLength(0)
      // A clock that moves on whenever it is looked at.
      const { monotonicNow } = bench.runtime
      let looked = 0
      Object.assign(bench.runtime, { monotonicNow: () => later(monotonicNow(), durationMs(looked++)) })
      bench.client.circuits.reconfigure(bench.options, false)
      bench.run(seconds(30))
      expect(bench.firstCircuits, `${before} ms before`).toBe(1)
    }
  })

  test('go through another guard when the first cannot be reached, and come back to it', () => {
    const dead = new Set<string>()
    const bench = new ClientBench({ build: (circuit) => (dead.has(circuit.names[0] ?? '') ? { failAt: 0 } : 'open') }).learn()
    bench.run()
    const guard = bench.open[0]?.names[0] ?? ''
    dead.add(guard)
    bench.client.newNym()
    bench.run(seconds(5))
    expect(bench.open.length).toBeGreaterThan(0)
    for (const circuit of bench.open) expect(circuit.names[0]).not.toBe(guard)
    dead.clear()
    bench.run(minutes(11))
    bench.client.newNym()
    bench.run()
    expect(bench.open.map((circuit) => circuit.names[0])).toContain(guard)
  })

  test('that take too long are given up', () => {
    const bench = new ClientBench({ build: () => 'never' }, { CircuitBuildTimeout: seconds(10) }).learn()
    bench.run(seconds(9))
    expect(bench.circuits.list()).toHaveLength(2)
    const [first] = bench.circuits.all
    bench.run(seconds(2))
    expect(first?.state).toBe('closed')
  })
})

describe('directory information', () => {
  test('that grows old ends the building of circuits, and a new consensus begins it again', () => {
    const bench = new ClientBench(connectAll).learn().run()
    expect(bench.logged('We now have enough directory information')).toBe(true)
    bench.run(hours(27.1))
    expect(bench.logged('Our directory information is no longer up-to-date enough to build circuits: We have no recent usable consensus.')).toBe(true)
    const before = bench.circuits.all.length
    const app = bench.connect().socks5('example.com', 80)
    bench.run(seconds(10))
    expect(bench.circuits.all).toHaveLength(before)
    const { consensus, lookup } = madeUpConsensus(basicRelays, bench.runtime.wallNow())
    bench.view.setConsensus(consensus, lookup)
    bench.until(() => app.status === 0)
  })

  test('of a changed network is used at once', () => {
    const bench = new ClientBench(connectAll).learn().run()
    bench.learn([...basicRelays.slice(0, 3), { nickname: 'only', exitsTo: [8080] }])
    const app = bench.connect().socks5('example.com', 8080)
    bench.until(() => app.status === 0)
    const target = lastStream(bench).circuit.exit
    expect(['only', 'exit0', 'exit1', 'exit2', 'exit3', 'exit4']).toContain(target)
  })
})

describe('SOCKS', () => {
  test('5 by name: bytes both ways, then the end', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.bytes >= 12)
    expect(app.hex).toBe('0500' + '05000001' + '00000000' + '0000')
    const stream = lastStream(bench)
    expect(stream.target).toEqual({ kind: 'connect', host: 'example.com', port: 80, flags: 0 })
    app.send('hello')
    bench.until(() => stream.text === 'hello')
    stream.send('world')
    bench.until(() => app.hex.endsWith(Buffer.from('world').toString('hex')))
    stream.refuse(EndReason.DONE)
    bench.until(() => app.ended)
    app.stream.end()
    bench.until(() => app.closed)
  })

  test('4 and 4a', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const byAddress = bench.connect().socks4('192.0.2.7', 80)
    bench.until(() => byAddress.bytes === 8)
    expect(byAddress.hex).toBe('005a000000000000')
    expect(lastStream(bench).target).toMatchObject({ host: '192.0.2.7' })
    const byName = bench.connect().socks4('example.com', 80)
    bench.until(() => byName.bytes === 8)
    expect(lastStream(bench).target).toMatchObject({ host: 'example.com' })
  })

  test('BIND, UDP ASSOCIATE and other protocols are refused', () => {
    const bench = new ClientBench(connectAll).learn().run()
    for (const command of [SocksCommand.BIND, SocksCommand.UDP_ASSOCIATE]) {
      const app = bench.connect().socks5('example.com', 80, { command })
      bench.until(() => app.ended)
      expect(app.status).toBe(7)
    }
    const http = bench.connect().send('GET / HTTP/1.0\r\n\r\n')
    bench.until(() => http.ended)
    expect(Buffer.from(http.hex, 'hex').toString()).toContain('501 Tor is not an HTTP Proxy')
  })

  test.each([
    [EndReason.CONNECTREFUSED, 5], [EndReason.TIMEOUT, 6], [EndReason.CONNRESET, 5], [EndReason.DONE, 5],
    [EndReason.TORPROTOCOL, 1], [EndReason.INTERNAL, 1], [EndReason.NOROUTE, 4], [EndReason.RESOLVEFAILED, 4], [EndReason.MISC, 1],
  ])('tells reason %i as %i', (reason, status) => {
    const bench = new ClientBench({ stream: (stream) => stream.refuse(reason) }).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.ended)
    expect(app.status).toBe(status)
    expect(bench.circuits.streams.length).toBe([EndReason.NOROUTE, EndReason.RESOLVEFAILED, EndReason.MISC].includes(reason) ? 3 : 1)
  })

  test('a port that no exit lets out is refused at once', () => {
    const bench = new ClientBench(connectAll).learn(basicRelays.map((relay) => ({ ...relay, ...(relay.exitsTo === undefined ? {} : { exitsTo: [80] }) }))).run()
    const app = bench.connect().socks5('example.com', 25)
    bench.until(() => app.ended)
    // As C tor: a reason of our own is a general failure.
    expect(app.status).toBe(1)
    expect(bench.logged('No Tor server allows exit to')).toBe(true)
  })

  test('waits for the network, but not for ever', () => {
    const bench = new ClientBench(connectAll)
    const early = bench.connect().socks5('example.com', 80)
    bench.run(seconds(60))
    bench.learn().run()
    expect(early.status).toBe(0)
    const other = new ClientBench(connectAll)
    const late = other.connect().socks5('example.com', 80)
    other.run(seconds(119))
    expect(late.ended).toBe(false)
    other.run(seconds(2))
    expect(late.status).toBe(6)
    expect(late.ended).toBe(true)
  })

  test('a handshake that does not go on is closed', () => {
    const bench = new ClientBench()
    const app = bench.connect().send(Uint8Array.of(5))
    bench.run(seconds(121))
    expect(app.isGone).toBe(true)
  })

  test('SafeSocks refuses addresses, and otherwise they are warned about', () => {
    const safe = new ClientBench(connectAll, { SafeSocks: true }).learn().run()
    const refused = safe.connect().socks5('192.0.2.1', 80)
    safe.until(() => refused.ended)
    expect(refused.status).toBe(2)
    const four = safe.connect().socks4('192.0.2.1', 80)
    safe.until(() => four.ended)
    expect(four.hex).toBe('005b000000000000')
    const named = safe.connect().socks5('example.com', 80)
    safe.until(() => named.status === 0)
    const plain = new ClientBench(connectAll).learn().run()
    for (let i = 0; i < 3; i++) {
      const app = plain.connect().socks5('192.0.2.1', 80)
      plain.until(() => app.status === 0)
    }
    expect(plain.log.filter((line) => line.message.includes('is giving Tor only an IP address'))).toHaveLength(1)
  })

  test('SocksPolicy turns strangers away', () => {
    const bench = new ClientBench(connectAll, { SocksPolicy: ['accept 127.0.0.9', 'reject *:*'] }).learn().run()
    const app = bench.connect()
    bench.until(() => app.isGone)
    expect(bench.logged('Denying socks connection from untrusted address 127.0.0.2')).toBe(true)
  })
})

describe('lookups', () => {
  const world = {
    resolve: (name: string) =>
      name === 'example.com' ? [{ kind: 'address' as const, address: '192.0.2.9', ttlSec: 60 }, { kind: 'address' as const, address: '2001:db8::9', ttlSec: 60 }]
      : name === '192.0.2.9' ? [{ kind: 'hostname' as const, name: 'example.com', ttlSec: 60 }]
      : [{ kind: 'error' as const, transient: name.startsWith('transient'), ttlSec: 60 }],
  }

  test('of names and of addresses', () => {
    const bench = new ClientBench(world).learn().run()
    const name = bench.connect().socks5('example.com', 0, { command: SocksCommand.RESOLVE })
    bench.until(() => name.ended)
    expect(name.hex).toBe('0500' + '05000001' + 'c0000209' + '0000')
    const four = bench.connect().socks4('example.com', 0, SocksCommand.RESOLVE)
    bench.until(() => four.ended)
    expect(four.hex).toBe('005a0000c0000209')
    const reverse = bench.connect().socks5('192.0.2.9', 0, { command: SocksCommand.RESOLVE_PTR })
    bench.until(() => reverse.ended)
    expect(reverse.hex).toBe('0500' + '05000003' + '0b' + Buffer.from('example.com').toString('hex') + '0000')
  })

  test('prefer IPv6 where asked to', () => {
    const bench = new ClientBench(world, {}, '9050 PreferIPv6').learn().run()
    const name = bench.connect().socks5('example.com', 0, { command: SocksCommand.RESOLVE })
    bench.until(() => name.ended)
    expect(name.hex).toBe('0500' + '05000004' + '20010db8000000000000000000000009' + '0000')
  })

  test('of what is an address already are answered here', () => {
    const bench = new ClientBench({ resolve: () => 'never' })
    const app = bench.connect().socks5('192.0.2.77', 0, { command: SocksCommand.RESOLVE })
    bench.until(() => app.ended)
    expect(app.hex).toBe('0500' + '05000001' + 'c000024d' + '0000')
  })

  test('without an answer are tried elsewhere, and keep no circuit open', () => {
    const bench = new ClientBench({ resolve: () => 'never' }).learn().run()
    const app = bench.connect().socks5('example.com', 0, { command: SocksCommand.RESOLVE })
    bench.run(seconds(125))
    expect(app.status).toBe(4)
    expect(bench.circuits.all.filter((circuit) => circuit.state === 'open' && circuit.streams.length > 0)).toHaveLength(0)
    expect(bench.client.circuits.list().every((circuit) => circuit.streams === 0 && !circuit.retired)).toBe(true)
    const impatient = bench.connect().socks5('example.com', 0, { command: SocksCommand.RESOLVE })
    bench.run()
    impatient.stream.destroy()
    bench.run()
    expect(bench.client.circuits.list().every((circuit) => circuit.streams === 0)).toBe(true)
  })

  test('that fail say so', () => {
    const bench = new ClientBench(world).learn().run()
    for (const name of ['no.example', 'transient.example']) {
      const app = bench.connect().socks5(name, 0, { command: SocksCommand.RESOLVE })
      bench.until(() => app.ended)
      expect(app.status).toBe(4)
    }
  })
})

describe('another circuit', () => {
  test('is tried when an exit refuses by policy, and that exit is not trusted further', () => {
    const asked: string[] = []
    const bench = new ClientBench({
      stream: (stream) => {
        asked.push(stream.circuit.exit)
        if (asked.length < 3) stream.refuse(EndReason.EXITPOLICY)
        else stream.connect()
      },
    }).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.status !== undefined)
    expect(app.status).toBe(0)
    expect(new Set(asked).size).toBe(3)
  })

  test('is asked for the very address an exit would not connect to', () => {
    const targets: unknown[] = []
    const bench = new ClientBench({
      stream: (stream) => {
        targets.push(stream.target)
        if (targets.length === 1) stream.refuse(EndReason.EXITPOLICY, '192.0.2.55')
        else stream.connect()
      },
    }).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.status === 0)
    expect(targets).toMatchObject([{ host: 'example.com' }, { host: '192.0.2.55' }])
  })

  test('is tried until none is left that has not refused', () => {
    const bench = new ClientBench({ stream: (stream) => stream.refuse(EndReason.EXITPOLICY) }).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    // At once: there is no use in waiting.
    bench.until(() => app.ended, seconds(5))
    expect(bench.circuits.streams).toHaveLength(5)
    expect(app.status).toBe(2)
  })

  test('is tried until none is left that has not refused the very address', () => {
    const bench = new ClientBench({ stream: (stream) => stream.refuse(EndReason.EXITPOLICY, '192.0.2.55') }).learn().run()
    const app = bench.connect().socks5('192.0.2.55', 80)
    bench.until(() => app.ended, seconds(5))
    expect(bench.circuits.streams).toHaveLength(5)
    expect(app.status).toBe(2)
  })

  test('takes over when one dies under a stream that is not connected', () => {
    let died = false
    const bench = new ClientBench({
      stream: (stream) => {
        if (died) stream.connect()
        else {
          died = true
          stream.circuit.die()
        }
      },
    }).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.status === 0)
  })

  test('takes over after ten seconds without an answer', () => {
    let silent = true
    const bench = new ClientBench({ stream: (stream) => (silent ? undefined : stream.connect()) }).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.run(seconds(9))
    const first = lastStream(bench)
    silent = false
    bench.run(seconds(2))
    expect(app.status).toBe(0)
    expect(first.destroyedWith).toBe(EndReason.TIMEOUT)
    expect(lastStream(bench).circuit).not.toBe(first.circuit)
  })

  test('gets what the application had sent ahead', () => {
    let first = true
    const bench = new ClientBench({
      stream: (stream) => {
        if (first) stream.refuse(EndReason.EXITPOLICY)
        else stream.connect()
        first = false
      },
    }).learn().run()
    const app = bench.connect().socks5('example.com', 80, { early: 'GET / ' })
    app.send('HTTP/1.0\r\n\r\n')
    bench.until(() => app.status === 0)
    const streams = bench.circuits.streams
    expect(streams).toHaveLength(2)
    for (const stream of streams) expect(stream.text).toBe('GET / HTTP/1.0\r\n\r\n')
  })
})

describe('back pressure', () => {
  test('a slow exit stops the application', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.status === 0)
    const stream = lastStream(bench)
    stream.blocked = true
    const total = 8 * 1024 * 1024
    let sent = 0
    while (sent < total && app.stream.write(new Uint8Array(16_384))) sent += 16_384
    bench.run(seconds(10))
    const taken = stream.received.reduce((sum, chunk) => sum + chunk.length, 0)
    // One chunk was taken; after that the application was not read any more.
    expect(taken).toBeLessThanOrEqual(65_536)
    stream.drain()
    bench.run(seconds(10))
    expect(stream.received.reduce((sum, chunk) => sum + chunk.length, 0)).toBeGreaterThan(taken)
  })

  test('a slow application stops the exit', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.status === 0)
    const stream = lastStream(bench)
    app.stream.pauseReading()
    let sent = 0
    while (!stream.paused && sent < 64 * 1024 * 1024) {
      stream.send('x'.repeat(16_384))
      sent += 16_384
      bench.simulation.step()
    }
    expect(stream.paused).toBe(true)
    expect(sent).toBeLessThan(8 * 1024 * 1024)
    app.stream.resumeReading()
    bench.until(() => !stream.paused)
    bench.run(seconds(10))
    expect(app.bytes).toBe(12 + sent)
  })

  test('what is sent ahead of the connection has a limit', () => {
    const bench = new ClientBench({ stream: () => undefined }).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.run()
    for (let i = 0; i < 64; i++) app.stream.write(new Uint8Array(16_384))
    bench.run(seconds(2))
    const stream = lastStream(bench)
    expect(stream.received.reduce((sum, chunk) => sum + chunk.length, 0)).toBeLessThan(optimisticBytesMax + 65_536 + 1)
    stream.connect()
    bench.run(seconds(2))
    expect(stream.received.reduce((sum, chunk) => sum + chunk.length, 0)).toBe(64 * 16_384)
  })
})

describe('which circuit', () => {
  const circuitOf = (bench: ClientBench, host: string, port: number, more: Parameters<ReturnType<ClientBench['connect']>['socks5']>[2] = {}): number => {
    const app = bench.connect().socks5(host, port, more)
    bench.until(() => app.status === 0)
    return lastStream(bench).circuit.id
  }

  test('streams of one application share one', () => {
    const bench = new ClientBench(connectAll).learn().run()
    expect(circuitOf(bench, 'a.example', 80)).toBe(circuitOf(bench, 'b.example', 443))
  })

  test('fifty at once share one, even when it is still to be built', () => {
    const bench = new ClientBench(connectAll)
    const apps = Array.from({ length: 50 }, () => bench.connect().socks5('example.com', 80))
    bench.run()
    bench.learn().run(seconds(2))
    expect(apps.map((app) => app.status)).toEqual(apps.map(() => 0))
    expect(bench.circuits.all.filter((circuit) => circuit.streams.length > 0)).toHaveLength(1)
  })

  test('credentials keep streams apart', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const [anna, otto] = [circuitOf(bench, 'a.example', 80, { user: 'anna', password: 'x' }), circuitOf(bench, 'a.example', 80, { user: 'otto', password: 'x' })]
    expect(anna).not.toBe(otto)
    expect(circuitOf(bench, 'b.example', 80, { user: 'anna', password: 'x' })).toBe(anna)
    expect(circuitOf(bench, 'b.example', 80, { user: 'anna', password: 'y' })).not.toBe(anna)
    expect([anna, otto]).not.toContain(circuitOf(bench, 'b.example', 80))
  })

  test('flags of the listener keep streams apart', () => {
    const bench = new ClientBench(connectAll, {}, '9050 IsolateDestPort IsolateDestAddr').learn().run()
    const first = circuitOf(bench, 'a.example', 80)
    expect(circuitOf(bench, 'a.example', 80)).toBe(first)
    expect(circuitOf(bench, 'a.example', 443)).not.toBe(first)
    expect(circuitOf(bench, 'b.example', 80)).not.toBe(first)
  })

  test('ten minutes after its first stream a circuit takes no more, and is closed when it is empty', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const first = circuitOf(bench, 'a.example', 80)
    const stream = lastStream(bench)
    bench.run(minutes(9))
    expect(circuitOf(bench, 'a.example', 80)).toBe(first)
    const second = lastStream(bench)
    bench.run(minutes(1.1))
    expect(circuitOf(bench, 'a.example', 80)).not.toBe(first)
    expect(stream.circuit.state).toBe('open')
    stream.refuse(EndReason.DONE)
    second.refuse(EndReason.DONE)
    bench.run()
    expect(stream.circuit.state).toBe('closed')
  })

  test('after NEWNYM it is another, but streams go on', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const first = circuitOf(bench, 'a.example', 80)
    const stream = lastStream(bench)
    bench.client.newNym()
    expect(circuitOf(bench, 'a.example', 80)).not.toBe(first)
    expect(stream.circuit.state).toBe('open')
    bench.client.newNym()
    expect(bench.logged('Rate limiting NEWNYM')).toBe(true)
    bench.run(seconds(11))
  })

  test('long-lived ports get stable relays', () => {
    const unstable = exitFlags.filter((flag) => flag !== 'Stable')
    const bench = new ClientBench(connectAll).learn([...basicRelays.slice(0, 3), { nickname: 'stable', exitsTo: 'all', bandwidth: 10 }, { nickname: 'flaky', exitsTo: 'all', flags: unstable, bandwidth: 100_000 }]).run()
    circuitOf(bench, 'a.example', 22)
    expect(lastStream(bench).circuit.exit).toBe('stable')
  })
})

describe('requests', () => {
  const refusedWith = (bench: ClientBench, host: string, port: number): number | undefined => {
    const app = bench.connect().socks5(host, port)
    bench.until(() => app.ended || app.status === 0)
    return app.status
  }

  test('that make no sense are refused', () => {
    const bench = new ClientBench(connectAll, { ClientRejectInternalAddresses: true, RejectPlaintextPorts: [23], WarnPlaintextPorts: [23, 110] }).learn().run()
    expect(refusedWith(bench, '10.1.2.3', 80)).toBe(1)
    expect(refusedWith(bench, 'localhost', 80)).toBe(1)
    expect(refusedWith(bench, 'example.com', 23)).toBe(2)
    expect(refusedWith(bench, 'something.exit', 80)).toBe(1)
    expect(refusedWith(bench, 'abcdef.onion', 80)).toBe(1)
    expect(refusedWith(bench, 'example.com', 110)).toBe(0)
    expect(bench.logged('Application request to port 110')).toBe(true)
  })

  test('into the network itself are refused', () => {
    const bench = new ClientBench(connectAll).learn().run()
    expect(refusedWith(bench, '10.3.0.1', 9001)).toBe(1)
    expect(refusedWith(bench, '10.3.0.1', 9002)).toBe(0)
  })

  test('are rewritten by MapAddress, to an exit if it says so', () => {
    const bench = new ClientBench(connectAll, {
      MapAddress: [{ from: 'a.example', to: 'b.example' }, { from: '*.c.example', to: '*.d.example' }, { from: 'e.example', to: 'e.example.exit3.exit' }],
    }).learn().run()
    const target = (host: string): string => {
      expect(refusedWith(bench, host, 80)).toBe(0)
      const { target: asked } = lastStream(bench)
      return asked.kind === 'connect' ? asked.host : ''
    }
    expect(target('a.example')).toBe('b.example')
    expect(target('x.y.c.example')).toBe('x.y.d.example')
    expect(target('e.example')).toBe('e.example')
    expect(lastStream(bench).circuit.exit).toBe('exit3')
  })

  test('obey the traffic flags of the listener', () => {
    const bench = new ClientBench(connectAll, {}, '9050 NoIPv6Traffic NoDNSRequest').learn().run()
    expect(refusedWith(bench, '2001:db8::1', 80)).toBe(2)
    expect(refusedWith(bench, 'example.com', 80)).toBe(2)
    expect(refusedWith(bench, '192.0.2.1', 80)).toBe(0)
  })
})

describe('a changed configuration', () => {
  test('opens and closes listeners, and leaves streams alone', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.status === 0)
    bench.reconfigure({}, ['127.0.0.1:9150', '127.0.0.1:9151 IsolateDestPort']).run()
    expect(bench.connect().refused).toBe(true)
    expect(bench.connect(9150).refused).toBe(false)
    expect(app.isGone).toBe(false)
    app.send('still here')
    bench.until(() => bench.circuits.streams[0]?.text === 'still here')
  })

  test('changes the flags of a listener that stays', () => {
    const bench = new ClientBench(connectAll).learn().run()
    bench.reconfigure({}, ['9050 NoDNSRequest']).run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.ended)
    expect(app.status).toBe(2)
  })

  test('keeps new streams off circuits built by the old rules', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.status === 0)
    const { circuit } = lastStream(bench)
    bench.reconfigure({ ExitNodes: parseRouterSet([{ keyword: 'ExitNodes', value: circuit.exit === 'exit0' ? 'exit1' : 'exit0', command: 'replace', position: {} }]) }).run()
    const other = bench.connect().socks5('example.com', 80)
    bench.until(() => other.status === 0)
    expect(lastStream(bench).circuit.exit).toBe(circuit.exit === 'exit0' ? 'exit1' : 'exit0')
    expect(circuit.state).toBe('open')
  })
})

describe('the owner', () => {
  test('may have a circuit of its own choice, which takes no streams', () => {
    const bench = new ClientBench(connectAll).learn().run()
    let result: unknown
    bench.client.buildCircuit(['auth0', 'auth1', 'exit2'], (one) => (result = one))
    bench.until(() => result !== undefined)
    const { id } = result as { id: number }
    expect(bench.circuits.all[id - 1]?.names).toEqual(['auth0', 'auth1', 'exit2'])
    let error: unknown
    bench.client.buildCircuit(['nobody'], (one) => (error = one))
    expect(error).toMatchObject({ kind: 'unavailable' })
    for (let i = 0; i < 5; i++) {
      const app = bench.connect().socks5('example.com', 80, { user: `u${i}` })
      bench.until(() => app.status === 0)
      expect(lastStream(bench).circuit.id).not.toBe(id)
    }
  })

  test('stops it, and everything is closed', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const app = bench.connect().socks5('example.com', 80)
    bench.until(() => app.status === 0)
    bench.client.stop()
    bench.run()
    expect(app.isGone).toBe(true)
    expect(bench.open).toHaveLength(0)
  })

  test('finds the same guards after a restart', () => {
    const bench = new ClientBench(connectAll).learn().run()
    const guard = bench.open[0]?.names[0]
    bench.client.stop()
    bench.view.stop()
    bench.state.flush()
    const again = new ClientBench(connectAll, {}, '9050', bench).learn().run()
    expect(again.open[0]?.names[0]).toBe(guard)
    expect(again.view.guards.stateLines()).toEqual(bench.view.guards.stateLines())
  })
})
