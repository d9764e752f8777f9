/** The program `relish`: what a user types, turned into calls of `testnet`, and errors into words and exit codes. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import type { RelishError } from '../core/base/errors.ts'
import { BootstrapError, formatBootstrapError } from '../testnet/bootstrap.ts'
import { toWireError } from '../testnet/control-protocol.ts'
import { asReportedError } from '../testnet/file-errors.ts'
import { packageRoot } from '../testnet/package-root.ts'
import { exitCode, exitCodeOf } from './exit-codes.ts'
import { addCompareCommand } from './compare-command.ts'
import { addExplainCommand } from './explain-command.ts'
import { addBundleCommand } from './bundle-command.ts'
import { addListCommands } from './list-command.ts'
import { addLogsCommand } from './logs-command.ts'
import { addMembershipCommands } from './membership-commands.ts'
import { addNodeCommands } from './node-commands.ts'
import { addSimCommand } from './relish-sim-command.ts'
import { isUnread, unwritten } from './output.ts'
import { Interrupted } from './run.ts'
import { addStatusCommands } from './status-command.ts'
import { addTestCommand } from './test-command.ts'
import { addTraceCommands } from './trace-command.ts'
import { addUpCommands } from './up-command.ts'
import { addVerifyCommand } from './verify-command.ts'

function makeProgram(): Command {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }
  const program = new Command('relish')
  program
    .description('A private Tor network of your own, in seconds.')
    .version(version)
    .showHelpAfterError('(relish COMMAND --help tells more)')
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 ok; 1 a check failed; 2 bad usage or network file; 3 did not bootstrap; 4 internal error;\n            5, 6 a simulation broke a rule, did not recover; 7 flaky; 130 interrupted.\n\nExamples:\n  $ relish test            # start the network `basic`, check it, stop it\n  $ relish up --detach     # leave it running\n  $ relish status\n  $ relish down\n',
    )
  addTestCommand(program)
  addBundleCommand(program)
  addUpCommands(program)
  addStatusCommands(program)
  addVerifyCommand(program)
  addSimCommand(program)
  addCompareCommand(program)
  addNodeCommands(program)
  addMembershipCommands(program)
  addLogsCommand(program)
  addTraceCommands(program)
  addExplainCommand(program)
  addListCommands(program)
  for (const command of program.commands) command.exitOverride()
  return program
}

/** What to say of an error, and the status to end with. */
function report(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCode.ok : exitCode.usage
  if (thrown instanceof Interrupted) {
    process.stderr.write(`relish: ${thrown.message}\n`)
    return exitCode.interrupted
  }
  const error = asReportedError(thrown)
  const code = exitCodeOf(error)
  const words = error instanceof BootstrapError ? formatBootstrapError(error) : code === exitCode.internal ? `internal error: ${stackOf(error)}` : error.message
  // Whoever reads JSON gets the reason as such, too.
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ error: toWireError(error) }, undefined, 2)}\n`)
  process.stderr.write(`relish: ${words}\n`)
  if (error.hint !== undefined) process.stderr.write(`        ${error.hint}\n`)
  return code
}

/** Where it was thrown, not where it was reported. */
const stackOf = (error: RelishError): string => (error.cause instanceof Error ? error.cause.stack : error.stack) ?? error.message

async function main(): Promise<void> {
  // See `untilSignal` for what a run makes of it.
  let lost: Error | undefined
  process.stdout.on('error', (error) => {
    if (!isUnread(error)) lost ??= error
  })
  process.stderr.on('error', () => undefined)
  try {
    await makeProgram().parseAsync()
  } catch (error) {
    process.exitCode = report(error)
  }
  // What is written so far gets out, and whatever a check of the user's own has left open does not keep the program.
  await new Promise((resolve) => process.stdout.write('', resolve))
  // A stream says after its callbacks what it could not write. Nobody should take a file that was cut off for all there is to say.
  setImmediate(() => {
    if (lost !== undefined && (process.exitCode ?? exitCode.ok) === exitCode.ok) process.exitCode = report(unwritten(lost))
    process.exit()
  })
}

void main()
