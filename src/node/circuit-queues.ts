/**
 * Relay cells that wait for a busy link, a queue a circuit. Circuits take turns, so that one that sends much does not
 * keep the others waiting.
 */

import { copyBytes } from '../core/base/encoding.ts'
import { CELL_BODY_BYTES } from '../core/cell/limits.ts'
import type { RelayCellBatch } from '../core/cell/cell.ts'
import { CIRCUIT_QUEUE_CELLS_MAX, CIRCUIT_TURN_CELLS } from './limits.ts'

interface Queue {
  /** In order; the first may be partly sent. */
  readonly batches: RelayCellBatch[]
  cells: number
}

export class CircuitQueues {
  /** In the order of turns: the first is next. Circuits with nothing waiting are not in it. */
  readonly #queues = new Map<number, Queue>()
  #cells = 0

  /** Cells of all circuits. */
  get cells(): number {
    return this.#cells
  }

  cellsOf(circuitId: number): number {
    return this.#queues.get(circuitId)?.cells ?? 0
  }

  /** Takes a copy of the batch. False when the circuit would exceed its limit; the batch is not taken then. */
  push(batch: RelayCellBatch): boolean {
    let queue = this.#queues.get(batch.circuitId)
    if ((queue?.cells ?? 0) + batch.count > CIRCUIT_QUEUE_CELLS_MAX) return false
    if (queue === undefined) {
      queue = { batches: [], cells: 0 }
      this.#queues.set(batch.circuitId, queue)
    }
    queue.batches.push({ ...batch, payloads: copyBytes(batch.payloads) })
    queue.cells += batch.count
    this.#cells += batch.count
    return true
  }

  /** The cells of the next turn; undefined when nothing waits. */
  takeTurn(): RelayCellBatch | undefined {
    for (const [circuitId, queue] of this.#queues) {
      const first = queue.batches[0]
      this.#queues.delete(circuitId)
      if (first === undefined) continue
      let batch = first
      if (first.count <= CIRCUIT_TURN_CELLS) {
        queue.batches.shift()
      } else {
        const cut = CIRCUIT_TURN_CELLS * CELL_BODY_BYTES
        batch = { ...first, count: CIRCUIT_TURN_CELLS, payloads: first.payloads.subarray(0, cut) }
        queue.batches[0] = { ...first, count: first.count - CIRCUIT_TURN_CELLS, payloads: first.payloads.subarray(cut) }
      }
      queue.cells -= batch.count
      this.#cells -= batch.count
      // Back to the end of the line.
      if (queue.cells > 0) this.#queues.set(circuitId, queue)
      return batch
    }
    return undefined
  }

  drop(circuitId: number): void {
    this.#cells -= this.cellsOf(circuitId)
    this.#queues.delete(circuitId)
  }

  clear(): void {
    this.#queues.clear()
    this.#cells = 0
  }
}
