import * as zlib from 'node:zlib'
import { deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { concatBytes, latin1Decode, latin1Encode } from '../../../src/core/base/encoding.ts'
import { bodyCodecs, chooseCoding, codingsToUse, compressBody, decodeBody } from '../../../src/core/dirhttp/compression.ts'
import { expectRefused } from '../../support/codec-drill.ts'

const text = latin1Encode('network-status-version 3\n'.repeat(40))

test('every coding gives back what it took', () => {
  for (const coding of bodyCodecs.keys()) expect(decodeBody(coding, compressBody(coding, text))).toEqual(text)
})

test('without a header, what looks compressed is', () => {
  for (const coding of bodyCodecs.keys()) expect(decodeBody(undefined, compressBody(coding, text))).toEqual(text)
})

test('several streams one after the other', () => {
  expect(latin1Decode(decodeBody('deflate', concatBytes([deflateSync('one '), deflateSync('two')])))).toBe('one two')
  expect(latin1Decode(decodeBody('gzip', concatBytes([gzipSync('one '), gzipSync('two')])))).toBe('one two')
})

describe('bad bodies', () => {
  test('truncated, mutated, of unknown coding', () => {
    const good = compressBody('deflate', text)
    expectRefused((body) => decodeBody('deflate', body), good.subarray(0, good.length - 3), 'protocol')
    expectRefused((body) => decodeBody('gzip', body), good, 'protocol')
    expectRefused((body) => decodeBody('br', body), good, 'protocol')
    expectRefused((body) => decodeBody('deflate', body), concatBytes([good, Uint8Array.of(1, 2, 3)]), 'protocol')
  })

  test('one that grows without end meets the limit', () => {
    const bomb = deflateSync(new Uint8Array(50_000_000))
    expect(bomb.length).toBeLessThan(100_000)
    expectRefused((body) => decodeBody('deflate', body), bomb, 'limit')
    expectRefused((body) => decodeBody('gzip', body), gzipSync(new Uint8Array(50_000_000)), 'limit')
  })
})

test('the coding of an answer', () => {
  const codings = codingsToUse(false)
  expect(chooseCoding('deflate, gzip, x-zstd', false, codings)).toBe('gzip')
  expect(chooseCoding('deflate', false, codings)).toBe('deflate')
  expect(chooseCoding('x-zstd', false, codings)).toBe('identity')
  expect(chooseCoding(undefined, true, codings)).toBe('deflate')
  expect(chooseCoding(undefined, false, codings)).toBe('identity')
  expect(codings).toEqual(['gzip', 'deflate', 'identity'])
})

test('Zstandard is used where this Node.js has it and runs need not be alike on all of them', () => {
  const has = 'zstdCompressSync' in zlib
  expect(codingsToUse(true)).toEqual([...(has ? ['x-zstd'] : []), 'gzip', 'deflate', 'identity'])
  expect(chooseCoding('deflate, gzip, x-zstd', false, codingsToUse(true))).toBe(has ? 'x-zstd' : 'gzip')
  // RFC 8878 §3.1.1: magic, descriptor, a window of 2 MiB, and one last block of four bytes as they are.
  const frame = Uint8Array.from(Buffer.from('28b52ffd00582100007a737464', 'hex'))
  if (has) expect(latin1Decode(decodeBody('x-zstd', frame))).toBe('zstd')
  else expectRefused((body) => decodeBody('x-zstd', body), frame, 'protocol')
  const { zstdCompressSync } = zlib as { zstdCompressSync?(bytes: Uint8Array): Uint8Array }
  if (zstdCompressSync !== undefined) expectRefused((body) => decodeBody('x-zstd', body), zstdCompressSync(new Uint8Array(50_000_000)), 'limit')
  // A window of 16 MiB and more is refused, whatever is in it.
  expectRefused((body) => decodeBody('x-zstd', body), Uint8Array.from(Buffer.from('28b52ffd00702100007a737464', 'hex')), 'protocol')
})
