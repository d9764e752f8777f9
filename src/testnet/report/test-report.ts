/**
 * What `relish test` found, as data: the one source of every report. Its JSON form is described by
 * `docs/test-report.schema.json`; what is added later keeps `version`, what changes raises it.
 */

import type { StageTime } from '../bootstrap.ts'
import type { World } from '../backend/backend.ts'
import type { CheckResult } from '../checks/check.ts'
import type { ResolvedNode } from '../network-types.ts'
import type { Observation } from '../observe/observation.ts'
import type { TimelineEntry } from '../suite/run-suite.ts'

export const reportFormat = 'relish-test-report'
export const reportVersion = 1

/** `flaky`: every failure passed when tried again. `not-ready`: the network did not come up. `interrupted`: somebody ended it before it was done. */
export type Verdict = 'passed' | 'failed' | 'flaky' | 'not-ready' | 'interrupted'

export interface ReportedNode {
  readonly name: string
  readonly role: ResolvedNode['role']
  readonly implementation: ResolvedNode['implementation']
  readonly version: string
}

export interface RunTimes {
  readonly prepareMs: number
  readonly startMs: number
  readonly checksMs: number
  readonly totalMs: number
}

export interface RunReport {
  /** From 1. */
  readonly index: number
  readonly startedAt: string
  readonly verdict: Verdict
  readonly times: RunTimes
  readonly stages: readonly StageTime[]
  readonly checks: readonly CheckResult[]
  readonly observations: readonly Observation[]
  /** Why the network did not come up, or who ended the run. */
  readonly error?: string
  /** Directory of the bundle that the failure left. */
  readonly bundle?: string
  readonly timeline: readonly TimelineEntry[]
}

export interface TestReport {
  readonly format: typeof reportFormat
  readonly version: typeof reportVersion
  readonly relish: string
  readonly node: string
  readonly platform: string
  /** What repeats it. */
  readonly command: string
  readonly network: {
    readonly name: string
    readonly description: string
    readonly source: string
    readonly world: World
    readonly seed?: string
    readonly nodes: readonly ReportedNode[]
  }
  readonly suite: { readonly name: string; readonly description: string; readonly shard?: string; readonly retries: number; readonly checks: readonly string[] }
  readonly verdict: Verdict
  readonly counts: { readonly runs: number; readonly passed: number; readonly failed: number; readonly flaky: number; readonly interrupted: number; readonly longestMs: number; readonly shortestMs: number }
  readonly runs: readonly RunReport[]
}

export function verdictOfRun(checks: readonly CheckResult[], observations: readonly Observation[], isReady: boolean): Verdict {
  if (!isReady) return 'not-ready'
  if (observations.length > 0 || checks.some((check) => check.outcome.kind === 'failed')) return 'failed'
  return checks.some((check) => check.outcome.kind === 'flaky') ? 'flaky' : 'passed'
}

export function makeReport(facts: Omit<TestReport, 'format' | 'version' | 'verdict' | 'counts'>): TestReport {
  const { runs } = facts
  const count = (...verdicts: readonly Verdict[]): number => runs.filter((run) => verdicts.includes(run.verdict)).length
  const totals = runs.filter((run) => run.verdict !== 'interrupted').map((run) => run.times.totalMs)
  const worst = (['not-ready', 'failed', 'interrupted', 'flaky'] as const).find((verdict) => count(verdict) > 0)
  return {
    format: reportFormat,
    version: reportVersion,
    ...facts,
    verdict: worst ?? 'passed',
    counts: { runs: runs.length, passed: count('passed'), failed: count('failed', 'not-ready'), flaky: count('flaky'), interrupted: count('interrupted'), longestMs: Math.max(0, ...totals), shortestMs: Math.min(...totals, Math.max(0, ...totals)) },
  }
}

/** `49 of 50 runs passed, …` */
export function countsWords({ runs, passed, flaky, failed, interrupted }: TestReport['counts']): string {
  return `${passed} of ${runs} runs passed, ${flaky} flaky, ${failed} failed${interrupted === 0 ? '' : `, ${interrupted} interrupted`}`
}

/** What `error` of a run is about. */
export const errorTitle = (run: RunReport): string => (run.verdict === 'interrupted' ? 'It was interrupted' : 'It did not come up')
