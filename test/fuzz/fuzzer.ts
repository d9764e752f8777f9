/**
 * A fuzzer: where its inputs come from, what is done with each, and what may come of it. Whatever is fed in, only
 * RelishErrors of the allowed kinds may come out, in bounded time, with a result whose size is bounded by the input's.
 */

import type { ErrorKind } from '../../src/core/base/errors.ts'
import type { Rng } from '../../src/core/base/rng.ts'

export interface Fuzzer {
  readonly name: string
  /** Valid inputs, from which the others are made. Made anew for every run. */
  readonly corpus: () => readonly Uint8Array[]
  /** Decodes `input`; asserts what must hold; returns what was decoded. */
  readonly run: (input: Uint8Array, rng: Rng) => unknown
  readonly allowed: readonly ErrorKind[]
  /** `text` adds mutations of lines and words to those of bytes. */
  readonly form: 'bytes' | 'text'
  readonly inputBytesMax: number
  /** Cases in smoke mode. */
  readonly smokeCases: number
  /** Largest result: bytes, characters and entries, per byte of input, beyond a fixed allowance. 64 unless given. */
  readonly growthMax?: number
}

/** What parsers of wire formats may throw. */
export const wireKinds: readonly ErrorKind[] = ['protocol', 'limit']
/** What parsers of documents and files may throw. */
export const documentKinds: readonly ErrorKind[] = ['bad-document', 'bad-signature', 'limit']
