/**
 * The WebAssembly module behind `cell-digest.ts`: runs SHA-1 over relay cells that lie side by side in its memory and
 * reads the digest after each of them (tor-spec §6.1). The message goes on from cell to cell, so blocks are taken where they
 * lie; only the end of a cell is copied, to be padded.
 */

import { add, and, call, clear64, get, i32, isZero, leave, lessUnsigned, load, load16, loopWhile, move64, notEqual, select, set, store, store8, subtract, swapBytes, tee, wasmModule, when, type Code } from '../../bytes/wasm-writer.ts'
import { CELL_BODY_BYTES, RELAY_BATCH_CELLS_MAX } from '../../cell/limits.ts'
import { SHA1_BLOCK_BYTES, SHA1_MEMORY_END, SHA1_STATE_AT, sha1Compression } from '../../crypto/sha1-compression.ts'

/** The fields of a relay cell (tor-spec §6.1). */
export const RECOGNIZED_AT = 1
export const DIGEST_AT = 5

/** tor-spec §7.3.1: SENDMEs carry 20 bytes, longer digests are cut. SHA-1 has no more. */
export const TAG_BYTES = 20
/** Where the end of a cell is padded: two blocks, and room to clear a block more than that. */
const PADDED_AT = SHA1_MEMORY_END
/** Tags of the cells, side by side. */
export const TAGS_AT = PADDED_AT + 3 * SHA1_BLOCK_BYTES
/** The cells; in front of them the end of the message so far that fills no block. */
export const CELLS_AT = 64 * Math.ceil((TAGS_AT + RELAY_BATCH_CELLS_MAX * TAG_BYTES) / 64 + 1)
const MEMORY_PAGES = Math.ceil((CELLS_AT + RELAY_BATCH_CELLS_MAX * CELL_BODY_BYTES + SHA1_BLOCK_BYTES) / 0x1_0000)

const COMPRESS = 0
// Parameters of `digestCells`, then its locals.
const HELD = 0
const COUNT = 1
const BITS_HIGH = 2
const BITS_LOW = 3
const CHECKING = 4
const CELL = 5
const FROM = 6
const REST_AT = 7
const REST = 8
const TAG = 9
const PADDED_END = 10
const CLAIMED = 11
const SCRATCH = 12
const RUNNING = 13
const BEFORE = 18
const DONE = 23
const LOCALS = 19
const CELL_BITS = 8 * CELL_BODY_BYTES
const five = [0, 1, 2, 3, 4] as const
const eight = [0, 8, 16, 24, 32, 40, 48, 56] as const

export interface Sha1CellsExports {
  /**
   * Goes on with the message, of which `held` bytes lie in front of the cells, over `count` cells; `bitsHigh` and `bitsLow` are
   * the bits of the message before them. Writes a tag for each. Where it is `checking`, it stops before a cell whose digest is
   * another than it says, and nothing has changed by that cell; otherwise it fills in the digests. Answers the cells done.
   */
  digestCells(held: number, count: number, bitsHigh: number, bitsLow: number, checking: number): number
}

export function sha1CellsModule(): Uint8Array {
  return wasmModule([sha1Compression(), { name: 'digestCells', parameters: 5, result: true, locals: LOCALS, code: digestCells() }], MEMORY_PAGES)
}

const keepState = (local: number): Code => five.map((i) => set(local + i, load(i32(SHA1_STATE_AT), 4 * i)))
const restoreState = (local: number): Code => five.map((i) => store(i32(SHA1_STATE_AT), get(local + i), 4 * i))

function digestCells(): Code {
  return [
    set(CELL, i32(CELLS_AT)),
    set(TAG, i32(TAGS_AT)),
    set(FROM, subtract(i32(CELLS_AT), get(HELD))),
    loopWhile(
      [
        when(get(CHECKING), [when(load16(get(CELL), RECOGNIZED_AT), leave(get(DONE))), keepState(BEFORE)]),
        set(CLAIMED, load(get(CELL), DIGEST_AT)),
        // The digest is taken with its field zero.
        store(get(CELL), i32(0), DIGEST_AT),
        set(REST_AT, add(get(FROM), and(subtract(add(get(CELL), i32(CELL_BODY_BYTES)), get(FROM)), i32(-SHA1_BLOCK_BYTES)))),
        call(COMPRESS, get(FROM), get(REST_AT)),
        set(BITS_LOW, add(get(BITS_LOW), i32(CELL_BITS))),
        when(lessUnsigned(get(BITS_LOW), i32(CELL_BITS)), set(BITS_HIGH, add(get(BITS_HIGH), i32(1)))),
        keepState(RUNNING),
        writeTag(),
        when(get(CHECKING), when(notEqual(load(get(TAG)), get(CLAIMED)), [store(get(CELL), get(CLAIMED), DIGEST_AT), restoreState(BEFORE), leave(get(DONE))])),
        when(isZero(get(CHECKING)), store(get(CELL), load(get(TAG)), DIGEST_AT)),
        restoreState(RUNNING),
        set(FROM, get(REST_AT)),
        set(CELL, add(get(CELL), i32(CELL_BODY_BYTES))),
        set(TAG, add(get(TAG), i32(TAG_BYTES))),
      ],
      lessUnsigned(tee(DONE, add(get(DONE), i32(1))), get(COUNT)),
    ),
    get(DONE),
  ]
}

/** Pads what has not been taken of the message (FIPS 180-4 §5.1.1) in a place of its own, and writes the digest. */
function writeTag(): Code {
  return [
    set(REST, subtract(add(get(CELL), i32(CELL_BODY_BYTES)), get(REST_AT))),
    eight.map((i) => move64(i32(PADDED_AT), get(REST_AT), i)),
    set(PADDED_END, add(i32(PADDED_AT), get(REST))),
    store8(get(PADDED_END), i32(0x80)),
    eight.map((i) => clear64(get(PADDED_END), 1 + i)),
    set(PADDED_END, select(i32(PADDED_AT + SHA1_BLOCK_BYTES), i32(PADDED_AT + 2 * SHA1_BLOCK_BYTES), lessUnsigned(get(REST), i32(SHA1_BLOCK_BYTES - 8)))),
    store(subtract(get(PADDED_END), i32(8)), swapBytes(get(BITS_HIGH), SCRATCH)),
    store(subtract(get(PADDED_END), i32(4)), swapBytes(get(BITS_LOW), SCRATCH)),
    call(COMPRESS, i32(PADDED_AT), get(PADDED_END)),
    five.map((i) => store(get(TAG), swapBytes(load(i32(SHA1_STATE_AT), 4 * i), SCRATCH), 4 * i)),
  ]
}
