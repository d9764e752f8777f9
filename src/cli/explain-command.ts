/** `relish explain`: why a node is not ready, why a circuit takes its path, why a relay lacks a flag. */

import type { Command } from 'commander'
import { asRelishError } from '../core/base/errors.ts'
import type { CircuitExplanation, RelayExplanation } from '../runtime/events.ts'
import type { RemoteSession } from '../testnet/control-socket.ts'
import { noSuchNode } from '../testnet/node-names.ts'
import type { NetworkStatus } from '../testnet/session.ts'
import { circuitSection, flagSection, type Section } from '../trace/explain-words.ts'
import { withSession, type RunChoice } from './find-run.ts'
import { examples, withJson, withRun } from './options.ts'
import { terminalOutput, type Output } from './output.ts'

interface ExplainOptions extends RunChoice {
  readonly json?: boolean
  readonly trace?: string
}

export function addExplainCommand(program: Command): void {
  examples(
    withJson(
      withRun(
        program
          .command('explain')
          .description('why a node is not ready, why a circuit takes its path, why a relay lacks a flag')
          .argument('<subject>', 'a node (client1), a circuit (client1#3) or the fingerprint of a relay')
          .option('--trace <file>', 'of a recorded run, instead of one that goes on'),
      ),
    ).action(async (subject: string, options: ExplainOptions) => {
      const output = terminalOutput(options.json === true)
      const sections = options.trace === undefined ? await withSession(options, (session) => explainRunning(session, subject)) : await explainRecorded(options.trace, subject)
      if (options.json === true) output.json(sections)
      else print(output, sections)
    }),
    ['relish explain exit1                 # is it ready, and which flags do authorities give it', 'relish explain client1#3', 'relish explain client1#3 --trace run.jsonl'],
  )
}

async function explainRecorded(file: string, subject: string): Promise<Section[]> {
  const [{ load }, { explainFromTrace }] = await Promise.all([import('./trace-command.ts'), import('../trace/explain.ts')])
  return explainFromTrace(await load(file), subject)
}

type NodeLine = NetworkStatus['nodes'][number]

async function explainRunning(session: RemoteSession, subject: string): Promise<Section[]> {
  const { nodes } = await session.status()
  const inspections = await Promise.all(nodes.filter((node) => node.state.kind === 'running').map(async (node) => ({ name: node.name, inspection: await session.inspect(node.name) })))
  const fingerprints = new Map(inspections.flatMap(({ name, inspection }) => (inspection.fingerprint === undefined ? [] : [[inspection.fingerprint, name] as const])))
  const nameOf = (fingerprint: string): string => fingerprints.get(fingerprint) ?? `$${fingerprint.slice(0, 8)}`
  const circuit = /^(.+)#(\d+)$/.exec(subject)
  if (circuit !== null) {
    const [, node = '', number = ''] = circuit
    const told = (await session.command(node, { command: 'explain-circuit', circuit: Number(number) })) as CircuitExplanation
    const section = circuitSection(subject, nameOf, told)
    return [{ ...section, lines: [`${told.kind}, ${told.state}`, ...section.lines] }]
  }
  const wanted = subject.replace(/^\$/, '').toUpperCase()
  const name = nodes.find((node) => node.name === subject)?.name ?? fingerprints.get(wanted)
  const node = nodes.find((one) => one.name === name)
  if (node === undefined) throw noSuchNode(subject, nodes.map((one) => one.name), 'node or relay')
  const inspection = inspections.find((one) => one.name === node.name)?.inspection
  const sections = [readiness(node, inspection)]
  if (inspection?.fingerprint !== undefined) sections.push(...(await votes(session, nodes, inspection.fingerprint)))
  const circuits = inspection?.circuits.filter((one) => one.role === 'origin' && (one.path?.length ?? 0) > 1) ?? []
  if (circuits.length > 0) {
    sections.push({ heading: 'circuits', lines: circuits.map((one) => `${node.name}#${one.id}: ${one.purpose ?? ''}, ${one.state}, ${one.path?.map(nameOf).join(', ') ?? ''}, ${one.streams.length} streams`) })
  }
  return sections
}

function readiness(node: NodeLine, inspection: Awaited<ReturnType<RemoteSession['inspect']>> | undefined): Section {
  const reached = Object.entries(node.stageAtMs).map(([stage, at]) => `${stage} after ${(at / 1000).toFixed(2)} s`)
  const isReady = node.stage === 'ready'
  const state = node.state.kind === 'running' ? (isReady ? 'is ready' : 'is not ready') : node.state.kind === 'died' ? 'has ended by itself' : `does not run: ${node.state.kind}`
  const consensus = inspection?.consensus[0]
  return {
    heading: `${node.name} ${state}`,
    lines: [
      ...(node.state.kind === 'died' ? [node.state.reason] : []),
      ...(reached.length === 0 ? [] : [`reached: ${reached.join(', ')}`]),
      ...(isReady || node.waitingFor === undefined ? [] : [`waits for ${node.waitingFor}`]),
      ...(isReady || node.setback === undefined ? [] : [`last attempt: ${node.setback}`]),
      ...(inspection === undefined
        ? []
        : [
            consensus === undefined ? 'holds no consensus' : `holds a consensus of ${consensus.relays.length} relays, valid after ${new Date(consensus.validAfter).toISOString()}`,
            ...(inspection.descriptors.wanted === 0 ? [] : [`holds ${inspection.descriptors.held} of ${inspection.descriptors.wanted} descriptors`]),
            ...(inspection.guards.length === 0 ? [] : [`guards: ${inspection.guards.map((guard) => `${guard.nickname} (${guard.state})`).join(', ')}`]),
          ]),
      ...node.warnings.slice(-3).map((warning) => `warned: ${warning}`),
    ],
  }
}

/** What each authority that runs would vote for now. */
async function votes(session: RemoteSession, nodes: readonly NodeLine[], fingerprint: string): Promise<Section[]> {
  const authorities = nodes.filter((node) => node.role === 'authority' && node.state.kind === 'running')
  return Promise.all(
    authorities.map(async (authority): Promise<Section> => {
      try {
        return flagSection(authority.name, (await session.command(authority.name, { command: 'explain-relay', fingerprint })) as RelayExplanation)
      } catch (thrown) {
        return { heading: `${authority.name} does not say`, lines: [asRelishError(thrown).message] }
      }
    }),
  )
}

function print(output: Output, sections: readonly Section[]): void {
  for (const { heading, lines } of sections) {
    output.fact(output.colours.bold(heading))
    for (const line of lines) output.fact(`  ${line}`)
  }
}
