/**
 * Turns the bytes of a link into cells and batches of relay cells (tor-spec §3):
 *
 *     circuit id 2 or 4 | command 1 | body 509
 *     circuit id 2 or 4 | command 1 | length 2 | body
 *
 * Relay cells of one circuit that follow each other in a chunk come out as one batch. Unknown commands come out as
 * cells: dropping them is for the channel.
 */

import { assert } from '../base/assert.ts'
import { bytesToFill } from '../base/encoding.ts'
import type { Frame, RelayCellBatch } from './cell.ts'
import type { LentSpace } from './cell-space.ts'
import { isRelayCommand, isVariableLength } from './commands.ts'
import { CELL_BODY_BYTES, RELAY_BATCH_CELLS_MAX, VARIABLE_BODY_BYTES_MAX } from './limits.ts'

const empty = new Uint8Array(0)

/** Not `slice`, which for a Buffer is a view: the chunk is not ours. */
const copyOf = (bytes: Uint8Array, start: number, end: number): Uint8Array => new Uint8Array(bytes.subarray(start, end))

export class FrameDecoder {
  /** The chunk being worked on; it belongs to whoever pushed it. */
  #chunk: Uint8Array = empty
  #at = 0
  /** The first bytes of a frame whose end has not come yet. */
  #held: Uint8Array = new Uint8Array(5 + CELL_BODY_BYTES)
  #heldLength = 0
  /** tor-spec §3: 2 until versions are agreed, then by the link protocol. */
  #circuitIdBytes: 2 | 4 = 2
  readonly #space: LentSpace | undefined

  /** With `space`, which others may share, bodies of batches are only lent, until the next chunk is pushed to any of them. */
  constructor(space?: LentSpace) {
    this.#space = space
  }

  /** What follows is framed as this link protocol has it (tor-spec §3: 4-byte circuit ids from version 4 on). */
  useLinkProtocol(version: number): void {
    this.#circuitIdBytes = version >= 4 ? 4 : 2
  }

  /**
   * Gives the next bytes of the link. `next` is then called until it says undefined; up to that moment the decoder
   * reads from `chunk` itself.
   */
  push(chunk: Uint8Array): void {
    assert(this.#at === this.#chunk.length, 'the last chunk was used up')
    this.#chunk = chunk
    this.#at = 0
    this.#space?.takeBack()
  }

  /** The next frame; undefined when more bytes are needed. */
  next(): Frame | undefined {
    if (this.#heldLength > 0) return this.#nextFromHeld()
    const left = this.#chunk.length - this.#at
    const header = this.#circuitIdBytes + 1
    if (left >= header) {
      const chunk = this.#chunk
      const circuitId = this.#circuitIdAt(chunk, this.#at)
      const command = chunk[this.#at + this.#circuitIdBytes] as number
      if (isVariableLength(command)) {
        const length = left < header + 2 ? undefined : ((chunk[this.#at + header] as number) << 8) | (chunk[this.#at + header + 1] as number)
        if (length !== undefined && left >= header + 2 + length) {
          const start = this.#at + header + 2
          this.#at = start + length
          return { circuitId, command, body: copyOf(chunk, start, start + length) }
        }
      } else if (left >= header + CELL_BODY_BYTES) {
        if (isRelayCommand(command)) return this.#takeBatch(circuitId, command, false)
        const start = this.#at + header
        this.#at = start + CELL_BODY_BYTES
        return { circuitId, command, body: copyOf(chunk, start, start + CELL_BODY_BYTES) }
      }
    }
    this.#hold(left)
    return undefined
  }

  /** Finishes the frame that an earlier chunk began. */
  #nextFromHeld(): Frame | undefined {
    const header = this.#circuitIdBytes + 1
    if (!this.#fill(header)) return undefined
    const command = this.#held[this.#circuitIdBytes] as number
    let start = header
    let length = CELL_BODY_BYTES
    if (isVariableLength(command)) {
      start += 2
      if (!this.#fill(start)) return undefined
      length = ((this.#held[header] as number) << 8) | (this.#held[header + 1] as number)
    }
    if (!this.#fill(start + length)) return undefined
    this.#heldLength = 0
    const circuitId = this.#circuitIdAt(this.#held, 0)
    if (isRelayCommand(command)) return this.#takeBatch(circuitId, command, true)
    return { circuitId, command, body: this.#held.slice(start, start + length) }
  }

  /** The held relay cell, if there is one, and those of the same kind and circuit that follow in the chunk. */
  #takeBatch(circuitId: number, command: number, startsHeld: boolean): RelayCellBatch {
    const chunk = this.#chunk
    const header = this.#circuitIdBytes + 1
    const frame = header + CELL_BODY_BYTES
    const first = startsHeld ? 1 : 0
    let count = first
    // Byte by byte: what a call takes while code is cold would be as much as moving the cell.
    const wide = this.#circuitIdBytes === 4
    const high = wide ? circuitId >>> 16 : circuitId
    const low = circuitId & 0xffff
    const end = chunk.length - frame
    for (let at = this.#at; count < RELAY_BATCH_CELLS_MAX && at <= end; at += frame) {
      if (chunk[at + header - 1] !== command || (((chunk[at] as number) << 8) | (chunk[at + 1] as number)) !== high) break
      if (wide && (((chunk[at + 2] as number) << 8) | (chunk[at + 3] as number)) !== low) break
      count++
    }
    const payloads = this.#space?.lend(count * CELL_BODY_BYTES) ?? bytesToFill(count * CELL_BODY_BYTES)
    if (startsHeld) payloads.set(this.#held.subarray(header, frame), 0)
    let at = this.#at + header
    for (let i = first; i < count; i++) {
      payloads.set(chunk.subarray(at, at + CELL_BODY_BYTES), i * CELL_BODY_BYTES)
      at += frame
    }
    this.#at += (count - first) * frame
    return { circuitId, command, count, payloads }
  }

  /** Moves bytes from the chunk until `target` are held; false when the chunk ends first. */
  #fill(target: number): boolean {
    if (this.#heldLength < target) this.#hold(Math.min(target - this.#heldLength, this.#chunk.length - this.#at))
    return this.#heldLength >= target
  }

  #hold(count: number): void {
    const wanted = this.#heldLength + count
    if (wanted > this.#held.length) {
      // A variable-length cell: room for the largest at once, so that a peer that dribbles does not make us copy often.
      const larger = new Uint8Array(this.#circuitIdBytes + 3 + VARIABLE_BODY_BYTES_MAX)
      larger.set(this.#held.subarray(0, this.#heldLength))
      this.#held = larger
    }
    this.#held.set(this.#chunk.subarray(this.#at, this.#at + count), this.#heldLength)
    this.#heldLength = wanted
    this.#at += count
    if (this.#at === this.#chunk.length) {
      this.#chunk = empty
      this.#at = 0
    }
  }

  #circuitIdAt(bytes: Uint8Array, at: number): number {
    const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
    if (this.#circuitIdBytes === 2) return high
    return high * 0x10000 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
  }
}
