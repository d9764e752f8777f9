/** `relish compare`: two builds over the same seeds, in simulation, and what they differ by. */

import { execFile } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Command } from 'commander'
import Table from 'cli-table3'
import { RelishError } from '../core/base/errors.ts'
import type { Comparison } from '../testnet/compare/compare-builds.ts'
import type { Figures } from '../testnet/compare/measure-run.ts'
import { exitCode } from './exit-codes.ts'
import { examples, withJson, withSettings } from './options.ts'
import { terminalOutput, type Output } from './output.ts'
import { load } from './run.ts'

interface CompareOptions {
  readonly seeds: string
  readonly jobs?: string
  readonly json?: boolean
  readonly set?: readonly string[]
}

export function addCompareCommand(program: Command): void {
  const command = program
    .command('compare')
    .description('measure two builds of relish over the same seeds, in simulation: start, latency, throughput, cells, processor time')
    .argument('<a>', 'folder of a built checkout or an installed version')
    .argument('<b>', 'the other')
    .argument('[network]', 'path of a network file, or a built-in name', 'basic-min')
    .option('--seeds <n>', 'pairs of runs', '20')
    .option('--jobs <n>', 'runs at a time; as many as the machine has cores if absent')
    .addHelpText(
      'after',
      '\nWires are those of the network file; where it says nothing of them, the preset `internet`, since on loopback latency is\nnext to nothing. Each figure is given with the 95 % interval of the mean paired difference (Student\'s t).\n',
    )
    .action(async (a: string, b: string, network: string, options: CompareOptions) => {
      process.exitCode = await runCompare(a, b, network, options)
    })
  examples(withJson(withSettings(command)), ['relish compare . ../my-branch                      # twenty seeds of basic-min', 'relish compare ../old . basic --seeds 50 --json'])
  // One run, in a process of its own.
  program
    .command('measure-run', { hidden: true })
    .argument('<core>')
    .argument('<network>')
    .argument('<seed>')
    .option('--set <setting...>')
    .action(async (core: string, network: string, seed: string, options: { readonly set?: readonly string[] }) => {
      const [{ measureRun }, { withCore }] = await Promise.all([import('../testnet/compare/measure-run.ts'), import('../testnet/resolve-network.ts')])
      const output = terminalOutput(true)
      output.json(await measureRun(withCore(load(network, output, options.set).network, core), seed))
    })
}

async function runCompare(a: string, b: string, nameOrPath: string, options: CompareOptions): Promise<number> {
  const output = terminalOutput(options.json === true)
  const seeds = count(options.seeds, '--seeds')
  const jobs = options.jobs === undefined ? availableParallelism() : count(options.jobs, '--jobs')
  const { network } = load(nameOrPath, output, options.set)
  const [{ compareBuilds }, { builtFolder }] = await Promise.all([import('../testnet/compare/compare-builds.ts'), import('../testnet/backend/built-folder.ts')])
  const folders = { a: resolve(a), b: resolve(b) }
  for (const folder of Object.values(folders)) builtFolder(folder)
  const settings = [...(options.set ?? []), ...(Object.keys(network.links).length === 0 ? ['links=internet'] : [])]
  const run = async (build: 'a' | 'b', seed: string): Promise<Figures> => {
    const args = ['measure-run', folders[build], nameOrPath, seed, ...(settings.length === 0 ? [] : ['--set', ...settings])]
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [process.argv[1] as string, ...args])
      return JSON.parse(stdout) as Figures
    } catch (thrown) {
      const { stderr } = thrown as { readonly stderr?: string }
      throw new RelishError('unavailable', stderr?.trim().split('\n').at(-1) ?? String(thrown), { cause: thrown })
    }
  }
  const comparison = await compareBuilds(Array.from({ length: seeds }, (_, i) => String(i + 1)), jobs, run, (done) => {
    if (output.live) process.stderr.write(`\r${done} of ${2 * seeds} runs`)
  })
  if (output.live) process.stderr.write('\r')
  if (options.json === true) output.json({ ...folders, network: network.name, method: 'mean paired difference, 95 % interval by Student\'s t', ...comparison })
  else await print(output, folders, comparison)
  return comparison.failed.length > 0 ? exitCode.checkFailed : exitCode.ok
}

async function print(output: Output, folders: { readonly a: string; readonly b: string }, { figures: compared, failed, seeds }: Comparison): Promise<void> {
  const { figures } = await import('../testnet/compare/measure-run.ts')
  const { colours } = output
  const percent = (share: number): string => (Number.isFinite(share) ? `${share >= 0 ? '+' : ''}${(share * 100).toFixed(1)} %` : 'from 0')
  const number = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2))
  const table = new Table({ head: ['figure', 'A', 'B', 'difference', '95 % interval', ''], style: { head: [], border: [] }, colAligns: ['left', 'right', 'right', 'right', 'right', 'left'] })
  for (const one of compared) {
    const { words, unit } = figures[one.name]
    const verdict = one.verdict === 'worse' ? colours.red('worse') : one.verdict === 'better' ? colours.green('better') : ''
    table.push([words, `${number(one.meanA)} ${unit}`, `${number(one.meanB)} ${unit}`, percent(one.change), `${percent(one.low)} … ${percent(one.high)}`, verdict])
  }
  output.fact(`A: ${folders.a}\nB: ${folders.b}\n${table.toString()}\n${seeds.length} seeds; "worse" and "better" where the interval leaves out 0`)
  for (const one of failed) output.note(colours.red(`seed ${one.seed} of ${one.build.toUpperCase()} came to no end: ${one.reason}`))
}

function count(text: string, option: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new RelishError('config', `${option} ${text}: a number of at least 1 is needed`)
  return value
}
