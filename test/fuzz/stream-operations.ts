/**
 * Sequences of operations on the streams of one circuit, against a small model: what a side receives is what the other
 * has written, each byte once and in order; all of it when the stream was finished and not torn down; and nothing is left
 * when all streams are over. Each byte of the input is one operation.
 */

import { strictEqual } from 'node:assert'
import { EndReason } from '../../src/core/cell/commands.ts'
import type { CircuitFlowOptions } from '../../src/core/proto/flow/circuit-flow.ts'
import { NetworkParameters } from '../../src/core/netdir/parameters.ts'
import { congestionParameters } from '../../src/node/flow-parameters.ts'
import type { Stream } from '../../src/core/proto/stream/stream.ts'
import { EdgePair, type EdgeSide } from '../core/proto/stream/edge-pair.ts'
import type { Fuzzer } from './fuzzer.ts'

/** One stream as the model sees it, from one of its two sides. */
interface ModelEnd {
  readonly side: EdgeSide
  readonly stream: Stream
  written: number
  received: number
  connected: boolean
  /** No more is to be written. */
  over: boolean
  /** What was under way when somebody tore the stream down may be lost. */
  torn: boolean
  other: ModelEnd | undefined
}

const streamsMax = 6
const sizes = [1, 100, 498, 499, 5_000, 30_000]

/** Byte number `at` of a direction: tells streams, directions and positions apart. */
const byteAt = (stream: Stream, initiated: boolean, at: number): number => (at * 31 + (at >>> 8) * 7 + stream.id * 13 + (initiated ? 101 : 0)) & 255

class Model {
  readonly pair: EdgePair
  readonly #ends = new Map<Stream, ModelEnd>()
  readonly #order: ModelEnd[] = []

  run(operations: Uint8Array): void {
    for (const operation of operations) {
      this.pair.tick(3)
      this.#apply(operation)
      this.#observe()
    }
    this.#finishAll()
  }

  constructor(pair: EdgePair) {
    this.pair = pair
  }

