/**
 * All layers of a client's circuit (tor-spec §5.5.2.1 and §5.5.4): cells for hop n get the layers n to 1, and cells from
 * the link lose layer after layer until a hop's digest recognises them. Hops count from 0.
 */

import { assert, must } from '../../base/assert.ts'
import { CELL_BODY_BYTES } from '../../cell/limits.ts'
import { cellCount, type ClientLayer, type Originated, type RecognizedCells } from './layer.ts'

/** Cells from the circuit that follow each other and come from one hop. */
export interface ReceivedCells extends RecognizedCells {
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

  /** Seals unciphered bodies for `hop` and wraps them for the way, in a new array. Fills in the digests of `payloads`. */
  encrypt(hop: number, payloads: Uint8Array): Originated {
    const sealed = must(this.#layers[hop], 'the hop exists').originateForward(payloads)
    for (let i = hop - 1; i >= 0; i--) must(this.#layers[i], 'the hop exists').encryptForward(sealed.payloads)
    return sealed
  }

  /**
   * The cells of a batch from the link, deciphered in place, in order, as runs of one hop. Undefined when some cell is nobody's: the circuit's
   * state is lost then, and it must be closed.
   */
  decrypt(payloads: Uint8Array): readonly ReceivedCells[] | undefined {
    assert(payloads.length % CELL_BODY_BYTES === 0, 'a batch holds whole cells')
    const runs = new RunBuilder()
    let left: Uint8Array = payloads
    for (let hop = 0; hop < this.#layers.length; hop++) {
      const step = (this.#layers[hop] as ClientLayer).decryptBackward(left)
      if (step.recognized !== undefined) {
        // Most often the whole batch is of one hop.
        if (left.length === payloads.length && step.passing === undefined) return [{ ...step.recognized, hop }]
        runs.add(hop, step.recognized, step.recognizedAt, payloads.length / CELL_BODY_BYTES)
      }
      if (step.passing === undefined) return runs.finish()
      left = step.passing
    }
    return payloads.length === 0 ? [] : undefined
  }
}

/** Puts the cells of several hops back into the order in which they came. */
class RunBuilder {
  readonly #hops = new Map<number, RecognizedCells>()
  /** The hop that sent each cell of the batch; undefined as long as that is not known. */
  #senders: (number | undefined)[] = []

  /** `places`: among the cells whose sender was not known so far; undefined: it was all of them. */
  add(hop: number, cells: RecognizedCells, places: readonly number[] | undefined, count: number): void {
    this.#hops.set(hop, cells)
    if (this.#senders.length === 0) this.#senders = Array.from({ length: count }, () => undefined)
    let unknown = 0
    this.#senders = this.#senders.map((sender) => (sender !== undefined ? sender : places === undefined || places.includes(unknown++) ? hop : undefined))
  }

  finish(): readonly ReceivedCells[] {
    const runs: ReceivedCells[] = []
    const taken = new Map<number, number>()
    for (let from = 0; from < this.#senders.length; ) {
      const hop = must(this.#senders[from], 'every cell has a sender')
      let to = from + 1
      while (this.#senders[to] === hop) to++
      const cells = must(this.#hops.get(hop), 'the hop has sent cells')
      const tagBytes = cells.tags.length / cellCount(cells)
      const first = taken.get(hop) ?? 0
      const end = first + to - from
      taken.set(hop, end)
      runs.push({ hop, bodies: cells.bodies.subarray(first * CELL_BODY_BYTES, end * CELL_BODY_BYTES), tags: cells.tags.subarray(first * tagBytes, end * tagBytes) })
      from = to
    }
    return runs
  }
}
