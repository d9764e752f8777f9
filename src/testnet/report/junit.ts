/** JUnit XML: a suite for each run, a case for each check, one more for what observers saw, so that each CI shows all of it. */

import type { Builder, TestSuite } from 'junit-report-builder'
import type { CheckResult } from '../checks/check.ts'
import type { RunReport, TestReport } from './test-report.ts'

export async function junitXml(report: TestReport): Promise<string> {
  // Only this report needs it. Its types take the CommonJS module for one with a default export inside.
  const loaded = await import('junit-report-builder')
  const builder = (loaded.default as unknown as Builder).newBuilder()
  for (const run of report.runs) {
    const suite = builder.testSuite().name(suiteName(report, run)).timestamp(run.startedAt.slice(0, 19)).time(seconds(run.times.totalMs))
    suite.property('command', report.command).property('relish', report.relish).property('world', report.network.world)
    if (report.network.seed !== undefined) suite.property('seed', report.network.seed)
    start(suite, report, run)
    for (const check of run.checks) addCheck(suite, report, check)
    observers(suite, report, run)
  }
  return builder.build()
}

const suiteName = (report: TestReport, run: RunReport): string => `relish ${report.network.name} ${report.suite.name}${report.runs.length > 1 ? ` (run ${run.index})` : ''}`

const className = (report: TestReport): string => `relish.${report.network.name}`

const seconds = (ms: number): number => Math.round(ms) / 1000

function start(suite: TestSuite, report: TestReport, run: RunReport): void {
  const one = suite.testCase().className(className(report)).name('start').time(seconds(run.times.startMs))
  if (run.error !== undefined) one.error(firstLine(run.error), run.verdict, clean(run.error))
}

function addCheck(suite: TestSuite, report: TestReport, { name, source, elapsedMs, outcome }: CheckResult): void {
  const one = suite.testCase().className(className(report)).name(name).time(seconds(elapsedMs))
  if (source !== undefined) one.file(source)
  switch (outcome.kind) {
    case 'passed':
      one.standardOutput(clean(outcome.evidence.join('\n')))
      return
    case 'not-run':
      one.skipped()
      return
    case 'flaky':
      // There is no such outcome in JUnit, and it is no pass.
      one.failure(`flaky: passed after ${outcome.failures.length} failed: ${firstLine(outcome.reason)}`, 'flaky')
      return
    case 'failed':
      one.failure(firstLine(outcome.reason), 'failed')
      one.standardError(clean([outcome.reason, ...(outcome.expected === undefined ? [] : [`expected: ${outcome.expected}`]), ...(outcome.found === undefined ? [] : [`found: ${outcome.found}`]), ...outcome.evidence].join('\n')))
      return
  }
}

function observers(suite: TestSuite, report: TestReport, run: RunReport): void {
  const one = suite.testCase().className(className(report)).name('observers')
  const [first] = run.observations
  if (first === undefined) return
  one.failure(`${run.observations.length === 1 ? '' : `${run.observations.length} observations, the first: `}${first.kind}: ${firstLine(first.words)}`, first.kind)
  one.standardError(clean(run.observations.map((seen) => `${(seen.atMs / 1000).toFixed(3)} ${seen.kind}: ${seen.words}`).join('\n')))
}

/** Messages are attributes: one line, and nothing that XML 1.0 has no place for. */
const firstLine = (text: string): string => clean(text.split('\n')[0] ?? '').slice(0, messageCharactersMax)
const messageCharactersMax = 500

/** XML 1.0 §2.2: characters that a document cannot have, escaped or not. */
const clean = (text: string): string => text.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
