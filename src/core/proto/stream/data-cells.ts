/**
 * The bytes of a stream as RELAY_DATA cells and back, many at a time: a chunk becomes one contiguous array of unciphered
 * relay cell bodies, so that one call ciphers them, and a run of received bodies becomes one chunk. tor-spec §6.1, §6.2.
 */

import { protocolError } from '../../base/errors.ts'
import { randomBelow, type Rng } from '../../base/rng.ts'
import { RelayCommand } from '../../cell/commands.ts'
import { CELL_BODY_BYTES, RELAY_DATA_BYTES_MAX, RELAY_HEADER_BYTES } from '../../cell/limits.ts'
import { relayDataLength } from '../../cell/relay-cell.ts'
import type { RecognizedCell } from '../relaycrypt/layer.ts'
import type { ByteQueue } from './byte-queue.ts'

/** Random bytes in a cell that is shortened for their sake, behind four zeros (tor-spec §6.1). */
const SHORTENED_BY_BYTES = 16
const ZERO_PADDING_BYTES = 4
/** Cells between two that hold random bytes: at least half an increment of the window, at most a whole one. */
const RANDOMNESS_EVERY_CELLS_MAX = 100

/** Packs the streams of one circuit end. */
export class DataPackager {
  readonly #rng: Rng
  /** Full cells that may go before one must be shortened. */
  #untilRandomness: number

  constructor(rng: Rng) {
    this.#rng = rng
    this.#untilRandomness = this.#draw()
  }

  /**
   * Bodies for the first bytes of `source`: as many cells as they fill, at most `cellsMax`; none for an empty source. A
   * few bytes may stay behind when a cell was shortened: call again until the source is empty.
   */
  pack(streamId: number, source: ByteQueue, cellsMax: number): Uint8Array {
    const count = Math.min(cellsMax, Math.ceil(source.length / RELAY_DATA_BYTES_MAX))
    const payloads = new Uint8Array(count * CELL_BODY_BYTES)
    for (let cell = 0; cell < count; cell++) {
      const at = cell * CELL_BODY_BYTES
      let length = Math.min(source.length, RELAY_DATA_BYTES_MAX)
      if (length < RELAY_DATA_BYTES_MAX) {
        this.#untilRandomness = this.#draw()
      } else if (--this.#untilRandomness <= 0) {
        // tor-spec §7.3: random bytes in at least one cell of each increment, so that nobody can foretell the tag of a SENDME.
        length -= SHORTENED_BY_BYTES
        this.#untilRandomness = this.#draw()
      }
      payloads[at] = RelayCommand.DATA
      payloads[at + 3] = streamId >>> 8
      payloads[at + 4] = streamId
      payloads[at + 9] = length >>> 8
      payloads[at + 10] = length
      source.moveTo(payloads, at + RELAY_HEADER_BYTES, length)
      const unused = RELAY_DATA_BYTES_MAX - length - ZERO_PADDING_BYTES
      if (unused > 0) payloads.set(this.#rng.bytes(unused), at + CELL_BODY_BYTES - unused)
    }
    return payloads
  }

  #draw(): number {
    return RANDOMNESS_EVERY_CELLS_MAX / 2 + randomBelow(this.#rng, RANDOMNESS_EVERY_CELLS_MAX / 2)
  }
}

/** How many cells from `from` on, before `to`, are DATA of one stream: at least 1, given that the first is. */
export function dataRunLength(cells: readonly RecognizedCell[], from: number, to: number): number {
  const start = cellAt(cells, from).body
  const high = start[3]
  const low = start[4]
  let end = from + 1
  for (; end < to; end++) {
    const { body } = cellAt(cells, end)
    if (body[0] !== RelayCommand.DATA || body[3] !== high || body[4] !== low) break
  }
  return end - from
}

/** The data of `count` DATA cells from index `from` on, joined in an array of its own. Throws `protocol` for a length that does not fit. */
export function joinData(cells: readonly RecognizedCell[], from: number, count: number): Uint8Array {
  let total = 0
  for (let i = from; i < from + count; i++) total += dataLength(cellAt(cells, i).body)
  const out = new Uint8Array(total)
  let filled = 0
  for (let i = from; i < from + count; i++) {
    const { body } = cellAt(cells, i)
    const length = dataLength(body)
    out.set(body.subarray(RELAY_HEADER_BYTES, RELAY_HEADER_BYTES + length), filled)
    filled += length
  }
  return out
}

const cellAt = (cells: readonly RecognizedCell[], index: number): RecognizedCell => cells[index] as RecognizedCell

function dataLength(body: Uint8Array): number {
  const length = relayDataLength(body, 0)
  if (length > RELAY_DATA_BYTES_MAX) throw protocolError(`relay cell claims ${length} bytes of data`)
  return length
}
