/**
 * Starting a network, phase by phase, until every node is ready. There is no fixed time limit: what counts is progress.
 * A start fails when a node dies, or when no node at all has come further for `progressSec`; then it says which node
 * stands at which stage, what it waits for, what it last warned of, and what to try.
 */

import { RelishError } from '../core/base/errors.ts'
import type { NodeStage } from '../runtime/events.ts'
import type { NodeStatus, RunningNetwork } from './backend/backend.ts'
import { clockJumpToldMs, shownAdviceMax, shownNodesMax, shownWarningsMax, shownWarningsOfNode, votesForNewcomersMax } from './limits.ts'
import { isRelay, type ResolvedNode } from './network-types.ts'
import { listed } from './node-names.ts'
import { runningAuthorities, runningNodes } from './running-nodes.ts'
import { shellWord } from './shell-word.ts'

/** Stages in the order of their coming; what a role has no part in is left out. */
export const stagesOf = (role: ResolvedNode['role']): readonly NodeStage[] => {
  switch (role) {
    case 'authority':
      return ['starting', 'keys', 'listening', 'published', 'voted', 'consensus', 'listed', 'directory', 'circuit', 'ready']
    case 'relay':
    case 'exit':
      return ['starting', 'keys', 'listening', 'published', 'consensus', 'listed', 'directory', 'circuit', 'ready']
    case 'client':
      return ['starting', 'listening', 'consensus', 'directory', 'circuit', 'ready']
  }
}

export const hasReached = (status: NodeStatus, role: ResolvedNode['role'], stage: NodeStage): boolean => stagesOf(role).indexOf(status.stage) >= stagesOf(role).indexOf(stage)

export const isReady = (status: NodeStatus): boolean => status.state.kind === 'running' && status.stage === 'ready'

export interface StageTime {
  readonly stage: NodeStage
  /** When the first and the last node that has this stage reached it, in milliseconds from the start. */
  readonly firstMs: number
  readonly lastMs: number
  readonly nodes: number
}

export interface BootstrapResult {
  readonly elapsedMs: number
  readonly stages: readonly StageTime[]
}

/** One node that is not ready, for the story of a start that failed. */
export interface StuckNode {
  readonly node: string
  readonly role: ResolvedNode['role']
  readonly state: NodeStatus['state']
  readonly stage: NodeStage
  readonly waitingFor: string
  readonly warnings: readonly string[]
  readonly silentForMs: number
  readonly advice: readonly string[]
  /** `RunningNetwork.runOptions`. */
  readonly runOptions: string | undefined
}

export class BootstrapError extends RelishError {
  readonly stuck: readonly StuckNode[]

  constructor(message: string, stuck: readonly StuckNode[]) {
    super('timeout', message)
    this.stuck = stuck
  }
}

/** Starts nodes that do not run, phase by phase, and waits until all of them are ready. Throws `BootstrapError`. */
export async function startUntilReady(network: RunningNetwork, names: readonly string[] = network.nodes().map((node) => node.name)): Promise<BootstrapResult> {
  const startMs = network.clock.now()
  const wanted = network.nodes().filter((node) => names.includes(node.name))
  const phases = [...new Set(wanted.map((node) => node.phase))].sort((a, b) => a - b)
  for (const [index, phase] of phases.entries()) {
    const launched = wanted.filter((node) => node.phase === phase).map((node) => node.name)
    await network.start(launched)
    if (index > 0) await announceNewcomers(network, launched)
    await waitUntilReady(network, launched)
  }
  return { elapsedMs: network.clock.now() - startMs, stages: stageTimes(network, names, startMs) }
}

/**
 * Relays of a later phase are in no consensus until the next vote: it is held as soon as they have published, and again
 * while it leaves some of them out, since an authority that has not reached a newcomer yet votes without it.
 */
async function announceNewcomers(network: RunningNetwork, names: readonly string[]): Promise<void> {
  const relays = network.nodes().filter((node) => names.includes(node.name) && isRelay(node)).map((node) => node.name)
  if (relays.length === 0) return
  // With C tor among the authorities the next vote comes by itself, and soon.
  if (!canVoteNow(network)) return
  await waitUntilPublished(network, relays)
  for (let votes = 0; votes < votesForNewcomersMax && (votes === 0 || !(await areListed(network, relays))); votes++) {
    const before = newestConsensus(network)
    await voteNow(network)
    await waitWithProgress(network, names, () => newestConsensus(network) > before)
  }
  // Everybody has a consensus that would do for some minutes more: the news is that there is another.
  await Promise.all(runningNodes(network).map((node) => network.command(node.name, { command: 'signal', signal: 'HUP' })))
}

/** Whether the consensuses of a running authority list all of these relays. */
export async function areListed(network: RunningNetwork, names: readonly string[]): Promise<boolean> {
  const [authority] = runningAuthorities(network)
  if (authority === undefined) return true
  const { consensus } = await network.inspect(authority.name)
  return names.every((name) => consensus.every((one) => one.relays.some((relay) => relay.nickname === name)))
}

