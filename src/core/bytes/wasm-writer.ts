/**
 * Writes small WebAssembly modules (WebAssembly core specification §5): functions over one memory, for the inner loops that
 * touch every byte of a cell and that calls into the engine, one for each cell, would make slow.
 *
 * Code is put together from expressions: `add(get(0), i32(4))` is the code that leaves the sum on the stack. It is not a
 * compiler and checks nothing: the engine validates the module.
 */

export type Code = readonly (number | Code)[]

/** A function of i32 parameters. */
export interface WasmFunction {
  /** Under which it is exported. */
  readonly name: string
  readonly parameters: number
  readonly result: boolean
  /** Further i32 locals, counted on from the parameters. */
  readonly locals: number
  /** Locals of 128 bits, counted on from those. */
  readonly vectors?: number
  readonly code: Code
}

const I32 = 0x7f
const V128 = 0x7b
const VECTOR = 0xfd
const EMPTY_BLOCK = 0x40
const FUNCTION_TYPE = 0x60
const section = Object.freeze({ type: 1, function: 3, memory: 5, export: 7, code: 10 })

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

// Locals and constants.
export const get = (local: number): Code => [0x20, local]
export const set = (local: number, value: Code): Code => [value, 0x21, local]
/** Sets the local and leaves its value. */
export const tee = (local: number, value: Code): Code => [value, 0x22, local]
export const i32 = (value: number): Code => [0x41, ...signed(value | 0)]

// Arithmetic on i32.
const binary = (op: number) => (a: Code, b: Code): Code => [a, b, op]
export const add = binary(0x6a)
export const subtract = binary(0x6b)
export const and = binary(0x71)
export const or = binary(0x72)
export const xor = binary(0x73)
export const rotateLeft = (value: Code, bits: number): Code => [value, i32(bits), 0x77]
export const notEqual = binary(0x47)
export const lessUnsigned = binary(0x49)
export const isZero = (value: Code): Code => [value, 0x45]
/** `a` where `condition` is not zero, else `b`. */
export const select = (a: Code, b: Code, condition: Code): Code => [a, b, condition, 0x1b]
/** The four bytes in opposite order: memory is little-endian. */
export const swapBytes = (value: Code, scratch: number): Code =>
  or(and(rotateLeft(tee(scratch, value), 8), i32(0x00ff_00ff)), and(rotateLeft(get(scratch), 24), i32(0xff00_ff00)))

// Vectors of four i32.
export const loadVector = (address: Code, offset = 0): Code => [address, VECTOR, 0, 0, ...unsigned(offset)]
export const storeVector = (address: Code, value: Code, offset = 0): Code => [address, value, VECTOR, 11, 0, ...unsigned(offset)]
/** Four times the same. */
export const splat = (value: Code): Code => [value, VECTOR, 17]
/** Bytes of `a`, which have the numbers 0 to 15, and of `b`, 16 to 31. */
export const pickBytes = (a: Code, b: Code, bytes: readonly number[]): Code => [a, b, VECTOR, 13, ...bytes]
/** Words of `a`, which have the numbers 0 to 3, and of `b`, 4 to 7. */
export const pickWords = (a: Code, b: Code, words: readonly number[]): Code => pickBytes(a, b, words.flatMap((word) => [4 * word, 4 * word + 1, 4 * word + 2, 4 * word + 3]))
const binaryOfVectors = (...op: number[]) => (a: Code, b: Code): Code => [a, b, VECTOR, ...op]
const orVectors = binaryOfVectors(80)
export const xorVectors = binaryOfVectors(81)
export const addVectors = binaryOfVectors(174, 1)
export const rotateVectorLeft = (local: number, bits: number): Code => orVectors([get(local), i32(bits), VECTOR, 171, 1], [get(local), i32(32 - bits), VECTOR, 173, 1])

// Memory. Addresses need no alignment.
export const load = (address: Code, offset = 0): Code => [address, 0x28, 0, ...unsigned(offset)]
export const load16 = (address: Code, offset = 0): Code => [address, 0x2f, 0, ...unsigned(offset)]
export const store = (address: Code, value: Code, offset = 0): Code => [address, value, 0x36, 0, ...unsigned(offset)]
export const store8 = (address: Code, value: Code, offset = 0): Code => [address, value, 0x3a, 0, ...unsigned(offset)]
/** Eight bytes from one place to another, both with the same offset. */
export const move64 = (to: Code, from: Code, offset = 0): Code => [to, from, 0x29, 0, ...unsigned(offset), 0x37, 0, ...unsigned(offset)]
export const clear64 = (at: Code, offset = 0): Code => [at, 0x42, 0, 0x37, 0, ...unsigned(offset)]

// Control.
/** Runs `code` again and again while `condition`. */
export const loopWhile = (code: Code, condition: Code): Code => [0x03, EMPTY_BLOCK, code, condition, 0x0d, 0, 0x0b]
export const when = (condition: Code, code: Code): Code => [condition, 0x04, EMPTY_BLOCK, code, 0x0b]
export const leave = (value: Code): Code => [value, 0x0f]
/** Calls the function with this place in the module. */
export const call = (index: number, ...values: Code[]): Code => [values, 0x10, index]

/** The bytes of a module that exports its functions and `memory`, of so many pages of 64 KiB. */
export function wasmModule(functions: readonly WasmFunction[], memoryPages: number): Uint8Array {
  const types = functions.map(({ parameters, result }) => [FUNCTION_TYPE, parameters, Array.from({ length: parameters }, () => I32), result ? [1, I32] : 0])
  const bodies = functions.map(({ locals, vectors = 0, code }) => {
    const kinds = [[locals, I32], [vectors, V128]].filter(([count = 0]) => count > 0)
    const body = flat([kinds.length, kinds.map(([count = 0, kind = I32]) => [...unsigned(count), kind]), code, 0x0b])
    return [...unsigned(body.length), body]
  })
  const exported = functions.map(({ name }, index) => [named(name), 0, index])
  return Uint8Array.from(
    flat([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      inSection(section.type, [functions.length, types]),
      inSection(section.function, [functions.length, functions.map((_, index) => index)]),
      inSection(section.memory, [1, 0, ...unsigned(memoryPages)]),
      inSection(section.export, [functions.length + 1, named('memory'), 2, 0, exported]),
      inSection(section.code, [functions.length, bodies]),
    ]),
  )
}

/** The part of the WebAssembly interface that is used; Node's type declarations leave it to browsers'. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

/** Makes a module run. `T` says what it exports: the functions, and `memory`. */
export function runModule<T>(bytes: Uint8Array): T & { readonly memory: { readonly buffer: ArrayBuffer } } {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as T & { readonly memory: { readonly buffer: ArrayBuffer } }
}

function inSection(id: number, content: Code): Code {
  const bytes = flat(content)
  return [id, ...unsigned(bytes.length), bytes]
}

const named = (name: string): Code => [name.length, ...Array.from(name, (letter) => letter.charCodeAt(0))]

function flat(code: Code, bytes: number[] = []): number[] {
  for (const part of code) {
    if (typeof part === 'number') bytes.push(part)
    else flat(part, bytes)
  }
  return bytes
}
