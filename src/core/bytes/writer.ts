/** Builds a byte string; the counterpart of `Reader`. Integers are big-endian. */

import { assert } from '../base/assert.ts'

export class Writer {
  #buffer: Uint8Array
  #length = 0

  constructor(capacity = 64) {
    this.#buffer = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xff, 'value fits in 8 bits')
    const at = this.#grow(1)
    this.#buffer[at] = value
    return this
  }

  u16(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xffff, 'value fits in 16 bits')
    const at = this.#grow(2)
    this.#buffer[at] = value >>> 8
    this.#buffer[at + 1] = value
    return this
  }

  u32(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, 'value fits in 32 bits')
    const at = this.#grow(4)
    this.#buffer[at] = value >>> 24
    this.#buffer[at + 1] = value >>> 16
    this.#buffer[at + 2] = value >>> 8
    this.#buffer[at + 3] = value
    return this
  }

  u64(value: bigint): this {
    assert(value >= 0n && value < 1n << 64n, 'value fits in 64 bits')
    return this.u32(Number(value >> 32n)).u32(Number(value & 0xffff_ffffn))
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length)
    this.#buffer.set(value, at)
    return this
  }

  zeros(count: number): this {
    this.#grow(count)
    return this
  }

  /** What `write` emits, behind its length in 1, 2 or 4 bytes. */
  sized(lengthBytes: 1 | 2 | 4, write: (inside: Writer) => void): this {
    const inside = new Writer()
    write(inside)
    const value = inside.finish()
    if (lengthBytes === 1) this.u8(value.length)
    else if (lengthBytes === 2) this.u16(value.length)
    else this.u32(value.length)
    return this.bytes(value)
  }

  /** The bytes written so far, as a view that later writes do not touch once this writer is dropped. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  #grow(by: number): number {
    const at = this.#length
    const wanted = at + by
    if (wanted > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(wanted, this.#buffer.length * 2))
      larger.set(this.#buffer.subarray(0, at))
      this.#buffer = larger
    }
    this.#length = wanted
    return at
  }
}
