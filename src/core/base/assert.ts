import { RelishError } from './errors.ts'

/**
 * States one condition that holds unless this program has a bug. Stays on always. Input from a peer, a file or a user
 * never reaches an assertion: that is checked with an error of its own kind.
 */
export function assert(condition: boolean, words: string): asserts condition {
  if (!condition) throw new RelishError('bug', `assertion failed: ${words}`)
}

/** For the end of a `switch` whose cases the compiler has proven complete. */
export function unreachable(value: never): never {
  throw new RelishError('bug', `unreachable value: ${String(value)}`)
}

/** The value, which a bug alone could have left undefined. */
export function must<T>(value: T | undefined | null, words: string): T {
  assert(value !== undefined && value !== null, words)
  return value
}
