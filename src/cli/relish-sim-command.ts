/** `relish sim`: the same network and the same checks as `test`, in virtual time. Same seed, same run, same digest. */

import { createWriteStream, type WriteStream } from 'node:fs'
import type { Command } from 'commander'
import type { BootstrapResult } from '../testnet/bootstrap.ts'
import type { CheckProgress } from '../testnet/checks/run-checks.ts'
import type { Violation } from '../testnet/invariant/violation.ts'
import type { CheckResult } from '../testnet/checks/check.ts'
import { checkProgress, checkTable, failedOf, stageSummary, verdict } from './check-report.ts'
import { exitCode } from './exit-codes.ts'
import { examples, parseFor, parseLevel, withJson, withSettings, type LogLevelName } from './options.ts'
import { secondsText, terminalOutput, type Output } from './output.ts'
import { load, watchStart } from './run.ts'
import { withCore } from '../testnet/resolve-network.ts'
import { checkNames } from './verify-command.ts'

interface SimOptions {
  readonly seed: string
  readonly json?: boolean
  readonly only?: readonly string[]
  readonly trace?: string
  readonly logLevel?: LogLevelName
  readonly set?: readonly string[]
  readonly core?: string
  /** Milliseconds. */
  readonly for?: number
}

export function addSimCommand(program: Command): void {
  const command = program
    .command('sim')
    .description('run a network and its checks in virtual time; one seed always gives the same run')
    .argument('[network]', 'path of a network file, or a built-in name', 'basic')
    .option('--seed <text>', 'what all randomness follows from', '1')
    .option('--only <checks...>', 'run these checks only: names, or paths of modules')
    .option('--trace <file>', 'write every event as a line of JSON')
    .option('--for <time>', 'let the network live on for so long after the checks: 90s, 24h, 7d', parseFor)
    .option('--core <folder>', 'run all nodes with another build of relish: a checkout or an installed version')
    .option('--log-level <level>', 'also print the logs of all nodes, from this level on', parseLevel)
    .action(async (network: string, options: SimOptions) => {
      process.exitCode = await runSim(network, options)
    })
  examples(withJson(withSettings(command)), [
    'relish sim                           # the network `basic`, seed 1',
    'relish sim basic --seed 7 --trace run.jsonl',
    'relish sim basic --set relays=50 --for 24h',
    'relish sim ./my.yaml --only echo path --json',
  ])
}

export async function runSim(nameOrPath: string, options: SimOptions): Promise<number> {
  const output = terminalOutput(options.json === true)
  const beganMs = performance.now()
  const [{ SimulatedNetwork }, { startUntilReady }, { loadChecks }, { runChecks }] = await Promise.all([
    import('../testnet/backend/simulated.ts'),
    import('../testnet/bootstrap.ts'),
    import('../testnet/checks/load-checks.ts'),
    import('../testnet/checks/run-checks.ts'),
  ])
  const loaded = load(nameOrPath, output, options.set)
  // Loading modules takes real time, which must not pass while virtual time does.
  const checks = await loadChecks(checkNames(options.only ?? loaded.network.checks))
  const trace = options.trace === undefined ? undefined : createWriteStream(options.trace)
  const network = await SimulatedNetwork.prepare({
    network: options.core === undefined ? loaded.network : withCore(loaded.network, options.core),
    seed: options.seed,
    ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel, logSink: (line) => output.note(`[${(line.atMs / 1000).toFixed(3).padStart(8)}] ${line.node.padEnd(8)} [${line.level}] {${line.domain}} ${line.message}`) }),
    ...(trace === undefined ? {} : { traceSink: (line: string) => void trace.write(`${line}\n`) }),
  })
  const watch = watchStart(network, output)
  const { bootstrap, results } = await network.drive(async () => {
    let started: BootstrapResult
    try {
      started = await startUntilReady(network)
    } finally {
      watch.stop()
    }
    const results = await runChecks(network, checks, progressOf(output))
    if (options.for !== undefined) await network.clock.sleep(options.for)
    await network.invariants.settle(network)
    return { bootstrap: started, results }
  })
  const virtualMs = network.clock.now()
  await network.close()
  const digest = network.traceDigest()
  if (trace !== undefined) await finished(trace)
  const { violations } = network.invariants
  const bugs = network.bugs().map(({ node, error }) => ({ node, error: error.message }))
  const failed = failedOf(results).length > 0
  const realMs = performance.now() - beganMs
  if (options.json === true) {
    output.json({ network: loaded.network.name, seed: options.seed, passed: !failed && bugs.length === 0 && violations.length === 0, digest, events: network.simulation.eventsRun, virtualMs, realMs, stages: bootstrap.stages, checks: results, bugs, violations })
  } else {
    const { colours } = output
    if (output.live) output.note(checkTable(output, results))
    for (const { node, error } of bugs) output.note(colours.red(`${node} ended by an internal error: ${error}`))
    for (const violation of violations) output.note(colours.red(violationText(violation)))
    output.note(`stages: ${stageSummary(bootstrap)}`)
    const words = `${verdict(results)}; ${secondsText(virtualMs)} of virtual time in ${secondsText(realMs)}, ${network.simulation.eventsRun} events`
    output.note(failed || bugs.length > 0 || violations.length > 0 ? colours.red(words) : colours.green(words))
    output.fact(`trace digest ${digest}`)
  }
  if (bugs.length > 0) return exitCode.internal
  if (violations.length > 0) return exitCode.invariantBroken
  return failed ? exitCode.checkFailed : exitCode.ok
}

const violationText = (violation: Violation): string => `BROKEN   ${violation.invariant} at ${secondsText(violation.atMs)}, ${violation.node}: ${violation.words}`

function progressOf(output: Output): CheckProgress {
  const show = checkProgress(output)
  return {
    onStart: (check) => show({ kind: 'check-started', name: check.name, summary: check.summary }),
    onLog: (check, line) => show({ kind: 'check-log', name: check.name, line }),
    onResult: (result: CheckResult) => show({ kind: 'check-result', result }),
  }
}

const finished = (stream: WriteStream): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.once('error', reject)
    stream.end(resolve)
  })
