import { describe, expect, test } from 'vitest'
import { ProcessMemory } from '../../../src/testnet/backend/process-memory.ts'
import { sharedTextCharsMax } from '../../../src/testnet/limits.ts'

describe('what nodes of one process share', () => {
  test('work is done once for a kind and an input', () => {
    const memory = new ProcessMemory()
    let done = 0
    const work = (text: string): string[] => {
      done++
      return [text]
    }
    const first = memory.remember('lines', 'a text', work)
    expect(memory.remember('lines', ['a', 'text'].join(' '), work)).toBe(first)
    expect(done).toBe(1)
    memory.remember('lines', 'another', work)
    memory.remember('words', 'a text', work)
    expect(done).toBe(3)
  })

  test('what gives nothing is remembered, what throws is not', () => {
    const memory = new ProcessMemory()
    let done = 0
    const nothing = (): undefined => {
      done++
      return undefined
    }
    memory.remember('nothing', 'x', nothing)
    memory.remember('nothing', 'x', nothing)
    expect(done).toBe(1)
    const fail = (): never => {
      done++
      throw new RangeError('bad')
    }
    expect(() => memory.remember('fails', 'x', fail)).toThrow('bad')
    expect(() => memory.remember('fails', 'x', fail)).toThrow('bad')
    expect(done).toBe(3)
  })

  test('past its bound, what was not asked for longest is worked out again', () => {
    const memory = new ProcessMemory()
    const big = (name: string): string => name.padEnd(sharedTextCharsMax / 8)
    let done = 0
    const work = (): number => ++done
    memory.remember('size', big('old'), work)
    memory.remember('size', big('used'), work)
    for (let i = 0; i < 8; i++) {
      memory.remember('size', big(`${i}`), work)
      expect(memory.remember('size', big('used'), work)).toBe(2)
    }
    expect(memory.remember('size', big('old'), work)).toBe(11)
  })

  test('what follows from an object is kept for that object', () => {
    const memory = new ProcessMemory()
    const [a, b] = [{ n: 1 }, { n: 1 }]
    const work = ({ n }: { n: number }): { double: number } => ({ double: 2 * n })
    const first = memory.derive('double', a, work)
    expect(memory.derive('double', a, work)).toBe(first)
    expect(memory.derive('double', b, work)).not.toBe(first)
    expect(memory.derive('other', a, work)).not.toBe(first)
  })
})
