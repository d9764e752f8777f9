import { deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { concatBytes, latin1Decode, latin1Encode } from '../../../src/core/base/encoding.ts'
import { acceptEncoding, bodyCodecs, chooseCoding, compressBody, decodeBody } from '../../../src/core/dirhttp/compression.ts'
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
  expect(chooseCoding('deflate, gzip, x-zstd', false)).toBe('gzip')
  expect(chooseCoding('deflate', false)).toBe('deflate')
  expect(chooseCoding('x-zstd', false)).toBe('identity')
  expect(chooseCoding(undefined, true)).toBe('deflate')
  expect(chooseCoding(undefined, false)).toBe('identity')
  expect(acceptEncoding).toBe('gzip, deflate, identity')
})
