import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { hexEncode } from '../../../src/core/base/encoding.ts'
import { randomBelow, SeededRng } from '../../../src/core/base/rng.ts'
import { Sha1Stream } from '../../../src/core/crypto/sha1-stream.ts'

const native = (...parts: Uint8Array[]): string => {
  const hash = createHash('sha1')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

describe('our SHA-1', () => {
  test.each([
    // FIPS 180-4, examples published by NIST.
    ['', 'da39a3ee5e6b4b0d3255bfef95601890afd80709'],
    ['abc', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
    ['abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', '84983e441c3bd26ebaae4aa1f95129e5e54670f1'],
    ['a'.repeat(1_000_000), '34aa973cd4c4daa4f61eeb2bdbad27316534016f'],
  ])('of a published message', (message, digest) => {
    expect(hexEncode(new Sha1Stream().update(Buffer.from(message)).digest())).toBe(digest)
  })

  test('is that of node:crypto for every length around the ends of blocks', () => {
    const data = new SeededRng('lengths').bytes(300)
    for (let length = 0; length <= 300; length++) expect(hexEncode(new Sha1Stream().update(data.subarray(0, length)).digest()), `${length} bytes`).toBe(native(data.subarray(0, length)))
  })

  test('does not mind how the message is cut, nor being read on the way', () => {
    const rng = new SeededRng('cuts')
    const stream = new Sha1Stream()
    const parts: Uint8Array[] = []
    for (let i = 0; i < 300; i++) {
      const part = rng.bytes(i % 50 === 49 ? 70_000 : randomBelow(rng, 700))
      parts.push(part)
      expect(hexEncode(stream.update(part).digest())).toBe(native(...parts))
    }
  })

  test('goes two ways after a copy', () => {
    const first = new Sha1Stream().update(Buffer.from('some bytes'))
    const second = first.copy().update(Buffer.from(' and more'))
    first.update(Buffer.from(' and others'))
    expect(hexEncode(first.digest())).toBe(native(Buffer.from('some bytes and others')))
    expect(hexEncode(second.digest())).toBe(native(Buffer.from('some bytes and more')))
  })
})
