/** Links, circuits and streams of several nodes on the simulated runtime: what the client asks for, and what each node then holds. */

import { describe, expect, it } from 'vitest'
import { SeededRng } from '../../src/core/base/rng.ts'
import { seconds } from '../../src/core/base/time.ts'
import { EndReason } from '../../src/core/cell/commands.ts'
import type { ResolvedAnswer } from '../../src/core/cell/stream-messages.ts'
import type { CircuitStream, OriginCircuit, StreamClosed, StreamTarget } from '../../src/node/origin-circuit.ts'
import type { ByteStream } from '../../src/runtime/index.ts'
import { CircuitWorld } from './circuit-world.ts'

interface ClientEnd {
  readonly stream: CircuitStream
  connected: { readonly address: string | undefined; readonly ttlSec: number | undefined } | undefined
  readonly chunks: Uint8Array[]
  drains: number
  ended: boolean
  closed: StreamClosed | undefined
}

function openStream(circuit: OriginCircuit, target: StreamTarget, onData?: (end: ClientEnd, chunk: Uint8Array) => void): ClientEnd {
  const end: { -readonly [K in keyof ClientEnd]: ClientEnd[K] } = { stream: undefined as unknown as CircuitStream, connected: undefined, chunks: [], drains: 0, ended: false, closed: undefined }
  end.stream = circuit.openStream(target, {
    onConnected: (address, ttlSec) => { end.connected = { address, ttlSec } },
    onData: (chunk) => { end.chunks.push(chunk.slice()); onData?.(end, chunk) },
    onEnd: () => { end.ended = true },
    onDrain: () => { end.drains++ },
    onClose: (closed) => { end.closed = closed },
  })
  return end
}

/** A server that sends back what it gets, and closes when its peer does. */
function echoServer(world: CircuitWorld, host = '203.0.113.1', port = 7): { readonly streams: ByteStream[] } {
  const streams: ByteStream[] = []
  world.server.network.listen({ host, port }, {
    onListening: () => {},
    onConnection: (stream) => {
      streams.push(stream)
      stream.start({
        onData: (chunk) => { if (!stream.write(chunk.slice())) stream.pauseReading() },
        onEnd: () => stream.end(),
        onDrain: () => stream.resumeReading(),
        onClose: () => {},
      })
    },
    onError: (error) => { throw error },
  })
  return { streams }
}

const connectTo = (host: string, port = 7, flags = 0): StreamTarget => ({ kind: 'connect', host, port, flags })

describe('circuits of a client', () => {
  it('are built through three relays, seen by each as its part, and gone from all when closed', () => {
    const world = new CircuitWorld()
    const circuit = world.open()
    expect(circuit.state).toBe('open')
    expect(world.relays.map((relay) => relay.circuits.size)).toEqual([1, 1, 1])
    const [middle] = world.relay(1).circuits.inspect()
    expect(middle?.previous?.fingerprint).toBe(Buffer.from(world.relay(0).keys.rsaFingerprint).toString('hex').toUpperCase())
    expect(middle?.next?.fingerprint).toBe(Buffer.from(world.relay(2).keys.rsaFingerprint).toString('hex').toUpperCase())
    let closed = 0
    circuit.onClosed = () => { closed++ }
    circuit.close()
    world.until('every relay has forgotten it', () => world.relays.every((relay) => relay.circuits.size === 0))
    expect(closed).toBe(1)
    expect(world.client.circuits.list()).toEqual([])
  })

  it('begin with CREATE_FAST when no onion key is known', () => {
    const world = new CircuitWorld({ relays: 1 })
    const { ntorOnionKey: _, ...hop } = world.relay(0).hop
    expect(world.open([hop]).state).toBe('open')
  })

  it('use ntor-v3 with relays that say they speak it', () => {
    const world = new CircuitWorld()
    expect(world.open(world.relays.map((relay) => ({ ...relay.hop, protocols: 'Relay=1-4' }))).state).toBe('open')
  })

  it('fail at the first hop when nobody is there', () => {
    const world = new CircuitWorld()
    const outcome = world.build([{ ...world.relay(0).hop, addresses: [{ host: '192.0.2.99', port: 9001 }] }])
    expect(outcome).toMatchObject({ failedHop: 0 })
  })

  it('fail at the hop that is somebody else', () => {
    const world = new CircuitWorld()
    const impostor = { ...world.relay(2).hop, rsaIdentity: new SeededRng('impostor').bytes(20) }
    const outcome = world.build([world.relay(0).hop, world.relay(1).hop, impostor])
    expect(outcome).toMatchObject({ failedHop: 2, error: { kind: 'refused' } })
    world.until('the relays have forgotten it', () => world.relays.every((relay) => relay.circuits.size === 0))
  })

  it('fail at the hop whose onion key is not what we think', () => {
    const world = new CircuitWorld()
    const outcome = world.build([world.relay(0).hop, { ...world.relay(1).hop, ntorOnionKey: world.relay(2).keys.ntorOnionKey.publicKey }])
    expect(outcome).toMatchObject({ failedHop: 1 })
  })

  it('are lost when a relay in the middle crashes', () => {
    const world = new CircuitWorld()
    const circuit = world.open()
    let lost: unknown
    circuit.onClosed = (error) => { lost = error }
    world.sim.machine('relay1').crash()
    world.until('the client knows', () => lost !== undefined)
    world.until('the exit knows', () => world.relay(2).circuits.size === 0)
  })

  it('can be extended when they are open', () => {
    const world = new CircuitWorld({ relays: 4 })
    const circuit = world.open(world.relays.slice(0, 3).map((relay) => relay.hop))
    let extended = false
    circuit.extend(world.relay(3).hop, { onExtended: () => { extended = true }, onFailed: (error) => { throw error } })
    expect(circuit.state).toBe('building')
    world.until('the fourth hop', () => extended)
    expect(circuit.path).toHaveLength(4)
  })

  it('fail when all is closed, and their streams with them', () => {
    const world = new CircuitWorld()
    echoServer(world)
    const circuit = world.open()
    const end = openStream(circuit, connectTo('203.0.113.1'))
    world.until('connected', () => end.connected !== undefined)
    world.client.circuits.closeAll()
    world.until('the stream knows', () => end.closed !== undefined)
    expect(end.closed).toMatchObject({ reason: EndReason.DESTROY })
    const late = openStream(circuit, connectTo('203.0.113.1'))
    world.until('a stream on it fails, later', () => late.closed !== undefined)
  })
})

