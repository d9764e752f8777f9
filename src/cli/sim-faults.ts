/** `relish sim NETWORK --faults` and `--seeds`: one seed with its faults, or many, and the least of what fails. */

import { availableParallelism } from 'node:os'
import { RelishError } from '../core/base/errors.ts'
import type { TimedFault } from '../testnet/fault/fault.ts'
import { drawFaults } from '../testnet/explore/draw-faults.ts'
import { explore, type RanSeed, type SeedFailure, type SeedTask } from '../testnet/explore/explore.ts'
import { runSeed, type SeedOutcome } from '../testnet/explore/run-seed.ts'
import { childRunner, localRunner, serveSeeds, type LoadWith } from '../testnet/explore/seed-runner.ts'
import { loadNetwork } from '../testnet/load-network.ts'
import { formatFaultList, parseFaultList } from '../testnet/scenario/fault-list.ts'
import { shellWord } from '../testnet/shell-word.ts'
import { exitCode } from './exit-codes.ts'
import { secondsText, type Output } from './output.ts'
import { load } from './run.ts'
import { loggingTo, noteTo, seedOf, timesText, type SimEnd, type SimOptions, type SimSinks } from './sim-run.ts'

const codes: Readonly<Record<SeedOutcome['kind'], number>> = Object.freeze({
  ok: exitCode.ok,
  'not-started': exitCode.notBootstrapped,
  crash: exitCode.internal,
  invariant: exitCode.invariantBroken,
  'not-converged': exitCode.notConverged,
})

const words: Readonly<Record<SeedOutcome['kind'], string>> = Object.freeze({
  ok: 'whole again after all faults',
  'not-started': 'it did not come up, before anything had happened',
  crash: 'a node ended by an internal error',
  invariant: 'something did not hold that must always hold',
  'not-converged': 'it did not become whole again',
})

/** Undefined: those that a seed draws. */
function faultsOf(options: SimOptions, network: ReturnType<typeof load>['network']): readonly TimedFault[] | undefined {
  if (options.faults === undefined) return []
  return options.faults === true ? undefined : parseFaultList(options.faults, network)
}

export async function simulateSeed(nameOrPath: string, options: SimOptions, output: Output, sinks: SimSinks): Promise<SimEnd> {
  const beganMs = performance.now()
  const seed = seedOf(options)
  const { network } = load(nameOrPath, output, options.set)
  const faults = faultsOf(options, network) ?? drawFaults(network, seed)
  const ran = await runSeed(network, seed, faults, { onNote: noteTo(output), ...loggingTo(output, options), ...sinks })
  const { outcome, digest, virtualMs, events } = ran
  const realMs = performance.now() - beganMs
  if (options.json === true) {
    output.json({ network: network.name, seed, passed: outcome.kind === 'ok', outcome, faults, digest, events, virtualMs, realMs })
  } else {
    const { colours } = output
    if (outcome.kind !== 'ok') output.note(colours.red(`${words[outcome.kind]}: ${outcome.words}`))
    output.note(`${outcome.kind === 'ok' ? colours.green(words.ok) : colours.red('failed')}; ${timesText(ran, realMs)}`)
    output.fact(`trace digest ${digest}`)
  }
  return { exitCode: codes[outcome.kind], digest }
}

export async function exploreSeeds(nameOrPath: string, options: SimOptions, output: Output): Promise<number> {
  const beganMs = performance.now()
  const network = load(nameOrPath, output, options.set)
  const count = options.seeds ?? 1
  const first = seedOf(options)
  const seeds = Array.from({ length: count }, (_, index) => (/^\d{1,15}$/.test(first) ? String(Number(first) + index) : `${first}/${index + 1}`))
  const workers = Math.min(count, options.workers ?? availableParallelism())
  const runners = workers === 1 ? [localRunner(loadWith(nameOrPath, options.set))] : Array.from({ length: workers }, () => childRunner(workerCommand(nameOrPath, options.set)))
  const { colours } = output
  try {
    const exploration = await explore({
      seeds,
      faults: faultsOf(options, network.network),
      runners,
      network,
      onRan: (ran, done) => {
        if (ran.outcome.kind !== 'ok') output.note(colours.red(`seed ${ran.seed}: ${words[ran.outcome.kind]}: ${ran.outcome.words}`))
        if (done % 50 === 0) output.note(`${done} of ${count} seeds, ${secondsText(performance.now() - beganMs)}`)
      },
      onShrinking: (ran) => output.note(`looking for less that fails as seed ${ran.seed} does`),
    })
    const realMs = performance.now() - beganMs
    const failures = exploration.failures.map((failure) => ({ seed: failure.ran.seed, outcome: failure.ran.outcome, replay: replayCommand(nameOrPath, options, failure.ran), ...shrunkOf(nameOrPath, options, failure) }))
    if (options.json === true) {
      output.json({ network: network.network.name, seeds: count, passed: failures.length === 0, failures, realMs })
    } else {
      for (const { seed, outcome, replay, shrunk } of failures) {
        output.note(colours.red(`seed ${seed}: ${words[outcome.kind]}`))
        output.fact(`  ${replay}`)
        if (shrunk !== undefined) output.fact(`  the least that fails alike:\n  ${shrunk}`)
      }
      const text = `${count - failures.length} of ${count} seeds whole again; ${secondsText(realMs)}`
      output.note(failures.length === 0 ? colours.green(text) : colours.red(text))
    }
    const worst = (['crash', 'invariant', 'not-started', 'not-converged'] as const).find((kind) => failures.some(({ outcome }) => outcome.kind === kind))
    return worst === undefined ? exitCode.ok : codes[worst]
  } finally {
    for (const runner of runners) runner.close()
  }
}

/** The hidden command that a worker of `--seeds` is. */
export async function workOnSeeds(nameOrPath: string, settings: readonly string[] | undefined): Promise<void> {
  // Nobody takes an answer any more, as when the command was interrupted: what goes on is for nothing.
  process.stdin.on('end', () => process.exit())
  await serveSeeds(loadWith(nameOrPath, settings), process.stdin, (line) => void process.stdout.write(`${line}\n`))
}

const loadWith =
  (nameOrPath: string, settings: readonly string[] = []): LoadWith =>
  (more) =>
    loadNetwork(nameOrPath, process.env, [...settings, ...more])

function workerCommand(nameOrPath: string, settings: readonly string[] = []): readonly [string, ...string[]] {
  const program = process.argv[1]
  if (program === undefined) throw new RelishError('bug', 'a program without a path')
  return [process.execPath, program, 'sim-worker', nameOrPath, ...settings.flatMap((setting) => ['--set', setting])]
}

const shrunkOf = (nameOrPath: string, options: SimOptions, { shrunk }: SeedFailure): { shrunk?: string } => (shrunk === undefined ? {} : { shrunk: commandOf(nameOrPath, options, shrunk.task) })

const replayCommand = (nameOrPath: string, options: SimOptions, ran: RanSeed): string =>
  commandOf(nameOrPath, options, { seed: ran.seed, faults: options.faults === true ? undefined : ran.faults, settings: [] })

function commandOf(nameOrPath: string, options: SimOptions, task: SeedTask): string {
  const settings = [...(options.set ?? []), ...task.settings].map((setting) => ` --set ${shellWord(setting)}`).join('')
  return `relish sim ${shellWord(nameOrPath)} --seed ${shellWord(task.seed)}${settings} --faults${task.faults === undefined ? '' : ` ${shellWord(formatFaultList(task.faults))}`}`
}
