/** Bytes waiting in the chunks they came in. Chunks are read, never written to. */

import { copyBytes } from '../../base/encoding.ts'

export class ByteQueue {
  #chunks: Uint8Array[] = []
  /** Index of the first chunk not used up, and how much of it is. */
  #head = 0
  #offset = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** Moves the next `count` bytes, which must be there, to `target` at `at`. */
  moveTo(target: Uint8Array, at: number, count: number): void {
    this.#length -= count
    while (count > 0) {
      const chunk = this.#chunks[this.#head] as Uint8Array
      const take = Math.min(count, chunk.length - this.#offset)
      target.set(take === chunk.length ? chunk : chunk.subarray(this.#offset, this.#offset + take), at)
      at += take
      count -= take
      this.#offset += take
      if (this.#offset === chunk.length) this.#next()
    }
  }

  /** What is left of the last chunk is copied: whoever pushed it wants it back. */
  keep(): void {
    const last = this.#chunks.length - 1
    const chunk = this.#chunks[last]
    if (chunk === undefined) return
    if (last > this.#head) {
      this.#chunks[last] = copyBytes(chunk)
    } else {
      this.#chunks[last] = copyBytes(chunk.subarray(this.#offset))
      this.#offset = 0
    }
  }

  clear(): void {
    this.#chunks = []
    this.#head = 0
    this.#offset = 0
    this.#length = 0
  }

  #next(): void {
    this.#offset = 0
    this.#head++
    if (this.#head === this.#chunks.length) {
      this.#chunks.length = 0
      this.#head = 0
    } else if (this.#head > 64) {
      this.#chunks = this.#chunks.slice(this.#head)
      this.#head = 0
    }
  }
}