/** When the newest consensus that every running authority holds became valid; 0 while some hold none. */
function newestConsensus(network: RunningNetwork): number {
  return Math.min(...runningAuthorities(network).map((node) => network.status(node.name).consensus?.validAfter ?? 0))
}

/** Waits until every authority has taken the descriptors of relays. Throws `BootstrapError`. */
export async function waitUntilPublished(network: RunningNetwork, names: readonly string[]): Promise<void> {
  const roleOf = new Map(network.nodes().map((node) => [node.name, node.role]))
  await waitWithProgress(network, names, () => names.every((name) => hasReached(network.status(name), roleOf.get(name) ?? 'relay', 'published')))
}

/** C tor votes at its fixed times only, and a vote takes all authorities. */
export const canVoteNow = (network: RunningNetwork): boolean => network.nodes().every((node) => node.role !== 'authority' || node.implementation === 'relish')

/** Has every authority vote now. Throws `refused` where some of them cannot. */
export async function voteNow(network: RunningNetwork): Promise<void> {
  if (!canVoteNow(network)) throw new RelishError('refused', 'some authorities are run by C tor, which votes at its fixed times only', { hint: 'wait for the next vote: relish status shows the consensus' })
  await Promise.all(runningAuthorities(network).map((node) => network.command(node.name, { command: 'vote' })))
}

/** Waits for readiness of nodes that are started. Throws `BootstrapError`. */
export async function waitUntilReady(network: RunningNetwork, names: readonly string[]): Promise<void> {
  await waitWithProgress(network, names, () => names.every((name) => isReady(network.status(name))))
}

async function waitWithProgress(network: RunningNetwork, names: readonly string[], condition: () => boolean): Promise<void> {
  const patienceMs = network.network.options.progressSec * 1000
  const clocksApartMs = clocksApart(network)
  const assertAlive = (): void => {
    const dead = names.filter((name) => network.status(name).state.kind === 'died')
    if (dead.length > 0) throw explain(network, names, `${listed(dead)} ended while starting`)
    const stopped = names.filter((name) => network.status(name).state.kind === 'stopped')
    if (stopped.length > 0) throw explain(network, names, `${listed(stopped)} ${stopped.length === 1 ? 'was' : 'were'} stopped`)
  }
  for (;;) {
    assertAlive()
    // Readiness does not go away: a network that has long been up shows no progress any more.
    if (condition()) return
    const lastProgress = Math.max(...network.nodes().map((node) => network.status(node.name).progressAtMs))
    const left = lastProgress + patienceMs - network.clock.now()
    if (left <= 0) throw explain(network, names, `no node has come further for ${network.network.options.progressSec} s${jumpSince(network, clocksApartMs)}`)
    try {
      await network.waitFor(
        'the nodes to be ready',
        () => {
          assertAlive()
          return condition()
        },
        left,
      )
      return
    } catch (error) {
      if (error instanceof RelishError && error.kind === 'timeout' && !(error instanceof BootstrapError)) continue
      throw error
    }
  }
}

const clocksApart = ({ clock }: RunningNetwork): number => clock.wallNow() - clock.now()

/** What no advice helps against: a machine that was asleep, or whose clock was set. Nodes go on once the documents of the new time are voted for, which may take them minutes. */
function jumpSince(network: RunningNetwork, beforeMs: number): string {
  const jumpMs = clocksApart(network) - beforeMs
  if (Math.abs(jumpMs) < clockJumpToldMs) return ''
  return `, and the clock of this machine has jumped ${jumpMs > 0 ? 'ahead' : 'back'} by ${Math.round(Math.abs(jumpMs) / 1000)} s meanwhile: start it again`
}

function explain(network: RunningNetwork, names: readonly string[], reason: string): BootstrapError {
  const stuck = names.map((name) => network.status(name)).filter((status) => !isReady(status)).map((status) => stuckNode(network, status))
  const ready = names.length - stuck.length
  return new BootstrapError(`the network did not come up: ${reason} (${ready} of ${names.length} nodes are ready)`, stuck)
}

function stuckNode(network: RunningNetwork, status: NodeStatus): StuckNode {
  const role = network.nodes().find((node) => node.name === status.name)?.role ?? 'client'
  return {
    node: status.name,
    role,
    state: status.state,
    stage: status.stage,
    waitingFor: status.waitingFor ?? waitingAt(status.stage),
    warnings: [...[...new Set(status.warnings)].slice(-shownWarningsOfNode), ...(status.setback === undefined ? [] : [`last attempt: ${status.setback}`])],
    silentForMs: network.clock.now() - status.progressAtMs,
    advice: adviceFor(network, status, role),
    runOptions: network.runOptions,
  }
}

/** What a node at this stage needs next, in case it has not said so itself. */
function waitingAt(stage: NodeStage): string {
  switch (stage) {
    case 'starting':
      return 'its configuration and keys to be read'
    case 'keys':
      return 'its listeners to be bound'
    case 'listening':
      return 'the authorities to take its descriptor, or a consensus to be published'
    case 'published':
    case 'voted':
      return 'a consensus signed by more than half of the authorities'
    case 'consensus':
      return 'the consensus to list it as Running'
    case 'listed':
      return 'the descriptors of enough relays'
    case 'directory':
      return 'a first circuit'
    case 'circuit':
    case 'ready':
      return 'the rest of its duties'
  }
}