  #apply(operation: number): void {
    const { pair } = this
    const end = this.#order[(operation >>> 4) % Math.max(1, this.#order.length)]
    switch (operation & 15) {
      case 0:
        if (this.#order.filter((one) => one.side === pair.origin && !one.over).length < streamsMax) {
          this.#add(pair.origin, pair.origin.edge.open({ kind: 'connect', host: 'example.com', port: 80, flags: 0 }))
        }
        return
      case 1:
      case 2:
      case 3:
        if (end !== undefined) this.#write(end, sizes[(operation >>> 4) % sizes.length] ?? 1)
        return
      case 4:
        end?.side.edge.pause(end.stream)
        return
      case 5:
        end?.side.edge.resume(end.stream)
        return
      case 6:
        if (end !== undefined && end.connected) this.#finish(end)
        return
      case 7:
        if (end !== undefined && !end.over && operation >= 0xc0) this.#tear(end)
        return
      case 8:
      case 9:
        pair.toResponder()
        return
      case 10:
      case 11:
        pair.toOrigin()
        return
      case 12:
        pair.origin.edge.setBlocked(pair.now, operation >= 0x80)
        return
      case 13:
        pair.responder.edge.setBlocked(pair.now, operation >= 0x80)
        return
      default:
        pair.settle()
    }
  }

  #add(side: EdgeSide, stream: Stream): ModelEnd {
    const end: ModelEnd = { side, stream, written: 0, received: 0, connected: false, over: false, torn: false, other: undefined }
    this.#ends.set(stream, end)
    this.#order.push(end)
    return end
  }

  #write(end: ModelEnd, size: number): void {
    // Application drivers stop when told to; so does this one, with some slack.
    if (end.over || (end.side === this.pair.responder && !end.connected) || end.stream.outgoing.length > 128 * 1024) return
    const chunk = new Uint8Array(size)
    for (let i = 0; i < size; i++) chunk[i] = byteAt(end.stream, end.stream.initiated, end.written + i)
    end.written += size
    end.side.edge.write(this.pair.now, end.stream, chunk)
  }

  #finish(end: ModelEnd): void {
    if (end.over) return
    end.over = true
    end.side.edge.finish(this.pair.now, end.stream, EndReason.DONE)
    // An END closes both directions: what the other side sends after it is lost.
    if (end.other !== undefined) end.other.torn = true
  }

  #tear(end: ModelEnd): void {
    end.over = true
    end.torn = true
    if (end.other !== undefined) end.other.torn = true
    end.side.edge.end(this.pair.now, end.stream, { reason: EndReason.MISC })
  }

  /** Takes what came out of both sides, and holds it against what was written. */
  #observe(): void {
    for (const side of [this.pair.origin, this.pair.responder]) {
      for (const output of side.take()) {
        if (output.kind === 'stream-requested') {
          const end = this.#add(side, output.stream)
          const asked = this.#order.find((one) => one.side === this.pair.origin && one.stream.id === output.stream.id && one.other === undefined)
          if (asked === undefined) throw new Error('a stream that nobody asked for')
          end.other = asked
          asked.other = end
          end.torn = asked.over
          end.connected = true
          side.edge.accept(output.stream, {})
          continue
        }
        if (!('stream' in output)) continue
        const end = this.#ends.get(output.stream)
        if (end === undefined) continue
        if (output.kind === 'stream-connected') end.connected = true
        if (output.kind === 'stream-data') this.#receive(end, output.chunk)
        if (output.kind === 'stream-ended') end.over = true
      }
    }
  }

  #receive(end: ModelEnd, chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (byte !== byteAt(end.stream, !end.stream.initiated, end.received)) throw new Error(`byte ${end.received} of stream ${end.stream.id} is not the one that was written`)
      end.received++
    }
    if (end.received > (end.other?.written ?? 0)) throw new Error(`stream ${end.stream.id} received more than was written`)
  }

  /** Lets everything arrive, and looks at what is left. */
  #finishAll(): void {
    const { pair } = this
    pair.origin.edge.setBlocked(pair.now, false)
    pair.responder.edge.setBlocked(pair.now, false)
    this.#rest()
    for (const end of this.#order) if (end.side === pair.origin && end.connected) this.#finish(end)
    this.#rest()
    for (const end of this.#order) {
      const { other } = end
      if (other === undefined || other.torn) continue
      strictEqual(end.received, other.written, `all bytes of stream ${end.stream.id}`)
    }
    strictEqual(pair.origin.edge.streamCount, 0, 'streams left at the origin')
    strictEqual(pair.responder.edge.streamCount, 0, 'streams left at the other end')
  }

  #rest(): void {
    for (let i = 0; i < 3; i++) {
      for (const end of this.#order) end.side.edge.resume(end.stream)
      this.#observe()
      this.pair.settle()
      this.#observe()
      // Streams that are sent to at a rate need their time.
      for (let second = 0; second < 20; second++) {
        this.pair.tick(1000)
        this.pair.settle()
        this.#observe()
      }
    }
  }
}

const agreed = { parameters: congestionParameters(new NetworkParameters()), kind: 'exit', sendmeIncrement: 31 } as const

export const streamOperations = fuzzer('machine/stream-operations', {})
export const congestedStreamOperations = fuzzer('machine/stream-operations-congestion', { agreed })

/** `flow`: of both ends. */
function fuzzer(name: string, flow: CircuitFlowOptions): Fuzzer {
  return {
    name,
    corpus: () => [
      Uint8Array.of(0x00, 0x0f, 0x01, 0x11, 0x0f, 0x06, 0x0f),
      Uint8Array.of(0x00, 0x00, 0x0e, 0x51, 0x04, 0x53, 0x51, 0x0f, 0x05, 0x41, 0x0f, 0xc7, 0x0e),
    ],
    run: (input) => {
      new Model(new EdgePair(flow)).run(input)
      return input.length
    },
    // No peer misbehaves here.
    allowed: [],
    form: 'bytes',
    inputBytesMax: 200,
    smokeCases: 200,
  }
}
