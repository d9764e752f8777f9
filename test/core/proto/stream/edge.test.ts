import { describe, expect, it } from 'vitest'
import { RelishError } from '../../../../src/core/base/errors.ts'
import { SeededRng } from '../../../../src/core/base/rng.ts'
import { EndReason, RelayCommand } from '../../../../src/core/cell/commands.ts'
import { encodeRelayMessage } from '../../../../src/core/cell/relay-cell.ts'
import type { EdgeOutput } from '../../../../src/core/proto/stream/edge.ts'
import type { Stream } from '../../../../src/core/proto/stream/stream.ts'
import { EdgePair, type EdgeSide } from './edge-pair.ts'

const target = { kind: 'connect', host: 'example.com', port: 80, flags: 0 } as const

function opened(): { pair: EdgePair; client: Stream; server: Stream } {
  const pair = new EdgePair()
  const client = pair.origin.edge.open(target)
  pair.settle()
  const server = requested(pair.responder)
  pair.responder.edge.accept(server, { address: '192.0.2.1', ttlSec: 60 })
  pair.settle()
  pair.origin.take()
  return { pair, client, server }
}

function requested(side: EdgeSide): Stream {
  const output = side.take().find((each) => each.kind === 'stream-requested')
  if (output === undefined) throw new Error('no stream was asked for')
  return output.stream
}

const dataOf = (outputs: readonly EdgeOutput[]): Buffer =>
  Buffer.concat(outputs.filter((output) => output.kind === 'stream-data').map((output) => output.chunk))
const kinds = (outputs: readonly EdgeOutput[]): string[] => outputs.map((output) => output.kind)
const protocolKind = (act: () => unknown): string => {
  try {
    act()
  } catch (thrown) {
    if (thrown instanceof RelishError) return thrown.kind
    throw thrown
  }
  return 'nothing thrown'
}
const body = (command: RelayCommand, streamId: number, data = new Uint8Array(0)): Uint8Array => encodeRelayMessage({ command, streamId, data }, undefined)
const sendmes = (side: EdgeSide, streamId: number): number =>
  side.log.filter((message) => message.command === RelayCommand.SENDME && message.streamId === streamId).length

describe('opening a stream', () => {
  it('connects, and tells both ends where to', () => {
    const pair = new EdgePair()
    const client = pair.origin.edge.open(target)
    pair.settle()
    const [asked] = pair.responder.take()
    expect(asked).toMatchObject({ kind: 'stream-requested', request: target })
    pair.responder.edge.accept((asked as { stream: Stream }).stream, { address: '192.0.2.1', ttlSec: 60 })
    pair.settle()
    expect(pair.origin.take()).toEqual([{ kind: 'stream-connected', stream: client, address: '192.0.2.1', ttlSec: 60 }])
    expect(client.state).toBe('open')
  })

  it('delivers optimistic data only once the stream is accepted, and acknowledges it no earlier', () => {
    const pair = new EdgePair()
    const client = pair.origin.edge.open(target)
    const bytes = new SeededRng('optimistic').bytes(60 * 498)
    pair.origin.edge.write(pair.now, client, bytes)
    pair.settle()
    const server = requested(pair.responder)
    expect(sendmes(pair.responder, client.id)).toBe(0)
    pair.responder.edge.accept(server)
    expect(dataOf(pair.responder.take()).equals(bytes)).toBe(true)
    const commands = pair.responder.log.map((message) => message.command)
    expect(commands.indexOf(RelayCommand.CONNECTED)).toBeLessThan(commands.indexOf(RelayCommand.SENDME))
    pair.settle()
    expect(client.state).toBe('open')
  })

  it('is refused with a reason and the address behind a name', () => {
    const pair = new EdgePair()
    const client = pair.origin.edge.open(target)
    pair.settle()
    pair.responder.edge.end(pair.now, requested(pair.responder), { reason: EndReason.EXITPOLICY, address: '192.0.2.9', ttlSec: 5 })
    pair.settle()
    expect(pair.origin.take()).toEqual([
      { kind: 'stream-ended', stream: client, remote: true, reason: EndReason.EXITPOLICY, address: '192.0.2.9', ttlSec: 5 },
    ])
    expect(client.state).toBe('closed')
  })

  it('answers a malformed BEGIN with END, and goes on', () => {
    const { pair } = opened()
    pair.responder.receive(body(RelayCommand.BEGIN, 77, Buffer.from('no port\0')))
    expect(pair.responder.log.at(-1)).toMatchObject({ command: RelayCommand.END, streamId: 77, data: Uint8Array.of(EndReason.TORPROTOCOL) })
    expect(pair.responder.take()).toEqual([])
  })

  it('drops BEGIN for a stream that exists, and BEGIN at the origin', () => {
    const { pair, server } = opened()
    pair.responder.receive(body(RelayCommand.BEGIN_DIR, server.id))
    pair.origin.receive(body(RelayCommand.BEGIN_DIR, 9))
    expect(pair.responder.take()).toEqual([])
    expect(pair.origin.take()).toEqual([])
  })

  it('refuses streams beyond the limit', () => {
    const pair = new EdgePair()
    for (let id = 1; id <= 2000; id++) pair.responder.receive(body(RelayCommand.BEGIN_DIR, id))
    expect(pair.responder.take()).toHaveLength(2000)
    pair.responder.receive(body(RelayCommand.BEGIN_DIR, 2001))
    expect(pair.responder.take()).toEqual([])
    expect(pair.responder.log.at(-1)?.data).toEqual(Uint8Array.of(EndReason.RESOURCELIMIT))
  })
})

