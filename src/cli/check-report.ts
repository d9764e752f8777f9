/** Results of checks, as people read them. */

import Table from 'cli-table3'
import type { CheckOutcome, CheckResult } from '../testnet/checks/check.ts'
import type { CheckEvent } from '../testnet/checks/run-checks.ts'
import type { BootstrapResult } from '../testnet/bootstrap.ts'
import { cutTo, secondsText, type Colours, type Output } from './output.ts'

/** Lines while checks run: in a pipe every result with its evidence, in the order of the checks; on a terminal the names of those that run. */
export function checkProgress(output: Output): (event: CheckEvent) => void {
  const running = new Map<string, string>()
  const draw = (): void => {
    const [first] = running
    const words = running.size === 1 && first !== undefined ? `${first[0]}: ${first[1]}` : [...running.keys()].join(', ')
    process.stdout.write(`\u001b[2K${words === '' ? '' : output.colours.dim(cutTo(`… ${words}`, output.columns - 1))}\r`)
  }
  return (progress) => {
    switch (progress.kind) {
      case 'check-started':
        running.set(progress.name, progress.summary)
        if (output.live) draw()
        return
      case 'check-log':
        if (!output.live) output.note(`    ${progress.name}: ${progress.line}`)
        return
      case 'check-result':
        running.delete(progress.result.name)
        if (output.live) draw()
        else output.note(plainResult(progress.result))
        return
    }
  }
}

function plainResult(result: CheckResult): string {
  const { outcome } = result
  switch (outcome.kind) {
    case 'passed':
      return [`ok       ${result.name} (${secondsText(result.elapsedMs)}): ${result.summary}`, ...outcome.evidence.map((line) => `    ${line}`)].join('\n')
    case 'not-run':
      return `not run  ${result.name}: ${outcome.reason}`
    case 'flaky':
      return [
        `FLAKY    ${result.name} (${secondsText(result.elapsedMs)}): passed after ${outcome.failures.length} of ${outcome.failures.length + 1} attempts failed: ${outcome.reason}`,
        ...outcome.evidence.map((line) => `    ${line}`),
      ].join('\n')
    case 'failed':
      return [
        `FAILED   ${result.name} (${secondsText(result.elapsedMs)}): ${outcome.reason}`,
        ...(outcome.expected === undefined ? [] : [`    expected: ${outcome.expected}`]),
        ...(outcome.found === undefined ? [] : [`    found:    ${outcome.found}`]),
        ...outcome.evidence.map((line) => `    before that: ${line}`),
      ].join('\n')
  }
}

/** Of the table's first three columns and all its rules. */
const otherColumnsWidth = 4 + 22 + 10 + 5
const evidenceWidthMin = 30

/** The table at the end of a run on a terminal; one too narrow for a table gets plain lines. */
export function checkTable(output: Output, results: readonly CheckResult[]): string {
  const { colours } = output
  const evidenceWidth = output.columns - otherColumnsWidth
  if (evidenceWidth < evidenceWidthMin) return results.map(plainResult).join('\n')
  const table = new Table({
    head: ['', 'check', 'time', 'evidence'].map((title) => colours.bold(title)),
    colWidths: [4, 22, 10, evidenceWidth],
    wordWrap: true,
    style: { head: [], border: colours.isColorSupported ? ['gray'] : [] },
  })
  for (const result of results) {
    const { outcome } = result
    table.push([markOf(outcome, colours), result.name, secondsText(result.elapsedMs), wordsOf(outcome, colours)])
  }
  return table.toString()
}

function markOf(outcome: CheckOutcome, colours: Colours): string {
  switch (outcome.kind) {
    case 'passed':
      return colours.green('✓')
    case 'flaky':
      return colours.yellow('~')
    case 'failed':
      return colours.red('✗')
    case 'not-run':
      return colours.dim('–')
  }
}

function wordsOf(outcome: CheckOutcome, colours: Colours): string {
  switch (outcome.kind) {
    case 'passed':
      return outcome.evidence.join('\n')
    case 'flaky':
      return colours.yellow(`flaky: passed after ${outcome.failures.length} failed: ${outcome.reason}`)
    case 'not-run':
      return colours.dim(`not run: ${outcome.reason}`)
    case 'failed':
      return [colours.red(outcome.reason), ...(outcome.expected === undefined ? [] : [`expected: ${outcome.expected}`, `found: ${outcome.found ?? ''}`])].join('\n')
  }
}

export function stageSummary(bootstrap: BootstrapResult): string {
  return bootstrap.stages.map((stage) => `${stage.stage} ${secondsText(stage.firstMs)}${stage.nodes > 1 ? `–${secondsText(stage.lastMs)}` : ''}`).join(', ')
}

export const failedOf = (results: readonly CheckResult[]): readonly CheckResult[] => results.filter((result) => result.outcome.kind === 'failed')

export function verdict(results: readonly CheckResult[]): string {
  const count = (kind: CheckResult['outcome']['kind']): number => results.filter((result) => result.outcome.kind === kind).length
  const parts = [`${count('passed')} passed`, `${count('failed')} failed`]
  if (count('flaky') > 0) parts.push(`${count('flaky')} flaky`)
  if (count('not-run') > 0) parts.push(`${count('not-run')} not run`)
  return parts.join(', ')
}
