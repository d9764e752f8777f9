/**
 * SHA-1 that goes on: fed piece by piece, read at any time, copied at next to no cost (FIPS 180-4). For the running digests
 * of relay cryptography (tor-spec §6.1), which are read after every cell. Nothing here is secret-dependent in time.
 */

import { sha1Module } from './sha1-module.ts'

interface Sha1Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  compress(from: number, to: number): void
}

/** The part of the WebAssembly interface that is used; Node's type declarations leave it to browsers'. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

const BLOCK_BYTES = 64
const DIGEST_BYTES = 20
/** Where blocks lie in the module's memory, behind the state. */
const DATA_AT = 64
/** What goes through the memory at a time, in whole blocks. */
const DATA_BYTES_MAX = 32 * 1024
const INITIAL = Object.freeze([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0])

/** Shared by all digests: working space, in which nothing is left from one call to the next. */
const engine = new WebAssembly.Instance(new WebAssembly.Module(sha1Module())).exports as Sha1Exports
const bytes = new Uint8Array(engine.memory.buffer)
const words = new Int32Array(engine.memory.buffer, 0, 5)
/** A block's room behind the data, through which what is left over goes: views are made once, not for every cell. */
const LEFT_OVER_AT = DATA_AT + DATA_BYTES_MAX
const leftOver = bytes.subarray(LEFT_OVER_AT, LEFT_OVER_AT + BLOCK_BYTES)

export class Sha1Stream {
  readonly #state = Int32Array.from(INITIAL)
  /** What does not fill a block yet: the first `#length % 64` bytes. */
  readonly #partial = new Uint8Array(BLOCK_BYTES)
  #length = 0

  update(data: Uint8Array): this {
    const held = this.#length % BLOCK_BYTES
    this.#length += data.length
    if (held + data.length < BLOCK_BYTES) {
      this.#partial.set(data, held)
      return this
    }
    words.set(this.#state)
    if (held > 0) bytes.set(this.#partial, DATA_AT)
    let start = DATA_AT + held
    let at = 0
    do {
      const take = Math.min(data.length - at, DATA_BYTES_MAX - (start - DATA_AT))
      bytes.set(take === data.length ? data : data.subarray(at, at + take), start)
      at += take
      const filled = start - DATA_AT + take
      const whole = filled - (filled % BLOCK_BYTES)
      if (whole > 0) engine.compress(DATA_AT, DATA_AT + whole)
      if (at === data.length) {
        bytes.copyWithin(LEFT_OVER_AT, DATA_AT + whole, DATA_AT + filled)
        this.#partial.set(leftOver)
      }
      // The space is a multiple of blocks, so nothing is left over before the end.
      start = DATA_AT
    } while (at < data.length)
    this.#state.set(words)
    return this
  }

  /** The digest of everything fed so far: 20 bytes. */
  digest(): Uint8Array {
    const out = new Uint8Array(DIGEST_BYTES)
    this.digestInto(out, 0, DIGEST_BYTES)
    return out
  }

  /** Writes the first `length` bytes of the digest to `target` at `at`. */
  digestInto(target: Uint8Array, at: number, length: number): void {
    const held = this.#length % BLOCK_BYTES
    const end = DATA_AT + (held < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES)
    bytes.set(this.#partial, DATA_AT)
    bytes.fill(0, DATA_AT + held, end)
    bytes[DATA_AT + held] = 0x80
    writeBigEndian(bytes, end - 8, Math.floor(this.#length / 0x2000_0000))
    writeBigEndian(bytes, end - 4, (this.#length << 3) >>> 0)
    words.set(this.#state)
    engine.compress(DATA_AT, end)
    for (let i = 0; i < length; i++) target[at + i] = (words[i >>> 2] as number) >>> (24 - 8 * (i & 3))
  }

  copy(): Sha1Stream {
    return new Sha1Stream().become(this)
  }

  /** Takes over the state of another. */
  become(other: Sha1Stream): this {
    this.#state.set(other.#state)
    this.#partial.set(other.#partial)
    this.#length = other.#length
    return this
  }
}

function writeBigEndian(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
}