describe('resolving', () => {
  it('answers with what the other end found, and makes no stream', () => {
    const pair = new EdgePair()
    const asking = pair.origin.edge.resolve('example.com')
    pair.settle()
    const [asked] = pair.responder.take()
    expect(asked).toMatchObject({ request: { kind: 'resolve', name: 'example.com' } })
    const answers = [{ kind: 'address', address: '192.0.2.7', ttlSec: 30 }] as const
    pair.responder.edge.answer((asked as { stream: Stream }).stream, answers)
    pair.settle()
    expect(pair.origin.take()).toEqual([{ kind: 'stream-resolved', stream: asking, answers }])
    expect(pair.origin.edge.streamCount + pair.responder.edge.streamCount).toBe(0)
  })
})

describe('moving data', () => {
  it('brings every byte once and in order, both ways, whatever the chunks', () => {
    const { pair, client, server } = opened()
    const rng = new SeededRng('chunks')
    const there: Uint8Array[] = []
    const back: Uint8Array[] = []
    const arrivedThere: Uint8Array[] = []
    const arrivedBack: Uint8Array[] = []
    for (let round = 0; round < 40; round++) {
      const a = rng.bytes(1 + ((round * 7919) % 30_000))
      const b = rng.bytes(1 + ((round * 104_729) % 30_000))
      there.push(a)
      back.push(b)
      pair.origin.edge.write(pair.now, client, a)
      pair.responder.edge.write(pair.now, server, b)
      pair.settle()
      arrivedThere.push(dataOf(pair.responder.take()))
      arrivedBack.push(dataOf(pair.origin.take()))
    }
    expect(Buffer.concat(arrivedThere).equals(Buffer.concat(there))).toBe(true)
    expect(Buffer.concat(arrivedBack).equals(Buffer.concat(back))).toBe(true)
    expect(client.bytesSent).toBe(server.bytesReceived)
  })

  it('puts random bytes into at least one cell of each hundred', () => {
    const { pair, client } = opened()
    pair.origin.edge.write(pair.now, client, new Uint8Array(400 * 498))
    const lengths = pair.origin.log.filter((message) => message.command === RelayCommand.DATA).map((message) => message.data.length)
    for (let at = 0; at + 100 <= lengths.length; at++) expect(Math.min(...lengths.slice(at, at + 100))).toBeLessThan(498)
  })

  it('stops at the window of the stream, tells the writer to wait and later to go on', () => {
    const { pair, client } = opened()
    const bytes = new SeededRng('window').bytes(800 * 498)
    expect(pair.origin.edge.write(pair.now, client, bytes)).toBe(false)
    expect(pair.origin.log.filter((message) => message.command === RelayCommand.DATA)).toHaveLength(500)
    pair.settle()
    expect(kinds(pair.origin.take())).toEqual(['stream-drain'])
    expect(dataOf(pair.responder.take()).equals(bytes)).toBe(true)
  })

  it('stops at the window of the circuit, and shares it between streams', () => {
    const pair = new EdgePair()
    const streams = [0, 1, 2].map(() => pair.origin.edge.open(target))
    for (const stream of streams) pair.origin.edge.write(pair.now, stream, new Uint8Array(600 * 498))
    expect(pair.origin.log.filter((message) => message.command === RelayCommand.DATA)).toHaveLength(1000)
    pair.settle()
    for (const output of pair.responder.take()) if (output.kind === 'stream-requested') pair.responder.edge.accept(output.stream)
    pair.settle()
    const sent = streams.map((stream) => stream.bytesSent)
    expect(sent).toEqual([600 * 498, 600 * 498, 600 * 498])
  })

  it('holds data back for a slow reader within the window, without acknowledging it', () => {
    const { pair, client, server } = opened()
    pair.responder.edge.pause(server)
    const bytes = new SeededRng('slow').bytes(800 * 498)
    pair.origin.edge.write(pair.now, client, bytes)
    pair.settle()
    expect(sendmes(pair.responder, server.id)).toBe(0)
    expect(sendmes(pair.responder, 0)).toBe(5)
    expect(pair.responder.take()).toEqual([])
    pair.responder.edge.resume(server)
    pair.settle()
    expect(dataOf(pair.responder.take()).equals(bytes)).toBe(true)
  })

  it('answers a large batch with all its SENDMEs in one, and nothing overtakes them', () => {
    const { pair, client, server } = opened()
    pair.origin.edge.write(pair.now, client, new Uint8Array(300 * 498))
    const batch = Buffer.concat(pair.origin.sent.splice(0))
    const before = pair.responder.sent.length
    pair.responder.receive(batch)
    const answers = pair.responder.sent.slice(before)
    expect(answers).toHaveLength(1)
    expect(sendmes(pair.responder, 0)).toBe(Math.floor(batch.length / 509 / 100))
    expect(sendmes(pair.responder, server.id)).toBe(Math.floor(batch.length / 509 / 50))
  })

  it('packages nothing while the link is blocked', () => {
    const { pair, client } = opened()
    pair.origin.edge.setBlocked(pair.now, true)
    expect(pair.origin.edge.write(pair.now, client, new Uint8Array(150_000))).toBe(false)
    expect(pair.origin.sent).toEqual([])
    pair.origin.edge.setBlocked(pair.now, false)
    pair.settle()
    expect(dataOf(pair.responder.take())).toHaveLength(150_000)
  })

  it('ends the circuit for DATA beyond the window of a stream', () => {
    const { pair, client, server } = opened()
    pair.responder.edge.pause(server)
    const data = body(RelayCommand.DATA, client.id, new Uint8Array(10))
    for (let i = 0; i < 500; i++) pair.responder.receive(data)
    expect(protocolKind(() => pair.responder.receive(data))).toBe('protocol')
  })

  it('ends the circuit for a SENDME with the wrong tag, and for one too many', () => {
    const { pair, client } = opened()
    const sendme = (tag: Uint8Array): Uint8Array => body(RelayCommand.SENDME, 0, Uint8Array.of(1, 0, 20, ...tag))
    expect(protocolKind(() => pair.origin.receive(sendme(new Uint8Array(20))))).toBe('protocol')
    pair.origin.edge.write(pair.now, client, new Uint8Array(120 * 498))
    expect(protocolKind(() => pair.origin.receive(sendme(new Uint8Array(20))))).toBe('protocol')
    expect(protocolKind(() => pair.origin.receive(body(RelayCommand.SENDME, client.id)))).toBe('nothing thrown')
    expect(protocolKind(() => { for (let i = 0; i < 3; i++) pair.origin.receive(body(RelayCommand.SENDME, client.id)) })).toBe('protocol')
  })

  it('ends the circuit for a SENDME of version 0 unless it is allowed', () => {
    const { pair, client } = opened()
    pair.origin.edge.write(pair.now, client, new Uint8Array(120 * 498))
    expect(protocolKind(() => pair.origin.receive(body(RelayCommand.SENDME, 0)))).toBe('protocol')
  })
})

