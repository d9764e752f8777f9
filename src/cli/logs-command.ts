/** `relish logs`: the nodes' logs as one, in the order of time. */

import type { Command } from 'commander'
import { mergedLogs, followLogs, type LogFilter } from '../testnet/merge-logs.ts'
import { findRunDirectory, type RunChoice } from './find-run.ts'
import { examples, parseLevel, withJson, withRun, type LogLevelName } from './options.ts'
import { terminalOutput, type Output } from './output.ts'
import { untilSignal, Interrupted } from './run.ts'
import type { LogEntry } from '../testnet/merge-logs.ts'

interface LogsOptions extends RunChoice {
  readonly follow?: boolean
  readonly level?: LogLevelName
  readonly json?: boolean
}

export function addLogsCommand(program: Command): void {
  const command = program
    .command('logs')
    .description("print the nodes' logs, merged by time")
    .argument('[nodes...]', 'names of nodes; all if absent')
    .option('-f, --follow', 'go on with new messages until Ctrl-C')
    .option('--level <level>', 'leave out messages below this level', parseLevel, 'debug')
    .action(async (nodes: string[], options: LogsOptions) => {
      const output = terminalOutput(options.json === true)
      const directory = await findRunDirectory(options)
      const filter: LogFilter = { nodes, level: options.level ?? 'debug' }
      const print = (entry: LogEntry): void => printEntry(output, entry, options.json === true)
      if (options.follow !== true) {
        for (const entry of mergedLogs(directory, filter)) print(entry)
        return
      }
      const following = followLogs(directory, filter, print)
      await untilSignal(
        () => new Promise<never>(() => undefined),
        () => Promise.resolve(following.close()),
      ).catch((error: unknown) => {
        if (!(error instanceof Interrupted)) throw error
      })
    })
  examples(withJson(withRun(command)), ['relish logs --level warn', 'relish logs auth1 auth2 -f'])
}

function printEntry(output: Output, entry: LogEntry, asJson: boolean): void {
  if (asJson) {
    output.fact(JSON.stringify(entry))
    return
  }
  const { colours } = output
  const level = entry.level === 'err' || entry.level === 'warn' ? colours.yellow(entry.level.padEnd(6)) : colours.dim(entry.level.padEnd(6))
  output.fact(`${entry.time} ${colours.bold(entry.node.padEnd(8))} ${level} ${entry.message}`)
}
