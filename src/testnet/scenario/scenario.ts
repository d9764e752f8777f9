/** A scenario: a network, what happens to it and when, and what is expected of it. The file's form is in `load-scenario.ts`. */

import type { TimedFault } from '../fault/fault.ts'
import type { LoadedNetwork } from '../load-network.ts'

export type Expectation =
  /** Each of the nodes, or one of them, has come so far. */
  | { readonly kind: 'nodes'; readonly which: 'every' | 'some'; readonly names: readonly string[]; readonly has: 'circuit' | 'consensus' | 'ready' | 'stopped' }
  /** Every node that runs holds a consensus in force of which this is true. */
  | { readonly kind: 'consensus'; readonly running: number | undefined; readonly signatures: number | undefined; readonly newer: boolean }
  | { readonly kind: 'check'; readonly name: string }

export interface TimedExpectation {
  readonly atMs: number
  readonly withinMs: number
  readonly expectation: Expectation
}

export interface TimedAction {
  readonly atMs: number
  readonly action: { readonly kind: 'restart'; readonly names: readonly string[] } | { readonly kind: 'vote' }
}

export interface Timeline {
  readonly faults: readonly TimedFault[]
  readonly actions: readonly TimedAction[]
  readonly expectations: readonly TimedExpectation[]
}

export interface Scenario extends Timeline {
  readonly name: string
  readonly description: string
  readonly loaded: LoadedNetwork
  readonly seed: string
  readonly traffic: boolean
}

export function describeExpectation(expectation: Expectation): string {
  switch (expectation.kind) {
    case 'nodes': {
      const { which, names, has } = expectation
      const what = { circuit: 'a circuit through three relays', consensus: 'a consensus in force', ready: 'all it needs', stopped: 'ended' }[has]
      const who = names.length === 1 ? names[0] : `${which === 'every' ? 'each' : 'one'} of ${names.join(', ')}`
      return `${who} has ${what}`
    }
    case 'consensus': {
      const { running, signatures, newer } = expectation
      const parts = [running === undefined ? [] : `lists ${running} running relays`, signatures === undefined ? [] : `has ${signatures} signatures`, newer ? 'is newer than the first' : []].flat()
      return `every node holds a consensus that ${parts.join(' and ')}`
    }
    case 'check':
      return `the check ${expectation.name} passes`
  }
}
