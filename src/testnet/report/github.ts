/** Reports for GitHub Actions: workflow commands that become annotations, and Markdown for the summary of the step. */

import { relative } from 'node:path'
import { summaryRowsMax } from '../limits.ts'
import type { CheckResult } from '../checks/check.ts'
import { countsWords, errorTitle, type RunReport, type TestReport, type Verdict } from './test-report.ts'

/** One line for each failure. `folder`: that of the repository, which paths of annotations are relative to. */
export function githubAnnotations(report: TestReport, folder: string): string[] {
  const file = inFolder(report.network.source, folder)
  return report.runs.flatMap((run) => [
    ...(run.error === undefined ? [] : [annotation('error', file, `${report.network.name}: ${errorTitle(run)}`, run.error)]),
    ...run.checks.flatMap((check) => {
      const { outcome } = check
      const at = check.source === undefined ? file : inFolder(check.source, folder)
      if (outcome.kind === 'failed') return [annotation('error', at, `${check.name} failed`, failureWords(check))]
      if (outcome.kind === 'flaky') return [annotation('warning', at, `${check.name} is flaky`, failureWords(check))]
      return []
    }),
    ...run.observations.map((seen) => annotation('error', file, seen.kind, seen.words)),
  ])
}

/** A file outside the repository has no place for an annotation. */
function inFolder(file: string, folder: string): string | undefined {
  const path = relative(folder, file)
  return path === '' || path.startsWith('..') || path.includes('node_modules') ? undefined : path
}

function annotation(level: 'error' | 'warning', file: string | undefined, title: string, message: string): string {
  const properties = [...(file === undefined ? [] : [`file=${property(file)}`]), `title=${property(title)}`]
  return `::${level} ${properties.join(',')}::${data(message)}`
}

/** As the runner's own toolkit escapes. */
const data = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
const property = (text: string): string => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')

const marks: Readonly<Record<Verdict | CheckResult['outcome']['kind'], string>> = { passed: '✅', failed: '❌', flaky: '⚠️', 'not-ready': '❌', interrupted: '🛑', 'not-run': '⏭️' }

export function githubSummary(report: TestReport): string {
  const { counts } = report
  const title = `## ${marks[report.verdict]} relish: ${cell(report.network.name)}, suite ${cell(report.suite.name)}`
  const runs = counts.runs > 1 ? [`${countsWords(counts)}; the longest took ${secondsOf(counts.longestMs)}, the shortest ${secondsOf(counts.shortestMs)}.`, ''] : []
  const shown = counts.runs === 1 ? report.runs : report.runs.filter((run) => run.verdict !== 'passed')
  return [title, '', ...runs, ...shown.flatMap((run) => runLines(report, run)), `Again: \`${report.command.replaceAll('`', "'")}\``, ''].join('\n')
}

function runLines(report: TestReport, run: RunReport): string[] {
  const rows = run.checks.slice(0, summaryRowsMax).map((check) => `| ${marks[check.outcome.kind]} | ${cell(check.name)} | ${secondsOf(check.elapsedMs)} | ${cell(whatOf(check))} |`)
  return [
    ...(report.runs.length > 1 ? [`### Run ${run.index}`, ''] : []),
    ...(run.error === undefined ? [] : [`${errorTitle(run)}:`, '', ...fenced(run.error)]),
    ...(rows.length === 0 ? [] : ['| | check | time | |', '| --- | --- | --- | --- |', ...rows, '']),
    ...(run.observations.length === 0 ? [] : ['Observers saw:', '', ...run.observations.slice(0, summaryRowsMax).map((seen) => `- **${seen.kind}** ${cell(seen.words)}`), '']),
    ...(run.bundle === undefined ? [] : [`The bundle of it: \`${run.bundle.replaceAll('`', "'")}\` (\`relish bundle show\` tells its story).`, '']),
  ]
}

function whatOf(check: CheckResult): string {
  const { outcome } = check
  switch (outcome.kind) {
    case 'passed':
      return check.summary
    case 'not-run':
      return `not run: ${outcome.reason}`
    case 'failed':
    case 'flaky':
      return failureWords(check)
  }
}

export function failureWords({ outcome }: CheckResult): string {
  if (outcome.kind === 'flaky') return `passed after ${outcome.failures.length} failed: ${outcome.reason}`
  if (outcome.kind !== 'failed') return ''
  return [outcome.reason, ...(outcome.expected === undefined ? [] : [`expected: ${outcome.expected}`, `found: ${outcome.found ?? ''}`])].join('\n')
}

const secondsOf = (ms: number): string => `${(ms / 1000).toFixed(2)} s`

/** Text in a table: no markup, one line. */
const cell = (text: string): string => text.replace(/[\\`*_{}[\]<>|#]/g, (character) => `\\${character}`).replace(/\r?\n/g, '<br>')

/** A fence longer than any in the text. */
function fenced(text: string): string[] {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((match) => match[0].length))
  const fence = '`'.repeat(longest + 1)
  return [fence, text, fence, '']
}
