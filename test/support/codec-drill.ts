/**
 * The drill that every codec passes. Two forms:
 *
 * - `drillMessage`: a codec for one whole message whose bounds are known from outside (a cell's body, a certificate).
 * - `drillStream`: an incremental decoder that finds the bounds itself (cells on a link, SOCKS, HTTP).
 *
 * It checks: value → bytes → the same value; bytes → value → the same bytes; every strict prefix is an error (message) or
 * "need more" (stream); one byte at a time; followed by the next message; trailing garbage; each length field ±1; and
 * that nothing but a RelishError of an expected kind is ever thrown.
 *
 *     drillMessage('NETINFO', { encode: encodeNetinfo, decode: decodeNetinfo }, [{ value, lengthFields: [{ offset: 5, size: 1 }] }])
 *     drillStream('socks5', { encode, createDecoder: () => ({ feed: (chunk) => … all messages now complete }) }, samples)
 */

import { describe, expect, test } from 'vitest'
import { hexEncode } from '../../src/core/base/encoding.ts'
import { RelishError, type ErrorKind } from '../../src/core/base/errors.ts'

export interface LengthField {
  readonly offset: number
  /** Bytes of the field, big-endian. */
  readonly size: 1 | 2 | 4
}

export interface DrillSample<T> {
  readonly label?: string
  readonly value: T
  /** The bytes this value must have on the wire, where they are known from elsewhere. */
  readonly bytes?: Uint8Array
  /** Where the encoding holds lengths; each is drilled at ±1. */
  readonly lengthFields?: readonly LengthField[]
}

export interface DrillOptions {
  /** What a decoder may throw for bad input. Default: `protocol`. */
  readonly errorKinds?: readonly ErrorKind[]
  /**
   * Trailing bytes: an error (default), or `extensible` where the specification leaves room for extension, in which case
   * the value must come out as without them.
   */
  readonly trailing?: 'error' | 'extensible'
  /**
   * A strict prefix is an error (default). `other-message`: some prefixes are whole messages themselves (data without a length
   * of its own); then what is decoded must encode to exactly that prefix, or with `extensible` to the beginning of it.
   */
  readonly prefix?: 'error' | 'other-message'
}

export interface MessageCodec<T> {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): T
}

/** A decoder that is fed chunks and answers with the messages that are complete by then. */
export interface StreamDecoder<T> {
  feed(chunk: Uint8Array): readonly T[]
}

export interface StreamCodec<T> {
  encode(value: T): Uint8Array
  createDecoder(): StreamDecoder<T>
}

/** Makes a `StreamDecoder` of a function that is given all unconsumed bytes and answers undefined for "need more". */
export function decoderOf<T>(decode: (bytes: Uint8Array) => { readonly value: T; readonly consumed: number } | undefined): StreamDecoder<T> {
  let held = new Uint8Array(0)
  return {
    feed(chunk) {
      held = new Uint8Array([...held, ...chunk])
      const out: T[] = []
      for (;;) {
        const step = decode(held)
        if (step === undefined) return out
        expect(step.consumed, 'a decoded message consumes bytes it was given').toSatisfy((n: number) => n > 0 && n <= held.length)
        out.push(step.value)
        held = held.slice(step.consumed)
      }
    },
  }
}

/** Runs the drill for a whole-message codec, as one `describe` block. */
export function drillMessage<T>(name: string, codec: MessageCodec<T>, samples: readonly DrillSample<T>[], options: DrillOptions = {}): void {
  const attempt = guarded(codec.decode, options)
  describe(`${name} codec drill`, () => {
    samples.forEach((sample, index) => {
      const label = sample.label ?? `sample ${index}`
      const bytes = (): Uint8Array => plain(codec.encode(sample.value))

      test(`${label}: round trip`, () => {
        const encoded = bytes()
        if (sample.bytes !== undefined) expect(hexEncode(encoded)).toBe(hexEncode(sample.bytes))
        const decoded = codec.decode(encoded)
        expect(decoded).toEqual(sample.value)
        expect(hexEncode(codec.encode(decoded))).toBe(hexEncode(encoded))
      })

      test(`${label}: every strict prefix`, () => {
        const encoded = bytes()
        for (let length = 0; length < encoded.length; length++) {
          const prefix = encoded.slice(0, length)
          const result = attempt(prefix)
          if (result === undefined) continue
          expect(options.prefix, `a prefix of ${length} bytes was taken for a message`).toBe('other-message')
          // Where extensions are ignored, what is too short for the next field counts as one.
          const again = hexEncode(codec.encode(result.value))
          if (options.trailing === 'extensible') expect(hexEncode(prefix).startsWith(again), `${again} begins ${hexEncode(prefix)}`).toBe(true)
          else expect(again).toBe(hexEncode(prefix))
        }
      })

      test(`${label}: trailing garbage`, () => {
        const encoded = bytes()
        for (const tail of [Uint8Array.of(0), Uint8Array.of(0xff, 1, 2)]) {
          const longer = new Uint8Array([...encoded, ...tail])
          const result = attempt(longer)
          if (result === undefined) {
            expect(options.trailing ?? 'error', 'trailing bytes were refused').toBe('error')
          } else if (options.trailing === 'extensible') {
            expect(result.value).toEqual(sample.value)
          } else {
            expect(options.prefix, 'trailing bytes were ignored').toBe('other-message')
            expect(hexEncode(codec.encode(result.value))).toBe(hexEncode(longer))
          }
        }
      })

      test(`${label}: length fields off by one`, () => {
        const encoded = bytes()
        for (const mutant of offByOne(encoded, sample.lengthFields ?? [])) {
          const result = attempt(mutant)
          // A changed length may give another message, but never one that says what these bytes do not.
          if (result === undefined) continue
          if (options.trailing === 'extensible') expect(result.value).not.toEqual(sample.value)
          else expect(hexEncode(codec.encode(result.value))).toBe(hexEncode(mutant))
        }
      })
    })
  })
}

