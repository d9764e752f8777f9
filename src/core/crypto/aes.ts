/** AES in counter mode as a stream. Encrypting and decrypting are the same operation. */

import { createCipheriv, type Cipher } from 'node:crypto'
import { assert } from '../base/assert.ts'
import { giveUpMemory } from '../base/give-up-memory.ts'

export class AesCtrStream {
  readonly #cipher: Cipher

  /** `key` of 16 bytes (AES-128) or 32 bytes (AES-256); `iv` of 16 bytes, zero unless given. */
  constructor(key: Uint8Array, iv: Uint8Array = new Uint8Array(16)) {
    assert(key.length === 16 || key.length === 32, 'an AES key has 16 or 32 bytes')
    this.#cipher = createCipheriv(key.length === 16 ? 'aes-128-ctr' : 'aes-256-ctr', key, iv)
  }

  /** The next `data.length` bytes of keystream applied to `data`, in a new array. One call for many cells is far cheaper than a call a cell. */
  apply(data: Uint8Array): Uint8Array {
    const out = this.#cipher.update(data)
    // A plain Uint8Array over the same memory: `slice` of a Buffer would be a view, which is not what readers expect.
    return new Uint8Array(out.buffer, out.byteOffset, out.length)
  }

  /** The same in place: taking the result back and freeing it at once takes less time than leaving it to the collector. */
  applyInPlace(data: Uint8Array): void {
    const out = this.#cipher.update(data)
    data.set(out)
    giveUpMemory(out)
  }
}
