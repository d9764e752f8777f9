/**
 * Bytes that wait in the order in which they came, joined in buffers that all streams of a process use in turn. Whoever brought
 * them has them back at once.
 */

import type { BufferPool } from '../core/base/buffer-pool.ts'

export class JoinedBytes {
  protected readonly buffers: BufferPool
  /** All full but the last. */
  protected waiting: Uint8Array[] = []
  /** How much of the last is filled. */
  protected lastLength = 0
  #length = 0

  constructor(buffers: BufferPool) {
    this.buffers = buffers
  }

  get length(): number {
    return this.#length
  }

  push(bytes: Uint8Array): void {
    this.#length += bytes.length
    for (let from = 0; from < bytes.length; ) {
      const buffer = this.roomFor(bytes.length - from)
      const count = Math.min(buffer.length - this.lastLength, bytes.length - from)
      buffer.set(count === bytes.length ? bytes : bytes.subarray(from, from + count), this.lastLength)
      this.lastLength += count
      from += count
    }
  }

  /** The first buffer, which is the taker's until it is given back, and how much of it is filled. Undefined when nothing waits. */
  take(): { readonly buffer: Uint8Array; readonly length: number } | undefined {
    const buffer = this.waiting.shift()
    if (buffer === undefined) return undefined
    const length = this.waiting.length === 0 ? this.lastLength : buffer.length
    this.#length -= length
    return { buffer, length }
  }

  clear(): void {
    for (const buffer of this.waiting) this.buffers.giveBack(buffer)
    this.waiting = []
    this.#length = 0
  }

  /** The last buffer, with room for one byte at least; so many are to come. */
  protected roomFor(_bytes: number): Uint8Array {
    const last = this.waiting.at(-1)
    return last === undefined || this.lastLength === last.length ? this.append(this.buffers.take()) : last
  }

  protected append(buffer: Uint8Array): Uint8Array {
    this.waiting.push(buffer)
    this.lastLength = 0
    return buffer
  }
}
