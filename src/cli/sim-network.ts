/** `relish sim NETWORK`: up, its checks, on for as long as was asked for, down. */

import { SimulatedNetwork } from '../testnet/backend/simulated.ts'
import { startUntilReady, type BootstrapResult } from '../testnet/bootstrap.ts'
import { loadChecks } from '../testnet/checks/load-checks.ts'
import { progressTo, runChecks } from '../testnet/checks/run-checks.ts'
import { checkProgress, checkTable, failedOf, stageSummary, verdict } from './check-report.ts'
import { exitCode } from './exit-codes.ts'
import type { Output } from './output.ts'
import { load, watchStart } from './run.ts'
import { loggingTo, seedOf, tellBroken, timesText, type SimEnd, type SimOptions, type SimSinks } from './sim-run.ts'
import { checkNames } from './suite-options.ts'

export async function simulateNetwork(nameOrPath: string, options: SimOptions, output: Output, sinks: SimSinks): Promise<SimEnd> {
  const beganMs = performance.now()
  const loaded = load(nameOrPath, output, options.set)
  // Loading modules takes real time, which must not pass while virtual time does.
  const checks = await loadChecks(checkNames(options.only ?? loaded.network.checks))
  const network = await SimulatedNetwork.prepare({ network: loaded.network, seed: seedOf(options), ...loggingTo(output, options), ...sinks })
  const watch = watchStart(network, output)
  const { bootstrap, results } = await network.drive(async () => {
    let started: BootstrapResult
    try {
      started = await startUntilReady(network)
    } finally {
      watch.stop()
    }
    const found = await runChecks(network, checks, progressTo(checkProgress(output)))
    if (options.for !== undefined) await network.clock.sleep(options.for)
    await network.invariants.settle(network)
    return { bootstrap: started, results: found }
  })
  const virtualMs = network.clock.now()
  await network.close()
  const digest = network.traceDigest()
  const { violations } = network.invariants
  const bugs = network.bugs().map(({ node, error }) => ({ node, error: error.message }))
  const failed = failedOf(results).length > 0
  const passed = !failed && bugs.length === 0 && violations.length === 0
  const events = network.simulation.eventsRun
  const realMs = performance.now() - beganMs
  if (options.json === true) {
    output.json({ network: loaded.network.name, seed: seedOf(options), passed, digest, events, virtualMs, realMs, stages: bootstrap.stages, checks: results, bugs, violations })
  } else {
    const { colours } = output
    if (output.live) output.note(checkTable(output, results))
    tellBroken(output, bugs, violations)
    output.note(`stages: ${stageSummary(bootstrap)}`)
    const words = `${verdict(results)}; ${timesText({ virtualMs, events }, realMs)}`
    output.note(passed ? colours.green(words) : colours.red(words))
    output.fact(`trace digest ${digest}`)
  }
  return { exitCode: bugs.length > 0 ? exitCode.internal : violations.length > 0 ? exitCode.invariantBroken : failed ? exitCode.checkFailed : exitCode.ok, digest }
}
