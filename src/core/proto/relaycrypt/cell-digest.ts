/**
 * The running digest of a direction of a layer, which says of which cells they end here (tor-spec §6.1): over the seed
 * and then over every cell that does, its digest field taken as zero. Circuits use SHA-1, which runs over whole batches in
 * WebAssembly of our own; the layer between client and onion service uses SHA3-256 of `node:crypto`, cell by cell.
 */

import { assert } from '../../base/assert.ts'
import { runModule } from '../../bytes/wasm-writer.ts'
import { CELL_BODY_BYTES, RELAY_BATCH_CELLS_MAX } from '../../cell/limits.ts'
import { SHA1_BLOCK_BYTES, SHA1_START, SHA1_STATE_AT } from '../../crypto/sha1-compression.ts'
import { RunningDigest } from '../../crypto/hashes.ts'
import { sha1CellsBytes } from './sha1-cells-bytes.ts'
import { CELLS_AT, DIGEST_AT, RECOGNIZED_AT, TAG_BYTES, TAGS_AT, type Sha1CellsExports } from './sha1-cells.ts'

export { TAG_BYTES }

const DIGEST_BYTES = 4

export interface CellDigest {
  /** Takes the unciphered bodies, whose digest fields are zero, and fills those in. Answers the tags of all, side by side. */
  seal(payloads: Uint8Array): Uint8Array
  /**
   * How many of the deciphered bodies, from the one with index `first` on, end here: up to the first that does not. Their tags
   * are written to `tags` at `tagAt`, and their digest fields are zero then.
   */
  recognize(payloads: Uint8Array, first: number, tags: Uint8Array, tagAt: number): number
}

/** Working space shared by all digests, in which nothing is left from one call to the next. */
const engine = runModule<Sha1CellsExports>(sha1CellsBytes)
const memory = new Uint8Array(engine.memory.buffer)
const state = new Int32Array(engine.memory.buffer, SHA1_STATE_AT, SHA1_START.length)

export class Sha1CellDigest implements CellDigest {
  readonly #state = Int32Array.from(SHA1_START)
  /** The end of the message so far: its last bytes that fill no block are the last of these. */
  readonly #end = new Uint8Array(SHA1_BLOCK_BYTES)
  #messageBytes: number

  constructor(seed: Uint8Array) {
    assert(seed.length < SHA1_BLOCK_BYTES, 'the seed fills no block')
    this.#end.set(seed, SHA1_BLOCK_BYTES - seed.length)
    this.#messageBytes = seed.length
  }

  seal(payloads: Uint8Array): Uint8Array {
    const cells = payloads.length / CELL_BODY_BYTES
    const tags = new Uint8Array(cells * TAG_BYTES)
    for (let first = 0; first < cells; first += RELAY_BATCH_CELLS_MAX) {
      const count = Math.min(cells - first, RELAY_BATCH_CELLS_MAX)
      this.#run(payloads, first, count, false)
      tags.set(memory.subarray(TAGS_AT, TAGS_AT + count * TAG_BYTES), first * TAG_BYTES)
    }
    for (let at = DIGEST_AT, tagAt = 0; tagAt < tags.length; at += CELL_BODY_BYTES, tagAt += TAG_BYTES) {
      for (let i = 0; i < DIGEST_BYTES; i++) payloads[at + i] = tags[tagAt + i] as number
    }
    return tags
  }

  recognize(payloads: Uint8Array, first: number, tags: Uint8Array, tagAt: number): number {
    const count = Math.min(payloads.length / CELL_BODY_BYTES - first, RELAY_BATCH_CELLS_MAX)
    const done = this.#run(payloads, first, count, true)
    if (done > 0) tags.set(memory.subarray(TAGS_AT, TAGS_AT + done * TAG_BYTES), tagAt)
    for (let i = first; i < first + done; i++) clearDigest(payloads, i * CELL_BODY_BYTES)
    return done
  }

  /** Cells that the digest has gone over: all, but where it is checking and finds one that is not ours. */
  #run(payloads: Uint8Array, first: number, count: number, checking: boolean): number {
    const held = this.#messageBytes % SHA1_BLOCK_BYTES
    state.set(this.#state)
    memory.set(this.#end, CELLS_AT - SHA1_BLOCK_BYTES)
    memory.set(count * CELL_BODY_BYTES === payloads.length ? payloads : payloads.subarray(first * CELL_BODY_BYTES, (first + count) * CELL_BODY_BYTES), CELLS_AT)
    const done = engine.digestCells(held, count, Math.floor(this.#messageBytes / 0x2000_0000), (this.#messageBytes << 3) | 0, checking ? 1 : 0)
    const end = CELLS_AT + done * CELL_BODY_BYTES
    this.#end.set(memory.subarray(end - SHA1_BLOCK_BYTES, end))
    this.#state.set(state)
    this.#messageBytes += done * CELL_BODY_BYTES
    return done
  }
}

/** A digest of `node:crypto` is copied to be read, and replaced when the cell proves to be ours. */
export class Sha3CellDigest implements CellDigest {
  #digest: RunningDigest

  constructor(seed: Uint8Array) {
    this.#digest = new RunningDigest('sha3-256').update(seed)
  }

  seal(payloads: Uint8Array): Uint8Array {
    const tags = new Uint8Array((payloads.length / CELL_BODY_BYTES) * TAG_BYTES)
    for (let at = 0, tagAt = 0; at < payloads.length; at += CELL_BODY_BYTES, tagAt += TAG_BYTES) {
      const tag = this.#digest.update(payloads.subarray(at, at + CELL_BODY_BYTES)).peek().subarray(0, TAG_BYTES)
      tags.set(tag, tagAt)
      payloads.set(tag.subarray(0, DIGEST_BYTES), at + DIGEST_AT)
    }
    return tags
  }

  recognize(payloads: Uint8Array, first: number, tags: Uint8Array, tagAt: number): number {
    let at = first * CELL_BODY_BYTES
    for (; at < payloads.length && mayBeRecognized(payloads, at); at += CELL_BODY_BYTES) {
      const claimed = payloads.slice(at + DIGEST_AT, at + DIGEST_AT + DIGEST_BYTES)
      clearDigest(payloads, at)
      const candidate = this.#digest.copy().update(payloads.subarray(at, at + CELL_BODY_BYTES))
      const tag = candidate.peek().subarray(0, TAG_BYTES)
      if (!claimed.every((byte, i) => byte === tag[i])) {
        // tor-spec §6.1: no match, so the running digest stays as it was and the cell goes on.
        payloads.set(claimed, at + DIGEST_AT)
        break
      }
      this.#digest = candidate
      tags.set(tag, tagAt + (at / CELL_BODY_BYTES - first) * TAG_BYTES)
    }
    return at / CELL_BODY_BYTES - first
  }
}

/** Whether the "recognized" field of the deciphered body at `at` is zero: only then is its digest worth a look (tor-spec §6.1). */
export const mayBeRecognized = (payloads: Uint8Array, at: number): boolean => payloads[at + RECOGNIZED_AT] === 0 && payloads[at + RECOGNIZED_AT + 1] === 0

function clearDigest(payloads: Uint8Array, at: number): void {
  for (let i = 0; i < DIGEST_BYTES; i++) payloads[at + DIGEST_AT + i] = 0
}
