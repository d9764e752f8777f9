/** What the simulated world has beyond the contract: sameness, faults, slow links, machines that crash and come back. */

import { describe, expect, it } from 'vitest'
import { must } from '../../src/core/base/assert.ts'
import { utf8Decode, utf8Encode } from '../../src/core/base/encoding.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { durationMs, hours, seconds } from '../../src/core/base/time.ts'
import { canonicalJson } from '../../src/sim/canonical-json.ts'
import { internetLinks, type LinkModel } from '../../src/sim/link-model.ts'
import type { SimMachine } from '../../src/sim/sim-machine.ts'
import { Simulation, type SimulationOptions } from '../../src/sim/simulation.ts'
import type { ByteStream, Runtime } from '../../src/runtime/index.ts'

interface Pair {
  readonly simulation: Simulation
  readonly client: SimMachine
  readonly server: SimMachine
  readonly clientRuntime: Runtime
  readonly serverRuntime: Runtime
}

function pair(options: Partial<SimulationOptions> = {}): Pair {
  const simulation = new Simulation({ seed: '1', ...options })
  const client = simulation.addMachine({ name: 'client', addresses: ['10.0.0.1'], region: 'eu' })
  const server = simulation.addMachine({ name: 'server', addresses: ['10.0.0.2'], region: 'asia', clockSkewMs: 90_000 })
  return { simulation, client, server, clientRuntime: client.boot(), serverRuntime: server.boot() }
}

/** An echo server on port 7. */
function echo(runtime: Runtime): void {
  runtime.network.listen({ host: '10.0.0.2', port: 7 }, {
    onListening: () => undefined,
    onError: (error) => { throw error },
    onConnection: (stream) => stream.start({ onData: (chunk) => void stream.write(chunk.slice()), onEnd: () => stream.end(), onDrain: () => undefined, onClose: () => undefined }),
  })
}

interface Conversation { text: string; bytes: number; closed: boolean; error: RelishError | undefined; stream: ByteStream | undefined }

function talk(runtime: Runtime, message: Uint8Array): Conversation {
  const seen: Conversation = { text: '', bytes: 0, closed: false, error: undefined, stream: undefined }
  runtime.network.dial({ target: { host: '10.0.0.2', port: 7 }, timeout: seconds(30) }, {
    onError: (error) => (seen.error = error),
    onConnect: (stream) => {
      seen.stream = stream
      stream.start({
        onData: (chunk) => {
          seen.bytes += chunk.length
          if (seen.text.length < 100) seen.text += utf8Decode(chunk)
        },
        onEnd: () => undefined,
        onDrain: () => undefined,
        onClose: (error) => {
          seen.closed = true
          seen.error = error
        },
      })
      stream.write(message)
    },
  })
  return seen
}

describe('sameness', () => {
  const run = (seed: string, extra = false): { digest: string; lines: string[] } => {
    const lines: string[] = []
    const world = pair({ seed, links: internetLinks, traceSink: (line) => lines.push(line) })
    if (extra) {
      const third = world.simulation.addMachine({ name: 'third', addresses: ['10.0.0.3'] })
      third.boot().rng('x').bytes(100)
    }
    echo(world.serverRuntime)
    const message = world.clientRuntime.rng('message').bytes(5000)
    const seen = talk(world.clientRuntime, message)
    world.clientRuntime.generateRsaKey(1024, (key) => world.clientRuntime.files.write('key', utf8Encode(key.toPem())))
    world.clientRuntime.files.write('signature', world.clientRuntime.generateTlsKey().sign(message))
    expect(world.simulation.runUntil(() => seen.bytes === 5000 && world.clientRuntime.files.read('key') !== undefined, seconds(60))).toBe(true)
    lines.push(utf8Decode(must(world.clientRuntime.files.read('key'), 'written')))
    return { digest: world.simulation.traceDigest(), lines }
  }

  it('one seed, one run, to the last byte', () => {
    expect(run('7')).toEqual(run('7'))
  })

  it('another seed, another run', () => {
    expect(run('7').digest).not.toBe(run('8').digest)
  })

  it('one more machine and its draws change nothing for the others', () => {
    const alone = run('7').lines
    const together = run('7', true).lines.filter((line) => !line.includes('"node":"third"'))
    expect(together).toEqual(alone)
  })

  it('does not depend on the clock, the locale or the time zone of the machine it runs on', () => {
    // Written down on purpose: a change of this value means that recorded runs no longer replay.
    expect(run('relish').digest).toMatchInlineSnapshot(`"00fa7664e0d80a5fcc030c3f99a9038ad4ec36a4b72e84b8aee4adb8fbf99fa1"`)
  })
})