describe('streams', () => {
  it('carry bytes to a destination and back, from the exit address, to the last one', () => {
    const world = new CircuitWorld()
    const { streams } = echoServer(world)
    world.sim.names.setAddresses('echo.example', ['203.0.113.1'], 42)
    const end = openStream(world.open(), connectTo('echo.example'))
    const bytes = new SeededRng('echo').bytes(2_000_000)
    for (let at = 0; at < bytes.length; at += 16_384) end.stream.write(bytes.slice(at, at + 16_384))
    world.until('all of it is back', () => end.chunks.reduce((sum, chunk) => sum + chunk.length, 0) === bytes.length)
    expect(Buffer.concat(end.chunks).equals(bytes)).toBe(true)
    expect(end.connected).toEqual({ address: '203.0.113.1', ttlSec: 300 })
    expect(streams[0]?.remote.host).toBe('192.0.2.3')
    end.stream.end()
    world.until('the exit has closed it', () => world.relay(2).circuits.inspect()[0]?.streams.length === 0)
    world.until('the user knows', () => end.closed !== undefined)
  })

  it('end with DONE when the destination closes, after its last byte', () => {
    const world = new CircuitWorld()
    world.server.network.listen({ host: '203.0.113.1', port: 17 }, {
      onListening: () => {},
      onConnection: (stream) => {
        stream.start({ onData: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} })
        stream.write(new Uint8Array(100_000))
        stream.end()
      },
      onError: () => {},
    })
    const end = openStream(world.open(), connectTo('203.0.113.1', 17))
    world.until('closed', () => end.closed !== undefined)
    expect(Buffer.concat(end.chunks)).toHaveLength(100_000)
    expect(end.ended).toBe(true)
    expect(end.closed).toMatchObject({ reason: EndReason.DONE, remote: true })
  })

  it('do not make anybody buffer when the client does not read, and go on when it does', () => {
    const world = new CircuitWorld()
    let sent = 0
    let socket: ByteStream | undefined
    world.server.network.listen({ host: '203.0.113.1', port: 19 }, {
      onListening: () => {},
      onConnection: (stream) => {
        socket = stream
        const more = (): void => { while (sent < 20_000_000 && stream.write(new Uint8Array(16_384))) sent += 16_384 }
        stream.start({ onData: () => {}, onEnd: () => {}, onDrain: more, onClose: () => {} })
        more()
      },
      onError: () => {},
    })
    const end = openStream(world.open(), connectTo('203.0.113.1', 19))
    world.until('connected', () => end.connected !== undefined)
    end.stream.pauseReading()
    world.sim.runFor(seconds(30))
    // A window of the stream, and what fits the buffers of sockets on the way.
    const stalledAt = sent
    expect(stalledAt).toBeLessThan(2_000_000)
    world.sim.runFor(seconds(30))
    expect(sent).toBe(stalledAt)
    expect(socket?.bufferedBytes).toBeGreaterThan(0)
    end.stream.resumeReading()
    world.until('more has come', () => end.chunks.reduce((sum, chunk) => sum + chunk.length, 0) > 4_000_000)
  })

  it('do not make anybody buffer when the destination does not read', () => {
    const world = new CircuitWorld()
    let server: ByteStream | undefined
    let received = 0
    world.server.network.listen({ host: '203.0.113.1', port: 9 }, {
      onListening: () => {},
      onConnection: (stream) => {
        server = stream
        stream.start({ onData: (chunk) => { received += chunk.length }, onEnd: () => {}, onDrain: () => {}, onClose: () => {} })
        stream.pauseReading()
      },
      onError: () => {},
    })
    const end = openStream(world.open(), connectTo('203.0.113.1', 9))
    world.until('connected', () => end.connected !== undefined && server !== undefined)
    let written = 0
    while (end.stream.write(new Uint8Array(16_384))) written += 16_384
    for (let round = 0; round < 100; round++) {
      const before = end.drains
      world.sim.runFor(seconds(1))
      if (end.drains > before) while (end.stream.write(new Uint8Array(16_384))) written += 16_384
    }
    expect(written).toBeLessThan(3_000_000)
    server?.resumeReading()
    world.until('the rest arrives', () => received > written)
  })

  it('to a destination that does not close hold no socket of an exit that stops', () => {
    const world = new CircuitWorld()
    world.server.network.listen({ host: '203.0.113.1', port: 7 }, {
      onListening: () => {},
      onConnection: (stream) => stream.start({ onData: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} }),
      onError: (error) => { throw error },
    })
    const end = openStream(world.open(), connectTo('203.0.113.1'))
    world.until('it is open', () => end.connected !== undefined)
    const exit = world.relay(2)
    const socketsThere = world.sim.machine(exit.name).held().streams
    exit.circuits.closeAll()
    expect(world.sim.machine(exit.name).held().streams).toBe(socketsThere)
    exit.streams.stop()
    expect(world.sim.machine(exit.name).held().streams).toBe(socketsThere - 1)
  })

  it('that are over before the exit has read of them leave nothing behind there', () => {
    const world = new CircuitWorld()
    const server = echoServer(world)
    const circuit = world.open()
    const before = world.sim.machine('relay2').held()
    // BEGIN and END in one batch.
    for (const target of [connectTo('203.0.113.1'), { kind: 'directory' } as const]) openStream(circuit, target).stream.destroy()
    world.sim.runFor(seconds(10))
    expect(server.streams).toHaveLength(0)
    expect(world.relay(2).directoryStreams).toHaveLength(0)
    expect(world.sim.machine('relay2').held()).toEqual(before)
  })

  it('to the directory of the last hop', () => {
    const world = new CircuitWorld({ relays: 1 })
    const end = openStream(world.open(), { kind: 'directory' })
    end.stream.write(Buffer.from('GET / HTTP/1.0\r\n\r\n'))
    world.until('connected', () => end.connected !== undefined)
    const [server] = world.relay(0).directoryStreams
    expect(server?.remote.host).toBe('10.0.0.1')
    let asked = ''
    let over = false
    server?.start({
      onData: (chunk) => {
        asked += Buffer.from(chunk).toString()
        server.write(Buffer.from('HTTP/1.0 200 OK\r\n\r\n'))
        server.write(new Uint8Array(1_000_000))
        server.end()
      },
      onEnd: () => {},
      onDrain: () => {},
      onClose: () => { over = true },
    })
    world.until('the answer is there', () => end.closed !== undefined)
    expect(asked).toBe('GET / HTTP/1.0\r\n\r\n')
    expect(Buffer.concat(end.chunks)).toHaveLength(1_000_019)
    expect(end.closed).toMatchObject({ reason: EndReason.DONE })
    world.until('the server knows', () => over)
  })
})

