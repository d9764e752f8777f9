/** Streams on a circuit with congestion control: two ends with Vegas, XON and XOFF between them. */

import { describe, expect, it } from 'vitest'
import { RelishError } from '../../../../src/core/base/errors.ts'
import { SeededRng } from '../../../../src/core/base/rng.ts'
import { monotonicMs } from '../../../../src/core/base/time.ts'
import { EndReason, RelayCommand } from '../../../../src/core/cell/commands.ts'
import { encodeRelayMessage } from '../../../../src/core/cell/relay-cell.ts'
import { decodeXon, encodeXoff, encodeXon } from '../../../../src/core/cell/stream-messages.ts'
import { NetworkParameters } from '../../../../src/core/netdir/parameters.ts'
import { HALF_STREAM_LIFETIME_MS } from '../../../../src/core/proto/flow/limits.ts'
import type { EdgeOutput } from '../../../../src/core/proto/stream/edge.ts'
import { HELD_BYTES_PER_CIRCUIT_MAX } from '../../../../src/core/proto/stream/limits.ts'
import type { Stream } from '../../../../src/core/proto/stream/stream.ts'
import { congestionParameters } from '../../../../src/node/flow-parameters.ts'
import { EdgePair, type EdgeSide } from './edge-pair.ts'

const agreed = { parameters: congestionParameters(new NetworkParameters()), kind: 'exit', sendmeIncrement: 31 } as const
const target = { kind: 'connect', host: 'example.com', port: 80, flags: 0 } as const

function requested(side: EdgeSide): Stream {
  const output = side.take().find((each) => each.kind === 'stream-requested')
  if (output === undefined) throw new Error('no stream was asked for')
  return output.stream
}

function opened(pair = new EdgePair({ agreed })): { pair: EdgePair; client: Stream; server: Stream } {
  const client = pair.origin.edge.open(target)
  pair.settle()
  const server = requested(pair.responder)
  pair.responder.edge.accept(server)
  pair.settle()
  pair.origin.take()
  return { pair, client, server }
}

const dataOf = (outputs: readonly EdgeOutput[]): Buffer =>
  Buffer.concat(outputs.filter((output) => output.kind === 'stream-data').map((output) => output.chunk))
const count = (side: EdgeSide, command: RelayCommand): number => side.log.filter((message) => message.command === command).length
const body = (command: RelayCommand, streamId: number, data: Uint8Array = new Uint8Array(0)): Uint8Array => encodeRelayMessage({ command, streamId, data }, undefined)
const kindOf = (act: () => unknown): string => {
  try {
    act()
  } catch (thrown) {
    if (thrown instanceof RelishError) return thrown.kind
    throw thrown
  }
  return 'nothing thrown'
}

/** Lets time pass with each step, so that round trips can be measured. */
function settleInTime(pair: EdgePair): void {
  do pair.now = monotonicMs(pair.now + 2)
  while (pair.toResponder() || pair.toOrigin())
}

describe('moving data', () => {
  it('goes both ways whole, with SENDMEs of the circuit for each 31 cells and none of streams', () => {
    const { pair, client, server } = opened()
    const bytes = new SeededRng('both').bytes(1_000_000)
    pair.origin.edge.write(pair.now, client, bytes)
    pair.responder.edge.write(pair.now, server, bytes)
    settleInTime(pair)
    expect(dataOf(pair.origin.take()).equals(bytes)).toBe(true)
    expect(dataOf(pair.responder.take()).equals(bytes)).toBe(true)
    for (const side of [pair.origin, pair.responder]) {
      const cells = count(side, RelayCommand.DATA)
      const other = side === pair.origin ? pair.responder : pair.origin
      expect(count(other, RelayCommand.SENDME)).toBe(Math.floor(cells / 31))
      expect(side.log.some((message) => message.command === RelayCommand.SENDME && message.streamId !== 0)).toBe(false)
      expect(count(side, RelayCommand.XOFF)).toBe(0)
    }
  })

  it('begins with a small window, which opens as SENDMEs come', () => {
    const { pair, client } = opened()
    pair.origin.edge.write(pair.now, client, new Uint8Array(2_000_000))
    expect(count(pair.origin, RelayCommand.DATA)).toBe(124)
    settleInTime(pair)
    expect(client.outgoing.length).toBe(0)
    expect(pair.origin.edge.flow.congestion.available).toBeGreaterThan(200)
  })
})

