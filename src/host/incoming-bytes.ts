/**
 * What a socket has brought and nobody has handled yet, joined as it comes: in buffers of the size of one chunk, which all
 * streams of a process use in turn. Whoever brought it has it back at once.
 */

import { BufferPool } from '../core/base/buffer-pool.ts'
import { copyBytes } from '../core/base/encoding.ts'
import { hostLimits } from './limits.ts'

/** For all streams of a process. */
export const makeReadBuffers = (): BufferPool => new BufferPool(hostLimits.readChunkBytesMax, hostLimits.readBuffersKept)

export class IncomingBytes {
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
      let last = this.#waiting.at(-1)
      if (last === undefined || this.#lastLength === last.length) {
        last = this.#buffers.take()
        this.#waiting.push(last)
        this.#lastLength = 0
      }
      const count = Math.min(last.length - this.#lastLength, bytes.length - from)
      last.set(count === bytes.length ? bytes : bytes.subarray(from, from + count), this.#lastLength)
      this.#lastLength += count
      from += count
    }
  }

  /** Lends `use` the first chunk, until it returns. Not to be called when nothing waits. */
  lendFirst(use: (chunk: Uint8Array) => void): void {
    const buffer = this.#waiting.shift()
    if (buffer === undefined) return
    const length = this.#waiting.length === 0 ? this.#lastLength : buffer.length
    this.#length -= length
    use(length === buffer.length ? buffer : buffer.subarray(0, length))
    this.#buffers.giveBack(buffer)
  }

  /** What waits for longer than a turn has no more memory than it needs. */
  shrink(): void {
    const last = this.#waiting.at(-1)
    if (last === undefined || this.#lastLength === last.length) return
    this.#waiting[this.#waiting.length - 1] = copyBytes(last.subarray(0, this.#lastLength))
    this.#buffers.giveBack(last)
  }

  clear(): void {
    for (const buffer of this.#waiting) this.#buffers.giveBack(buffer)
    this.#waiting = []
    this.#length = 0
  }
}

/**
 * Reads a socket that is yet to be made, with this as its option `onread`: without the streams of Node.js, of which each
 * piece would be an object with memory of its own. Only sockets that are dialled can have it.
 */
export class SocketReader {
  readonly incoming: IncomingBytes
  /** Told after more has come. */
  listener: (() => void) | undefined
  readonly onread: { readonly buffer: Uint8Array; readonly callback: (bytes: number, buffer: Uint8Array) => boolean }

  /** `space`: what is read goes there first, for all sockets alike. */
  constructor(buffers: BufferPool, space: Uint8Array) {
    this.incoming = new IncomingBytes(buffers)
    this.onread = {
      buffer: space,
      callback: (bytes) => {
        this.incoming.push(bytes === space.length ? space : space.subarray(0, bytes))
        this.listener?.()
        return true
      },
    }
  }
}
