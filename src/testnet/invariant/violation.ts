/** What must hold in every run, whatever happens in it. */

export const invariantNames = Object.freeze([
  /** No authority signs two consensuses for one period. */
  'one-consensus',
  /** Every byte of a stream arrives once, in order. */
  'bytes-in-order',
  /** No window of a circuit or stream is exceeded. */
  'windows',
  /** No relay holds both ends of a circuit. */
  'distinct-hops',
  /** Circuit ids, stream ids, timers, sockets are given back. */
  'released',
  /** Queues stay within their limits. */
  'queues',
  /** No node stops by an internal error. */
  'no-internal-error',
] as const)

export type InvariantName = (typeof invariantNames)[number]

export interface Violation {
  readonly invariant: InvariantName
  /** Of the world's clock, in milliseconds. */
  readonly atMs: number
  /** Where it was seen. */
  readonly node: string
  readonly words: string
}

/** Told of each violation, by those who look for them. */
export type Report = (invariant: InvariantName, node: string, words: string) => void