/** Runs the drill for an incremental decoder, as one `describe` block. */
export function drillStream<T>(name: string, codec: StreamCodec<T>, samples: readonly DrillSample<T>[], options: DrillOptions = {}): void {
  describe(`${name} stream drill`, () => {
    samples.forEach((sample, index) => {
      const label = sample.label ?? `sample ${index}`
      const bytes = (): Uint8Array => plain(codec.encode(sample.value))

      test(`${label}: round trip`, () => {
        const encoded = bytes()
        if (sample.bytes !== undefined) expect(hexEncode(encoded)).toBe(hexEncode(sample.bytes))
        expect(copyAll(codec.createDecoder().feed(encoded))).toEqual([sample.value])
      })

      test(`${label}: every strict prefix needs more, then completes`, () => {
        const encoded = bytes()
        for (let length = 0; length < encoded.length; length++) {
          const decoder = codec.createDecoder()
          expect(decoder.feed(encoded.slice(0, length)).length, `messages in a prefix of ${length} bytes`).toBe(0)
          // Comparing values is what takes time; in the middle of long messages some cuts stand for all.
          if (length >= 48 && length < encoded.length - 16 && length % 16 !== 0) continue
          expect(copyAll(decoder.feed(encoded.slice(length))), `the rest after ${length} bytes`).toEqual([sample.value])
        }
      })

      test(`${label}: one byte at a time`, () => {
        const encoded = bytes()
        const decoder = codec.createDecoder()
        const out: T[] = []
        for (const byte of encoded) out.push(...copyAll(decoder.feed(Uint8Array.of(byte))))
        expect(out).toEqual([sample.value])
      })

      test(`${label}: followed by the next message`, () => {
        const encoded = bytes()
        const next = samples[(index + 1) % samples.length] ?? sample
        const both = new Uint8Array([...encoded, ...codec.encode(next.value)])
        for (const cut of [both.length, encoded.length, encoded.length + 1, encoded.length - 1]) {
          const decoder = codec.createDecoder()
          expect([...copyAll(decoder.feed(both.slice(0, cut))), ...copyAll(decoder.feed(both.slice(cut)))]).toEqual([sample.value, next.value])
        }
      })

      test(`${label}: length fields off by one`, () => {
        const encoded = bytes()
        for (const mutant of offByOne(encoded, sample.lengthFields ?? [])) {
          const result = guarded((input: Uint8Array) => copyAll(codec.createDecoder().feed(input)), options)(mutant)
          if (result !== undefined) expect(result.value).not.toEqual([sample.value])
        }
      })
    })
  })
}

/** Expects `decode` to throw a RelishError of one of `kinds` for `bytes`. */
export function expectRefused(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array, ...kinds: ErrorKind[]): void {
  const result = guarded(decode, kinds.length === 0 ? {} : { errorKinds: kinds })(bytes)
  if (result !== undefined) expect.fail(`expected ${hexEncode(bytes)} to be refused`)
}

/** Runs a decoder; undefined when it refused properly. Any other exception fails the test. */
function guarded<T>(decode: (bytes: Uint8Array) => T, options: DrillOptions): (bytes: Uint8Array) => { value: T } | undefined {
  const kinds = options.errorKinds ?? ['protocol']
  return (bytes) => {
    try {
      return { value: decode(bytes) }
    } catch (thrown) {
      if (!(thrown instanceof RelishError) || !kinds.includes(thrown.kind)) {
        throw new Error(`decoder threw something else than ${kinds.join(', ')} for ${hexEncode(bytes)}`, { cause: thrown })
      }
      return undefined
    }
  }
}

function* offByOne(encoded: Uint8Array, fields: readonly LengthField[]): Generator<Uint8Array> {
  for (const field of fields) {
    for (const change of [-1, 1]) {
      const mutant = encoded.slice()
      let value = 0
      for (let i = 0; i < field.size; i++) value = value * 256 + (mutant[field.offset + i] ?? 0)
      value += change
      if (value < 0 || value >= 256 ** field.size) continue
      for (let i = field.size - 1; i >= 0; i--) {
        mutant[field.offset + i] = value % 256
        value = Math.floor(value / 256)
      }
      yield mutant
    }
  }
}

/** Decoders may hand out views into buffers they use again; what is compared later must be a copy. */
const copyAll = <T>(values: readonly T[]): T[] => values.map((value) => structuredClone(value))

const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)
