/** `relish test`: up, checked, down, in one command with one exit code; once or many times, with reports and a bundle. */

import { join, resolve } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { RelishError } from '../core/base/errors.ts'
import { programVersion } from '../core/base/version.ts'
import { skippedByWarmGenesis } from '../testnet/genesis/genesis-words.ts'
import { pathFromHere, type LoadedNetwork } from '../testnet/load-network.ts'
import { refuseForeignFolder, writeBundle } from '../testnet/report/bundle.ts'
import { countsWords, makeReport, type RunReport, type TestReport } from '../testnet/report/test-report.ts'
import type { Suite } from '../testnet/suite/suite.ts'
import { checkProgress, checkTable, stageSummary, verdict } from './check-report.ts'
import { examples, levelWords, parseLevel, withDirectory, withJson, withSettings, withTrace } from './options.ts'
import { secondsText, terminalOutput, type Output } from './output.ts'
import { load, type RunOptions } from './run.ts'
import { commandLine, exitCodeFor, suiteRequest, suiteWords, withSuite, type SuiteOptions } from './suite-options.ts'
import { refuseUnwritable, reportTargets, writeReports } from './test-reports.ts'
import { foldersOf, runOnce, type OneRun } from './test-run.ts'
import { platformText, type WorldName } from './test-world.ts'

interface TestOptions extends RunOptions, SuiteOptions {
  readonly json?: boolean
  readonly repeat: number
  readonly world: WorldName
  readonly seed?: string
  /** `true`: asked for, in the usual place. `false`: not wanted. */
  readonly bundle?: string | boolean
}

const usualBundle = 'relish-bundle'

/** What is kept of a run: logs and states are in its bundle by then. */
type FinishedRun = Omit<OneRun, 'evidence'>

export function addTestCommand(program: Command): void {
  const begun = program
    .command('test')
    .description('start a network, run its checks, stop it; the exit code says how it went')
    .argument('[network]', 'path of a network file, or a built-in name', 'basic')
  const command = withSuite(begun)
    .option('--repeat <n>', 'do all of it n times, each time with new keys', parseCount, 1)
    .addOption(new Option('--world <world>', 'where nodes run').choices(['processes', 'inline', 'simulated']).default('processes'))
    .option('--seed <text>', 'what all randomness of a simulated world follows from')
    .option('--bundle [dir]', `leave all that is known of a failure in this folder (${usualBundle}); on by itself where CI is set, and with --repeat`)
    .option('--no-bundle', 'leave no bundle')
    .option('--clean', 'forget keys and state of earlier runs in this directory first')
    .option('--log-level <level>', levelWords, parseLevel)
    .action(async (network: string, options: TestOptions) => {
      process.exitCode = await runTest(network, options)
    })
  examples(withJson(withDirectory(withSettings(withTrace(command)))), [
    'relish test                          # the network `basic`, its own checks',
    'relish test basic --suite full --report junit=out.xml --report html=out.html',
    'relish test basic-min --only echo path',
    'relish test basic --suite full --skip bulk authority-loss --shard 1/2',
    'relish test basic --suite full --world simulated --seed 7',
    'relish test basic --suite full --repeat 50',
    'relish test basic --set exits=2 --set params.cc_alg=0',
    'relish test basic --genesis warm     # no first vote: nodes find a consensus',
    'relish test ./my.yaml --json > result.json',
  ])
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > repeatMax) throw new InvalidArgumentError(`A number from 1 to ${repeatMax}.`)
  return count
}
const repeatMax = 100_000

