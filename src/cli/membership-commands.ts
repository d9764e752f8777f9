/** Commands that change a network while it runs: add, remove, set. */

import { InvalidArgumentError, type Command } from 'commander'
import { RelishError } from '../core/base/errors.ts'
import type { NewNodes } from '../testnet/membership.ts'
import type { OptionValue, OptionValues } from '../testnet/option-changes.ts'
import { withSession, type RunChoice } from './find-run.ts'
import { examples, withJson, withRun } from './options.ts'
import { terminalOutput } from './output.ts'

interface AddOptions extends RunChoice {
  readonly role: NewNodes['role']
  readonly name?: string
  readonly count?: number
  readonly implementation?: 'relish' | 'tor'
  readonly tor?: string
  readonly torrc: OptionValues
  readonly json?: boolean
}

const roles: readonly NewNodes['role'][] = ['relay', 'exit', 'client']

export function addMembershipCommands(program: Command): void {
  examples(
    withJson(
      withRun(
        program
          .command('add')
          .description('add nodes to a network that runs; returns when they are ready and everybody knows them')
          .option('--role <role>', `what they are: ${roles.join(', ')}`, parseRole, 'relay')
          .option('--as <name>', 'what they are called; with --count numbers follow')
          .option('--count <n>', 'how many', parseCount)
          .option('--implementation <program>', 'who runs them: relish, or tor for C tor', parseImplementation)
          .option('--tor <path>', 'the program to run for --implementation tor')
          .option('--torrc <OPTION=VALUE>', 'a torrc option of theirs; may be given several times', collectOption, {}),
      ),
    ).action(async ({ as: name, ...options }: AddOptions & { readonly as?: string }) => {
      const names = await withSession(options, (session) => session.add(newNodes({ ...options, ...(name === undefined ? {} : { name }) })))
      const output = terminalOutput(options.json === true)
      if (options.json === true) output.json({ added: names })
      else for (const one of names) output.fact(one)
    }),
    ['relish add --role relay --count 2', 'relish add --role client --as bob', 'relish add --role exit --as mine --implementation tor --tor ./build/src/app/tor', "relish add --role exit --torrc 'BandwidthRate=1 MB'"],
  )
  examples(
    withRun(program.command('remove').description('take nodes out of a network that runs: the authorities vote without them, then they are stopped').argument('<nodes...>', 'names of nodes')).action(
      (nodes: string[], choice: RunChoice) => withSession(choice, (session) => session.remove(nodes)),
    ),
    ['relish remove relay1', 'relish remove exit3 client2 --dir /tmp/mine'],
  )
  examples(
    withRun(
      program
        .command('set')
        .description('change torrc options of a node for the rest of its run, without stopping it')
        .argument('<node>', 'name of the node')
        .argument('<OPTION=VALUE...>', 'an option given several times has all the values; without a value it returns to its default', collectOption),
    ).action((node: string, options: OptionValues, choice: RunChoice) => withSession(choice, (session) => session.set([node], options))),
    ["relish set exit1 'BandwidthRate=1 MB'", "relish set exit1 'ExitPolicy=accept *:80' 'ExitPolicy=reject *:*' && relish vote", 'relish set client1 CircuitPriorityHalflife='],
  )
}

function newNodes({ role, name, count, implementation, tor, torrc }: AddOptions): NewNodes {
  const lines: { [option: string]: string | readonly string[] } = {}
  for (const [option, value] of Object.entries(torrc)) {
    if (value === null) throw new RelishError('config', `--torrc ${option}: a value is missing`)
    lines[option] = Array.isArray(value) ? value.map(String) : String(value)
  }
  return {
    role,
    torrc: lines,
    ...(name === undefined ? {} : { name }),
    ...(count === undefined ? {} : { count }),
    ...(implementation === undefined ? {} : { implementation }),
    ...(tor === undefined ? {} : { tor }),
  }
}

function parseRole(text: string): NewNodes['role'] {
  const role = roles.find((one) => one === text)
  if (role === undefined) throw new InvalidArgumentError(text === 'authority' ? 'Authorities are known to all nodes from their start, and cannot be added later.' : `Roles are ${roles.join(', ')}.`)
  return role
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('It is a number of nodes, from 1.')
  return Number(text)
}

function parseImplementation(text: string): 'relish' | 'tor' {
  if (text !== 'relish' && text !== 'tor') throw new InvalidArgumentError('It is relish or tor.')
  return text
}

/** `OPTION=VALUE`, or `OPTION=` for its default. */
function collectOption(text: string, held: OptionValues = {}): OptionValues {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError(`"${text}" is not OPTION=VALUE.`)
  const option = text.slice(0, at).trim()
  const value = text.slice(at + 1).trim()
  if (value === '') return { ...held, [option]: null }
  const before = held[option]
  const values: OptionValue = before === undefined || before === null ? value : [...(Array.isArray(before) ? before.map(String) : [String(before)]), value]
  return { ...held, [option]: values }
}
