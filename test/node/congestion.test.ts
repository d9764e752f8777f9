/** Congestion control among whole nodes on simulated links with latency: how fast, how fair, and what a slow reader costs. */

import { describe, expect, it } from 'vitest'
import { minutes, seconds } from '../../src/core/base/time.ts'
import type { CircuitStream, OriginCircuit } from '../../src/node/origin-circuit.ts'
import type { ByteStream } from '../../src/runtime/index.ts'
import type { LinkModel } from '../../src/sim/link-model.ts'
import { CircuitWorld } from './circuit-world.ts'

const defaults: ReadonlyMap<string, number> = new Map()
const target = { kind: 'connect', host: '203.0.113.1', port: 80 } as const
const piece = 32 * 1024

/** 30 ms one way between any two machines; so much a second. */
const distant = (bytesPerSecond: number): LinkModel => () => ({ latencyMs: 30, jitterMs: 0, bytesPerSecond, dialLoss: 0 })

/** Sends as much as it is let to whoever connects, until `total`; counts what it gets. */
class Server {
  readonly streams: ByteStream[] = []
  sent = 0
  received = 0

  constructor(world: CircuitWorld, total: number) {
    world.server.network.listen({ host: target.host, port: target.port }, {
      onListening: () => {},
      onConnection: (stream) => this.#serve(stream, total),
      onError: (error) => { throw error },
    })
  }

  #serve(stream: ByteStream, total: number): void {
    this.streams.push(stream)
    let left = total
    const push = (): void => {
      while (left > 0) {
        const bytes = Math.min(piece, left)
        left -= bytes
        this.sent += bytes
        if (!stream.write(new Uint8Array(bytes))) return
      }
    }
    stream.start({ onData: (chunk) => { this.received += chunk.length }, onEnd: () => {}, onDrain: push, onClose: () => {} })
    push()
  }
}

interface Download {
  readonly stream: CircuitStream
  received: number
  closed: boolean
}

function download(circuit: OriginCircuit): Download {
  const state: { -readonly [K in keyof Download]: Download[K] } = { stream: undefined as unknown as CircuitStream, received: 0, closed: false }
  state.stream = circuit.openStream(target, {
    onConnected: () => {},
    onData: (chunk) => { state.received += chunk.length },
    onEnd: () => {},
    onDrain: () => {},
    onClose: () => { state.closed = true },
  })
  return state
}

/** Virtual seconds for the bytes to arrive on one stream. */
function secondsToFetch(bytes: number, links: LinkModel, congestion: ReadonlyMap<string, number> | undefined): number {
  const world = new CircuitWorld({ links, ...(congestion === undefined ? {} : { congestion }) })
  const server = new Server(world, bytes)
  const circuit = world.open()
  const begin = world.client.runtime.monotonicNow()
  const fetched = download(circuit)
  world.until('the download', () => fetched.received === bytes, minutes(10))
  expect(server.sent).toBe(bytes)
  return (world.client.runtime.monotonicNow() - begin) / 1000
}

describe('one stream over a long way', () => {
  it('is faster than windows let it be, where links are fast', () => {
    const bytes = 9_000_000
    const windows = secondsToFetch(bytes, distant(12_500_000), undefined)
    const vegas = secondsToFetch(bytes, distant(12_500_000), defaults)
    // 500 cells a round trip of 180 ms, and the way to the destination and back.
    expect(bytes / windows).toBeGreaterThan(1_000_000)
    expect(bytes / windows).toBeLessThan(1_450_000)
    expect(windows / vegas).toBeGreaterThan(1.5)
  })

  it('fills links that are slow, and queues little on the way', () => {
    const world = new CircuitWorld({ links: distant(500_000), congestion: defaults })
    new Server(world, 100_000_000)
    const circuit = world.open()
    const fetched = download(circuit)
    world.sim.runFor(seconds(20))
    const before = fetched.received
    world.sim.runFor(seconds(20))
    expect((fetched.received - before) / 20).toBeGreaterThan(0.9 * 500_000 * (498 / 514))
    // What a stream of its own takes to come and go shows how long the queue is: 180 ms without any, and 248 cells at most in it.
    const begin = world.client.runtime.monotonicNow()
    let connected = 0
    circuit.openStream(target, { onConnected: () => { connected = world.client.runtime.monotonicNow() }, onData: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} })
    world.until('another stream', () => connected > 0)
    expect(connected - begin).toBeLessThan(240 + 1000)
  })
})