describe('ending a stream', () => {
  it('sends what is queued, then END; the other end sees all of it first', () => {
    const { pair, client } = opened()
    const bytes = new SeededRng('flush').bytes(900 * 498)
    pair.origin.edge.write(pair.now, client, bytes)
    pair.origin.edge.finish(pair.now, client, EndReason.DONE)
    pair.settle()
    const outputs = pair.responder.take()
    expect(dataOf(outputs).equals(bytes)).toBe(true)
    expect(outputs.at(-1)).toMatchObject({ kind: 'stream-ended', remote: true, reason: EndReason.MISC })
    expect(pair.origin.take().at(-1)).toMatchObject({ kind: 'stream-ended', remote: false, reason: EndReason.DONE })
    expect(pair.origin.edge.streamCount + pair.responder.edge.streamCount).toBe(0)
  })

  it('delivers to a paused reader what came before END, whose id is free meanwhile', () => {
    const { pair, client, server } = opened()
    pair.origin.edge.pause(client)
    pair.responder.edge.write(pair.now, server, Buffer.from('last words'))
    pair.responder.edge.finish(pair.now, server, EndReason.DONE)
    pair.settle()
    expect(pair.origin.take()).toEqual([])
    expect(client.state).toBe('draining')
    pair.origin.edge.resume(client)
    expect(kinds(pair.origin.take())).toEqual(['stream-data', 'stream-ended'])
    expect(pair.origin.edge.streamCount).toBe(0)
  })

  it('goes on validating: what was on its way is counted, more of it is a breach', () => {
    const { pair, client } = opened()
    pair.origin.edge.end(pair.now, client, { reason: EndReason.DONE })
    const data = body(RelayCommand.DATA, client.id, new Uint8Array(1))
    for (let i = 0; i < 500; i++) pair.origin.receive(data)
    expect(protocolKind(() => pair.origin.receive(data))).toBe('protocol')
    expect(protocolKind(() => pair.origin.receive(body(RelayCommand.CONNECTED, client.id)))).toBe('protocol')
    expect(protocolKind(() => pair.origin.receive(body(RelayCommand.SENDME, client.id)))).toBe('protocol')
    pair.origin.receive(body(RelayCommand.END, client.id, Uint8Array.of(EndReason.DONE)))
    expect(protocolKind(() => pair.origin.receive(data))).toBe('protocol')
  })

  it('takes a late CONNECTED on a stream that was ended before it came', () => {
    const pair = new EdgePair()
    const client = pair.origin.edge.open(target)
    pair.toResponder()
    pair.responder.edge.accept(requested(pair.responder))
    pair.origin.edge.end(pair.now, client, { reason: EndReason.MISC })
    pair.settle()
    expect(pair.origin.take()).toEqual([])
    expect(kinds(pair.responder.take())).toEqual(['stream-ended'])
  })

  it('drops DATA of unknown streams at a relay, and counts it against the circuit', () => {
    const pair = new EdgePair()
    for (let i = 0; i < 100; i++) pair.responder.receive(body(RelayCommand.DATA, 5, new Uint8Array(1)))
    expect(sendmes(pair.responder, 0)).toBe(1)
    expect(protocolKind(() => pair.origin.receive(body(RelayCommand.DATA, 5)))).toBe('protocol')
  })

  it('ends every stream with DESTROY when the circuit goes', () => {
    const { pair, client } = opened()
    pair.origin.edge.open({ kind: 'directory' })
    pair.origin.edge.closeAll()
    expect(pair.origin.take().map((output) => output.kind === 'stream-ended' && output.reason)).toEqual([EndReason.DESTROY, EndReason.DESTROY])
    expect(client.state).toBe('closed')
  })
})
