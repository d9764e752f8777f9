/** Every fuzzer for a moment, with one fixed seed; and proof that a fuzzer can fail. */

import { describe, expect, it } from 'vitest'
import { protocolError, RelishError } from '../../src/core/base/errors.ts'
import type { Fuzzer } from './fuzzer.ts'
import { fuzzers } from './registry.ts'
import { describeBreach, runFuzzer } from './run-fuzzer.ts'

describe('fuzzers, for a moment', () => {
  it.each(fuzzers.map((fuzzer) => [fuzzer.name, fuzzer] as const))('%s', (_name, fuzzer) => {
    const outcome = runFuzzer(fuzzer, 'smoke', fuzzer.smokeCases)
    if (outcome.breach !== undefined) throw new Error(describeBreach(outcome.breach))
    expect(outcome.cases).toBe(fuzzer.smokeCases)
    expect(outcome.accepted).toBeGreaterThan(0)
  })

  it('have different names', () => {
    expect(new Set(fuzzers.map((fuzzer) => fuzzer.name)).size).toBe(fuzzers.length)
  })
})

describe('the canary', () => {
  const canary = (run: Fuzzer['run']): Fuzzer => ({
    name: 'canary',
    corpus: () => [new TextEncoder().encode('a tame bird in a quiet mine')],
    run,
    allowed: ['protocol'],
    form: 'text',
    inputBytesMax: 1000,
    smokeCases: 2000,
  })

  it('dies of a foreign error, and its input is made small', () => {
    const outcome = runFuzzer(canary((input) => {
      if (input.includes(0)) (undefined as unknown as { sing(): void }).sing()
      return input
    }), 'smoke', 2000)
    expect(outcome.breach?.words).toMatch(/^foreign error/)
    expect(outcome.breach?.input).toEqual(Uint8Array.of(0))
  })

  it('dies of an error of the wrong kind, of a result that grows, and of a refused corpus', () => {
    const wrongKind = runFuzzer(canary((input) => {
      if (input.length > 40) throw new RelishError('bug', 'assertion failed')
      return input
    }), 'smoke', 2000)
    expect(wrongKind.breach?.words).toBe('RelishError of kind bug: assertion failed')
    const growing = runFuzzer(canary((input) => (input.includes(255) ? new Uint8Array(10_000_000) : input)), 'smoke', 2000)
    expect(growing.breach?.words).toMatch(/bytes became more than/)
    const refused = runFuzzer(canary(() => {
      throw protocolError('no')
    }), 'smoke', 10)
    expect(refused.breach?.words).toMatch(/corpus entry 0 is not accepted: no/)
  })

  it('lives where only allowed errors come out', () => {
    const outcome = runFuzzer(canary((input) => {
      if (input.length % 2 === 0) throw protocolError('even')
      return input
    }), 'smoke', 500)
    expect(outcome.breach).toBeUndefined()
  })
})
