/** Each invariant is broken on purpose, in a way that only it sees; and an honest run breaks none. */

import { describe, expect, it } from 'vitest'
import { utf8Encode } from '../../../src/core/base/encoding.ts'
import { seconds } from '../../../src/core/base/time.ts'
import type { NodeInspection } from '../../../src/runtime/events.ts'
import type { Runtime } from '../../../src/runtime/index.ts'
import type { NodeTraceEvent } from '../../../src/runtime/trace.ts'
import { startUntilReady } from '../../../src/testnet/bootstrap.ts'
import { SimulatedNetwork, type SimulatedNetworkOptions } from '../../../src/testnet/backend/simulated.ts'
import { makeCheckClient } from '../../../src/testnet/checks/client.ts'
import { ByteLedger } from '../../../src/testnet/invariant/byte-ledger.ts'
import { InvariantMonitor } from '../../../src/testnet/invariant/monitor.ts'
import { checkQueues, unmatchedCircuits, type InspectedNode } from '../../../src/testnet/invariant/inspection-rules.ts'
import { invariantNames, type Violation } from '../../../src/testnet/invariant/violation.ts'
import { loadNetwork } from '../../../src/testnet/load-network.ts'
import type { NodePlacement } from '../../../src/testnet/placement.ts'
import { openEchoSink } from '../../../src/testnet/sink/sinks.ts'
import { tapNetwork } from '../../../src/testnet/tap/network-tap.ts'

const namesOf = (violations: readonly Violation[]): string[] => [...new Set(violations.map((violation) => violation.invariant))]

/** A network that is up, with one echo between client and server, settled and closed. */
async function runWith(options: Partial<SimulatedNetworkOptions>, meanwhile: (network: SimulatedNetwork) => Promise<void> = async () => undefined): Promise<SimulatedNetwork> {
  const network = await SimulatedNetwork.prepare({ network: loadNetwork('basic-min', {}).network, seed: '1', ...options })
  await network.drive(async () => {
    await startUntilReady(network)
    const sink = await openEchoSink(network.observer, network.placement.observerHost, () => network.clock.now())
    const stream = await makeCheckClient(network, 'client').connect(sink.address)
    await stream.write(utf8Encode('hello, '.repeat(2000)))
    await Promise.race([stream.readExactly(14_000), network.clock.sleep(5000)]).catch(() => undefined)
    stream.destroy()
    sink.close()
    await meanwhile(network)
    await network.invariants.settle(network)
  })
  await network.close()
  return network
}

/** Changes what one node's connections carry, between the node and whoever watches it. */
const changing = (node: string, change: (runtime: Runtime, placed: NodePlacement) => Runtime) => (placed: NodePlacement, runtime: Runtime) => (placed.node.name === node ? change(runtime, placed) : runtime)

it('an honest run breaks none, and what is watched is seen', async () => {
  const network = await runWith({})
  expect(network.invariants.violations).toEqual([])
})

