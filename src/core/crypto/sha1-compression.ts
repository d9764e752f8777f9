/**
 * SHA-1's compression of whole blocks (FIPS 180-4 §6.1.2) as a function of a WebAssembly module, written out round by
 * round. For digests that are read after every cell: `node:crypto` cannot read a running digest without making a native
 * object for it. What surrounds the blocks (padding, lengths) is for the rest of the module.
 */

import { add, and, get, i32, lessUnsigned, load, loopWhile, or, rotateLeft, set, store, swapBytes, tee, xor, type Code, type WasmFunction } from '../bytes/wasm-writer.ts'

/** Where in memory the five words of the state are. */
export const SHA1_STATE_AT = 0
export const SHA1_BLOCK_BYTES = 64
export const SHA1_START: readonly number[] = Object.freeze([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0])

/** Locals: the two parameters, then words of the state, of the rounds and of the message schedule. */
const FROM = 0
const TO = 1
const STATE = 2
const ROUND = 7
const SCHEDULE = 12
const LOCALS = 26
const five = [0, 1, 2, 3, 4] as const

/** `compress(from, to)`: takes the blocks at `from` up to `to`, one at least, into the state. */
export const sha1Compression: WasmFunction = Object.freeze({ name: 'compress', parameters: 2, result: false, locals: LOCALS, code: compression() })

function compression(): Code {
  return [
    five.map((i) => set(STATE + i, load(i32(SHA1_STATE_AT), 4 * i))),
    loopWhile(
      [
        Array.from({ length: 16 }, (_, i) => set(SCHEDULE + i, swapBytes(load(get(FROM), 4 * i), SCHEDULE + i))),
        five.map((i) => set(ROUND + i, get(STATE + i))),
        rounds(),
        // Eighty rounds bring every word back to its place.
        five.map((i) => set(STATE + i, add(get(STATE + i), get(ROUND + i)))),
      ],
      lessUnsigned(tee(FROM, add(get(FROM), i32(SHA1_BLOCK_BYTES))), get(TO)),
    ),
    five.map((i) => store(i32(SHA1_STATE_AT), get(STATE + i), 4 * i)),
  ]
}

function rounds(): Code {
  let words: [number, number, number, number, number] = [ROUND, ROUND + 1, ROUND + 2, ROUND + 3, ROUND + 4]
  return Array.from({ length: 80 }, (_, i) => {
    const [a, b, c, d, e] = words
    words = [e, a, b, c, d]
    return round(i, a, b, c, d, e)
  })
}

/** `e` becomes the new first word, `b` is rotated; the caller renames the five. */
function round(i: number, a: number, b: number, c: number, d: number, e: number): Code {
  const word = (back: number): number => SCHEDULE + ((i - back) & 15)
  const schedule = i < 16 ? [] : set(word(0), rotateLeft(xor(xor(get(word(3)), get(word(8))), xor(get(word(14)), get(word(16)))), 1))
  const mixed = add(add(rotateLeft(get(a), 5), add(get(e), get(word(0)))), mixture(i, b, c, d))
  return [schedule, set(e, mixed), set(b, rotateLeft(get(b), 30))]
}

function mixture(i: number, b: number, c: number, d: number): Code {
  if (i < 20) return add(xor(get(d), and(get(b), xor(get(c), get(d)))), i32(0x5a82_7999))
  if (i >= 40 && i < 60) return add(or(and(get(b), get(c)), and(get(d), or(get(b), get(c)))), i32(0x8f1b_bcdc))
  return add(xor(xor(get(b), get(c)), get(d)), i32(i < 40 ? 0x6ed9_eba1 : 0xca62_c1d6))
}
