import { describe, expect, test } from 'vitest'
import { RelishError } from '../../../src/core/base/errors.ts'
import { decodeBase64, decodeBase64Fixed } from '../../../src/core/netdoc/base64.ts'
import { maxArguments, maxLineLength, maxObjectLength } from '../../../src/core/netdoc/limits.ts'
import { anyNumber, Cursor, documentTable, DocumentWriter, formatObject, type Section } from '../../../src/core/netdoc/metaformat.ts'

const table = documentTable('sample', {
  start: { count: 'once', arguments: [1, anyNumber], position: 'first' },
  second: { count: 'optional', arguments: 'none', object: 'THING', position: 'second' },
  free: { count: 'any', arguments: 'line' },
  pair: { count: 'optional', arguments: [2, 2] },
  maybe: { count: 'optional', arguments: 'none', object: 'THING', objectOptional: true },
  sum: { count: 'optional', arguments: [1, 1], position: 'before-last' },
  end: { count: 'once', arguments: 'none', position: 'last' },
})

const parse = (text: string): Section => new Cursor(text).section(table)

function failure(text: string): { line: number | undefined; keyword: string | undefined; message: string } {
  try {
    parse(text)
  } catch (error) {
    if (!(error instanceof RelishError) || error.kind !== 'bad-document') throw error
    return { line: error.position?.line, keyword: error.position?.keyword, message: error.message }
  }
  throw new Error('was accepted')
}

const thing = formatObject('THING', new Uint8Array(100))