export async function runTest(nameOrPath: string, options: TestOptions): Promise<number> {
  const output = terminalOutput(options.json === true)
  if (options.seed !== undefined && options.world !== 'simulated') {
    throw new RelishError('config', `--seed has no meaning in the world ${options.world}`, { hint: 'with --world simulated all of a run follows from it' })
  }
  const loaded = load(nameOrPath, output, options.set)
  // A misspelt check is found before anything is started, and modules are loaded before time passes in a simulation.
  const suite = await chooseSuite(loaded, options)
  const targets = reportTargets(options.report, process.env)
  refuseUnwritable(targets, process.env)
  const bundle = bundleFolder(options)
  const isMany = options.repeat > 1
  if (bundle !== undefined && !isMany) refuseForeignFolder(bundle)
  const show = checkProgress(output)
  const runs: FinishedRun[] = []
  const bundles = new Map<number, string>()
  const reportOf = (): TestReport => testReport(nameOrPath, loaded, suite, options, runs, bundles)
  let broken: { readonly error: unknown } | undefined
  for (let index = 1; index <= options.repeat; index++) {
    let ended: OneRun
    try {
      ended = await runOnce(loaded, suite, { ...options, index, clean: options.clean === true || isMany, keepsState: bundle !== undefined, showsStart: !isMany }, output, (progress) => {
        if (!isMany || (progress.kind === 'check-result' && progress.result.outcome.kind !== 'passed' && progress.result.outcome.kind !== 'not-run')) show(progress)
      })
    } catch (error) {
      const last = runs.at(-1)
      if (last === undefined) throw error
      // What was found out before is told first.
      broken = { error }
      runs.push({ ...last, report: notBegun(index, error), notReady: undefined, interrupted: undefined })
      break
    }
    const { evidence, ...one } = ended
    runs.push(one)
    if (bundle !== undefined && one.report.verdict !== 'passed' && one.interrupted === undefined) {
      const folder = isMany ? join(bundle, `run-${index}`) : bundle
      bundles.set(index, pathFromHere(folder))
      writeBundleOf(folder, loaded, reportOf(), one.report.index, evidence)
    }
    if (isMany) tellRun(output, one.report, options.repeat)
    if (one.interrupted !== undefined) break
  }
  const report = reportOf()
  await writeReports(report, targets, process.env, output)
  const interrupted = runs.find((one) => one.interrupted !== undefined)?.interrupted
  // A network that did not come up tells its own story, as it does for `up`.
  const notReady = runs.find((one) => one.notReady !== undefined)?.notReady
  if (options.json === true && notReady !== undefined && !isMany) throw notReady
  if (options.json === true) output.json(isMany ? manyFacts(report, runs) : factsOf(loaded, runs))
  else if (isMany) tellMany(output, report)
  else if (interrupted === undefined) for (const one of runs) tellOne(output, one)
  for (const folder of bundles.values()) output.note(`bundle: ${folder} (relish bundle show ${folder})`)
  if (broken !== undefined) throw broken.error
  if (interrupted !== undefined) throw interrupted
  if (notReady !== undefined && !isMany) throw notReady
  return exitCodeFor(report.verdict, options.allowFlaky === true)
}

/** One of many runs that something kept from beginning, as it would those after it. */
const notBegun = (index: number, error: unknown): RunReport => ({
  index,
  startedAt: new Date().toISOString(),
  verdict: 'interrupted',
  times: { prepareMs: 0, startMs: 0, checksMs: 0, totalMs: 0 },
  stages: [],
  checks: [],
  observations: [],
  error: error instanceof Error ? error.message : String(error),
  timeline: [],
})

async function chooseSuite(loaded: LoadedNetwork, options: TestOptions): Promise<Suite> {
  const [{ settings, selection }, { loadSuiteChecks }] = await Promise.all([suiteRequest(options), import('../testnet/suite/select-checks.ts')])
  return loadSuiteChecks(settings, loaded.network.checks, selection)
}

function bundleFolder(options: TestOptions): string | undefined {
  if (options.bundle === false) return undefined
  if (typeof options.bundle === 'string') return resolve(options.bundle)
  const isCi = !['', '0', 'false', undefined].includes(process.env['CI'])
  return options.bundle === true || isCi || options.repeat > 1 ? resolve(usualBundle) : undefined
}

function writeBundleOf(folder: string, loaded: LoadedNetwork, report: TestReport, index: number, evidence: OneRun['evidence']): void {
  const run = report.runs.find((one) => one.index === index)
  if (run === undefined) return
  writeBundle(folder, {
    report,
    run,
    networkText: loaded.text,
    network: loaded.network,
    torrcs: evidence.torrcs,
    logs: evidence.logs,
    captured: evidence.captured,
    redaction: { environment: process.env, folders: foldersOf(evidence.directory) },
  })
}

