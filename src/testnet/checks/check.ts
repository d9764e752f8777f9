/**
 * A check: a question about a running network, answered with evidence. One file a check; it either gives its evidence or
 * throws `CheckFailure` with what it expected and what it found.
 */

import type { RunningNetwork } from '../backend/backend.ts'
import type { CheckClient } from './client.ts'
import type { Expect } from './expect.ts'
import type { SinkFactory } from './sink-factory.ts'

export interface CheckContext {
  readonly network: RunningNetwork
  /** Every client of the network that runs. */
  readonly clients: readonly CheckClient[]
  readonly sink: SinkFactory
  readonly expect: Expect
  /** A line for whoever watches. */
  readonly log: (line: string) => void
}

export interface Check {
  readonly name: string
  /** What it shows, in a line. */
  readonly summary: string
  readonly tags: readonly string[]
  /** It stops, kills or restarts nodes: it runs alone, after all that do not, and leaves every node running and ready. */
  readonly disturbs?: boolean
  /** It only uses the network, and what others do with it at the same time changes nothing that it looks at: it may run beside others that say so. */
  readonly besideOthers?: boolean
  /** Warnings that nodes may give because of what it does. All others fail the run, from an observer that always watches. */
  readonly expectedWarnings?: readonly RegExp[]
  /** Where it comes from, if it is a module of the user's. */
  readonly source?: string
  /** Why this check has nothing to do on this network; undefined if it has. */
  notFor?(network: RunningNetwork): string | undefined
  /** The evidence, a line each. */
  run(context: CheckContext): Promise<readonly string[]>
}

/** What one attempt came to. */
export type AttemptOutcome =
  | { readonly kind: 'passed'; readonly evidence: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: string; readonly expected: string | undefined; readonly found: string | undefined; readonly evidence: readonly string[] }
  | { readonly kind: 'not-run'; readonly reason: string }

/** What came of a check. */
export type CheckOutcome =
  | AttemptOutcome
  /** It failed, and passed when it was tried again: that is no pass. `reason` is of the first failure. */
  | { readonly kind: 'flaky'; readonly reason: string; readonly failures: readonly Extract<AttemptOutcome, { kind: 'failed' }>[]; readonly evidence: readonly string[] }

/** A check that was run, and what came of it. */
export interface CheckResult {
  readonly name: string
  readonly summary: string
  readonly tags: readonly string[]
  /** Of a module of the user's. */
  readonly source?: string
  readonly outcome: CheckOutcome
  /** `clock.now()` of its world. */
  readonly startedAtMs: number
  readonly elapsedMs: number
}
