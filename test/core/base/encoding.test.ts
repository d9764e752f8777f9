import { describe, expect, test } from 'vitest'
import {
  base32Decode, base32Encode, base64Decode, base64Encode, base64EncodeUnpadded, bytesCompare, bytesEqual, concatBytes, hexDecode, hexEncode,
  hexEncodeUpper, latin1Decode, latin1Encode, utf8Decode, utf8Encode,
} from '../../../src/core/base/encoding.ts'
import { RelishError } from '../../../src/core/base/errors.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'

const refused = (action: () => unknown): void => {
  try {
    action()
  } catch (error) {
    expect((error as RelishError).kind).toBe('bad-document')
    return
  }
  expect.fail('was accepted')
}

// RFC 4648 §10.
const vectors: [string, string, string][] = [
  ['', '', ''],
  ['f', 'Zg==', 'my'],
  ['fo', 'Zm8=', 'mzxq'],
  ['foo', 'Zm9v', 'mzxw6'],
  ['foob', 'Zm9vYg==', 'mzxw6yq'],
  ['fooba', 'Zm9vYmE=', 'mzxw6ytb'],
  ['foobar', 'Zm9vYmFy', 'mzxw6ytboi'],
]

describe('encodings', () => {
  test.each(vectors)('RFC 4648: %j', (text, base64, base32) => {
    const bytes = utf8Encode(text)
    expect(base64Encode(bytes)).toBe(base64)
    expect(base64EncodeUnpadded(bytes)).toBe(base64.replace(/=/g, ''))
    expect(base64Decode(base64)).toEqual(bytes)
    expect(base64Decode(base64.replace(/=/g, ''))).toEqual(bytes)
    expect(base32Encode(bytes)).toBe(base32)
    expect(base32Decode(base32)).toEqual(bytes)
    expect(base32Decode(base32.toUpperCase())).toEqual(bytes)
  })

  test('round trips of random bytes', () => {
    const rng = new SeededRng('encodings')
    for (let length = 0; length < 70; length++) {
      const bytes = rng.bytes(length)
      expect(hexDecode(hexEncode(bytes))).toEqual(bytes)
      expect(hexDecode(hexEncodeUpper(bytes))).toEqual(bytes)
      expect(base64Decode(base64Encode(bytes))).toEqual(bytes)
      expect(base32Decode(base32Encode(bytes))).toEqual(bytes)
      expect(latin1Encode(latin1Decode(bytes))).toEqual(bytes)
    }
  })

  test.each(['0', 'gg', '0x', ' 00', '00 '])('hexadecimal %j is refused', (text) => refused(() => hexDecode(text)))
  test.each(['A', 'AAAAA', 'AA=', 'AA===', 'A A=', 'AA==\n', 'AA-_', '='])('base64 %j is refused', (text) => refused(() => base64Decode(text)))
  test.each(['1', 'a=', 'a b'])('base32 %j is refused', (text) => refused(() => base32Decode(text)))

  test('malformed UTF-8 becomes replacement characters', () => {
    expect(utf8Decode(Uint8Array.of(0x61, 0xff, 0x62))).toBe('a\ufffdb')
  })

  test('comparison of bytes', () => {
    const [a, b, longer] = [Uint8Array.of(1, 2), Uint8Array.of(1, 0x80), Uint8Array.of(1, 2, 0)]
    expect(bytesEqual(a, Uint8Array.of(1, 2))).toBe(true)
    expect(bytesEqual(a, longer)).toBe(false)
    expect(Math.sign(bytesCompare(a, b))).toBe(-1)
    expect(Math.sign(bytesCompare(longer, a))).toBe(1)
    expect(bytesCompare(a, a)).toBe(0)
    expect(concatBytes([a, b])).toEqual(Uint8Array.of(1, 2, 1, 0x80))
  })
})