describe('two circuits over one slow link', () => {
  it('share it', () => {
    const world = new CircuitWorld({ links: distant(1_000_000), congestion: defaults })
    new Server(world, 1_000_000_000)
    const first = download(world.open())
    world.sim.runFor(seconds(5))
    const second = download(world.open())
    world.sim.runFor(seconds(20))
    const [a, b] = [first.received, second.received]
    world.sim.runFor(seconds(40))
    const [x, y] = [first.received - a, second.received - b]
    expect((x + y) / 40).toBeGreaterThan(0.85 * 1_000_000)
    expect(Math.max(x, y) / Math.min(x, y)).toBeLessThan(2)
  })
})

describe('a client that does not read', () => {
  it('stops its server, and nobody holds more than a few windows for it; when it reads again all is there', () => {
    const bytes = 30_000_000
    const world = new CircuitWorld({ links: distant(12_500_000), congestion: defaults })
    const server = new Server(world, bytes)
    const circuit = world.open()
    const fetched = download(circuit)
    world.until('some of it', () => fetched.received > 2_000_000, minutes(2))
    fetched.stream.pauseReading()
    world.sim.runFor(seconds(10))
    const sent = server.sent
    expect(sent - fetched.received).toBeLessThan(6_000_000)
    world.sim.runFor(minutes(2))
    expect(server.sent).toBe(sent)
    fetched.stream.resumeReading()
    world.until('all of it', () => fetched.received === bytes, minutes(10))
    expect(circuit.state).toBe('open')
  })
})

describe('a destination that does not read', () => {
  it('stops the client, and nobody holds more than a few windows for it; other streams go on', () => {
    const world = new CircuitWorld({ links: distant(12_500_000), congestion: defaults })
    const server = new Server(world, 0)
    const circuit = world.open()
    let written = 0
    let mayWrite = true
    const write = (): void => {
      mayWrite = true
      while (mayWrite && written < 30_000_000) {
        written += piece
        mayWrite = stream.write(new Uint8Array(piece))
      }
    }
    const stream = circuit.openStream(target, { onConnected: write, onData: () => {}, onEnd: () => {}, onDrain: write, onClose: () => { throw new Error('the stream is closed') } })
    world.until('some of it', () => server.received > 2_000_000, minutes(2))
    server.streams[0]?.pauseReading()
    const taken = server.received
    world.sim.runFor(seconds(10))
    const stoppedAt = written
    expect(stoppedAt - taken).toBeLessThan(6_000_000)
    world.sim.runFor(minutes(2))
    expect(written).toBe(stoppedAt)
    let connected = false
    circuit.openStream(target, { onConnected: () => { connected = true }, onData: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} })
    world.until('another stream', () => connected)
    server.streams[0]?.resumeReading()
    world.until('all of it', () => server.received >= 30_000_000, minutes(10))
  })
})

describe('what is agreed on', () => {
  it('follows the consensus of the relay, within a cell of the client’s', () => {
    const world = new CircuitWorld({ congestion: new Map([['cc_sendme_inc', 40], ['cc_cwnd_init', 200]]) })
    const circuit = world.open()
    expect(world.client.circuits.inspect().find((each) => each.id === circuit.id)?.packageWindow).toBe(200)
  })

  it('is nothing for a circuit of one hop, nor with relays that do not claim it', () => {
    const world = new CircuitWorld({ congestion: defaults })
    const windowOf = (path: readonly typeof hops[number][]): number | undefined => {
      const circuit = world.open(path)
      return world.client.circuits.inspect().find((each) => each.id === circuit.id)?.packageWindow
    }
    const hops = world.relays.map((relay) => relay.hop)
    expect(windowOf(hops)).toBe(124)
    expect(windowOf(hops.slice(0, 1))).toBe(1000)
    expect(windowOf(hops.map((hop) => ({ ...hop, protocols: 'FlowCtrl=1 Relay=1-4' })))).toBe(1000)
    expect(windowOf(hops.map((hop) => ({ ...hop, protocols: 'FlowCtrl=1-2 Relay=1-3' })))).toBe(1000)
  })
})
