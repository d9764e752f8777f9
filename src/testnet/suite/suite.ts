/** A suite: which checks run, in which order, and what counts as failed besides. Types, and the suites that are built in. */

import type { Check } from '../checks/check.ts'
import { checkPatienceMs, nodeMemoryMbMax } from '../limits.ts'

/** What a suite file says, once everything left open is filled in. */
export interface SuiteSettings {
  readonly name: string
  readonly description: string
  /** Names, `tag:NAME`, `all`, `network`, and absolute paths of modules. */
  readonly checks: readonly string[]
  readonly skip: readonly string[]
  readonly retries: number
  readonly patienceMs: number
  readonly memoryMb: number
  readonly expectedWarnings: readonly RegExp[]
}

/** A suite for one network, with its checks loaded. */
export interface Suite extends Omit<SuiteSettings, 'checks' | 'skip'> {
  readonly checks: readonly Check[]
}

/** What is wanted of a suite. */
export interface Selection {
  /** Only these of the suite: names, tags, paths of modules. A module that the suite does not have is added. */
  readonly only?: readonly string[]
  readonly skip?: readonly string[]
  /** Part `index` (from 1) of `count`. */
  readonly shard?: Shard
}

export interface Shard {
  readonly index: number
  readonly count: number
}

/** A suite that is yet to be loaded, where the network runs, with what is chosen of it. */
export interface SuiteRequest {
  readonly settings: SuiteSettings
  readonly selection: Selection
}

export const usualSettings = Object.freeze({ skip: [], retries: 0, patienceMs: checkPatienceMs, memoryMb: nodeMemoryMbMax, expectedWarnings: [] })

export const builtInSuites: readonly SuiteSettings[] = Object.freeze([
  { ...usualSettings, name: 'default', description: 'the checks of the network file', checks: ['network'] },
  { ...usualSettings, name: 'smoke', description: 'a few seconds: traffic flows, paths are right, one consensus', checks: ['tag:smoke'] },
  { ...usualSettings, name: 'full', description: 'every built-in check, and those of the network file', checks: ['all', 'network'] },
])
