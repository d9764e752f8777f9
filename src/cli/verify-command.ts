/** `relish verify`: the checks of `test`, on a network that runs already. */

import type { Command } from 'commander'
import { resolve } from 'node:path'
import { checkProgress, checkTable, failedOf, verdict } from './check-report.ts'
import { exitCode } from './exit-codes.ts'
import { withSession, type RunChoice } from './find-run.ts'
import { examples, runChoice, withJson, withRunArgument } from './options.ts'
import { terminalOutput } from './output.ts'

interface VerifyOptions extends RunChoice {
  readonly json?: boolean
  readonly only?: readonly string[]
}

/** Checks named by path are looked up from here, wherever the run was started. */
export const checkNames = (names: readonly string[] | undefined): string[] => (names ?? []).map((name) => (name.includes('/') || /\.[cm]?js$/.test(name) ? resolve(name) : name))

export function addVerifyCommand(program: Command): void {
  const command = program
    .command('verify')
    .description('run checks on a network that runs')
    .option('--only <checks...>', 'run these checks only: names, or paths of modules')
    .action(async (network: string | undefined, options: VerifyOptions) => {
      const output = terminalOutput(options.json === true)
      await withSession(runChoice(network, options), async (session) => {
        // What was stopped or killed on purpose is not waited for: checks say what that does to the rest.
        const { nodes } = await session.status()
        const stopped = nodes.filter((node) => node.state.kind === 'stopped' || node.state.kind === 'died')
        await session.wait(stopped.length === 0 ? [] : nodes.filter((node) => !stopped.includes(node)).map((node) => node.name))
        const results = await session.verify(checkNames(options.only), checkProgress(output))
        const failed = failedOf(results).length > 0
        if (options.json === true) {
          output.json({ passed: !failed, checks: results })
        } else {
          if (output.live) output.note(checkTable(output, results))
          output.note(failed ? output.colours.red(verdict(results)) : output.colours.green(verdict(results)))
        }
        process.exitCode = failed ? exitCode.checkFailed : exitCode.ok
      })
    })
  examples(withJson(withRunArgument(command)), ['relish verify', 'relish verify basic --only echo ./my-check.js'])
}
