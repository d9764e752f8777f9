/** `relish sim`: networks, scenarios and faults in virtual time. Same seed, same run, same digest. */

import { resolve } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { RelishError } from '../core/base/errors.ts'
import { LineFile } from '../trace/line-file.ts'
import { exitCode } from './exit-codes.ts'
import { another, examples, parseFor, parseLevel, withJson, withSettings } from './options.ts'
import { silentOutput, terminalOutput, type Output } from './output.ts'
import type { SimEnd, SimOptions, SimSinks } from './sim-run.ts'

export function addSimCommand(program: Command): void {
  const command = program
    .command('sim')
    .description('run a network and its checks, or a scenario, in virtual time; one seed always gives the same run')
    .argument('[network]', 'path of a network or scenario file, or a built-in name', 'basic')
    .option('--seed <text>', 'what all randomness follows from (default: 1)')
    .option('--only <checks...>', 'run these checks only: names, or paths of modules')
    .option('--trace <file>', 'write every event as a line of JSON')
    .option('--for <time>', 'let the network live on for so long after the checks: 90s, 24h, 7d', parseFor)
    .option('--faults [list]', 'instead of checks: faults drawn from the seed, or these, and then the network must become whole again')
    .option('--seeds <count>', 'so many seeds, from --seed on; what fails is made smaller, with a command that replays it', parseCount)
    .option('--workers <count>', 'processes for --seeds (default: one for each core)', parseCount)
    .option('--twice', 'run it twice; if the runs differ, say at which event')
    .option('--replay <file>', 'run again what this trace is of, and say which event is the first that differs')
    .option('--core <folder>', 'run all nodes with another build of relish, a checkout or an installed version, unless the file names one for them')
    .option('--step', 'stop before the first event and ask what to do (help tells); commands come from standard input')
    .option('--break <condition>', "stop at each event for which this holds, and ask: 'cell.command == EXTENDED2', again for more", another)
    .option('--log-level <level>', 'also print the logs of all nodes, from this level on', parseLevel)
    // A default like any other of the file, so that it goes wherever settings go.
    .on('option:core', (folder: string) => {
      command.setOptionValue('set', another(`defaults.core=${resolve(folder)}`, command.getOptionValue('set') as readonly string[] | undefined))
    })
    .action(async (network: string, options: SimOptions) => {
      process.exitCode = await runSim(network, options)
    })
  examples(withJson(withSettings(command)), [
    'relish sim                           # the network `basic`, seed 1',
    'relish sim basic --seed 7 --trace run.jsonl',
    'relish sim basic --set relays=50 --for 24h',
    'relish sim authority-lies            # a built-in scenario',
    'relish sim basic-min --seeds 1000 --faults',
    "relish sim basic-min --break 'cell.command == EXTENDED2 && node == client'",
    'relish sim --replay run.jsonl --core ../my-branch',
    "relish sim basic-min --seed 5 --faults '[{ at: 10s, for: 30s, crash: exit }]' --log-level notice",
  ])
  program
    .command('sim-worker', { hidden: true })
    .argument('<network>')
    .option('--set <name=value>', '', another)
    .action(async (network: string, options: { readonly set?: readonly string[] }) => {
      const { workOnSeeds } = await import('./sim-faults.ts')
      await workOnSeeds(network, options.set)
    })
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('A count is a whole number from 1 on.')
  return count
}

export async function runSim(nameOrPath: string, options: SimOptions): Promise<number> {
  const output = terminalOutput(options.json === true)
  if (options.seeds !== undefined) {
    refuseChecks(options, '--seeds')
    const { exploreSeeds } = await import('./sim-faults.ts')
    return exploreSeeds(nameOrPath, options, output)
  }
  if (options.twice === true) return runTwice(nameOrPath, options, output)
  if (options.replay !== undefined) {
    const { replay } = await import('./sim-replay.ts')
    return replay(options.replay, options, output, runOnce)
  }
  const file = options.trace === undefined ? undefined : new LineFile(options.trace)
  const debug = options.step === true || options.break !== undefined ? await debuggerOf(options, output) : undefined
  const { withRecipe } = await import('./sim-replay.ts')
  const sinks: ((line: string) => void)[] = []
  if (file !== undefined) sinks.push(withRecipe(nameOrPath, options.trace as string, options, (line) => file.write(line)))
  if (debug !== undefined) sinks.push(debug.traceSink)
  try {
    const end = await runOnce(nameOrPath, options, output, {
      ...(sinks.length === 0 ? {} : { traceSink: (line: string) => sinks.forEach((sink) => sink(line)) }),
      ...(debug === undefined ? {} : { paused: debug.paused }),
    })
    return end.exitCode
  } finally {
    debug?.close()
    // Of a run that broke, too: that is the one to look at.
    file?.close()
  }
}

/** Asks on standard input: a person, or a script. */
async function debuggerOf(options: SimOptions, output: Output) {
  const [{ SimDebugger }, { createInterface }] = await Promise.all([import('../testnet/debug/sim-debugger.ts'), import('node:readline')])
  const input = createInterface({ input: process.stdin, terminal: false })
  const lines = input[Symbol.asyncIterator]()
  const made = new SimDebugger(
    {
      read: async () => {
        if (process.stdin.isTTY) process.stderr.write('relish> ')
        const { done, value } = await lines.next()
        return done === true ? undefined : value
      },
      print: (text) => output.note(text),
    },
    { step: options.step === true, breaks: options.break ?? [] },
  )
  return { traceSink: made.traceSink, paused: made.paused, close: () => input.close() }
}

/** What runs without checks of its own choosing does not take them, nor what comes after them. */
function refuseChecks(options: SimOptions, beside: string): void {
  const named = options.only !== undefined ? '--only' : options.for !== undefined ? '--for' : undefined
  if (named !== undefined) throw new RelishError('config', `${named} has no meaning beside ${beside}`, { hint: 'checks of a scenario are expectations in its timeline, and it lasts as long as that' })
}

async function runOnce(nameOrPath: string, options: SimOptions, output: Output, sinks: SimSinks): Promise<SimEnd> {
  if (options.faults !== undefined) {
    refuseChecks(options, '--faults')
    const { simulateSeed } = await import('./sim-faults.ts')
    return simulateSeed(nameOrPath, options, output, sinks)
  }
  const { findScenario } = await import('../testnet/scenario/load-scenario.ts')
  const scenario = findScenario(nameOrPath)
  if (scenario !== undefined) {
    refuseChecks(options, 'a scenario')
    const { simulateScenario } = await import('./sim-scenario.ts')
    return simulateScenario(scenario, options, output, sinks)
  }
  const { simulateNetwork } = await import('./sim-network.ts')
  return simulateNetwork(nameOrPath, options, output, sinks)
}

async function runTwice(nameOrPath: string, options: SimOptions, output: Output): Promise<number> {
  const { TraceComparison } = await import('../testnet/explore/trace-comparison.ts')
  const comparison = new TraceComparison()
  const first = await runOnce(nameOrPath, options, output, { traceSink: comparison.first })
  await runOnce(nameOrPath, options, silentOutput(output), { traceSink: comparison.second })
  const { events } = comparison
  const difference = comparison.finish()
  if (difference === undefined) {
    output.note(output.colours.green(`twice the same: ${events} events`))
    return first.exitCode
  }
  output.note(output.colours.red(`two runs of one seed differ at event ${difference.event} of ${events}`))
  output.note(`  first:  ${difference.first ?? 'it had ended'}`)
  output.note(`  second: ${difference.second ?? 'it had ended'}`)
  return exitCode.internal
}