describe('traces', () => {
  it('have one spelling: keys in order, whoever wrote the line', () => {
    const lines: string[] = []
    const world = pair({ traceSink: (line) => lines.push(line) })
    echo(world.serverRuntime)
    talk(world.clientRuntime, utf8Encode('hello'))
    world.simulation.record('client', { event: 'b', z: 1, a: [undefined, { y: 2n, x: Uint8Array.of(255) }], gone: undefined })
    world.simulation.runFor(seconds(1))
    expect(lines.some((line) => line.includes('net.segment'))).toBe(true)
    for (const line of lines) expect(canonicalJson(JSON.parse(line))).toBe(line)
    expect(lines).toContain('{"a":[null,{"x":"ff","y":"2"}],"event":"b","node":"client","t":0,"z":1}')
    expect(() => canonicalJson(Number.NaN)).toThrow(/finite/)
    expect(() => canonicalJson(() => 1)).toThrow(/plain JSON/)
  })
})

describe('clocks', () => {
  it('each machine has its own wall clock; time stands still unless events pass', () => {
    const { simulation, client, server, clientRuntime, serverRuntime } = pair()
    expect(serverRuntime.wallNow() - clientRuntime.wallNow()).toBe(90_000)
    simulation.runFor(hours(24 * 7))
    expect(clientRuntime.monotonicNow()).toBe(7 * 24 * 3_600_000)
    client.setClockSkew(-5000)
    expect(server.wallNow() - client.wallNow()).toBe(95_000)
  })

  it('many cancelled timers leave nothing behind', () => {
    const { simulation, clientRuntime } = pair()
    let fired = 0
    for (let i = 0; i < 20_000; i++) clientRuntime.setTimer(hours(1), () => fired++).cancel()
    clientRuntime.setTimer(hours(2), () => fired++)
    expect(simulation.runUntil(() => fired > 0, hours(3))).toBe(true)
    expect(fired).toBe(1)
    expect(simulation.eventsRun).toBe(1)
  })
})

