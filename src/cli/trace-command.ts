/** `relish trace`: what was recorded, read, counted, compared and drawn. See docs/TRACE.md. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { RelishError } from '../core/base/errors.ts'
import { packageRoot } from '../testnet/package-root.ts'
import type { JoinedTrace } from '../trace/join.ts'
import type { ShowFilter } from '../trace/show.ts'
import { exitCode } from './exit-codes.ts'
import { findRunDirectory, type RunChoice } from './find-run.ts'
import { examples, withJson, withRun } from './options.ts'
import { terminalOutput } from './output.ts'
import { printDiff, printStats } from './trace-report.ts'

export function addTraceCommands(program: Command): void {
  const trace = program.command('trace').description('read, count, compare and draw what was recorded with --trace')
  examples(trace, ['relish sim basic --seed 1 --trace run.jsonl', 'relish trace show run.jsonl --circuit client1#3', 'relish trace html run.jsonl -o run.html'])

  examples(
    withJson(
      trace
        .command('show')
        .description('what happened, line by line: who sent what to whom')
        .argument('<file>', 'a trace')
        .option('--circuit <id>', 'one circuit through all its hops: client1#3')
        .option('--stream <id>', 'one stream, by its number; with --circuit, or as client1#3/17')
        .option('--node <name>', 'what one node does, sends and receives')
        .option('--link <a-b>', 'what goes between two nodes')
        .option('--from <time>', 'from so long after the beginning: 1.5s, 200ms, 340us', parseTime)
        .option('--to <time>', 'until then', parseTime)
        .option('--kind <kinds...>', 'events whose names begin so: cell, circuit.open, decision'),
    ).action(showTrace),
    ['relish trace show run.jsonl --circuit client1#3', 'relish trace show run.jsonl --link client1-exit2 --from 1s --to 1.2s', 'relish trace show run.jsonl --kind decision'],
  )

  examples(
    withJson(trace.command('stats').description('how much of what, and how long things took').argument('<file>', 'a trace')).action(async (file: string, options: { readonly json?: boolean }) => {
      const output = terminalOutput(options.json === true)
      const [joined, { traceStats }] = [await load(file), await import('../trace/stats.ts')]
      const stats = traceStats(joined)
      if (options.json === true) output.json(stats)
      else printStats(output, stats)
    }),
    ['relish trace stats run.jsonl', 'relish trace stats run.jsonl --json | jq .times'],
  )

  examples(
    withJson(
      trace
        .command('diff')
        .description('in what two runs differ, the first difference first; exit code 1 if they do')
        .argument('<a>', 'a trace')
        .argument('<b>', 'another one')
        .option('--tolerance <time>', 'how much longer or shorter a pause may be, beside a tenth of it (half of it outside simulations)', parseTime)
        .option('--names', 'compare relays by name even where keys differ')
        .option('--roles', 'compare relays by role even where keys are the same')
        .option('--exact', 'compare line by line, and tell the first line that differs')
        .option('--all', 'print all differences, not only the first forty'),
    ).action(async (a: string, b: string, options: DiffCommandOptions) => {
      process.exitCode = await diffFiles(a, b, options)
    }),
    ['relish trace diff before.jsonl after.jsonl', 'relish trace diff before.jsonl after.jsonl --json | jq .differences[0]'],
  )

  examples(
    trace
      .command('html')
      .description('one page that needs nothing else: nodes and links, a timeline, circuits as sequence diagrams')
      .argument('<file>', 'a trace')
      .requiredOption('-o, --output <file>', 'the page')
      .option('--from <time>', 'only what happened so long after the beginning', parseTime)
      .option('--to <time>', 'until then', parseTime)
      .action(async (file: string, options: { readonly output: string; readonly from?: number; readonly to?: number }) => {
        const [joined, { tracePage }] = [await load(file, withoutWorld), await import('../trace/page.ts')]
        const template = readFileSync(join(packageRoot(), 'templates', 'trace-page.html'), 'utf8')
        write(options.output, tracePage(joined, template, { ...(options.from === undefined ? {} : { fromUs: options.from }), ...(options.to === undefined ? {} : { toUs: options.to }) }))
        terminalOutput(false).fact(options.output)
      }),
    ['relish trace html run.jsonl -o run.html', 'relish trace html run.jsonl -o run.html --from 10s --to 12s'],
  )

  examples(
    withRun(trace.command('merge').description('make a trace of what the nodes of a run have recorded so far').requiredOption('-o, --output <file>', 'the trace')).action(
      async (options: RunChoice & { readonly output: string }) => {
        const directory = await findRunDirectory(options)
        const record = directory.readRecord()
        if (record === undefined) throw new RelishError('config', `${directory.path} is not a run directory`)
        const { mergeParts } = await import('../trace/merge-parts.ts')
        const nodes = record.network.nodes.map(({ name, role }) => ({ name, role }))
        const { events } = mergeParts({ folder: directory.traces, network: record.network.name, world: 'processes', nodes, output: options.output })
        terminalOutput(false).note(`${events} events of ${record.network.name} in ${options.output}`)
      },
    ),
    ['relish up --detach --trace && relish verify && relish trace merge -o run.jsonl'],
  )
}

/** What a simulated world writes of its wires and disks is half of a trace, and said otherwise by its nodes. */
const withoutWorld = (event: string): boolean => !event.startsWith('net.') && !event.startsWith('file.')

