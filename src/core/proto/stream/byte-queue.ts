/**
 * Bytes waiting in the chunks they came in. Chunks are read, never written to, and are their owner's again after `keep`: what is
 * left of them then goes into buffers that the queues of a circuit end use one after the other.
 */

import { BufferPool } from '../../base/buffer-pool.ts'
import { copyBytes } from '../../base/encoding.ts'
import { QUEUE_BUFFER_BYTES, QUEUE_BUFFERS_KEPT, QUEUE_SMALL_BYTES_MAX } from './limits.ts'

/** For all queues of a circuit end. */
export const makeQueueBuffers = (): BufferPool => new BufferPool(QUEUE_BUFFER_BYTES, QUEUE_BUFFERS_KEPT)

export class ByteQueue {
  readonly #buffers: BufferPool
  #chunks: Uint8Array[] = []
  /** For each chunk the buffer that it is the filled part of, if it is in one. */
  #bufferOf: (Uint8Array | undefined)[] = []
  /** Index of the first chunk not used up, and how much of it is. */
  #head = 0
  #offset = 0
  #length = 0

  constructor(buffers: BufferPool = makeQueueBuffers()) {
    this.#buffers = buffers
  }

  get length(): number {
    return this.#length
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#append(chunk, undefined)
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

  /** What is left of the last chunk is copied: whoever pushed it wants it back. To be called before another is pushed. */
  keep(): void {
    const last = this.#chunks.length - 1
    const chunk = this.#chunks[last]
    if (chunk === undefined || this.#bufferOf[last] !== undefined) return
    this.#chunks.pop()
    this.#bufferOf.pop()
    let rest = chunk
    if (last === this.#head) {
      rest = chunk.subarray(this.#offset)
      this.#offset = 0
    } else {
      rest = this.#fillLast(chunk)
    }
    while (rest.length > QUEUE_SMALL_BYTES_MAX) {
      this.#append(empty, this.#buffers.take())
      rest = this.#fillLast(rest)
    }
    // Few bytes have no large buffer to themselves.
    if (rest.length > 0) this.#append(copyBytes(rest), undefined)
  }

  clear(): void {
    for (const buffer of this.#bufferOf) if (buffer !== undefined) this.#buffers.giveBack(buffer)
    this.#chunks = []
    this.#bufferOf = []
    this.#head = 0
    this.#offset = 0
    this.#length = 0
  }

  #append(chunk: Uint8Array, buffer: Uint8Array | undefined): void {
    this.#chunks.push(chunk)
    this.#bufferOf.push(buffer)
  }

  /** Puts as much of the bytes into the last chunk's buffer as it has room for; answers the rest. */
  #fillLast(bytes: Uint8Array): Uint8Array {
    const last = this.#chunks.length - 1
    const buffer = this.#bufferOf[last]
    const filled = this.#chunks[last]?.length ?? 0
    if (buffer === undefined || filled === buffer.length) return bytes
    const count = Math.min(bytes.length, buffer.length - filled)
    buffer.set(bytes.subarray(0, count), filled)
    this.#chunks[last] = buffer.subarray(0, filled + count)
    return bytes.subarray(count)
  }

  #next(): void {
    const buffer = this.#bufferOf[this.#head]
    if (buffer !== undefined) this.#buffers.giveBack(buffer)
    this.#bufferOf[this.#head] = undefined
    this.#offset = 0
    this.#head++
    if (this.#head === this.#chunks.length) {
      this.#chunks.length = 0
      this.#bufferOf.length = 0
      this.#head = 0
    } else if (this.#head > 64) {
      this.#chunks = this.#chunks.slice(this.#head)
      this.#bufferOf = this.#bufferOf.slice(this.#head)
      this.#head = 0
    }
  }
}

const empty = new Uint8Array(0)