function adviceFor(network: RunningNetwork, status: NodeStatus, role: ResolvedNode['role']): string[] {
  if (status.state.kind === 'died') {
    // In a simulation there is no file to check.
    return network.runOptions === undefined ? [] : [`relish-tor --verify-config -f ${shellWord(`${network.placementOf(status.name).dataDirectory}/torrc`)}`]
  }
  if (status.state.kind !== 'running') return commandFor(network, 'restart', status.name)
  const authorities = network.nodes().filter((node) => node.role === 'authority')
  const withConsensus = authorities.filter((node) => network.status(node.name).consensus !== undefined)
  if (status.consensus === undefined && status.stage !== 'starting' && status.stage !== 'keys') {
    if (withConsensus.length > 0) return [`look at what ${status.name} says about fetching the consensus: ${withConsensus.length} of ${authorities.length} authorities have one`]
    const unpublished = network.nodes().filter((node) => isRelay(node) && !hasReached(network.status(node.name), node.role, 'published'))
    return [
      unpublished.length === 0
        ? `look at the authorities: none has a consensus, although all relays have published`
        : `look at ${listed(unpublished.map((node) => node.name))} first: the authorities wait for ${unpublished.length === 1 ? 'it' : 'them'} to publish`,
    ]
  }
  if (status.stage === 'consensus' && role !== 'client') {
    return ['have the authorities vote again: they did not find it running, or voted before it published', ...commandFor(network, 'vote')]
  }
  return []
}

/** A command line that asks this run. Those who run a simulation have none. */
const commandFor = (network: RunningNetwork, ...words: readonly string[]): string[] => (network.runOptions === undefined ? [] : [['relish', ...words, network.runOptions].join(' ')])

/**
 * The error as people read it: those that died first, others together as far as they stand at the same place. `commands`:
 * what to try next on a command line.
 */
export function formatBootstrapError(error: BootstrapError, commands = true): string {
  const died = error.stuck.filter((node) => node.state.kind === 'died')
  const waiting = error.stuck.filter((node) => node.state.kind !== 'died')
  const groups = new Map<string, StuckNode[]>()
  for (const node of waiting) {
    const place = `(${node.role}): at stage ${node.stage}, waits for ${node.waitingFor}`
    groups.set(place, [...(groups.get(place) ?? []), node])
  }
  const causes = died.length > 0 ? died : waiting
  return [
    error.message,
    ...died.slice(0, shownNodesMax).flatMap((node) => [`  ${node.node} (${node.role}): died at stage ${node.stage}: ${node.state.kind === 'died' ? node.state.reason : ''}`, ...warningsOf([node])]),
    ...[...groups].flatMap(([place, nodes]) => [`  ${listed(nodes.map((node) => node.node))} ${place}, nothing new for ${(Math.min(...nodes.map((node) => node.silentForMs)) / 1000).toFixed(1)} s`, ...warningsOf(nodes)]),
    ...(died.length > shownNodesMax ? [`  and ${died.length - shownNodesMax} more died`] : []),
    ...(commands ? [...adviceOf(causes), ...logsOf(causes)] : []).map((advice) => `  try: ${advice}`),
  ].join('\n')
}

/** Advice for several nodes differs by their names alone as a rule: some of it will do. */
const adviceOf = (nodes: readonly StuckNode[]): string[] => [...new Set(nodes.flatMap((node) => node.advice))].slice(0, shownAdviceMax)

/** What several nodes say in the same words comes once. */
function warningsOf(nodes: readonly StuckNode[]): string[] {
  const saidBy = new Map<string, string[]>()
  for (const node of nodes) for (const warning of node.warnings) saidBy.set(warning, [...(saidBy.get(warning) ?? []), node.node])
  const all = [...saidBy].map(([warning, names]) => `      ${names.length < nodes.length ? `${listed(names)}: ` : ''}${warning}`)
  return all.length <= shownWarningsMax ? all : [...all.slice(0, shownWarningsMax), `      and ${all.length - shownWarningsMax} more warnings`]
}

/** One command for the logs of the first of them. */
function logsOf(nodes: readonly StuckNode[]): string[] {
  const options = nodes[0]?.runOptions
  return options === undefined ? ['the same again with --log-level info'] : [`relish logs ${nodes.slice(0, shownNodesMax).map((node) => node.node).join(' ')} --level info ${options}`]
}

export function stageTimes(network: RunningNetwork, names: readonly string[], startMs: number): StageTime[] {
  const order: readonly NodeStage[] = stagesOf('authority')
  return order.flatMap((stage) => {
    const times = names.map((name) => network.status(name).stageAtMs[stage]).filter((time) => time !== undefined)
    if (times.length === 0) return []
    return [{ stage, firstMs: Math.min(...times) - startMs, lastMs: Math.max(...times) - startMs, nodes: times.length }]
  })
}
