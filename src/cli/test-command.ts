/** `relish test`: up, checked, down, in one command with one exit code. */

import type { Command } from 'commander'
import { LocalSession } from '../testnet/session.ts'
import { ControlServer } from '../testnet/control-socket.ts'
import type { RunningNetwork } from '../testnet/backend/backend.ts'
import type { BootstrapResult } from '../testnet/bootstrap.ts'
import type { Genesis } from '../testnet/network-types.ts'
import { skippedByWarmGenesis } from '../testnet/genesis/warm-genesis.ts'
import type { CheckResult } from '../testnet/checks/check.ts'
import { checkProgress, checkTable, failedOf, stageSummary, verdict } from './check-report.ts'
import { exitCode } from './exit-codes.ts'
import { examples, parseLevel, withDirectory, withJson, withSettings, withTrace } from './options.ts'
import { secondsText, terminalOutput, type Output } from './output.ts'
import { load, prepare, untilSignal, watchStart, type RunOptions } from './run.ts'

interface TestOptions extends RunOptions {
  readonly json?: boolean
  readonly only?: readonly string[]
}

export function addTestCommand(program: Command): void {
  const command = program
    .command('test')
    .description('start a network, run its checks, stop it; the exit code says how it went')
    .argument('[network]', 'path of a network file, or a built-in name', 'basic')
    .option('--only <checks...>', 'run these checks only: names, or paths of modules')
    .option('--clean', 'forget keys and state of earlier runs in this directory first')
    .option('--log-level <level>', "of the nodes' logs", parseLevel)
    .action(async (network: string, options: TestOptions) => {
      process.exitCode = await runTest(network, options)
    })
  examples(withJson(withDirectory(withSettings(withTrace(command)))), [
    'relish test                          # the network `basic`, all checks',
    'relish test basic-min --only echo path',
    'relish test basic --set exits=2 --set params.cc_alg=0',
    'relish test basic --genesis warm     # no first vote: nodes find a consensus',
    'relish test ./my.yaml --json > result.json',
  ])
}

export async function runTest(nameOrPath: string, options: TestOptions): Promise<number> {
  const output = terminalOutput(options.json === true)
  const beganMs = performance.now()
  const loaded = load(nameOrPath, output, options.set)
  const { loadChecks } = await import('../testnet/checks/load-checks.ts')
  const checks = options.only ?? loaded.network.checks
  // A misspelt check is found before anything is started.
  await loadChecks(checks)
  const network = await prepare(loaded, options)
  const preparedMs = performance.now() - beganMs
  const session = new LocalSession(network)
  const progress = checkProgress(output)
  let control: ControlServer | undefined
  let ended = false
  const outcome = await untilSignal(
    async () => {
      control = await ControlServer.open(network.directory, session, () => Promise.resolve())
      const watch = watchStart(network, output)
      let bootstrap: BootstrapResult
      try {
        bootstrap = await session.start([])
      } finally {
        watch.stop()
      }
      const checkedFromMs = performance.now()
      const results = await session.verify(checks, (one) => {
        // What checks say of a network that is being taken from under them means nothing.
        if (!ended) progress(one)
      })
      return { bootstrap, results, died: diedNodes(network), checksMs: performance.now() - checkedFromMs }
    },
    async () => {
      ended = true
      await control?.close()
      await network.close()
    },
  )
  const totalMs = performance.now() - beganMs
  const times = { prepareMs: preparedMs, bootstrapMs: outcome.bootstrap.elapsedMs, checksMs: outcome.checksMs, totalMs }
  const failed = failedOf(outcome.results).length > 0 || outcome.died.length > 0
  if (options.json === true) {
    output.json({ network: loaded.network.name, genesis: network.genesis, passed: !failed, times, stages: outcome.bootstrap.stages, checks: outcome.results, died: outcome.died })
  } else {
    report(output, outcome.results, outcome.died, outcome.bootstrap, times, network.genesis)
  }
  return failed ? exitCode.checkFailed : exitCode.ok
}

/** A node that ended by itself while checks ran is a failure, whatever the checks say. */
function diedNodes(network: RunningNetwork): { node: string; reason: string }[] {
  return network.nodes().flatMap((node) => {
    const { state } = network.status(node.name)
    return state.kind === 'died' ? [{ node: node.name, reason: state.reason }] : []
  })
}

interface Times {
  readonly prepareMs: number
  readonly bootstrapMs: number
  readonly checksMs: number
  readonly totalMs: number
}

function report(output: Output, results: readonly CheckResult[], died: readonly { node: string; reason: string }[], bootstrap: BootstrapResult, times: Times, genesis: Genesis): void {
  const { colours } = output
  if (output.live) output.note(checkTable(output, results))
  for (const one of died) output.note(colours.red(`${one.node} ended by itself: ${one.reason}`))
  output.note(`stages: ${stageSummary(bootstrap)}`)
  if (genesis === 'warm') output.note(`warm genesis: ${skippedByWarmGenesis}`)
  const failed = failedOf(results).length > 0 || died.length > 0
  const words = `${verdict(results)}; ${secondsText(times.totalMs)} in all: keys and files ${secondsText(times.prepareMs)}, start ${secondsText(times.bootstrapMs)}, checks ${secondsText(times.checksMs)}`
  output.note(failed ? colours.red(words) : colours.green(words))
}
