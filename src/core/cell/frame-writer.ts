/**
 * Frames cells and batches of relay cells for a link (tor-spec §3): the counterpart of `frame-decoder.ts`. Frames are
 * collected in one buffer, so that everything a turn sends leaves in one write.
 */

import { assert } from '../base/assert.ts'
import { bytesToFill } from '../base/encoding.ts'
import type { Cell, RelayCellBatch } from './cell.ts'
import type { LentSpace } from './cell-space.ts'
import { isVariableLength } from './commands.ts'
import { CELL_BODY_BYTES, FRAME_WRITER_START_BYTES, VARIABLE_BODY_BYTES_MAX } from './limits.ts'

const empty = new Uint8Array(0)

export class FrameWriter {
  #buffer: Uint8Array = empty
  #length = 0
  #circuitIdBytes: 2 | 4 = 2
  readonly #space: LentSpace | undefined

  /** With `space`, which others may share, what is taken is only lent, until one of them writes again. */
  constructor(space?: LentSpace) {
    this.#space = space
  }

  /** What is written from now on is framed as this link protocol has it. */
  useLinkProtocol(version: number): void {
    this.#circuitIdBytes = version >= 4 ? 4 : 2
  }

  /** Bytes waiting to be taken. */
  get length(): number {
    return this.#length
  }

  writeCell(cell: Cell): void {
    const variable = isVariableLength(cell.command)
    assert(variable ? cell.body.length <= VARIABLE_BODY_BYTES_MAX : cell.body.length === CELL_BODY_BYTES, 'the body fits its frame')
    const start = this.#length
    const header = this.#circuitIdBytes + (variable ? 3 : 1)
    this.#grow(header + cell.body.length)
    this.#writeHeader(start, cell.circuitId, cell.command)
    if (variable) {
      this.#buffer[start + header - 2] = cell.body.length >>> 8
      this.#buffer[start + header - 1] = cell.body.length
    }
    this.#buffer.set(cell.body, start + header)
  }

  /** Takes `count` cells of the batch from cell `from` on; all of it unless told otherwise. */
  writeRelayBatch(batch: RelayCellBatch, from = 0, count: number = batch.count - from): void {
    assert(from >= 0 && count >= 0 && from + count <= batch.count, 'the range is inside the batch')
    if (count === 0) return
    const { circuitId, command, payloads } = batch
    let at = this.#length
    this.#grow(count * (this.#circuitIdBytes + 1 + CELL_BODY_BYTES))
    this.#writeHeader(at, circuitId, command)
    const buffer = this.#buffer
    const wide = this.#circuitIdBytes === 4
    const b0 = buffer[at] as number
    const b1 = buffer[at + 1] as number
    const b2 = buffer[at + 2] as number
    const b3 = buffer[at + 3] as number
    const end = (from + count) * CELL_BODY_BYTES
    for (let body = from * CELL_BODY_BYTES; body < end; body += CELL_BODY_BYTES) {
      buffer[at] = b0
      buffer[at + 1] = b1
      buffer[at + 2] = b2
      if (wide) {
        buffer[at + 3] = b3
        buffer[at + 4] = command
        at += 5
      } else at += 3
      buffer.set(payloads.subarray(body, body + CELL_BODY_BYTES), at)
      at += CELL_BODY_BYTES
    }
  }

  /** Everything written since the last call; the caller owns it, unless it is lent. */
  take(): Uint8Array {
    const out = this.#buffer.subarray(0, this.#length)
    this.#buffer = empty
    this.#length = 0
    return out
  }

  #writeHeader(at: number, circuitId: number, command: number): void {
    const buffer = this.#buffer
    if (this.#circuitIdBytes === 4) {
      buffer[at] = circuitId >>> 24
      buffer[at + 1] = circuitId >>> 16
      buffer[at + 2] = circuitId >>> 8
      buffer[at + 3] = circuitId
      buffer[at + 4] = command
    } else {
      assert(circuitId <= 0xffff, 'the circuit id fits 2 bytes')
      buffer[at] = circuitId >>> 8
      buffer[at + 1] = circuitId
      buffer[at + 2] = command
    }
  }

  #grow(by: number): void {
    const wanted = this.#length + by
    if (wanted > this.#buffer.length) {
      const length = Math.max(wanted, this.#buffer.length * 2, FRAME_WRITER_START_BYTES)
      if (this.#length === 0) this.#space?.takeBack()
      const larger = this.#space?.lend(length) ?? bytesToFill(length)
      larger.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = larger
    }
    this.#length = wanted
  }
}
