/**
 * What a stream has still to write, joined as it comes, so that whoever wrote it has it back at once: in buffers of the size of
 * one call into the operating system, which all streams of a process use in turn. A few bytes, as a cell that travels alone,
 * have no large buffer to themselves.
 */

import { BufferPool } from '../core/base/buffer-pool.ts'
import { bytesToFill } from '../core/base/encoding.ts'
import { hostLimits } from './limits.ts'

/** For all streams of a process. */
export const makeWriteBuffers = (): BufferPool => new BufferPool(hostLimits.joinedWriteBytesMax, hostLimits.writeBuffersKept)

export class OutgoingBytes {
  readonly #buffers: BufferPool
  /** All full but the last. */
  #waiting: Uint8Array[] = []
  #lastLength = 0
  #length = 0

  constructor(buffers: BufferPool) {
    this.#buffers = buffers
  }

  get length(): number {
    return this.#length
  }

  push(bytes: Uint8Array): void {
    this.#length += bytes.length
    for (let from = 0; from < bytes.length; ) {
      const buffer = this.#roomFor(bytes.length - from)
      const count = Math.min(buffer.length - this.#lastLength, bytes.length - from)
      buffer.set(count === bytes.length ? bytes : bytes.subarray(from, from + count), this.#lastLength)
      this.#lastLength += count
      from += count
    }
  }

  /** The first buffer, which is the taker's until it is given back, and how much of it is filled. Undefined when nothing waits. */
  take(): { readonly buffer: Uint8Array; readonly length: number } | undefined {
    const buffer = this.#waiting.shift()
    if (buffer === undefined) return undefined
    const length = this.#waiting.length === 0 ? this.#lastLength : buffer.length
    this.#length -= length
    return { buffer, length }
  }

  clear(): void {
    for (const buffer of this.#waiting) this.#buffers.giveBack(buffer)
    this.#waiting = []
    this.#length = 0
  }

  /** The last buffer, with room for one byte at least. */
  #roomFor(bytes: number): Uint8Array {
    const last = this.#waiting.at(-1)
    if (last === undefined || this.#lastLength === hostLimits.joinedWriteBytesMax) {
      const next = last === undefined && bytes <= hostLimits.smallWriteBytesMax ? bytesToFill(hostLimits.smallWriteBytesMax) : this.#buffers.take()
      this.#waiting.push(next)
      this.#lastLength = 0
      return next
    }
    if (this.#lastLength + bytes <= last.length || last.length === hostLimits.joinedWriteBytesMax) return last
    // Only the first is small.
    const larger = this.#buffers.take()
    larger.set(last.subarray(0, this.#lastLength))
    this.#waiting = [larger]
    return larger
  }
}
