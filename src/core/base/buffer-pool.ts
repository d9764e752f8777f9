/**
 * Buffers of one size for whoever needs one next. What waits for a turn of the event loop or two needs memory often and for
 * a short time: of its own, it would live just long enough for the collector to take it for old.
 */

import { bytesToFill } from './encoding.ts'

export class BufferPool {
  readonly #bufferBytes: number
  readonly #keptMax: number
  #free: Uint8Array[] = []

  /** Of those given back it keeps `keptMax`; the collector has the others. */
  constructor(bufferBytes: number, keptMax: number) {
    this.#bufferBytes = bufferBytes
    this.#keptMax = keptMax
  }

  /** With anything in it. */
  take(): Uint8Array {
    return this.#free.pop() ?? bytesToFill(this.#bufferBytes)
  }

  /** Nobody may use it any more. One of another size is left to the collector. */
  giveBack(buffer: Uint8Array): void {
    if (buffer.length === this.#bufferBytes && this.#free.length < this.#keptMax) this.#free.push(buffer)
  }

  /** Keeps none. */
  clear(): void {
    this.#free = []
  }
}
