/** Arguments and options that several commands have. */

import { InvalidArgumentError, type Command } from 'commander'

export type LogLevelName = 'err' | 'warn' | 'notice' | 'info' | 'debug'

const levels: readonly LogLevelName[] = ['err', 'warn', 'notice', 'info', 'debug']

export function parseLevel(text: string): LogLevelName {
  const level = levels.find((one) => one === text)
  if (level === undefined) throw new InvalidArgumentError(`Levels are ${levels.join(', ')}.`)
  return level
}

/** `--dir`, for commands that begin a run. */
export const withDirectory = (command: Command): Command => command.option('--dir <path>', 'run directory; .relish/NAME if absent')

/** Which network that runs, as an argument or like all other commands with `-n`. */
export const withRunArgument = (command: Command): Command =>
  withDirectory(command.argument('[network]', 'name of the network that runs; the only one under .relish if absent')).option('-n, --network <name>', 'the same')

/** What a command with `withRunArgument` was told. */
export const runChoice = (network: string | undefined, options: { readonly network?: string; readonly dir?: string }): { network?: string; dir?: string } => {
  const name = network ?? options.network
  return { ...(name === undefined ? {} : { network: name }), ...(options.dir === undefined ? {} : { dir: options.dir }) }
}

/** `-n` and `--dir`, for commands that ask a run about nodes. */
export const withRun = (command: Command): Command =>
  command.option('-n, --network <name>', 'the network that runs; the only one under .relish if absent').option('--dir <path>', 'its run directory')

export const withJson = (command: Command): Command => command.option('--json', 'print facts as JSON')

export const examples = (command: Command, lines: readonly string[]): Command => command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`)
