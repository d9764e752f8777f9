/** `relish verify`: the checks of `test`, on a network that runs already. */

import type { Command } from 'commander'
import { programVersion } from '../core/base/version.ts'
import type { CheckResult } from '../testnet/checks/check.ts'
import { makeReport, verdictOfRun, type TestReport } from '../testnet/report/test-report.ts'
import type { NetworkStatus } from '../testnet/session.ts'
import type { SuiteRequest } from '../testnet/suite/suite.ts'
import { checkProgress, checkTable, verdict } from './check-report.ts'
import { withSession, type RunChoice } from './find-run.ts'
import { examples, runChoice, withJson, withRunArgument } from './options.ts'
import { terminalOutput } from './output.ts'
import { commandLine, exitCodeFor, suiteRequest, suiteWords, withSuite, type SuiteOptions } from './suite-options.ts'
import { refuseUnwritable, reportTargets, writeReports } from './test-reports.ts'
import { platformText } from './test-world.ts'

interface VerifyOptions extends RunChoice, SuiteOptions {
  readonly json?: boolean
}

export function addVerifyCommand(program: Command): void {
  const command = withSuite(program.command('verify').description('run checks on a network that runs')).action(async (network: string | undefined, options: VerifyOptions) => {
    const output = terminalOutput(options.json === true)
    const targets = reportTargets(options.report, process.env)
    refuseUnwritable(targets, process.env)
    const request = await suiteRequest(options)
    const choice = runChoice(network, options)
    await withSession(choice, async (session) => {
      // What was stopped or killed on purpose is not waited for: checks say what that does to the rest.
      const status = await session.status()
      const stopped = status.nodes.filter((node) => node.state.kind === 'stopped' || node.state.kind === 'died')
      for (const { name, state } of stopped) output.note(`${name} ${state.kind === 'died' ? `died (${state.reason.split('\n')[0]})` : 'was stopped'}: checks that need it fail, some only once they have waited for it`)
      await session.wait(stopped.length === 0 ? [] : status.nodes.filter((node) => !stopped.includes(node)).map((node) => node.name))
      if (status.checking) output.note('waits for the checks of another `relish verify`; of one that was interrupted, those that had begun')
      const startedAt = new Date().toISOString()
      const beganMs = performance.now()
      const results = await session.verify(request, checkProgress(output))
      const report = reportOf({ status, request, options, choice, results, startedAt, elapsedMs: performance.now() - beganMs })
      await writeReports(report, targets, process.env, output)
      if (options.json === true) {
        output.json({ passed: report.verdict === 'passed', verdict: report.verdict, checks: results })
      } else {
        if (output.live) output.note(checkTable(output, results))
        const colour = report.verdict === 'passed' ? output.colours.green : report.verdict === 'flaky' ? output.colours.yellow : output.colours.red
        output.note(colour(verdict(results)))
      }
      process.exitCode = exitCodeFor(report.verdict, options.allowFlaky === true)
    })
  })
  examples(withJson(withRunArgument(command)), [
    'relish verify',
    'relish verify basic --only echo ./my-check.js',
    'relish verify basic --suite smoke --report junit=out.xml --report html=out.html',
  ])
}

interface Verified {
  readonly status: NetworkStatus
  readonly request: SuiteRequest
  readonly options: VerifyOptions
  readonly choice: RunChoice
  readonly results: readonly CheckResult[]
  readonly startedAt: string
  readonly elapsedMs: number
}

/** A report of one run that began before, and whose start, observers and timeline are not its own. */
function reportOf({ status, request, options, choice, results, startedAt, elapsedMs }: Verified): TestReport {
  const { name, description, retries } = request.settings
  const words = ['relish', 'verify', ...(choice.network === undefined ? [] : [choice.network]), ...(choice.dir === undefined ? [] : ['--dir', choice.dir]), ...suiteWords(options)]
  return makeReport({
    relish: programVersion,
    node: process.version,
    platform: platformText(),
    command: commandLine(words),
    network: { name: status.network, description: '', source: status.source, world: status.world, nodes: status.nodes.map(({ name: node, role, implementation, version }) => ({ name: node, role, implementation, version })) },
    suite: { name, description, ...(options.shard === undefined ? {} : { shard: options.shard }), retries, checks: results.map((one) => one.name) },
    runs: [
      {
        index: 1,
        startedAt,
        verdict: verdictOfRun(results, [], true),
        times: { prepareMs: 0, startMs: 0, checksMs: elapsedMs, totalMs: elapsedMs },
        stages: [],
        checks: results,
        observations: [],
        timeline: [],
      },
    ],
  })
}