describe('an exit refuses', () => {
  const reasonFor = (world: CircuitWorld, target: StreamTarget, circuit = world.open()): StreamClosed => {
    const end = openStream(circuit, target)
    world.until('the stream failed', () => end.closed !== undefined)
    if (end.closed === undefined) throw new Error('unreachable')
    return end.closed
  }

  it('what its policy rejects, and tells the address', () => {
    const world = new CircuitWorld({ allows: (_address, port) => port === 80 })
    world.sim.names.setAddresses('example.com', ['203.0.113.1'])
    expect(reasonFor(world, connectTo('example.com', 25))).toEqual({ reason: EndReason.EXITPOLICY, remote: true, address: '203.0.113.1', ttlSec: 300 })
  })

  it('and forgets each stream that it has refused, answered or lost', () => {
    const lines: string[] = []
    const world = new CircuitWorld({ traceSink: (line) => lines.push(line), allows: (_, port) => port !== 25 })
    world.sim.names.setAddresses('somewhere.test', ['203.0.113.9'])
    const circuit = world.open()
    for (const target of [connectTo('203.0.113.1', 25), connectTo('203.0.113.1', 9), connectTo('nowhere.test')]) reasonFor(world, target, circuit)
    let answered = 0
    for (const name of ['somewhere.test', 'nowhere.test', '203.0.113.9']) circuit.resolve(name, () => { answered++ })
    world.until('the names are answered', () => answered === 3)
    const ofExit = (event: string): number => lines.filter((line) => line.includes('"node":"relay2"') && line.includes(`"event":"${event}"`)).length
    expect([ofExit('stream.begin'), ofExit('stream.close')]).toEqual([6, 6])
  })

  it('names that do not resolve', () => {
    expect(reasonFor(new CircuitWorld(), connectTo('nowhere.example')).reason).toBe(EndReason.RESOLVEFAILED)
  })

  it('names that are none, without asking anybody', () => {
    const world = new CircuitWorld()
    expect(reasonFor(world, connectTo('bad name!.example')).reason).toBe(EndReason.TORPROTOCOL)
    expect(reasonFor(world, connectTo('bad%name.example')).reason).toBe(EndReason.RESOLVEFAILED)
  })

  it('addresses of a family that the client does not take', () => {
    const world = new CircuitWorld()
    expect(reasonFor(world, connectTo('203.0.113.1', 80, 2)).reason).toBe(EndReason.EXITPOLICY)
  })

  it('ports where nobody listens', () => {
    expect(reasonFor(new CircuitWorld(), connectTo('203.0.113.1', 1)).reason).toBe(EndReason.CONNECTREFUSED)
  })

  it('to lead back into the network', () => {
    const world = new CircuitWorld({ isNetworkPort: (address) => address === '192.0.2.1' })
    expect(reasonFor(world, connectTo('192.0.2.1', 9001)).reason).toBe(EndReason.CONNECTREFUSED)
  })

  it('to be a proxy of one hop', () => {
    const world = new CircuitWorld({ relays: 1 })
    echoServer(world)
    expect(reasonFor(world, connectTo('203.0.113.1')).reason).toBe(EndReason.TORPROTOCOL)
  })

  it('circuits from relays it does not know', () => {
    const world = new CircuitWorld({ isKnownRelay: () => false })
    echoServer(world)
    expect(reasonFor(world, connectTo('203.0.113.1')).reason).toBe(EndReason.MISC)
  })

  it('directory streams when it is no directory', () => {
    const world = new CircuitWorld({ relays: 1, isDirectory: false })
    expect(reasonFor(world, { kind: 'directory' }).reason).toBe(EndReason.NOTDIRECTORY)
  })
})

