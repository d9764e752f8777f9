/** Two ends of a circuit without links and ciphers between them: bodies wait in queues until the test moves them. */

import { sha1 } from '../../../../src/core/crypto/hashes.ts'
import { SeededRng } from '../../../../src/core/base/rng.ts'
import { monotonicMs, type MonotonicMs } from '../../../../src/core/base/time.ts'
import { CELL_BODY_BYTES } from '../../../../src/core/cell/limits.ts'
import { readRelayMessage, type RelayMessage } from '../../../../src/core/cell/relay-cell.ts'
import { CircuitFlow } from '../../../../src/core/proto/flow/circuit-flow.ts'
import { StreamWindow } from '../../../../src/core/proto/flow/stream-flow.ts'
import type { RecognizedCell } from '../../../../src/core/proto/relaycrypt/layer.ts'
import { Edge, type EdgeOutput, type EdgePort } from '../../../../src/core/proto/stream/edge.ts'

/** One end, with what it sent and not yet delivered. Tags are digests of the body alone. */
export class EdgeSide implements EdgePort {
  isOpen = true
  readonly edge: Edge
  readonly sent: Uint8Array[] = []
  readonly control: RelayMessage[] = []
  /** Every body ever sent, for looking at. */
  readonly log: RelayMessage[] = []
  #outputs: EdgeOutput[] = []

  constructor(role: 'origin' | 'responder', seed: string) {
    this.edge = new Edge(this, {
      role,
      flow: new CircuitFlow({ sendmeAcceptMinVersion: 1 }),
      newStreamFlow: () => new StreamWindow(),
      rng: new SeededRng(seed),
    })
  }

  send(payloads: Uint8Array): readonly Uint8Array[] {
    this.sent.push(payloads.slice())
    const cells = recognized(payloads)
    for (const { body } of cells) this.log.push(readRelayMessage(body))
    return cells.map((cell) => cell.tag)
  }

  handleControl(_now: MonotonicMs, message: RelayMessage): void {
    this.control.push(message)
  }

  receive(payloads: Uint8Array, now = monotonicMs(0)): void {
    const cells = recognized(payloads)
    this.edge.handleCells(now, cells, 0, cells.length)
  }

  emit(output: EdgeOutput): void {
    this.#outputs.push(output)
  }

  take(): readonly EdgeOutput[] {
    const outputs = this.#outputs
    this.#outputs = []
    return outputs
  }
}

function recognized(payloads: Uint8Array): RecognizedCell[] {
  return Array.from({ length: payloads.length / CELL_BODY_BYTES }, (_, index) => {
    const body = payloads.subarray(index * CELL_BODY_BYTES, (index + 1) * CELL_BODY_BYTES)
    return { index, body, tag: sha1(body) }
  })
}

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
