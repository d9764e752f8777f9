/** Counts and comparisons of traces, printed. */

import type { Difference, TraceDiff } from '../trace/diff.ts'
import type { JoinedTrace } from '../trace/join.ts'
import type { TraceStats } from '../trace/stats.ts'
import { durationText, timeText } from '../trace/words.ts'
import type { Output } from './output.ts'

const differencesShown = 40
const circuitsShown = 40

export function printStats(output: Output, stats: TraceStats): void {
  const heading = (text: string): void => output.fact(`\n${output.colours.bold(text)}`)
  output.fact(`${stats.network}, ${stats.world}${stats.seed === undefined ? '' : `, seed ${stats.seed}`}: ${stats.events} events in ${durationText(stats.durationUs)}`)
  heading('times')
  table(output, ['', 'count', 'median', '90 %', 'longest'], stats.times.map((one) => [one.what, String(one.count), durationText(one.medianUs), durationText(one.p90Us), durationText(one.maxUs)]))
  heading('circuits')
  table(
    output,
    ['', 'purpose', 'built in', 'streams', 'cells out', 'in', 'bytes out', 'in', 'B/s', 'path'],
    stats.circuits.slice(0, circuitsShown).map((one) => [
      one.circuit, one.purpose, one.buildUs === undefined ? 'never' : durationText(one.buildUs), String(one.streams), String(one.cellsOut), String(one.cellsIn),
      String(one.bytesOut), String(one.bytesIn), one.bytesPerSecond.toFixed(0), one.path.join(', '),
    ]),
  )
  if (stats.circuits.length > circuitsShown) output.fact(`… and ${stats.circuits.length - circuitsShown} more (--json has them all)`)
  heading('nodes')
  table(output, ['', 'role', 'events', 'cells sent', 'received', 'bytes sent'], stats.nodes.map((one) => [one.node, one.role, String(one.events), String(one.cellsSent), String(one.cellsReceived), String(one.bytesSent)]))
  heading('links')
  table(output, ['', 'connections', 'cells', 'bytes', 'B/s'], stats.links.map((one) => [one.link, String(one.connections), String(one.cells), String(one.bytes), one.perSecond.toFixed(0)]))
  heading('cells by content')
  table(output, ['', 'count'], stats.commands.map((one) => [one.command, String(one.count)]))
  heading('events')
  table(output, ['', 'count', 'a second'], stats.kinds.map((one) => [one.event, String(one.count), one.perSecond.toFixed(1)]))
}

/** The first column to the left, the others to the right, but for the last when it has words. */
function table(output: Output, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  const isText = (column: number): boolean => column === 0 || rows.some((row) => /^[a-z?$]/i.test(row[column] ?? '') && row[column] !== 'never')
  const line = (cells: readonly string[]): string => cells.map((cell, column) => (isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ').trimEnd()
  output.fact(output.colours.dim(line(head)))
  for (const row of rows) output.fact(line(row))
}

export function printDiff(output: Output, diff: TraceDiff, of: { readonly a: string; readonly b: string; readonly left: JoinedTrace; readonly right: JoinedTrace }, all: boolean): void {
  const { colours } = output
  const about = (trace: JoinedTrace): string => `${trace.header.network}, ${trace.header.world}${trace.header.seed === undefined ? '' : `, seed ${trace.header.seed}`}, ${trace.records.length} events`
  output.fact(`A ${of.a}: ${about(of.left)}`)
  output.fact(`B ${of.b}: ${about(of.right)}`)
  output.fact(colours.dim(diff.named ? 'relays are compared by name' : 'relays are compared by role: where keys differ, chance chooses others'))
  const [first] = diff.differences
  if (first === undefined) {
    output.fact(colours.green(`no meaningful difference in ${diff.comparedEvents} events of ${diff.comparedLanes} nodes and circuits`))
    return
  }
  output.fact(`\n${colours.bold('the first difference')}`)
  printDifference(output, first)
  const shown = diff.differences.slice(1, all ? undefined : differencesShown)
  if (shown.length > 0) output.fact(`\n${colours.bold(`and ${diff.differences.length - 1} more`)}`)
  for (const one of shown) printDifference(output, one)
  if (diff.differences.length - 1 > shown.length) output.fact(`… and ${diff.differences.length - 1 - shown.length} more (--all prints them)`)
  if (diff.counts.length === 0) return
  output.fact(`\n${colours.bold('counts that differ')}`)
  table(output, ['', 'A', 'B'], diff.counts.map((one) => [one.what, String(one.a), String(one.b)]))
}

function printDifference(output: Output, one: Difference): void {
  const { colours } = output
  const where = `${timeText(one.t)} s  ${one.lane}`
  switch (one.kind) {
    case 'other':
      output.fact(`${where}${afterText(one.after)}`)
      output.fact(colours.red(`  A ${one.a}`))
      output.fact(colours.green(`  B ${one.b}`))
      return
    case 'only-a':
      output.fact(`${where}${afterText(one.after)}`)
      output.fact(colours.red(`  A ${one.event}`))
      return
    case 'only-b':
      output.fact(`${where}${afterText(one.after)}`)
      output.fact(colours.green(`  B ${one.event}`))
      return
    case 'timing':
      output.fact(`${where}: ${one.event}`)
      output.fact(`  after "${one.after}" ${colours.red(`A ${durationText(one.aUs)}`)}, ${colours.green(`B ${durationText(one.bUs)}`)}`)
      return
    case 'lane-only-a':
    case 'lane-only-b':
      output.fact(`${where}: ${one.events} events, only in ${one.kind === 'lane-only-a' ? colours.red('A') : colours.green('B')}`)
      return
    case 'unaligned':
      output.fact(`${where}: too different to be aligned from here on, ${one.aEvents} events in A, ${one.bEvents} in B`)
      return
  }
}

const afterText = (after: string | undefined): string => (after === undefined ? '' : `, after "${after}"`)