describe('a reader that takes nothing', () => {
  it('makes the sender stop, and go on when it reads again: nothing is lost', () => {
    const { pair, client, server } = opened()
    pair.responder.edge.pause(server)
    const bytes = new SeededRng('slow').bytes(3_000_000)
    pair.origin.edge.write(pair.now, client, bytes)
    settleInTime(pair)
    expect(count(pair.responder, RelayCommand.XOFF)).toBe(1)
    expect(client.outgoing.length).toBeGreaterThan(1_000_000)
    const held = server.heldBytes
    expect(held).toBeGreaterThan(500 * 498)
    expect(held).toBeLessThan(1_000_000)
    pair.responder.take()
    const received: Buffer[] = []
    // It takes a portion whenever it is asked to, as a socket does.
    for (let turn = 0; turn < 500 && received.reduce((sum, each) => sum + each.length, 0) < bytes.length; turn++) {
      pair.now = monotonicMs(pair.now + 1)
      pair.responder.now = pair.now
      pair.responder.edge.resume(server)
      pair.responder.release()
      pair.responder.edge.pause(server)
      received.push(dataOf(pair.responder.take()))
      pair.origin.edge.handleTimeout(pair.now)
      settleInTime(pair)
    }
    expect(Buffer.concat(received).equals(bytes)).toBe(true)
    expect(count(pair.responder, RelayCommand.XON)).toBeGreaterThan(0)
    expect(count(pair.responder, RelayCommand.XOFF)).toBeGreaterThan(1)
  })

  it('is told to be sent to faster when it keeps up, however much comes at once', () => {
    const { pair, client } = opened()
    const { origin } = pair
    const cells = (count: number): Uint8Array => Buffer.concat(Array.from({ length: count }, () => body(RelayCommand.DATA, client.id, new Uint8Array(498))))
    const rates = (): number[] => origin.log.filter(({ command }) => command === RelayCommand.XON).map(({ data }) => decodeXon(data).kilobytesPerSec)
    origin.edge.pause(client)
    for (let i = 0; i < 51; i++) origin.receive(cells(10), monotonicMs(0))
    origin.receive(cells(1), monotonicMs(6))
    origin.edge.resume(client)
    // A portion now and then, half a second in all.
    for (let ms = 10; client.hasHeld; ms += 64) {
      origin.now = monotonicMs(ms)
      origin.release()
    }
    const [slow] = rates()
    expect(slow).toBeLessThan(1000)
    for (const size of [31, 128]) {
      const before = rates().at(-1) ?? 0
      for (let i = 0; i < 40; i++) origin.receive(cells(size), monotonicMs(2000 + i))
      expect(rates().at(-1), `${size} cells at once`).toBeGreaterThan(before)
    }
  })

  it('does not stop the other streams of the circuit', () => {
    const { pair, client, server } = opened()
    const second = opened(pair)
    pair.responder.edge.pause(server)
    pair.origin.edge.write(pair.now, client, new Uint8Array(1_000_000))
    pair.origin.edge.write(pair.now, second.client, new Uint8Array(1_000_000))
    settleInTime(pair)
    expect(second.server.bytesReceived).toBe(1_000_000)
    expect(client.outgoing.length).toBeGreaterThan(0)
  })

  it('lets go of everything when the peer ends the stream, or we do', () => {
    const { pair, client, server } = opened()
    pair.responder.edge.pause(server)
    const bytes = new SeededRng('ends').bytes(100_000)
    pair.origin.edge.write(pair.now, client, bytes)
    pair.origin.edge.finish(pair.now, client, EndReason.DONE)
    settleInTime(pair)
    expect(server.state).toBe('draining')
    pair.responder.take()
    pair.responder.edge.resume(server)
    const outputs = pair.responder.take()
    expect(dataOf(outputs).equals(bytes)).toBe(true)
    expect(outputs.at(-1)).toMatchObject({ kind: 'stream-ended', remote: true })
    const other = opened(pair)
    pair.responder.edge.pause(other.server)
    pair.origin.edge.write(pair.now, other.client, bytes)
    settleInTime(pair)
    expect(other.server.heldBytes).toBe(bytes.length)
    pair.responder.edge.end(pair.now, other.server, { reason: EndReason.DONE })
    expect(other.server.heldBytes).toBe(0)
  })

  it('is protected from a peer that does not stop: the circuit is closed at a limit', () => {
    const { pair, server } = opened()
    pair.responder.edge.pause(server)
    const cells = Buffer.concat(Array.from({ length: 31 }, () => body(RelayCommand.DATA, server.id, new Uint8Array(498))))
    let sent = 0
    let outcome = 'nothing thrown'
    while (outcome === 'nothing thrown' && sent < 2 * HELD_BYTES_PER_CIRCUIT_MAX) {
      outcome = kindOf(() => pair.responder.receive(cells, monotonicMs(sent / 1000)))
      sent += 31 * 498
      pair.responder.sent.length = 0
    }
    expect(outcome).toBe('limit')
    expect(sent).toBeLessThan(HELD_BYTES_PER_CIRCUIT_MAX + 40_000)
    expect(count(pair.responder, RelayCommand.XOFF)).toBe(1)
  })
})