describe('names', () => {
  const ask = (world: CircuitWorld, name: string): readonly ResolvedAnswer[] => {
    let answers: readonly ResolvedAnswer[] | undefined
    world.open().resolve(name, (found) => { answers = found })
    world.until('an answer', () => answers !== undefined)
    return answers ?? []
  }

  it('are resolved at the exit, IPv4 first', () => {
    const world = new CircuitWorld()
    world.sim.names.setAddresses('both.example', ['2001:db8::1', '203.0.113.1'], 1000)
    expect(ask(world, 'both.example')).toEqual([
      { kind: 'address', address: '203.0.113.1', ttlSec: 3600 },
      { kind: 'address', address: '2001:db8::1', ttlSec: 3600 },
    ])
  })

  it('of addresses, too', () => {
    const world = new CircuitWorld()
    world.sim.names.setName('203.0.113.1', 'server.example')
    world.sim.names.setName('2001:db8::1', 'six.example')
    expect(ask(world, '203.0.113.1')).toEqual([{ kind: 'hostname', name: 'server.example', ttlSec: 300 }])
    expect(ask(world, '2001:db8::1')).toEqual([{ kind: 'hostname', name: 'six.example', ttlSec: 300 }])
  })

  it('that fail for good or for now', () => {
    const world = new CircuitWorld()
    world.sim.names.setAnswer('slow.example', 'timeout')
    expect(ask(world, 'nowhere.example')).toMatchObject([{ kind: 'error', transient: false }])
    expect(ask(world, 'slow.example')).toMatchObject([{ kind: 'error', transient: true }])
  })

  it('fail with the circuit', () => {
    const world = new CircuitWorld()
    world.sim.names.setAnswer('slow.example', 'timeout')
    const circuit = world.open()
    let answers: readonly ResolvedAnswer[] | undefined
    circuit.resolve('slow.example', (found) => { answers = found })
    world.sim.runFor(seconds(1))
    world.sim.machine('relay0').crash()
    world.until('an answer', () => answers !== undefined)
    expect(answers).toEqual([])
  })
})