describe('the metaformat', () => {
  test('gives items by keyword, with their arguments, objects and places', () => {
    const text = `start a b\nsecond\n${thing}opt free one  two\nfree\nunknown x\n${thing}pair 1\t2\nmaybe\nsum 9\nend\n`
    const section = parse(text)
    expect(section.one('start').args).toEqual(['a', 'b'])
    expect(section.one('second').object()).toEqual(new Uint8Array(100))
    expect(section.all('free').map((item) => item.rest)).toEqual(['one  two', ''])
    expect(section.all('free')[0]?.args).toEqual(['one', 'two'])
    expect(section.one('pair').args).toEqual(['1', '2'])
    expect(section.has('maybe')).toBe(true)
    expect(section.maybe('maybe')?.objectTag).toBeUndefined()
    expect(section.items.some((item) => item.keyword === 'unknown')).toBe(false)
    expect(section.one('end').line).toBe(text.split('\n').length - 1)
    expect(text.slice(section.one('pair').start, section.one('pair').end)).toBe('pair 1\t2\n')
  })

  test.each([
    ['start\nend\n', 1, 'start', 'arguments'],
    ['free\nstart a\nend\n', 2, 'start', 'not where'],
    ['start a\nstart b\nend\n', 2, 'start', 'more than once'],
    ['start a\n', 1, 'end', 'missing'],
    ['start a\nend\nfree\n', 2, 'end', 'not where'],
    ['start a\nsum 1\nfree\nend\n', 2, 'sum', 'not where'],
    ['start a\nfree\nsecond\n' + thing + 'end\n', 3, 'second', 'not where'],
    ['start a\nsecond\nend\n', 2, 'second', 'object'],
    ['start a\nfree\n' + thing + 'end\n', 2, 'free', 'object'],
    ['start a\npair 1\nend\n', 2, 'pair', 'at least 2'],
    ['start a\npair 1 2 3\nend\n', 2, 'pair', 'at most 2'],
    ['start a\nend x\n', 2, 'end', 'at most 0'],
    ['start a\n\n\n indented\nend\n', 4, undefined, 'white space'],
    ['@note\nstart a\nend\n', 1, undefined, 'annotation'],
    ['start a\nfr\0ee\nend\n', 2, undefined, 'zero byte'],
    ['start a\nmaybe\n-----BEGIN THING-----\nAAAA\nend\n', 3, 'maybe', 'no END'],
    ['start a\nmaybe\n-----BEGIN THING-----\nAAAA\n-----END OTHER-----\nend\n', 3, 'maybe', 'does not match'],
    ['start a\nmaybe\n-----BEGIN THING\nAAAA\n-----END THING-----\nend\n', 3, 'maybe', 'BEGIN'],
    ['start a\nmaybe\n-----BEGIN OTHER-----\nAAAA\n-----END OTHER-----\nend\n', 2, 'maybe', 'object'],
  ])('refuses %j', (text, line, keyword, words) => {
    const failed = failure(text)
    expect(failed.message).toContain(words)
    expect([failed.line, failed.keyword]).toEqual([line, keyword])
  })

  test('keeps its limits', () => {
    expect(failure(`start ${'a'.repeat(maxLineLength)}\nend\n`).message).toContain('longer')
    expect(parse(`start ${'a'.repeat(maxLineLength - 6)}\nend\n`).one('start').arg(0)).toHaveLength(maxLineLength - 6)
    expect(failure(`start ${'a '.repeat(maxArguments + 1)}\nend\n`).message).toContain('arguments')
    expect(failure(`start a\nsecond\n-----BEGIN THING-----\n${'A'.repeat(maxObjectLength + 1)}\n-----END THING-----\nend\n`).message).toContain('longer')
    expect(failure(`start a\nsecond\n-----BEGIN ${'T'.repeat(100)}-----\nAA==\n-----END THING-----\nend\n`).message).toContain('BEGIN')
  })

  test('an object that is not base64 is an error where it is used', () => {
    const section = parse('start a\nsecond\n-----BEGIN THING-----\nAA!=\n-----END THING-----\nend\n')
    expect(() => section.one('second').object()).toThrow(/line 2 "second".*base64/)
  })

  test('sections end where the next document begins', () => {
    const cursor = new Cursor('@a\nstart 1\nend\n@b\nstart 2\nend\n')
    expect(cursor.section(table, ['start'], 'skip').one('start').arg(0)).toBe('1')
    const second = cursor.section(table, ['start'], 'skip')
    expect([second.one('start').arg(0), second.one('start').line]).toEqual(['2', 5])
    expect(cursor.more()).toBe(false)
  })

  test('the writer writes what the table allows and what the reader reads', () => {
    const text = new DocumentWriter(table).item('start', ['a', 7]).item('second', [], new Uint8Array(3)).item('free', '').bare('free').item('end').finish()
    expect(text).toBe('start a 7\nsecond\n-----BEGIN THING-----\nAAAA\n-----END THING-----\nfree \nfree\nend\n')
    expect(parse(text).all('free')).toHaveLength(2)
    expect(() => new DocumentWriter(table).item('nothing')).toThrow(/table/)
    expect(() => new DocumentWriter(table).item('free', 'a\nb')).toThrow(/line/)
    expect(() => new DocumentWriter(table).item('start', ['a']).item('start', ['b'])).toThrow(/once/)
    expect(() => new DocumentWriter(table).item('end')).not.toThrow()
    expect(() => new DocumentWriter(table).item('end').finish()).toThrow(/start is written/)
  })
})

describe('base64 of documents', () => {
  test('takes the exact length, padded or not', () => {
    for (const length of [1, 2, 3, 16, 20, 32, 64]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 255)
      const padded = Buffer.from(bytes).toString('base64')
      const bare = padded.replace(/=+$/, '')
      expect(decodeBase64Fixed(padded, length)).toEqual(bytes)
      expect(decodeBase64Fixed(bare, length)).toEqual(bytes)
      expect(decodeBase64Fixed(bare, length + 1)).toBeUndefined()
      expect(decodeBase64Fixed(`${bare.slice(0, -1)}!`, length)).toBeUndefined()
      expect(decodeBase64Fixed(`${bare.slice(0, -1)}é`, length)).toBeUndefined()
      expect(decodeBase64(`${padded.slice(0, 4)}\n${padded.slice(4)}\n`)).toEqual(bytes)
    }
    expect(decodeBase64('A')).toBeUndefined()
    expect(decodeBase64('AA==AA')).toBeUndefined()
    expect(decodeBase64('AAA==')).toBeUndefined()
    expect(decodeBase64('A_-A')).toBeUndefined()
    expect(decodeBase64('')).toEqual(new Uint8Array(0))
  })
})
