import { describe, expect, test } from 'vitest'
import { hexEncode } from '../../../src/core/base/encoding.ts'
import { randomBelow, randomChoice, randomUnit, SeededRng, shuffled } from '../../../src/core/base/rng.ts'

describe('seeded randomness', () => {
  test('the same seed gives the same bytes, however they are drawn', () => {
    const whole = new SeededRng('seed').bytes(5000)
    const pieces = new SeededRng('seed')
    const parts = [0, 1, 1023, 1024, 2000, 952].map((length) => pieces.bytes(length))
    expect(Buffer.concat(parts).equals(Buffer.from(whole))).toBe(true)
    expect(hexEncode(new SeededRng('other').bytes(16))).not.toBe(hexEncode(whole.subarray(0, 16)))
  })

  test('derived generators do not move each other', () => {
    const a = new SeededRng('seed')
    const before = hexEncode(new SeededRng('seed').derive('x').bytes(8))
    a.bytes(100)
    expect(hexEncode(a.derive('x').bytes(8))).toBe(before)
    expect(hexEncode(a.derive('y').bytes(8))).not.toBe(before)
  })

  test('draws below a limit are in range and even', () => {
    const rng = new SeededRng('draws')
    const counts = new Array<number>(6).fill(0)
    for (let i = 0; i < 6000; i++) {
      const drawn = randomBelow(rng, 6)
      counts[drawn] = (counts[drawn] ?? 0) + 1
    }
    for (const count of counts) expect(count).toBeGreaterThan(850)
    expect(() => randomBelow(rng, 0)).toThrow()
    for (let i = 0; i < 100; i++) expect(randomUnit(rng)).toSatisfy((value: number) => value >= 0 && value < 1)
  })

  test('a draw from the uneven end of the range is repeated', () => {
    const draws = [new Uint8Array(6).fill(255), Uint8Array.of(0, 0, 0, 0, 0, 7)]
    const rng = { bytes: () => draws.shift() ?? new Uint8Array(6), derive: () => rng }
    expect(randomBelow(rng, 10)).toBe(7)
  })

  test('choices and shuffles', () => {
    const rng = new SeededRng('choices')
    expect(randomChoice(rng, [])).toBeUndefined()
    expect(['a', 'b']).toContain(randomChoice(rng, ['a', 'b']))
    const items = Array.from({ length: 50 }, (_, i) => i)
    const mixed = shuffled(rng, items)
    expect(mixed).not.toEqual(items)
    expect([...mixed].sort((x, y) => x - y)).toEqual(items)
  })
})
