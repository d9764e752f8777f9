/**
 * A WebAssembly module with one function, SHA-1's compression of whole blocks (FIPS 180-4 §6.1.2), written out round by
 * round. Relay cryptography takes a digest of every cell at both ends of a circuit, and `node:crypto` cannot read a running
 * digest without making a native object for it; this takes less than half the time and leaves nothing to collect.
 *
 * Exports: `memory`, one page, with the five words of the state at 0; `compress(from, to)`, which takes the blocks at
 * `from` up to `to` into the state. What surrounds the blocks (padding, lengths) is `sha1-stream.ts`.
 */

/** Numbers of instructions and sections, WebAssembly core specification §5. */
const op = Object.freeze({
  loop: 0x03, end: 0x0b, branchIf: 0x0d, get: 0x20, set: 0x21, tee: 0x22, load: 0x28, store: 0x36, constant: 0x41,
  lessUnsigned: 0x49, add: 0x6a, and: 0x71, or: 0x72, xor: 0x73, rotateLeft: 0x77,
})
const section = Object.freeze({ type: 1, function: 3, memory: 5, export: 7, code: 10 })
const I32 = 0x7f
const FUNCTION_TYPE = 0x60
const EMPTY_BLOCK = 0x40
const ALIGNED_TO_4 = 2

/** Locals: the two parameters, then words of the state, of the rounds and of the message schedule. */
const FROM = 0
const TO = 1
const STATE = 2
const ROUND = 7
const SCHEDULE = 12
const LOCALS = 26

const unsigned = (value: number): number[] => {
  const bytes: number[] = []
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128)
  return [...bytes, value]
}

const signed = (value: number): number[] => {
  const bytes: number[] = []
  for (;;) {
    const low = value & 127
    value >>= 7
    if ((value === 0 && low < 64) || (value === -1 && low >= 64)) return [...bytes, low]
    bytes.push(low | 128)
  }
}

const get = (local: number): number[] => [op.get, local]
const set = (local: number): number[] => [op.set, local]
const constant = (value: number): number[] => [op.constant, ...signed(value | 0)]
const rotated = (bits: number): number[] => [...constant(bits), op.rotateLeft]
const load = (offset: number): number[] => [op.load, ALIGNED_TO_4, ...unsigned(offset)]
const store = (offset: number): number[] => [op.store, ALIGNED_TO_4, ...unsigned(offset)]
const five = [0, 1, 2, 3, 4] as const

/** The bytes of the module. */
export function sha1Module(): Uint8Array {
  const body = [...unsigned(1), ...unsigned(LOCALS), I32, ...compression()]
  return Uint8Array.from([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...inSection(section.type, [1, FUNCTION_TYPE, 2, I32, I32, 0]),
    ...inSection(section.function, [1, 0]),
    ...inSection(section.memory, [1, 0, 1]),
    ...inSection(section.export, [2, ...named('memory'), 2, 0, ...named('compress'), 0, 0]),
    ...inSection(section.code, [1, ...unsigned(body.length), ...body]),
  ])
}

const inSection = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content]
const named = (name: string): number[] => [name.length, ...Array.from(name, (letter) => letter.charCodeAt(0))]

function compression(): number[] {
  const code: number[] = []
  for (const i of five) code.push(...constant(0), ...load(4 * i), ...set(STATE + i))
  code.push(op.loop, EMPTY_BLOCK)
  for (let i = 0; i < 16; i++) code.push(...loadBigEndian(i))
  for (const i of five) code.push(...get(STATE + i), ...set(ROUND + i))
  let words: [number, number, number, number, number] = [ROUND, ROUND + 1, ROUND + 2, ROUND + 3, ROUND + 4]
  for (let i = 0; i < 80; i++) {
    const [a, b, c, d, e] = words
    code.push(...round(i, a, b, c, d, e))
    words = [e, a, b, c, d]
  }
  five.forEach((i) => code.push(...get(STATE + i), ...get(words[i]), op.add, ...set(STATE + i)))
  code.push(...get(FROM), ...constant(64), op.add, op.tee, FROM, ...get(TO), op.lessUnsigned, op.branchIf, 0, op.end)
  for (const i of five) code.push(...constant(0), ...get(STATE + i), ...store(4 * i))
  return [...code, op.end]
}

/** Word `i` of the block into the schedule; WebAssembly's loads are little-endian. */
function loadBigEndian(i: number): number[] {
  const word = SCHEDULE + i
  return [
    ...get(FROM), ...load(4 * i), op.tee, word, ...rotated(8), ...constant(0x00ff_00ff), op.and,
    ...get(word), ...rotated(24), ...constant(0xff00_ff00), op.and, op.or, ...set(word),
  ]
}

/** `e` becomes the new first word, `b` is rotated; the caller renames the five. */
function round(i: number, a: number, b: number, c: number, d: number, e: number): number[] {
  const word = (back: number): number => SCHEDULE + ((i - back) & 15)
  const code: number[] = []
  if (i >= 16) {
    code.push(...get(word(3)), ...get(word(8)), op.xor, ...get(word(14)), op.xor, ...get(word(16)), op.xor, ...rotated(1), ...set(word(0)))
  }
  code.push(...get(a), ...rotated(5), ...get(e), op.add, ...get(word(0)), op.add)
  if (i < 20) code.push(...get(d), ...get(b), ...get(c), ...get(d), op.xor, op.and, op.xor, op.add, ...constant(0x5a82_7999))
  else if (i >= 40 && i < 60) code.push(...get(b), ...get(c), op.and, ...get(d), ...get(b), ...get(c), op.or, op.and, op.or, op.add, ...constant(0x8f1b_bcdc))
  else code.push(...get(b), ...get(c), op.xor, ...get(d), op.xor, op.add, ...constant(i < 40 ? 0x6ed9_eba1 : 0xca62_c1d6))
  return [...code, op.add, ...set(e), ...get(b), ...rotated(30), ...set(b)]
}
