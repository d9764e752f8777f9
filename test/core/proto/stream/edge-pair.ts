/** Two ends of a circuit without links and ciphers between them: bodies wait in queues until the test moves them. */

import { RunningDigest } from '../../../../src/core/crypto/hashes.ts'
import { SeededRng } from '../../../../src/core/base/rng.ts'
import { monotonicMs, type MonotonicMs } from '../../../../src/core/base/time.ts'
import { CELL_BODY_BYTES } from '../../../../src/core/cell/limits.ts'
import { readRelayMessage, type RelayMessage } from '../../../../src/core/cell/relay-cell.ts'
import { CircuitFlow } from '../../../../src/core/proto/flow/circuit-flow.ts'
import { FixedWindow } from '../../../../src/core/proto/flow/congestion-control.ts'
import { StreamWindow } from '../../../../src/core/proto/flow/stream-flow.ts'
import { Edge, type EdgeOutput, type EdgePort } from '../../../../src/core/proto/stream/edge.ts'

/** One end, with what it sent and not yet delivered. Tags are digests of the body alone. */
export class EdgeSide implements EdgePort {
  isOpen = true
  readonly edge: Edge
  readonly sent: Uint8Array[] = []
  readonly control: RelayMessage[] = []
  /** Every body ever sent, for looking at. */
  readonly log: RelayMessage[] = []
  #lastSent: Uint8Array = new Uint8Array(0)
  #received: Uint8Array = new Uint8Array(0)

  constructor(role: 'origin' | 'responder', seed: string) {
    this.edge = new Edge(this, {
      role,
      flow: new CircuitFlow(new FixedWindow()),
      newStreamFlow: () => new StreamWindow(),
      rng: new SeededRng(seed),
    })
  }

  send(payloads: Uint8Array, count: number): void {
    const cells = payloads.slice(0, count * CELL_BODY_BYTES)
    this.sent.push(cells)
    for (let i = 0; i < count; i++) this.log.push(readRelayMessage(cells, i * CELL_BODY_BYTES))
    this.#lastSent = cells.subarray((count - 1) * CELL_BODY_BYTES)
  }

  lastSentTag(): Uint8Array {
    return tagOf(this.#lastSent)
  }

  receivedTag(index: number): Uint8Array {
    return tagOf(this.#received.subarray(index * CELL_BODY_BYTES, (index + 1) * CELL_BODY_BYTES))
  }

  handleControl(_now: MonotonicMs, message: RelayMessage): void {
    this.control.push(message)
  }

  receive(payloads: Uint8Array, now = monotonicMs(0)): void {
    this.#received = payloads
    this.edge.handleBodies(now, payloads, 0, payloads.length / CELL_BODY_BYTES)
  }

  take(): readonly EdgeOutput[] {
    return this.edge.takeOutputs()
  }
}

const tagOf = (body: Uint8Array): Uint8Array => new RunningDigest('sha1').update(body).peek()

export class EdgePair {
  readonly origin = new EdgeSide('origin', 'origin')
  readonly responder = new EdgeSide('responder', 'responder')
  readonly now: MonotonicMs = monotonicMs(0)

  /** Moves what both sides have sent, until nothing moves. */
  settle(): void {
    while (this.toResponder() || this.toOrigin());
  }

  toResponder(): boolean {
    return move(this.origin, this.responder)
  }

  toOrigin(): boolean {
    return move(this.responder, this.origin)
  }
}

function move(from: EdgeSide, to: EdgeSide): boolean {
  const cells = from.sent.shift()
  if (cells === undefined) return false
  to.receive(cells)
  return true
}