describe('links', () => {
  const limited = (bytesPerSecond: number, latencyMs: number): LinkModel => () => ({ latencyMs, jitterMs: 0, bytesPerSecond, dialLoss: 0 })

  it('take as long as their rate says, and streams share them evenly', () => {
    const { simulation, clientRuntime, serverRuntime } = pair({ links: limited(1_000_000, 10) })
    const done: [string, number][] = []
    serverRuntime.network.listen({ host: '10.0.0.2', port: 7 }, {
      onListening: () => undefined,
      onError: (error) => { throw error },
      onConnection: (stream) => {
        let name = ''
        stream.start({
          onData: (chunk) => (name ||= String.fromCharCode(chunk[0] ?? 0)),
          onEnd: () => done.push([name, simulation.now()]),
          onDrain: () => undefined,
          onClose: () => undefined,
        })
      },
    })
    for (const name of ['a', 'b']) {
      clientRuntime.network.dial({ target: { host: '10.0.0.2', port: 7 }, timeout: seconds(30) }, {
        onError: (error) => { throw error },
        onConnect: (stream) => {
          stream.start({ onData: () => undefined, onEnd: () => undefined, onDrain: () => undefined, onClose: () => undefined })
          stream.write(new Uint8Array(500_000).fill(name.charCodeAt(0)))
          stream.end()
        },
      })
    }
    simulation.runUntil(() => done.length === 2, seconds(60))
    // One megabyte at one megabyte a second, and both end at nearly the same time since they took turns.
    expect(done.map(([name]) => name)).toEqual(['a', 'b'])
    for (const [, at] of done) expect(at).toBeGreaterThan(900)
    for (const [, at] of done) expect(at).toBeLessThan(1100)
  })

  it('a partition holds everything back, and healing lets it go on', () => {
    const { simulation, clientRuntime, serverRuntime } = pair()
    echo(serverRuntime)
    const seen = talk(clientRuntime, utf8Encode('one '))
    simulation.runUntil(() => seen.bytes === 4, seconds(1))
    simulation.setLinkFault('client', 'server', { kind: 'partition' })
    seen.stream?.write(utf8Encode('two'))
    const cut = talk(clientRuntime, utf8Encode('x'))
    simulation.runFor(seconds(40))
    expect(seen.text).toBe('one ')
    expect(cut.error?.kind).toBe('timeout')
    simulation.setLinkFault('client', 'server', { kind: 'none' })
    simulation.runFor(seconds(1))
    expect(seen.text).toBe('one two')
  })

  it.each([
    [undefined, 250],
    [400_000, 750],
  ])('a queue of %s bytes where the bandwidth ends keeps a small message waiting behind a large one', (queueBytes, longestMs) => {
    const { simulation, clientRuntime, serverRuntime } = pair({ links: () => ({ latencyMs: 10, jitterMs: 0, bytesPerSecond: 1_000_000, dialLoss: 0, ...(queueBytes === undefined ? {} : { queueBytes }) }) })
    echo(serverRuntime)
    const small = talk(clientRuntime, new Uint8Array(1))
    simulation.runUntil(() => small.bytes === 1, seconds(5))
    const large = talk(clientRuntime, new Uint8Array(500_000))
    simulation.runFor(durationMs(40))
    const asked = simulation.now()
    small.stream?.write(new Uint8Array(1))
    simulation.runUntil(() => small.bytes === 2, seconds(5))
    const waited = simulation.now() - asked
    expect(waited).toBeLessThan(longestMs)
    if (queueBytes !== undefined) expect(waited).toBeGreaterThan(350)
    simulation.runFor(seconds(10))
    expect(large.bytes).toBe(500_000)
  })

  it('an end does not cross a partition either', () => {
    const { simulation, clientRuntime, serverRuntime } = pair()
    echo(serverRuntime)
    const seen = talk(clientRuntime, utf8Encode('one'))
    simulation.runUntil(() => seen.bytes === 3, seconds(1))
    simulation.setLinkFault('client', 'server', { kind: 'partition' })
    seen.stream?.end()
    simulation.runFor(seconds(10))
    expect(seen.closed).toBe(false)
    simulation.setLinkFault('client', 'server', { kind: 'none' })
    simulation.runFor(seconds(1))
    expect([seen.closed, seen.error]).toEqual([true, undefined])
  })

  it('slow and drop', () => {
    const { simulation, clientRuntime, serverRuntime } = pair()
    echo(serverRuntime)
    const seen = talk(clientRuntime, utf8Encode('one'))
    simulation.runUntil(() => seen.bytes === 3, seconds(1))
    simulation.setLinkFault('client', 'server', { kind: 'slow', extraLatencyMs: 500 })
    seen.stream?.write(utf8Encode('two'))
    expect(simulation.runUntil(() => seen.bytes === 6, durationMs(900))).toBe(false)
    expect(simulation.runUntil(() => seen.bytes === 6, seconds(1))).toBe(true)
    simulation.setLinkFault('client', 'server', { kind: 'drop' })
    simulation.runFor(seconds(2))
    expect([seen.closed, seen.error?.kind]).toEqual([true, 'local-io'])
  })
})

