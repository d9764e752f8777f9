/** Two ends of a circuit without links and ciphers between them: bodies wait in queues until the test moves them. */

import { sha1 } from '../../../../src/core/crypto/hashes.ts'
import { concatBytes } from '../../../../src/core/base/encoding.ts'
import { SeededRng } from '../../../../src/core/base/rng.ts'
import { monotonicMs, type MonotonicMs } from '../../../../src/core/base/time.ts'
import { CELL_BODY_BYTES } from '../../../../src/core/cell/limits.ts'
import { readRelayMessage, type RelayMessage } from '../../../../src/core/cell/relay-cell.ts'
import { CircuitFlow, type CircuitFlowOptions } from '../../../../src/core/proto/flow/circuit-flow.ts'
import type { RecognizedCells } from '../../../../src/core/proto/relaycrypt/layer.ts'
import { Edge, type EdgeOutput, type EdgePort } from '../../../../src/core/proto/stream/edge.ts'

/** One end, with what it sent and not yet delivered. Tags are digests of the body alone. */
export class EdgeSide implements EdgePort {
  isOpen = true
  readonly edge: Edge
  now: MonotonicMs = monotonicMs(0)
  readonly sent: Uint8Array[] = []
  readonly control: RelayMessage[] = []
  /** Every body ever sent, for looking at. */
  readonly log: RelayMessage[] = []
  #outputs: EdgeOutput[] = []

  constructor(role: 'origin' | 'responder', seed: string, flow: CircuitFlowOptions) {
    this.edge = new Edge(this, {
      role,
      flow: new CircuitFlow({ sendmeAcceptMinVersion: 1, ...flow }),
      rng: new SeededRng(seed),
    })
  }

  send(payloads: Uint8Array): Uint8Array {
    const kept = payloads.slice()
    this.sent.push(kept)
    for (let at = 0; at < kept.length; at += CELL_BODY_BYTES) this.log.push(readRelayMessage(kept, at))
    return recognized(payloads).tags
  }

  handleControl(_now: MonotonicMs, message: RelayMessage): void {
    this.control.push(message)
  }

  receive(payloads: Uint8Array, now = monotonicMs(0)): void {
    this.now = now
    const lent = new Uint8Array(payloads)
    this.edge.handleCells(now, recognized(lent))
    // Whoever kept more than is allowed finds nothing of it.
    lent.fill(0xee)
  }

  emit(output: EdgeOutput): void {
    this.#outputs.push(output.kind === 'stream-data' ? { ...output, chunk: output.chunk.slice() } : output)
  }

  /** Lets out what is held back for streams that were resumed. False when there is none. */
  release(): boolean {
    const before = this.#outputs.length
    this.edge.releaseHeld(this.now)
    return this.#outputs.length > before
  }

  take(): readonly EdgeOutput[] {
    while (this.release());
    const outputs = this.#outputs
    this.#outputs = []
    return outputs
  }
}

function recognized(payloads: Uint8Array): RecognizedCells {
  const tags: Uint8Array[] = []
  for (let at = 0; at < payloads.length; at += CELL_BODY_BYTES) tags.push(sha1(payloads.subarray(at, at + CELL_BODY_BYTES)))
  return { bodies: payloads, tags: concatBytes(tags) }
}

export class EdgePair {
  readonly origin: EdgeSide
  readonly responder: EdgeSide
  now: MonotonicMs = monotonicMs(0)

  /** `flow`: of both ends. */
  constructor(flow: CircuitFlowOptions = {}) {
    this.origin = new EdgeSide('origin', 'origin', flow)
    this.responder = new EdgeSide('responder', 'responder', flow)
  }

  /** Lets time pass at both ends. */
  tick(ms: number): void {
    this.now = monotonicMs(this.now + ms)
    for (const side of [this.origin, this.responder]) {
      side.now = this.now
      side.edge.handleTimeout(this.now)
    }
  }

  /** Moves what both sides have sent, until nothing moves. */
  settle(): void {
    while (this.toResponder() || this.toOrigin() || this.responder.release() || this.origin.release());
  }

  toResponder(): boolean {
    return this.#move(this.origin, this.responder)
  }

  toOrigin(): boolean {
    return this.#move(this.responder, this.origin)
  }

  #move(from: EdgeSide, to: EdgeSide): boolean {
    const cells = from.sent.shift()
    if (cells === undefined) return false
    to.receive(cells, this.now)
    return true
  }
}
