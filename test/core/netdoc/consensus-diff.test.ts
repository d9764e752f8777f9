/** Consensus diffs: those we make lead where they say, and those that are no diffs are refused (dir-spec §4.5, appendix E). */

import { describe, expect, test } from 'vitest'
import { hexEncodeUpper, latin1Encode } from '../../../src/core/base/encoding.ts'
import { RelishError } from '../../../src/core/base/errors.ts'
import { randomUnit, SeededRng } from '../../../src/core/base/rng.ts'
import { sha3_256 } from '../../../src/core/crypto/hashes.ts'
import { applyConsensusDiff, digestAsSigned, generateConsensusDiff, isConsensusDiff } from '../../../src/core/netdoc/consensus-diff.ts'
import { applyEdCommands, generateEdCommands } from '../../../src/core/netdoc/ed-diff.ts'
import { maxDiffComparisons } from '../../../src/core/netdoc/limits.ts'
import { captured } from './vectors.ts'

const noKeys = () => undefined
const firstWord = (line: string) => line.split(' ')[0]

function generate(base: string[], target: string[], keyOf: (line: string) => string | undefined = noKeys): string[] {
  const commands = generateEdCommands(base, target, keyOf)
  if (commands === undefined) throw new Error('no commands')
  return commands
}

describe('commands', () => {
  test.each<[string, string[], string[], string[]]>([
    ['nothing', ['a', 'b'], ['a', 'b'], []],
    ['a deleted line', ['a', 'b', 'c'], ['a', 'c'], ['2d']],
    ['deleted lines', ['a', 'b', 'c', 'd'], ['a', 'd'], ['2,3d']],
    ['a changed line', ['a', 'b', 'c'], ['a', 'x', 'c'], ['2c', 'x', '.']],
    ['changed lines', ['a', 'b', 'c', 'd'], ['a', 'x', 'd'], ['2,3c', 'x', '.']],
    ['lines in front', ['a'], ['x', 'y', 'a'], ['0a', 'x', 'y', '.']],
    ['lines behind', ['a'], ['a', 'x'], ['1a', 'x', '.']],
    ['two places, from back to front', ['a', 'b', 'c', 'd'], ['x', 'b', 'c'], ['4d', '1c', 'x', '.']],
    ['all of it', [], ['x'], ['0a', 'x', '.']],
  ])('say %s', (_, base, target, commands) => {
    expect(generate(base, target)).toEqual(commands)
    expect(applyEdCommands(base, commands)).toEqual(target)
  })

  test('cannot say a lone dot', () => {
    expect(generateEdCommands(['a'], ['a', '.'], noKeys)).toBeUndefined()
  })

  test('are few when lines are aligned by a name, and right when nothing aligns them', () => {
    const many = Math.ceil(Math.sqrt(maxDiffComparisons)) + 1
    const base = Array.from({ length: many }, (_, i) => `${i} old`)
    const target = base.map((line, i) => (i % 2 === 0 ? `${i} new` : line))
    const aligned = generate(base, target, firstWord)
    expect(aligned.filter((line) => line.endsWith('c'))).toHaveLength(Math.ceil(many / 2))
    expect(applyEdCommands(base, aligned)).toEqual(target)
    // Past the limit of comparisons, everything between the first and the last difference is replaced.
    const coarse = generate(base, target)
    expect(coarse.filter((line) => line.endsWith('c'))).toHaveLength(1)
    expect(applyEdCommands(base, coarse)).toEqual(target)
  })

  test('lead from any text to any other', () => {
    const rng = new SeededRng('ed')
    const draw = (n: number): number => Math.floor(randomUnit(rng) * n)
    const text = (): string[] => Array.from({ length: draw(12) }, () => 'abcdef'[draw(6)] ?? '')
    for (let i = 0; i < 2000; i++) {
      const base = text()
      const target = text()
      for (const keyOf of [noKeys, (line: string) => (line < 'c' ? line : undefined)]) {
        expect(applyEdCommands(base, generate(base, target, keyOf))).toEqual(target)
      }
    }
  })

  test.each<[string, string[]]>([
    ['no number', ['d']],
    ['no command', ['1']],
    ['another command', ['1i', 'x', '.']],
    ['two commands', ['1dd']],
    ['a pattern', ['/a/d']],
    ['a space', ['1 d']],
    ['a range that goes back', ['3,2d']],
    ['a range of one', ['2,2d']],
    ['a line that is not there', ['5d']],
    ['an append behind the end', ['5a', 'x', '.']],
    ['an append after a range', ['1,2a', 'x', '.']],
    ['a change to the end', ['2,$c', 'x', '.']],
    ['a deletion of line 0', ['0d']],
    ['commands from front to back', ['1d', '3d']],
    ['commands that overlap', ['2,4d', '2c', 'x', '.']],
    ['a block without an end', ['1a', 'x']],
    ['an empty block', ['1a', '.']],
    ['a number beyond all bounds', [`${'9'.repeat(200)}d`]],
  ])('refuse %s', (_, commands) => {
    expect(() => applyEdCommands(['a', 'b', 'c', 'd'], commands)).toThrow(RelishError)
  })
})