describe('machines', () => {
  it('a crash ends handlers and sockets at once; the disk stays, and a second life draws other bytes', () => {
    const { simulation, server, clientRuntime, serverRuntime } = pair()
    echo(serverRuntime)
    serverRuntime.files.write('keys/secret', utf8Encode('kept'))
    const first = serverRuntime.rng('nonce').bytes(8)
    let fired = false
    serverRuntime.setTimer(seconds(1), () => (fired = true))
    const seen = talk(clientRuntime, utf8Encode('hello'))
    simulation.runUntil(() => seen.bytes === 5, seconds(1))
    server.crash()
    simulation.runFor(seconds(5))
    expect(fired).toBe(false)
    const refused = talk(clientRuntime, utf8Encode('x'))
    simulation.runFor(seconds(5))
    expect(refused.error?.kind).toBe('refused')
    const again = server.boot()
    expect(utf8Decode(must(again.files.read('keys/secret'), 'kept'))).toBe('kept')
    expect(again.rng('nonce').bytes(8)).not.toEqual(first)
    echo(again)
    const back = talk(clientRuntime, utf8Encode('back'))
    simulation.runFor(seconds(5))
    expect(back.text).toBe('back')
  })

  it('a paused program misses nothing', () => {
    const { simulation, server, clientRuntime, serverRuntime } = pair()
    echo(serverRuntime)
    const seen = talk(clientRuntime, utf8Encode('hello'))
    simulation.runUntil(() => seen.bytes === 5, seconds(1))
    server.pause()
    seen.stream?.write(utf8Encode(' again'))
    simulation.runFor(seconds(5))
    expect(seen.bytes).toBe(5)
    server.resume()
    simulation.runFor(seconds(1))
    expect(seen.text).toBe('hello again')
  })

  it('what a pause held back comes first, and what was cancelled meanwhile not at all', () => {
    const { simulation, server, serverRuntime } = pair()
    const fired: string[] = []
    serverRuntime.setTimer(seconds(1), () => {
      fired.push('first')
      second.cancel()
    })
    const second = serverRuntime.setTimer(seconds(2), () => fired.push('second'))
    serverRuntime.setTimer(seconds(3), () => fired.push('third'))
    // At the very instant at which the program goes on.
    serverRuntime.setTimer(seconds(5), () => fired.push('fourth'))
    expect(server.held()).toEqual({ timers: 4, streams: 0, listeners: 0 })
    server.pause()
    simulation.at(seconds(5), () => server.resume())
    simulation.runFor(seconds(6))
    expect(fired).toEqual(['first', 'third', 'fourth'])
    expect(server.held().timers).toBe(0)
  })

  it('a connection attempt that is given up holds no socket', () => {
    const { simulation, client, clientRuntime, serverRuntime } = pair({ links: () => ({ latencyMs: 100, jitterMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, dialLoss: 0 }) })
    echo(serverRuntime)
    const fail = (): never => { throw new Error('it was given up') }
    const dial = clientRuntime.network.dial({ target: { host: '10.0.0.2', port: 7 }, timeout: seconds(30) }, { onConnect: fail, onError: fail })
    // The server has accepted it, the client does not know yet.
    simulation.runFor(durationMs(150))
    expect(client.held().streams).toBe(1)
    dial.cancel()
    expect(client.held()).toEqual({ timers: 0, streams: 0, listeners: 0 })
    simulation.runFor(seconds(1))
  })

  it('a connection that a listener has not been given yet is not held by its program', () => {
    const { simulation, server, clientRuntime, serverRuntime } = pair({ links: () => ({ latencyMs: 100, jitterMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, dialLoss: 0 }) })
    let given = 0
    const handlers = { onListening: () => undefined, onError: () => undefined }
    const silent = { onData: () => undefined, onEnd: () => undefined, onDrain: () => undefined, onClose: () => undefined }
    serverRuntime.network.listenSecure({ host: '10.0.0.2', port: 7 }, () => ({ certificateDer: new Uint8Array(8), privateKeyDer: new Uint8Array(8) }), {
      ...handlers,
      onConnection: (stream) => {
        given++
        stream.start(silent)
      },
    })
    clientRuntime.network.dialSecure({ target: { host: '10.0.0.2', port: 7 }, timeout: seconds(30) }, { onConnect: (stream) => stream.start(silent), onError: () => undefined })
    simulation.runFor(durationMs(350))
    expect([given, server.held().streams]).toEqual([0, 0])
    simulation.runFor(durationMs(200))
    expect([given, server.held().streams]).toEqual([1, 1])
  })

  it('whoever waits for a moment between two microseconds gets there', () => {
    const { simulation, clientRuntime } = pair()
    const moment = 0.1 + 0.2
    let asked = 0
    const wait = (): void => {
      asked++
      const left = moment - clientRuntime.monotonicNow()
      if (left > 0 && asked < 10) clientRuntime.setTimer(durationMs(left), wait)
    }
    wait()
    simulation.runFor(seconds(1))
    expect(asked).toBe(2)
  })

  it('a full disk is an error of the write', () => {
    const { client, clientRuntime } = pair()
    client.files.setCapacity(10)
    clientRuntime.files.write('a', new Uint8Array(8))
    expect(() => clientRuntime.files.write('b', new Uint8Array(8))).toThrow(/no space left/)
    clientRuntime.files.write('a', new Uint8Array(10))
  })

  it('what a handler throws ends the run, with machine and time', () => {
    const { simulation, clientRuntime } = pair()
    clientRuntime.setTimer(seconds(2), () => {
      throw new RelishError('bug', 'assertion failed: example')
    })
    expect(() => simulation.runFor(seconds(3))).toThrow('client at 2000 ms: assertion failed: example')
  })

  it('loopback addresses that nobody owns are common ground', () => {
    const { simulation, clientRuntime, serverRuntime } = pair()
    let from = ''
    serverRuntime.network.listen({ host: '127.5.0.1', port: 9 }, { onListening: () => undefined, onError: (error) => { throw error }, onConnection: (stream) => (from = stream.remote.host) })
    clientRuntime.network.dial({ target: { host: '127.5.0.1', port: 9 }, timeout: seconds(1), localHost: '127.9.0.1' }, { onConnect: () => undefined, onError: (error) => { throw error } })
    simulation.runFor(seconds(1))
    expect(from).toBe('127.9.0.1')
  })
})
