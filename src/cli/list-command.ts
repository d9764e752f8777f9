/** `relish list` and `validate`: networks that there are, and whether a file of one's own is right. */

import type { Command } from 'commander'
import { builtInCheckNames, defaultCheckNames } from '../testnet/checks/names.ts'
import { NetworkFileError, formatDiagnostic } from '../testnet/diagnostic.ts'
import { builtInScenarios, findScenario, loadScenario } from '../testnet/scenario/load-scenario.ts'
import { builtInNetworks, loadNetwork } from '../testnet/load-network.ts'
import type { ResolvedNode } from '../testnet/network-types.ts'
import { exitCode } from './exit-codes.ts'
import { examples, withJson, withSettings } from './options.ts'
import { terminalOutput } from './output.ts'

const plurals: Readonly<Record<ResolvedNode['role'], string>> = { authority: 'authorities', relay: 'relays', exit: 'exits', client: 'clients' }

interface Options {
  readonly json?: boolean
  readonly set?: readonly string[]
}

export function addListCommands(program: Command): void {
  examples(
    withJson(program.command('list').description('list the built-in networks and checks')).action(async (options: Options) => {
      const output = terminalOutput(options.json === true)
      const { builtInChecks } = await import('../testnet/checks/load-checks.ts')
      const networks = builtInNetworks()
      const scenarios = builtInScenarios()
      if (options.json === true) {
        output.json({ networks, scenarios, checks: builtInChecks.map(({ name, summary, tags, disturbs }) => ({ name, summary, tags, disturbs: disturbs === true, isDefault: defaultCheckNames.includes(name) })) })
        return
      }
      const width = Math.max(...networks.map((network) => network.name.length), ...scenarios.map((scenario) => scenario.name.length), ...builtInCheckNames.map((name) => name.length))
      output.fact(output.colours.bold('networks'))
      for (const network of networks) output.fact(`  ${network.name.padEnd(width)}  ${network.about}`)
      output.fact(output.colours.bold('scenarios (relish sim)'))
      for (const scenario of scenarios) output.fact(`  ${scenario.name.padEnd(width)}  ${scenario.description}`)
      const print = (title: string, wanted: (name: string) => boolean): void => {
        output.fact(output.colours.bold(title))
        for (const check of builtInChecks.filter((one) => wanted(one.name))) output.fact(`  ${check.name.padEnd(width)}  ${check.summary}${output.colours.dim(` [${check.tags.join(', ')}]`)}`)
      }
      print('checks that run unless told otherwise', (name) => defaultCheckNames.includes(name))
      print('further checks of the suite full', (name) => !defaultCheckNames.includes(name))
    }),
    ['relish list', 'relish list --json | jq -r .networks[].name'],
  )

  examples(
    withJson(withSettings(program.command('validate').description('say what a network or scenario file resolves to, or what is wrong with it').argument('<network>', 'path of a network file, or a built-in name'))).action((network: string, options: Options) => {
      const output = terminalOutput(options.json === true)
      try {
        const path = findScenario(network)
        const scenario = path === undefined ? undefined : loadScenario(path, process.env, options.set)
        const loaded = scenario?.loaded ?? loadNetwork(network, process.env, options.set)
        if (options.json === true) {
          const { faults, actions, expectations } = scenario ?? {}
          output.json({ valid: true, warnings: loaded.warnings, network: loaded.network, ...(scenario === undefined ? {} : { scenario: { name: scenario.name, seed: scenario.seed, traffic: scenario.traffic, faults, actions, expectations } }) })
          return
        }
        for (const warning of loaded.warnings) output.fact(formatDiagnostic(warning))
        const counts = new Map<ResolvedNode['role'], number>()
        for (const node of loaded.network.nodes) counts.set(node.role, (counts.get(node.role) ?? 0) + 1)
        output.fact(`${loaded.network.name}: ${[...counts].map(([role, count]) => `${count} ${count === 1 ? role : plurals[role]}`).join(', ')}; checks: ${loaded.network.checks.join(', ')}`)
        if (scenario !== undefined) output.fact(`${scenario.name}: ${scenario.faults.length} faults, ${scenario.actions.length} actions, ${scenario.expectations.length} expectations, seed ${scenario.seed}`)
      } catch (error) {
        if (options.json !== true || !(error instanceof NetworkFileError)) throw error
        output.json({ valid: false, errors: error.diagnostics })
        process.exitCode = exitCode.usage
      }
    }),
    ['relish validate ./my.yaml', 'relish validate basic --json | jq .network.nodes'],
  )
}