function testReport(nameOrPath: string, loaded: LoadedNetwork, suite: Suite, options: TestOptions, runs: readonly FinishedRun[], bundles: ReadonlyMap<number, string>): TestReport {
  const { name, description, source } = loaded.network
  return makeReport({
    relish: programVersion,
    node: process.version,
    platform: platformText(),
    command: commandOf(nameOrPath, options),
    network: { name, description, source, world: options.world, ...(options.world === 'simulated' ? { seed: options.seed ?? '1' } : {}), nodes: runs.find((one) => one.nodes.length > 0)?.nodes ?? [] },
    suite: { name: suite.name, description: suite.description, ...(options.shard === undefined ? {} : { shard: options.shard }), retries: suite.retries, checks: suite.checks.map((check) => check.name) },
    runs: runs.map(({ report }) => {
      const bundle = bundles.get(report.index)
      return bundle === undefined ? report : { ...report, bundle }
    }),
  })
}

/** What repeats one run. */
function commandOf(nameOrPath: string, options: TestOptions): string {
  const { world, seed = '1', set = [] } = options
  const worldWords = world === 'processes' ? [] : ['--world', world, ...(world === 'simulated' ? ['--seed', seed] : [])]
  return commandLine(['relish', 'test', nameOrPath, ...suiteWords(options), ...worldWords, ...set.flatMap((setting) => ['--set', setting])])
}

// What is printed

function tellOne(output: Output, { report, genesis, notReady }: FinishedRun): void {
  // The story of a start that failed comes as an error.
  if (notReady !== undefined) return
  const { colours } = output
  if (output.live) output.note(checkTable(output, report.checks))
  tellObservations(output, report)
  output.note(`stages: ${stageSummary({ elapsedMs: report.times.startMs, stages: report.stages })}`)
  if (genesis === 'warm') output.note(`warm genesis: ${skippedByWarmGenesis}`)
  const { prepareMs, startMs, checksMs, totalMs } = report.times
  const words = `${verdict(report.checks)}${report.observations.length === 0 ? '' : `, ${report.observations.length} seen by observers`}; ${secondsText(totalMs)} in all: keys and files ${secondsText(prepareMs)}, start ${secondsText(startMs)}, checks ${secondsText(checksMs)}`
  output.note(report.verdict === 'passed' ? colours.green(words) : report.verdict === 'flaky' ? colours.yellow(words) : colours.red(words))
}

function tellObservations(output: Output, report: RunReport): void {
  for (const seen of report.observations) output.note(output.colours.red(`OBSERVED ${seen.kind}${seen.times === undefined ? '' : ` ${seen.times} times`}: ${seen.words}`))
}

function tellRun(output: Output, report: RunReport, count: number): void {
  const { colours } = output
  tellObservations(output, report)
  // Who interrupted it is said in the end.
  if (report.error !== undefined && report.verdict !== 'interrupted') output.note(colours.red(report.error))
  const words = `run ${report.index} of ${count}: ${report.verdict} in ${secondsText(report.times.totalMs)} (start ${secondsText(report.times.startMs)}): ${verdict(report.checks)}`
  output.note(report.verdict === 'passed' ? colours.green(words) : colours.red(words))
}

function tellMany(output: Output, { counts, verdict: verdictOfAll }: TestReport): void {
  const words = `${countsWords(counts)}; longest ${secondsText(counts.longestMs)}, shortest ${secondsText(counts.shortestMs)}`
  output.note(verdictOfAll === 'passed' ? output.colours.green(words) : output.colours.red(words))
}

/** `--json` of one run. */
function factsOf(loaded: LoadedNetwork, runs: readonly FinishedRun[]): unknown {
  const [one] = runs
  if (one === undefined) return {}
  const { report, genesis } = one
  const { prepareMs, startMs, checksMs, totalMs } = report.times
  return {
    network: loaded.network.name,
    genesis,
    passed: report.verdict === 'passed',
    verdict: report.verdict,
    times: { prepareMs, bootstrapMs: startMs, checksMs, totalMs },
    stages: report.stages,
    checks: report.checks,
    observations: report.observations,
  }
}

const manyFacts = (report: TestReport, runs: readonly FinishedRun[]): unknown => ({
  network: report.network.name,
  passed: report.verdict === 'passed',
  verdict: report.verdict,
  counts: report.counts,
  runs: runs.map(({ report: { index, verdict: verdictOfRun, times, checks, observations } }) => ({ index, verdict: verdictOfRun, times, checks, observations })),
})
