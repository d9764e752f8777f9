/**
 * SHA-1's compression of whole blocks (FIPS 180-4 §6.1.2) as a function of a WebAssembly module, written out round by
 * round; the message schedule is four words at a time. For digests that are read after every cell: `node:crypto` cannot read
 * a running digest without making a native object for it. What surrounds the blocks (padding, lengths) is for the rest of the
 * module.
 */

import { add, addVectors, and, get, i32, lessUnsigned, load, loadVector, loopWhile, or, pickBytes, pickWords, rotateLeft, rotateVectorLeft, set, splat, store, storeVector, tee, xor, xorVectors, type Code, type WasmFunction } from '../bytes/wasm-writer.ts'

/** Where in memory the five words of the state are. */
export const SHA1_STATE_AT = 0
/** Where the message schedule of a block is put, its constants added. */
const SCHEDULE_AT = 64
/** The memory that this function has for itself ends here. */
export const SHA1_MEMORY_END = SCHEDULE_AT + 80 * 4
export const SHA1_BLOCK_BYTES = 64
export const SHA1_START: readonly number[] = Object.freeze([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0])

/** Locals: the two parameters, then words of the state and of the rounds. */
const FROM = 0
const TO = 1
const STATE = 2
const ROUND = 7
const LOCALS = 10
/** Vectors: the last 32 words of the schedule, one to work with, zeros, and the constants of twenty rounds each. */
const LAST = 2 + LOCALS
const WORK = LAST + 8
const ZERO = WORK + 1
const CONSTANT = ZERO + 1
const VECTORS = 14
const five = [0, 1, 2, 3, 4] as const
const constants = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6] as const
const BYTES_SWAPPED = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12] as const

/** `compress(from, to)`: takes the blocks at `from` up to `to`, one at least, into the state. */
export const sha1Compression = (): WasmFunction => ({ name: 'compress', parameters: 2, result: false, locals: LOCALS, vectors: VECTORS, code: compression() })

function compression(): Code {
  return [
    five.map((i) => set(STATE + i, load(i32(SHA1_STATE_AT), 4 * i))),
    constants.map((constant, i) => set(CONSTANT + i, splat(i32(constant)))),
    loopWhile(
      [
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

/** Words 4 `four` to 4 `four` + 3 of the schedule. */
function schedule(four: number): Code {
  const before = (count: number): number => LAST + ((four - count) & 7)
  const here = before(0)
  return [
    four < 4 ? set(here, pickBytes(tee(WORK, loadVector(get(FROM), 16 * four)), get(WORK), BYTES_SWAPPED)) : four < 8 ? early() : late(),
    storeVector(i32(0), addVectors(get(here), get(CONSTANT + Math.floor(four / 5))), SCHEDULE_AT + 16 * four),
  ]

  /** As the standard has it; the last word of four depends on the first. */
  function early(): Code {
    const last = pickWords(get(before(1)), get(ZERO), [1, 2, 3, 4])
    const middle = pickWords(get(before(4)), get(before(3)), [2, 3, 4, 5])
    return [
      set(WORK, xorVectors(xorVectors(get(before(4)), middle), xorVectors(get(before(2)), last))),
      set(here, rotateVectorLeft(WORK, 1)),
      set(WORK, pickWords(get(ZERO), get(here), [0, 1, 2, 4])),
      set(here, xorVectors(get(here), rotateVectorLeft(WORK, 1))),
    ]
  }

  /** Put into itself, the formula says W(t) = ROTL2(W(t-6) ^ W(t-16) ^ W(t-28) ^ W(t-32)): no word depends on another of the four. */
  function late(): Code {
    const last = pickWords(get(before(2)), get(before(1)), [2, 3, 4, 5])
    return [set(WORK, xorVectors(xorVectors(last, get(before(4))), xorVectors(get(before(7)), get(before(8))))), set(here, rotateVectorLeft(WORK, 2))]
  }
}

/** Each four words of the schedule are made while the rounds before those that need them run. */
function rounds(): Code {
  let words: [number, number, number, number, number] = [ROUND, ROUND + 1, ROUND + 2, ROUND + 3, ROUND + 4]
  const code: Code[] = [schedule(0), schedule(1)]
  for (let i = 0; i < 80; i++) {
    if (i % 4 === 0 && i < 72) code.push(schedule(i / 4 + 2))
    const [a, b, c, d, e] = words
    words = [e, a, b, c, d]
    code.push(round(i, a, b, c, d, e))
  }
  return code
}

/** `e` becomes the new first word, `b` is rotated; the caller renames the five. What the round before made, `a`, is added last: the next one waits for it. */
function round(i: number, a: number, b: number, c: number, d: number, e: number): Code {
  const mixed = add(add(add(get(e), load(i32(0), SCHEDULE_AT + 4 * i)), mixture(i, b, c, d)), rotateLeft(get(a), 5))
  return [set(e, mixed), set(b, rotateLeft(get(b), 30))]
}

function mixture(i: number, b: number, c: number, d: number): Code {
  if (i < 20) return xor(get(d), and(get(b), xor(get(c), get(d))))
  if (i >= 40 && i < 60) return or(and(get(b), get(c)), and(get(d), or(get(b), get(c))))
  return xor(xor(get(b), get(c)), get(d))
}
