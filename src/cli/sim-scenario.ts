/** `relish sim SCENARIO`: a network, what happens to it, and whether what is expected comes true. */

import { formatDiagnostic } from '../testnet/diagnostic.ts'
import { loadScenario } from '../testnet/scenario/load-scenario.ts'
import { runScenario, type ScenarioVerdict } from '../testnet/scenario/run-scenario.ts'
import { exitCode } from './exit-codes.ts'
import { secondsText, type Output } from './output.ts'
import { loggingTo, noteTo, tellBroken, timesText, type SimEnd, type SimOptions, type SimSinks } from './sim-run.ts'

const codes: Readonly<Record<ScenarioVerdict, number>> = Object.freeze({
  passed: exitCode.ok,
  expectation: exitCode.checkFailed,
  'not-started': exitCode.notBootstrapped,
  invariant: exitCode.invariantBroken,
  crash: exitCode.internal,
})

export async function simulateScenario(path: string, options: SimOptions, output: Output, sinks: SimSinks): Promise<SimEnd> {
  const beganMs = performance.now()
  const scenario = loadScenario(path, process.env, options.set)
  for (const warning of scenario.loaded.warnings) output.note(formatDiagnostic(warning))
  const result = await runScenario(scenario, { ...(options.seed === undefined ? {} : { seed: options.seed }), onNote: noteTo(output), ...loggingTo(output, options), ...sinks })
  const realMs = performance.now() - beganMs
  const { verdict, expectations, traffic, bugs, violations, digest, virtualMs, events } = result
  if (options.json === true) {
    output.json({ scenario: scenario.name, network: scenario.loaded.network.name, seed: options.seed ?? scenario.seed, passed: verdict === 'passed', verdict, notStarted: result.notStarted, expectations, traffic, bugs, violations, digest, events, virtualMs, realMs })
  } else {
    const { colours } = output
    if (result.notStarted !== undefined) output.note(colours.red(result.notStarted))
    tellBroken(output, bugs, violations)
    for (const one of expectations) {
      const when = `${secondsText(one.atMs)} + ${secondsText(one.afterMs)}`
      output.note(one.met ? `ok       ${one.expectation} (${when})` : colours.red(`FAILED   ${one.expectation} (${when}): ${one.missing}`))
    }
    const met = expectations.filter((one) => one.met).length
    const words = `${met} of ${expectations.length} expectations met; ${traffic.streams - traffic.failed} of ${traffic.streams} streams served; ${timesText(result, realMs)}`
    output.note(verdict === 'passed' ? colours.green(words) : colours.red(words))
    output.fact(`trace digest ${digest}`)
  }
  return { exitCode: codes[verdict], digest }
}
