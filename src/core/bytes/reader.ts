/**
 * A cursor over bytes, for decoders. Integers are big-endian, as everywhere in Tor. Reading past the end throws
 * `protocol` with a message that names what was read: decoders of whole messages use it directly, incremental decoders
 * check `remaining` first and return "need more".
 */

import { RelishError } from '../base/errors.ts'

export class Reader {
  readonly #bytes: Uint8Array
  #at: number
  readonly #end: number

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get remaining(): number {
    return this.#end - this.#at
  }

  /** Bytes consumed so far, counted from the start of the underlying array. */
  get offset(): number {
    return this.#at
  }

  u8(what = 'byte'): number {
    this.#need(1, what)
    return this.#bytes[this.#at++] as number
  }

  u16(what = '16-bit number'): number {
    this.#need(2, what)
    const b = this.#bytes
    const at = this.#at
    this.#at = at + 2
    return ((b[at] as number) << 8) | (b[at + 1] as number)
  }

  u32(what = '32-bit number'): number {
    this.#need(4, what)
    const b = this.#bytes
    const at = this.#at
    this.#at = at + 4
    return (((b[at] as number) << 24) | ((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number)) >>> 0
  }

  u64(what = '64-bit number'): bigint {
    const high = this.u32(what)
    const low = this.u32(what)
    return (BigInt(high) << 32n) | BigInt(low)
  }

  /** A view of the next `length` bytes; it shares memory with the input. */
  view(length: number, what = 'bytes'): Uint8Array {
    this.#need(length, what)
    const at = this.#at
    this.#at = at + length
    return this.#bytes.subarray(at, at + length)
  }

  /** A copy of the next `length` bytes: not with `slice`, which for a Buffer shares memory. */
  take(length: number, what = 'bytes'): Uint8Array {
    return new Uint8Array(this.view(length, what))
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.view(this.remaining)
  }

  skip(length: number, what = 'bytes'): void {
    this.view(length, what)
  }

  /** Decodes a nested field of `length` bytes; the inside must be used up. */
  nested<T>(length: number, what: string, decode: (inside: Reader) => T): T {
    this.#need(length, what)
    const inside = new Reader(this.#bytes, this.#at, this.#at + length)
    this.#at += length
    const value = decode(inside)
    inside.finish(what)
    return value
  }

  /** Bytes up to a zero byte, which is consumed and not returned. */
  untilZero(what: string): Uint8Array {
    const zero = this.#bytes.subarray(this.#at, this.#end).indexOf(0)
    if (zero < 0) throw new RelishError('protocol', `${what} has no terminating zero`)
    const view = this.view(zero, what)
    this.#at += 1
    return view
  }

  /** Insists that nothing is left. */
  finish(what: string): void {
    if (this.remaining !== 0) throw new RelishError('protocol', `${what} has ${this.remaining} bytes too many`)
  }

  #need(length: number, what: string): void {
    if (length < 0 || length > this.#end - this.#at) {
      throw new RelishError('protocol', `truncated ${what}: ${length} bytes wanted, ${this.#end - this.#at} left`)
    }
  }
}