describe('a consensus diff', () => {
  const target = captured('consensus-ns')
  const relays = target.split('\n').filter((line) => line.startsWith('r '))
  const base = target
    .replace('valid-after', 'valid-after-before')
    .replace(relays[1] ?? '', `${relays[1]?.split(' ').slice(0, 4).join(' ')} 2001-01-01 00:00:00 127.0.0.1 1 0`)
    .replace(/\nr [^]*?(?=\nr )/, '')

  test('binds the signed part of the base and the whole of the result', () => {
    const diff = generateConsensusDiff(base, target) ?? ''
    expect(isConsensusDiff(diff)).toBe(true)
    const [version, hash, first] = diff.split('\n')
    expect(version).toBe('network-status-diff-version 1')
    const signed = base.slice(0, base.indexOf('directory-signature ') + 'directory-signature '.length)
    expect(hash).toBe(`hash ${hexEncodeUpper(sha3_256(latin1Encode(signed)))} ${hexEncodeUpper(sha3_256(latin1Encode(target)))}`)
    expect(first).toBe(`${signed.split('\n').length},$d`)
    expect(applyConsensusDiff(base, diff)).toBe(target)
    expect(diff.length).toBeLessThan(target.length)
  })

  test('does not depend on the signatures the receiver has', () => {
    const diff = generateConsensusDiff(base, target) ?? ''
    const fewer = base.slice(0, base.lastIndexOf('directory-signature '))
    expect(digestAsSigned(fewer)).toEqual(digestAsSigned(base))
    expect(applyConsensusDiff(fewer, diff)).toBe(target)
  })

  test('applies to consensuses without signatures', () => {
    const unsigned = base.slice(0, base.indexOf('directory-signature '))
    expect(applyConsensusDiff(unsigned, generateConsensusDiff(unsigned, target) ?? '')).toBe(target)
  })

  test('is refused for another base, another result, another version, and without its end', () => {
    const diff = generateConsensusDiff(base, target) ?? ''
    const refused = (from: string, text: string): string => {
      try {
        applyConsensusDiff(from, text)
      } catch (error) {
        return error instanceof RelishError ? `${error.kind}: ${error.message}` : 'not a RelishError'
      }
      return 'applied'
    }
    expect(refused(target, diff)).toMatch(/^bad-document: .*another consensus/)
    expect(refused(base, diff.replace('\nvalid-after ', '\nvalid-until '))).toMatch(/^bad-document: .*does not make/)
    expect(refused(base, diff.replace('version 1', 'version 2'))).toMatch(/^bad-document: .*version/)
    expect(refused(base, diff.replace(/^hash .*$/m, 'hash 00 00'))).toMatch(/^bad-document: .*digests/)
    expect(refused(base, diff.slice(0, -1))).toMatch(/^bad-document/)
    expect(refused(base, '')).toMatch(/^bad-document/)
  })

  test('cannot be made of what has no last newline', () => {
    expect(generateConsensusDiff(base.slice(0, -1), target)).toBeUndefined()
  })
})