describe('messages about a stream', () => {
  it('stop and pace what is sent', () => {
    const { pair, client } = opened()
    pair.responder.edge.write(pair.now, [...pair.responder.edge.streams()][0] as Stream, new Uint8Array(100_000))
    settleInTime(pair)
    pair.origin.edge.write(pair.now, client, new Uint8Array(600 * 498))
    settleInTime(pair)
    pair.origin.receive(body(RelayCommand.XOFF, client.id, encodeXoff()), pair.now)
    pair.origin.edge.write(pair.now, client, new Uint8Array(200_000))
    settleInTime(pair)
    expect(client.outgoing.length).toBe(200_000)
    expect(pair.origin.edge.nextTimeout()).toBeUndefined()
    pair.origin.receive(body(RelayCommand.XON, client.id, encodeXon({ kilobytesPerSec: 50 })), pair.now)
    settleInTime(pair)
    expect(client.outgoing.length).toBeGreaterThan(140_000)
    let due = pair.origin.edge.nextTimeout()
    for (let turns = 0; due !== undefined && turns < 100; turns++) {
      pair.now = due
      pair.origin.edge.handleTimeout(due)
      settleInTime(pair)
      due = pair.origin.edge.nextTimeout()
    }
    expect(client.outgoing.length).toBe(0)
    // 150 kB beyond the first second's worth, at 50 kB a second.
    expect(pair.now).toBeGreaterThan(2500)
    expect(pair.now).toBeLessThan(3500)
  })

  it('break the protocol where they cannot be', () => {
    const { pair, client, server } = opened()
    expect(kindOf(() => pair.origin.receive(body(RelayCommand.XOFF, client.id, encodeXoff())))).toBe('protocol')
    expect(kindOf(() => pair.origin.receive(body(RelayCommand.SENDME, client.id)))).toBe('protocol')
    expect(kindOf(() => pair.responder.receive(body(RelayCommand.SENDME, server.id)))).toBe('protocol')
    expect(kindOf(() => pair.origin.receive(body(RelayCommand.XON, 999, encodeXon({ kilobytesPerSec: 1 }))))).toBe('protocol')
    const fixed = opened(new EdgePair())
    expect(kindOf(() => fixed.pair.responder.receive(body(RelayCommand.XOFF, fixed.server.id, encodeXoff())))).toBe('protocol')
  })

  it('may come before CONNECTED, as from exits that cannot hold what came early', () => {
    const pair = new EdgePair({ agreed })
    const client = pair.origin.edge.open(target)
    pair.origin.edge.write(pair.now, client, new Uint8Array(124 * 498))
    settleInTime(pair)
    expect(kindOf(() => pair.origin.receive(body(RelayCommand.DATA, client.id, new Uint8Array(1))))).toBe('protocol')
    expect(kindOf(() => pair.origin.receive(body(RelayCommand.SENDME, client.id)))).toBe('protocol')
    for (let i = 0; i < 10; i++) pair.origin.edge.write(pair.now, client, new Uint8Array(124 * 498))
    settleInTime(pair)
    pair.origin.receive(body(RelayCommand.XOFF, client.id, encodeXoff()), pair.now)
    expect(client.flow.available(pair.now)).toBe(0)
  })
})

describe('a stream that we have ended', () => {
  it('may get cells for a time, and none after it', () => {
    const { pair, client } = opened()
    pair.origin.edge.end(pair.now, client, { reason: EndReason.DONE })
    const soon = monotonicMs(pair.now + HALF_STREAM_LIFETIME_MS - 1)
    const late = monotonicMs(pair.now + HALF_STREAM_LIFETIME_MS)
    for (let i = 0; i < 2000; i++) pair.origin.receive(body(RelayCommand.DATA, client.id, new Uint8Array(498)), soon)
    pair.origin.receive(body(RelayCommand.XON, client.id, encodeXon({ kilobytesPerSec: 1 })), soon)
    expect(kindOf(() => pair.origin.receive(body(RelayCommand.SENDME, client.id), soon))).toBe('protocol')
    expect(kindOf(() => pair.origin.receive(body(RelayCommand.DATA, client.id), late))).toBe('protocol')
  })

  it('is simply unknown to a relay afterwards', () => {
    const { pair, server } = opened()
    pair.responder.edge.end(pair.now, server, { reason: EndReason.DONE })
    const late = monotonicMs(pair.now + HALF_STREAM_LIFETIME_MS)
    expect(kindOf(() => pair.responder.receive(body(RelayCommand.DATA, server.id), late))).toBe('nothing thrown')
    expect(kindOf(() => pair.responder.receive(body(RelayCommand.XON, server.id, encodeXon({ kilobytesPerSec: 1 })), late))).toBe('nothing thrown')
  })
})
