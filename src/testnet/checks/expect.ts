/** How a check says what must hold. A failure carries both sides, so that a report can show them. */

import { RelishError } from '../../core/base/errors.ts'

export class CheckFailure extends RelishError {
  readonly expected: string | undefined
  readonly found: string | undefined

  constructor(message: string, expected?: string, found?: string) {
    super('refused', message)
    this.expected = expected
    this.found = found
  }
}

export interface Expect {
  (condition: boolean, words: string): void
  /** `found`, which must be there. */
  defined<T>(found: T | undefined, words: string): T
  equal(found: unknown, expected: unknown, words: string): void
  /** `found` is one of `expected`. */
  oneOf(found: unknown, expected: readonly unknown[], words: string): void
  /** Fails with `words` unless `action` throws; gives what it threw. */
  toThrow(action: () => unknown, words: string): Promise<unknown>
}

const show = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value)))

export function makeExpect(): Expect {
  const expect = ((condition: boolean, words: string): void => {
    if (!condition) throw new CheckFailure(words)
  }) as Expect
  expect.defined = <T>(found: T | undefined, words: string): T => {
    if (found === undefined) throw new CheckFailure(words)
    return found
  }
  expect.equal = (found, expected, words) => {
    if (show(found) !== show(expected)) throw new CheckFailure(words, show(expected), show(found))
  }
  expect.oneOf = (found, expected, words) => {
    if (!expected.some((one) => show(one) === show(found))) throw new CheckFailure(words, `one of ${expected.map(show).join(', ')}`, show(found))
  }
  expect.toThrow = async (action, words) => {
    try {
      await action()
    } catch (error) {
      return error
    }
    throw new CheckFailure(words, 'an error', 'none')
  }
  return expect
}
