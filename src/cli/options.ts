/** Arguments and options that several commands have. */

import { InvalidArgumentError, Option, type Command } from 'commander'
import { parseDuration } from '../testnet/duration.ts'

export type LogLevelName = 'err' | 'warn' | 'notice' | 'info' | 'debug'

const levels: readonly LogLevelName[] = ['err', 'warn', 'notice', 'info', 'debug']

export function parseLevel(text: string): LogLevelName {
  const level = levels.find((one) => one === text)
  if (level === undefined) throw new InvalidArgumentError(`Levels are ${levels.join(', ')}.`)
  return level
}

/** What `--log-level` may be, for help. */
export const levelWords = `the least that nodes write into their logs: ${levels.join(', ')}`

/** Milliseconds. */
export function parseFor(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined) throw new InvalidArgumentError('A time is a number and a unit: 90s, 15m, 24h, 7d.')
  return ms
}

/** `--dir`, for commands that begin a run. */
export const withDirectory = (command: Command): Command => command.option('--dir <path>', 'run directory; .relish/NAME if absent')

/** Which network that runs, as an argument or like all other commands with `-n`. */
export const withRunArgument = (command: Command): Command =>
  withDirectory(command.argument('[network]', 'name of the network that runs; the only one under .relish if absent')).option('-n, --network <name>', 'name of the network, instead of the argument')

/** What a command with `withRunArgument` was told. */
export const runChoice = (network: string | undefined, options: { readonly network?: string; readonly dir?: string }): { network?: string; dir?: string } => {
  const name = network ?? options.network
  return { ...(name === undefined ? {} : { network: name }), ...(options.dir === undefined ? {} : { dir: options.dir }) }
}

/** `-n` and `--dir`, for commands that ask a run about nodes. */
export const withRun = (command: Command): Command =>
  command.option('-n, --network <name>', 'the network that runs; the only one under .relish if absent').option('--dir <path>', 'its run directory')

/** `--set` and what is short for it, for commands that load a network file. */
export function withSettings(command: Command): Command {
  command.option('--set <name=value>', 'change the network file for this run, again for more: relays=20, params.NAME=1, torrc.OPTION=VALUE, GROUP.torrc.OPTION=VALUE', another)
  command.addOption(new Option('--genesis <kind>', 'cold: the authorities vote for the first consensus. warm: nodes find it, made for them, when they start').choices(['cold', 'warm']))
  return command.on('option:genesis', (kind: string) => {
    command.setOptionValue('set', another(`genesis=${kind}`, command.getOptionValue('set') as readonly string[] | undefined))
  })
}

/** `--trace`, for commands that begin a run. */
export const withTrace = (command: Command): Command => command.option('--trace [file]', 'record every cell, circuit and decision of every node; into trace.jsonl of the run directory if no file is named (see `relish trace`)')

/** For options that may come several times. */
export const another = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value]

export const withJson = (command: Command): Command => command.option('--json', 'print facts as JSON')

export const examples = (command: Command, lines: readonly string[]): Command => command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`)
