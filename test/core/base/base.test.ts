import { describe, expect, test } from 'vitest'
import { assert, must } from '../../../src/core/base/assert.ts'
import { BoundedQueue } from '../../../src/core/base/bounded-queue.ts'
import { asRelishError, RelishError } from '../../../src/core/base/errors.ts'
import { Heap } from '../../../src/core/base/heap.ts'
import { editDistance, nearest } from '../../../src/core/base/nearest.ts'
import { randomBelow, SeededRng } from '../../../src/core/base/rng.ts'
import { formatIsoTime, parseIsoTime, wallFromSec, wallMs, wallToSec } from '../../../src/core/base/time.ts'
import { wireCodes } from '../../../src/core/base/wire-code.ts'

describe('heap', () => {
  test('leaves in order, equals in the order they came', () => {
    const rng = new SeededRng('heap')
    const heap = new Heap<{ key: number; index: number }>((a, b) => a.key < b.key)
    const items = Array.from({ length: 500 }, (_, index) => ({ key: randomBelow(rng, 40), index }))
    for (const item of items) heap.push(item)
    const expected = [...items].sort((a, b) => a.key - b.key || a.index - b.index)
    const left: typeof items = []
    for (let item = heap.pop(); item !== undefined; item = heap.pop()) left.push(item)
    expect(left).toEqual(expected)
    expect(heap.size).toBe(0)
    expect(heap.peek()).toBeUndefined()
  })
})

describe('bounded queue', () => {
  test('first in, first out, up to its limit', () => {
    const queue = new BoundedQueue<number>('test queue', 3)
    for (let round = 0; round < 100; round++) {
      queue.push(round)
      queue.push(round + 1)
      expect(queue.shift()).toBe(round)
      expect(queue.shift()).toBe(round + 1)
    }
    expect(queue.shift()).toBeUndefined()
    for (let i = 0; i < 3; i++) queue.push(i)
    expect(queue.isFull).toBe(true)
    expect(() => queue.push(3)).toThrow(RelishError)
    expect(queue.length).toBe(3)
  })
})

describe('errors', () => {
  test('keep kind, position and cause when a caller says what it was attempting', () => {
    const inner = new RelishError('bad-document', 'bad line', { position: { line: 3 }, hint: 'mend it' })
    const outer = inner.within('reading torrc')
    expect(outer).toMatchObject({ kind: 'bad-document', message: 'reading torrc: bad line', position: { line: 3 }, hint: 'mend it', cause: inner })
  })

  test('foreign exceptions are bugs', () => {
    const cause = new TypeError('oops')
    expect(asRelishError(cause)).toMatchObject({ kind: 'bug', message: 'oops', cause })
    expect(asRelishError('text').kind).toBe('bug')
    expect(() => assert(false, 'words')).toThrow(/words/)
    expect(() => must(undefined, 'there')).toThrow(/there/)
    expect(must(0, 'there')).toBe(0)
  })
})

describe('times', () => {
  test.each(['1970-01-01 00:00:00', '2026-11-22 09:35:54', '2024-02-29 23:59:59', '2100-02-28 12:00:00'])('%s', (text) => {
    const time = parseIsoTime(text)
    expect(time === undefined ? undefined : formatIsoTime(time)).toBe(text)
  })

  test.each([
    '', '2026-11-22', '2026-11-22T09:35:54', '2026-11-22 09:35:54Z', ' 2026-11-22 09:35:54', '2026-13-01 00:00:00', '2026-00-01 00:00:00',
    '2026-02-29 00:00:00', '2026-04-31 00:00:00', '2026-01-00 00:00:00', '2026-01-01 24:00:00', '2026-01-01 00:60:00', '1969-12-31 23:59:59',
    '2026-1-01 00:00:00',
  ])('%j is refused', (text) => expect(parseIsoTime(text)).toBeUndefined())

  test('seconds are rounded down', () => {
    expect(wallToSec(wallMs(1999))).toBe(1)
    expect(formatIsoTime(wallMs(1999))).toBe('1970-01-01 00:00:01')
    expect(wallFromSec(2)).toBe(2000)
  })
})

describe('wire codes', () => {
  test('unknown values are representable and printable', () => {
    const Colour = wireCodes('Colour')({ RED: 1, GREEN: 2 })
    expect(Colour.nameOf(Colour.GREEN)).toBe('GREEN')
    expect(Colour.nameOf(9)).toBe('Colour(9)')
    expect(Colour.isKnown(9)).toBe(false)
    expect(Colour.isKnown(1)).toBe(true)
  })
})

describe('suggestions', () => {
  test('the nearest word, if near enough', () => {
    expect(editDistance('ORPort', 'orprot')).toBe(1)
    expect(editDistance('', 'abc')).toBe(3)
    expect(nearest('SockPort', ['ORPort', 'SocksPort', 'DirPort'])).toBe('SocksPort')
    expect(nearest('completely different', ['ORPort', 'SocksPort'])).toBeUndefined()
  })
})
