/** Runs a scenario and says how it went. */

import type { Scenario } from './scenario.ts'
import { runTimeline, type TimelineOptions, type TimelineResult } from './run-timeline.ts'

export type ScenarioVerdict = 'passed' | 'not-started' | 'crash' | 'invariant' | 'expectation'

export interface ScenarioResult extends TimelineResult {
  readonly verdict: ScenarioVerdict
}

export async function runScenario(scenario: Scenario, options: Pick<TimelineOptions, 'onNote' | 'logLevel' | 'logSink' | 'traceSink'> & { readonly seed?: string } = {}): Promise<ScenarioResult> {
  const { faults, actions, expectations, traffic } = scenario
  const result = await runTimeline({ faults, actions, expectations, traffic, ...options, seed: options.seed ?? scenario.seed, network: scenario.loaded.network })
  return { ...result, verdict: verdictOf(result) }
}

/** What is worst first. */
function verdictOf(result: TimelineResult): ScenarioVerdict {
  if (result.bugs.length > 0) return 'crash'
  if (result.violations.length > 0) return 'invariant'
  if (result.notStarted !== undefined) return 'not-started'
  return result.expectations.every((one) => one.met) ? 'passed' : 'expectation'
}
