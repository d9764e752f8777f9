/**
 * Working space of a node for cells on their way, which links and circuits of the node use one after the other: bodies of cells
 * that a link brought, until they are ciphered; frames, until the link has taken them. What goes through in a second would
 * otherwise be as much garbage, most of it in memory that no cache holds any more.
 */

import { bytesToFill } from '../base/encoding.ts'
import { CELL_SPACE_BYTES_KEPT } from './limits.ts'

const empty = new Uint8Array(0)

export class CellSpace {
  readonly bodies = new LentSpace()
  readonly frames = new LentSpace()
}

/** Space that is lent in pieces, and taken back all at once. It grows to what was needed, up to a limit. */
export class LentSpace {
  #bytes: Uint8Array = empty
  #lent = 0

  /** Whoever was lent a piece has done with it. */
  takeBack(): void {
    this.#lent = 0
  }

  /** A piece whose content is whatever was there. */
  lend(length: number): Uint8Array {
    const end = this.#lent + length
    if (end > this.#bytes.length) {
      if (length > CELL_SPACE_BYTES_KEPT) return bytesToFill(length)
      // Pieces that are lent out stay as they are, in the space before.
      this.#bytes = bytesToFill(Math.min(Math.max(length, 2 * this.#bytes.length), CELL_SPACE_BYTES_KEPT))
      this.#lent = length
      return this.#bytes.subarray(0, length)
    }
    const piece = this.#bytes.subarray(this.#lent, end)
    this.#lent = end
    return piece
  }
}