describe('a breach that only its own invariant sees', () => {
  it.each([
    ['changed', (chunk: Uint8Array) => chunk.map((byte, at) => (at === 0 ? byte ^ 1 : byte))],
    ['repeated', (chunk: Uint8Array) => Buffer.concat([chunk, chunk])],
    ['lost', (chunk: Uint8Array) => chunk.subarray(1)],
  ])('bytes-in-order: bytes %s between a server and the client', (_, change) => {
    const seen: Violation[] = []
    const bytes = new ByteLedger((invariant, node, words) => seen.push({ invariant, node, words, atMs: 0 }), () => 0)
    const app = bytes.application('client')
    app.fromPeer?.(Uint8Array.from([5, 1, 0]))
    app.fromNode?.(Uint8Array.from([5, 0]))
    app.fromPeer?.(Uint8Array.from([5, 1, 0, 1, 127, 254, 0, 1, 0x80, 0x00]))
    const server = bytes.server('exit', 0x8000)
    app.fromNode?.(Uint8Array.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
    const said = utf8Encode('these are the words of a server')
    server.fromPeer?.(said)
    app.fromNode?.(said.subarray(0, 10))
    expect(seen).toEqual([])
    app.fromNode?.(change(said.slice(10)))
    expect(namesOf(seen)).toEqual(['bytes-in-order'])
    // The other way, too.
    app.fromPeer?.(said)
    server.fromNode?.(change(said.slice()))
    expect(seen.map((violation) => violation.node)).toEqual(['client', 'exit'])
  })

  it('one-consensus: an authority signs another consensus of the same time', async () => {
    const network = await runWith({}, (running) => {
      const own = running.placementOf('auth1')
      const peer = running.placementOf('auth2')
      // A second life of the authority's program, with the same name and other signatures to post.
      const runtime = running.invariants.around(own, running.simulation.addMachine({ name: 'liar', addresses: ['10.9.9.9', 'fd00::9'] }).boot())
      const document = (digit: string): Uint8Array => {
        const body = `consensus-digest ${digit.repeat(40)}\nvalid-after 2030-01-01 00:00:00\nfresh-until 2030-01-01 01:00:00\nvalid-until 2030-01-01 03:00:00\n`
        return utf8Encode(`POST /tor/post/consensus-signature HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      }
      for (const digit of ['A', 'A', 'B']) {
        runtime.network.dial({ target: { host: peer.host, port: peer.dirPort ?? 0 }, timeout: seconds(10) }, { onConnect: (stream) => {
          stream.start({ onData: () => undefined, onEnd: () => undefined, onDrain: () => undefined, onClose: () => undefined })
          stream.write(document(digit))
        }, onError: (error) => { throw error } })
      }
      return running.clock.sleep(1000)
    })
    expect(namesOf(network.invariants.violations)).toEqual(['one-consensus'])
    expect(network.invariants.violations[0]?.words).toContain('two ns consensuses of 2030-01-01 00:00:00')
  })

  it('no-internal-error: a handler of a node throws', async () => {
    const network = await runWith({}, (running) => {
      running.simulation.machine('exit').crash()
      running.simulation.machine('exit').boot().setTimer(seconds(1), () => { throw new Error('a mistake') })
      return running.clock.sleep(2000)
    })
    expect(namesOf(network.invariants.violations)).toContain('no-internal-error')
  })

  it('released: a node ends and keeps a timer', async () => {
    const network = await runWith({
      around: changing('exit', (runtime) => {
        runtime.setTimer(seconds(1e6), () => undefined)
        return runtime
      }),
    })
    expect(network.invariants.violations).toMatchObject([{ invariant: 'released', node: 'exit', words: '1 timers are left when it has ended' }])
  })

  it.each([['runs on', ['released']], ['was killed', []]])('released: the stream of a closed circuit stays, at a node that %s', async (fate, expected) => {
    let record: ((event: NodeTraceEvent) => void) | undefined
    const seen = (event: NodeTraceEvent): void => record?.(event)
    const network = await SimulatedNetwork.prepare({ network: loadNetwork('basic-min', {}).network, seed: '1' })
    const { around } = network.invariants
    network.invariants.around = (placed, runtime) => {
      const made = around.call(network.invariants, placed, runtime)
      if (placed.node.name === 'exit') record = (event) => made.trace?.emit(event)
      return made
    }
    await network.drive(async () => {
      await startUntilReady(network)
      seen({ event: 'stream.begin', circuit: 900, stream: 1, kind: 'connect', target: 'example.com:80' })
      seen({ event: 'circuit.closed', circuit: 900, remote: false, reason: 'NONE' })
      if (fate === 'was killed') await network.kill('exit')
      await network.invariants.settle(network)
    })
    await network.close()
    expect(namesOf(network.invariants.violations)).toEqual(expected)
  })

  it('released: the end of a circuit is not told', async () => {
    // DESTROY cells of one authority are swallowed: its neighbours keep what it has forgotten.
    const network = await runWith({
      around: (placed, runtime) => {
        if (placed.node.role !== 'client') return runtime
        return { ...runtime, network: tapNetwork(runtime.network, { dialled: (_, secure) => (secure ? { fromNode: withoutDestroys } : undefined), accepted: () => undefined }) }
      },
    }, async (running) => {
      await running.command('client', { command: 'signal', signal: 'NEWNYM' })
      await running.clock.sleep(700_000)
    })
    expect(namesOf(network.invariants.violations)).toEqual(['released'])
    expect(network.invariants.violations[0]?.words).toContain('is not known there')
  })
})

/** Whole cells as this build writes them; VERSIONS, CERTS and the like are left alone. */
function withoutDestroys(chunk: Uint8Array): Uint8Array {
  if (chunk.length % 514 !== 0) return chunk
  const kept: Uint8Array[] = []
  for (let at = 0; at < chunk.length; at += 514) if (chunk[at + 4] !== 4) kept.push(chunk.subarray(at, at + 514))
  return Buffer.concat(kept)
}

describe('what a node records of itself', () => {
  /** Violations that these events of one node make. */
  function afterEvents(events: readonly NodeTraceEvent[]): readonly Violation[] {
    const monitor = new InvariantMonitor({ now: () => 0, params: {}, observerHosts: [] })
    const placed = { node: { name: 'n', role: 'relay' } } as unknown as NodePlacement
    const runtime = monitor.around(placed, { network: {} } as unknown as Runtime)
    for (const event of events) runtime.trace?.emit(event)
    return monitor.violations
  }
  const sent = (count: number, stream = 1): NodeTraceEvent => ({ event: 'relay.sent', circuit: 7, direction: 'forward', hop: 2, command: 'DATA', stream, length: 498 * count, count })
  const got = (command: string, stream = 0): NodeTraceEvent => ({ event: 'relay.received', circuit: 7, direction: 'backward', hop: 2, command, stream, length: 20 })

  it.each([
    ['a fixed window that is used up', [sent(1000)], []],
    ['one cell more than a fixed window', [sent(1000), sent(1)], ['windows']],
    ['a SENDME gives a hundred more', [sent(1000), got('SENDME'), sent(100)], []],
    ['and no more', [sent(1000), got('SENDME'), sent(101)], ['windows']],
    ['congestion control in slow start', [sent(124), got('SENDME'), sent(62)], []],
    ['faster than slow start', [sent(99), got('SENDME'), sent(100)], ['windows']],
    ['a stream window', [sent(500), got('SENDME', 1), sent(50)], []],
    ['one cell more than a stream window', [sent(500), got('SENDME', 1), sent(51)], ['windows']],
    ['after XOFF and XON', [sent(1), got('XOFF', 1), got('XON', 1), sent(1)], []],
    ['after XOFF', [sent(1), got('XOFF', 1), sent(1)], ['windows']],
    ['a SENDME for nothing', [got('SENDME')], ['windows']],
  ] as const)('windows: %s', (_, events, expected) => {
    expect(namesOf(afterEvents(events))).toEqual(expected)
  })

  it('distinct-hops: a relay twice in a path', () => {
    expect(afterEvents([{ event: 'circuit.begin', circuit: 1, purpose: 'exit', path: ['A', 'B', 'C'] }])).toEqual([])
    const [violation] = afterEvents([{ event: 'circuit.begin', circuit: 1, purpose: 'exit', path: ['A', 'B', 'A'] }])
    expect(violation).toMatchObject({ invariant: 'distinct-hops', words: 'circuit 1 goes through A twice, which holds both its ends' })
  })
})

describe('what nodes show when asked', () => {
  const circuit = (id: number, peer: string, circuitId: number, more: Partial<NodeInspection['circuits'][number]> = {}): NodeInspection['circuits'][number] => ({
    id, role: 'relay', state: 'open', previous: { channel: 1, circuitId, remote: { host: peer, port: 9001 } }, streams: [], ageMs: 1, queuedCells: 0, ...more,
  })
  const node = (name: string, host: string, circuits: NodeInspection['circuits']): InspectedNode => ({ name, host, inspection: { circuits, channels: [] } as unknown as NodeInspection })

  it('queues: a circuit with more cells waiting than it may have', () => {
    const seen: string[] = []
    checkQueues(node('a', '10.0.0.1', [circuit(1, '10.0.0.2', 5, { queuedCells: 50_000 })]), (invariant) => seen.push(invariant))
    expect(seen).toEqual([])
    checkQueues(node('a', '10.0.0.1', [circuit(1, '10.0.0.2', 5, { queuedCells: 50_001 })]), (invariant) => seen.push(invariant))
    expect(seen).toEqual(['queues'])
  })

  it('released: a circuit id that only one end of a link knows', () => {
    const both = [node('a', '10.0.0.1', [circuit(1, '10.0.0.2', 5)]), node('b', '10.0.0.2', [circuit(9, '10.0.0.1', 5)])]
    expect([...unmatchedCircuits(both)]).toEqual([])
    const one = [node('a', '10.0.0.1', [circuit(1, '10.0.0.2', 5)]), node('b', '10.0.0.2', [circuit(9, '10.0.0.1', 6)])]
    expect([...unmatchedCircuits(one).keys()]).toEqual(['a b 5', 'b a 6'])
  })
})

it('all invariants have a breach above', () => {
  expect([...invariantNames].sort()).toEqual(['bytes-in-order', 'distinct-hops', 'no-internal-error', 'one-consensus', 'queues', 'released', 'windows'])
})