/** `wants`: events that matter; all if absent. */
export async function load(file: string, wants?: (event: string) => boolean): Promise<JoinedTrace> {
  const [{ readTrace }, { joinTrace }] = await Promise.all([import('../trace/read-trace.ts'), import('../trace/join.ts')])
  const read = readTrace(resolve(file), wants)
  if (read.isCut) process.stderr.write(`relish: ${file} ends in the midst of a line; what comes before is used\n`)
  return joinTrace(read)
}

interface ShowCommandOptions {
  readonly json?: boolean
  readonly circuit?: string
  readonly stream?: string
  readonly node?: string
  readonly link?: string
  readonly from?: number
  readonly to?: number
  readonly kind?: readonly string[]
}

async function showTrace(file: string, options: ShowCommandOptions): Promise<void> {
  const { formatLine, show } = await import('../trace/show.ts')
  const trace = await load(file, options.kind === undefined ? withoutWorld : undefined)
  const [circuit, stream] = streamChoice(options)
  const filter: ShowFilter = {
    ...(circuit === undefined ? {} : { circuit }),
    ...(stream === undefined ? {} : { stream }),
    ...(options.node === undefined ? {} : { node: options.node }),
    ...(options.link === undefined ? {} : { link: options.link }),
    ...(options.from === undefined ? {} : { fromUs: options.from }),
    ...(options.to === undefined ? {} : { toUs: options.to }),
    ...(options.kind === undefined ? {} : { kinds: options.kind }),
  }
  const width = Math.max(4, ...trace.nodes.map((node) => node.name.length))
  let text = ''
  for (const line of show(trace, filter)) {
    text += `${options.json === true ? JSON.stringify(line) : formatLine(line, width)}\n`
    if (text.length < 65536) continue
    process.stdout.write(text)
    text = ''
  }
  process.stdout.write(text)
}

/** `--stream client1#3/17` says the circuit as well. */
function streamChoice(options: ShowCommandOptions): [string | undefined, number | undefined] {
  if (options.stream === undefined) return [options.circuit, undefined]
  const match = /^(?:(.+)\/)?(\d+)$/.exec(options.stream)
  if (match === null) throw new RelishError('config', `${options.stream} is not a stream`, { hint: 'a stream is a number, or a circuit, a slash and a number: client1#3/17' })
  return [match[1] ?? options.circuit, Number(match[2])]
}

interface DiffCommandOptions {
  readonly json?: boolean
  readonly tolerance?: number
  readonly names?: boolean
  readonly roles?: boolean
  readonly exact?: boolean
  readonly all?: boolean
}

async function diffFiles(a: string, b: string, options: DiffCommandOptions): Promise<number> {
  const output = terminalOutput(options.json === true)
  if (options.exact === true) {
    const { firstDifferentLine } = await import('../trace/exact.ts')
    const different = firstDifferentLine(resolve(a), resolve(b))
    if (options.json === true) output.json({ equal: different === undefined, ...different })
    else output.fact(different === undefined ? 'the traces are the same, line by line' : `line ${different.line} is the first that differs\n  A ${different.a ?? '(ends before it)'}\n  B ${different.b ?? '(ends before it)'}`)
    return different === undefined ? exitCode.ok : exitCode.checkFailed
  }
  const { diffTraces } = await import('../trace/diff.ts')
  const [left, right] = [await load(a, withoutWorld), await load(b, withoutWorld)]
  const diff = diffTraces(left, right, {
    ...(options.tolerance === undefined ? {} : { toleranceUs: options.tolerance }),
    ...(options.names === true ? { named: true } : options.roles === true ? { named: false } : {}),
  })
  const equal = diff.differences.length === 0
  if (options.json === true) output.json({ equal, ...diff })
  else printDiff(output, diff, { a, b, left, right }, options.all === true)
  return equal ? exitCode.ok : exitCode.checkFailed
}

/** Microseconds. A number alone counts seconds. */
function parseTime(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(us|µs|ms|s|m|h)?$/.exec(text.trim())
  if (match === null) throw new InvalidArgumentError('A time is a number and a unit: 1.5s, 200ms, 340us.')
  const factors: Readonly<Record<string, number>> = { us: 1, µs: 1, ms: 1e3, s: 1e6, m: 6e7, h: 3.6e9 }
  return Number(match[1]) * (factors[match[2] ?? 's'] ?? 1e6)
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch (cause) {
    throw new RelishError('local-io', `cannot write ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
