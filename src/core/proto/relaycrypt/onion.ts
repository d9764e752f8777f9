/**
 * All layers of a client's circuit (tor-spec §5.5.2.1 and §5.5.4): cells for hop n get the layers n to 1, and cells from
 * the link lose layer after layer until a hop's digest recognises them. Hops count from 0.
 */

import { assert, must } from '../../base/assert.ts'
import { CELL_BODY_BYTES } from '../../cell/limits.ts'
import type { ClientLayer, Originated, RecognizedCell } from './layer.ts'

/** A cell from the circuit, and the hop that sent it. */
export interface ReceivedCell extends RecognizedCell {
  readonly hop: number
}

export class OnionLayers {
  readonly #layers: ClientLayer[] = []

  /** Hops so far. */
  get length(): number {
    return this.#layers.length
  }

  add(layer: ClientLayer): void {
    this.#layers.push(layer)
  }

  /** Drops the layers of hops from `length` on, after a TRUNCATED. */
  truncate(length: number): void {
    this.#layers.length = Math.min(length, this.#layers.length)
  }

  /** Seals unciphered bodies for `hop` and wraps them for the way. Changes `payloads`. */
  encrypt(hop: number, payloads: Uint8Array): Originated {
    const sealed = must(this.#layers[hop], 'the hop exists').originateForward(payloads)
    let wrapped = sealed.payloads
    for (let i = hop - 1; i >= 0; i--) wrapped = must(this.#layers[i], 'the hop exists').encryptForward(wrapped)
    return { payloads: wrapped, tags: sealed.tags }
  }

  /**
   * The cells of a batch from the link, in order. Undefined when some cell is nobody's: the circuit's state is lost then,
   * and it must be closed.
   */
  decrypt(payloads: Uint8Array): readonly ReceivedCell[] | undefined {
    assert(payloads.length % CELL_BODY_BYTES === 0, 'a batch holds whole cells')
    const count = payloads.length / CELL_BODY_BYTES
    const received: ReceivedCell[] = []
    let left: Uint8Array = payloads
    let indexes: readonly number[] = Array.from({ length: count }, (_, index) => index)
    let hopsSeen = 0
    for (const [hop, layer] of this.#layers.entries()) {
      const step = layer.decryptBackward(left, indexes)
      for (const cell of step.recognized) received.push({ ...cell, hop })
      if (step.recognized.length > 0) hopsSeen++
      if (step.passing === undefined) {
        if (hopsSeen > 1) received.sort((a, b) => a.index - b.index)
        return received
      }
      left = step.passing
      indexes = step.indexes
    }
    return count === 0 ? received : undefined
  }
}
