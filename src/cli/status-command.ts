/** `relish status`, `join` and `inspect`: what a run is doing, and how to take part in it. */

import type { Command } from 'commander'
import { formatAddressPort } from '../core/ident/address.ts'
import type { NetworkStatus } from '../testnet/session.ts'
import { tryConnect, withSession, type RunChoice } from './find-run.ts'
import { examples, runChoice, withJson, withRun, withRunArgument } from './options.ts'
import { secondsText, terminalOutput, type Output } from './output.ts'

interface Options extends RunChoice {
  readonly json?: boolean
}

export function addStatusCommands(program: Command): void {
  examples(
    withJson(withRunArgument(program.command('status').description('show what each node of a run is doing'))).action(async (network: string | undefined, options: Options) => {
      const output = terminalOutput(options.json === true)
      const { session, directory } = await tryConnect(runChoice(network, options))
      if (session === undefined) {
        const record = directory.readRecord()
        if (options.json === true) output.json({ network: record?.network.name, running: false, directory: directory.path })
        else output.fact(`${record?.network.name ?? directory.path} does not run (${directory.path})`)
        return
      }
      const status = await session.status()
      session.close()
      if (options.json === true) output.json({ running: true, directory: directory.path, ...status })
      else printStatus(output, status)
    }),
    ['relish status', 'relish status basic --json | jq .ready'],
  )

  examples(
    withJson(withRunArgument(program.command('join').description('print what a foreign node or application needs to take part'))).action(async (network: string | undefined, options: Options) => {
      const output = terminalOutput(options.json === true)
      await withSession(runChoice(network, options), async (session) => {
        const join = await session.join()
        if (options.json === true) {
          output.json(join)
          return
        }
        output.fact(`# Lines for the torrc of a node that joins ${join.network}.`)
        for (const line of join.torrc) output.fact(line)
        for (const one of join.socks) output.fact(`# SOCKS port of ${one.node}: ${one.address}`)
        if (join.nameServer !== undefined) output.fact(`# Name server of the exits: ${join.nameServer}`)
      })
    }),
    ['relish join >> my-torrc', 'relish join --json | jq -r .socks[0].address'],
  )

  examples(
    withRun(program.command('inspect').description('print everything a node says of itself, as JSON').argument('<node>', 'name of the node')).action((node: string, choice: RunChoice) =>
      withSession(choice, async (session) => terminalOutput(true).json(await session.inspect(node))),
    ),
    ['relish inspect client1 | jq .circuits'],
  )
}

function printStatus(output: Output, status: NetworkStatus): void {
  const { colours } = output
  const width = Math.max(...status.nodes.map((node) => node.name.length), 4)
  const versionWidth = Math.max(...status.nodes.map((node) => node.version.length))
  output.fact(`${status.network}: ${status.ready ? colours.green('ready') : colours.yellow('not ready')}, up for ${secondsText(status.upMs)}, pid ${status.pid}`)
  for (const node of status.nodes) {
    const state = node.state.kind === 'running' ? `pid ${String(node.state.pid ?? '-').padEnd(7)}` : node.state.kind.padEnd(11)
    const detail =
      node.state.kind === 'died'
        ? colours.red(node.state.reason.split('\n')[0] ?? '')
        : node.stage === 'ready'
          ? node.listeners.map((listener) => `${listener.listener} ${formatAddressPort(listener.address)}`).join(', ')
          : `waits for ${node.waitingFor ?? 'its next stage'}${node.setback === undefined ? '' : `; ${node.setback}`}`
    output.fact(`  ${node.name.padEnd(width)} ${node.role.padEnd(9)} ${node.version.padEnd(versionWidth)} ${state} ${node.stage.padEnd(9)} ${detail}`)
    for (const warning of node.warnings.slice(-1)) output.fact(`  ${' '.repeat(width)} ${colours.yellow(warning)}`)
  }
}
