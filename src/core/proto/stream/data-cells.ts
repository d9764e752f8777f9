/**
 * The bytes of a stream as RELAY_DATA cells and back, many at a time: a chunk becomes one contiguous array of unciphered
 * relay cell bodies, so that one call ciphers them, and a run of received bodies becomes one chunk. tor-spec §6.1, §6.2.
 */

import { protocolError } from '../../base/errors.ts'
import { randomBelow, type Rng } from '../../base/rng.ts'
import { RelayCommand } from '../../cell/commands.ts'
import { CELL_BODY_BYTES, RELAY_BATCH_CELLS_MAX, RELAY_DATA_BYTES_MAX, RELAY_HEADER_BYTES } from '../../cell/limits.ts'
import { relayDataLength } from '../../cell/relay-cell.ts'
import type { ByteQueue } from './byte-queue.ts'

/** Random bytes in a cell that is shortened for their sake, behind four zeros (tor-spec §6.1). */
const SHORTENED_BY_BYTES = 16
const ZERO_PADDING_BYTES = 4

/** Working space shared by all packagers: what is packed is ciphered before the next is. */
const packed = new Uint8Array(RELAY_BATCH_CELLS_MAX * CELL_BODY_BYTES)

/** Packs the streams of one circuit end. */
export class DataPackager {
  readonly #rng: Rng
  readonly #everyCells: number
  /** Full cells that may go before one must be shortened. */
  #untilRandomness: number

  /** `sendmeIncrement`: cells between two that hold random bytes are half as many at least, and no more than that. */
  constructor(rng: Rng, sendmeIncrement: number) {
    this.#rng = rng
    this.#everyCells = sendmeIncrement
    this.#untilRandomness = this.#draw()
  }

  /**
   * Bodies for the first bytes of `source`: as many cells as they fill, at most `cellsMax` and a batch; none for an empty source.
   * They are lent until anything is packed again. A few bytes may stay behind when a cell was shortened: call again until the source is empty.
   */
  pack(streamId: number, source: ByteQueue, cellsMax: number): Uint8Array {
    const count = Math.min(cellsMax, RELAY_BATCH_CELLS_MAX, Math.ceil(source.length / RELAY_DATA_BYTES_MAX))
    const payloads = packed.subarray(0, count * CELL_BODY_BYTES)
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
      writeDataHeader(payloads, at, streamId, length)
      source.moveTo(payloads, at + RELAY_HEADER_BYTES, length)
      if (length < RELAY_DATA_BYTES_MAX) this.#pad(payloads, at + RELAY_HEADER_BYTES + length, at + CELL_BODY_BYTES)
    }
    return payloads
  }

  #pad(payloads: Uint8Array, from: number, end: number): void {
    const randomFrom = Math.min(from + ZERO_PADDING_BYTES, end)
    payloads.fill(0, from, randomFrom)
    if (randomFrom < end) payloads.set(this.#rng.bytes(end - randomFrom), randomFrom)
  }

  #draw(): number {
    const least = Math.floor(this.#everyCells / 2)
    return least + randomBelow(this.#rng, this.#everyCells - least)
  }
}

/** Byte by byte: calling what fills would take longer. */
function writeDataHeader(payloads: Uint8Array, at: number, streamId: number, length: number): void {
  payloads[at] = RelayCommand.DATA
  payloads[at + 1] = 0
  payloads[at + 2] = 0
  payloads[at + 3] = streamId >>> 8
  payloads[at + 4] = streamId
  payloads[at + 5] = 0
  payloads[at + 6] = 0
  payloads[at + 7] = 0
  payloads[at + 8] = 0
  payloads[at + 9] = length >>> 8
  payloads[at + 10] = length
}

/** How many of the bodies from index `from` on are DATA of one stream: at least 1, given that the first is. */
export function dataRunLength(bodies: Uint8Array, from: number): number {
  const start = from * CELL_BODY_BYTES
  let at = start + CELL_BODY_BYTES
  while (at < bodies.length && bodies[at] === RelayCommand.DATA && bodies[at + 3] === bodies[start + 3] && bodies[at + 4] === bodies[start + 4]) at += CELL_BODY_BYTES
  return (at - start) / CELL_BODY_BYTES
}

/**
 * The data of `count` DATA cells from index `from` on, moved together within `bodies`, whose part for these cells is given
 * up for it. Throws `protocol` for a length that does not fit.
 */
export function joinData(bodies: Uint8Array, from: number, count: number): Uint8Array {
  const begin = from * CELL_BODY_BYTES
  let filled = begin
  for (let at = begin; at < begin + count * CELL_BODY_BYTES; at += CELL_BODY_BYTES) {
    const length = relayDataLength(bodies, at)
    if (length > RELAY_DATA_BYTES_MAX) throw protocolError(`relay cell claims ${length} bytes of data`)
    const data = at + RELAY_HEADER_BYTES
    bodies.copyWithin(filled, data, data + length)
    filled += length
  }
  return bodies.subarray(begin, filled)
}
