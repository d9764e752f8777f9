/**
 * What one can do with a network that runs, in one place for everybody who asks: the command line in the same process,
 * and the control socket for those in another.
 */

import { formatAddressPort } from '../core/ident/address.ts'
import type { NodeCommand, NodeInspection } from '../runtime/events.ts'
import type { NodeEventRecord, NodeStatus, RunningNetwork, World } from './backend/backend.ts'
import { isReady, startUntilReady, voteNow, waitUntilReady, type BootstrapResult } from './bootstrap.ts'
import type { CheckResult } from './checks/check.ts'
import { progressTo, runChecks, type CheckEvent } from './checks/run-checks.ts'
import { addNodes, removeNodes, type NewNodes } from './membership.ts'
import { isRelay, type Implementation, type NodeRole } from './network-types.ts'
import { noSuchNode } from './node-names.ts'
import { optionChanges, type OptionValues } from './option-changes.ts'
import { loadSuiteChecks } from './suite/select-checks.ts'
import type { SuiteRequest } from './suite/suite.ts'

export interface NetworkStatus {
  readonly network: string
  readonly source: string
  readonly world: World
  readonly pid: number
  readonly upMs: number
  readonly ready: boolean
  /** Checks of `relish verify` go on. */
  readonly checking: boolean
  readonly nodes: readonly (NodeStatus & { readonly role: NodeRole; readonly implementation: Implementation; readonly version: string; readonly host: string; readonly dataDirectory: string })[]
}

/** What a foreign node or an application needs to take part. */
export interface JoinInformation {
  readonly network: string
  /** Lines for the torrc of a foreign node. */
  readonly torrc: readonly string[]
  /** SOCKS ports of the network's clients. */
  readonly socks: readonly { readonly node: string; readonly address: string }[]
  readonly nameServer: string | undefined
}

export interface Session {
  status(): Promise<NetworkStatus>
  /** Starts nodes (all of them if none is named) and waits until they are ready. Throws `BootstrapError`. */
  start(nodes: readonly string[]): Promise<BootstrapResult>
  wait(nodes: readonly string[]): Promise<void>
  stop(nodes: readonly string[]): Promise<void>
  kill(node: string): Promise<void>
  restart(node: string): Promise<void>
  hup(nodes: readonly string[]): Promise<void>
  vote(): Promise<void>
  /** Adds nodes and waits until they are ready. Gives their names. */
  add(nodes: NewNodes): Promise<string[]>
  /** Takes nodes out for good. */
  remove(nodes: readonly string[]): Promise<void>
  /** Changes options of nodes, for the rest of the run. */
  set(nodes: readonly string[], options: OptionValues): Promise<void>
  command(node: string, command: NodeCommand): Promise<unknown>
  inspect(node: string): Promise<NodeInspection>
  /**
   * Runs checks, when those of others are over. The network goes on as it is: nobody watches it beside them. When `isWanted` says no,
   * those that have begun come to their end, and no others begin.
   */
  verify(suite: SuiteRequest, onEvent: (event: CheckEvent) => void, isWanted?: () => boolean): Promise<CheckResult[]>
  join(): Promise<JoinInformation>
  follow(onEvent: (record: NodeEventRecord) => void): () => void
}

export class LocalSession implements Session {
  readonly network: RunningNetwork
  /** What others should see of a start that still goes on. */
  #starting: Promise<BootstrapResult> | undefined
  /** The latest checks that were asked for, while they have not ended. */
  #checking: Promise<unknown> | undefined

  constructor(network: RunningNetwork) {
    this.network = network
  }

  status(): Promise<NetworkStatus> {
    const { network } = this
    const nodes = network.nodes().map((node) => ({
      ...network.status(node.name),
      role: node.role,
      implementation: node.implementation,
      version: network.versionOf(node.name),
      host: network.placementOf(node.name).host,
      dataDirectory: network.placementOf(node.name).dataDirectory,
    }))
    return Promise.resolve({
      network: network.network.name,
      source: network.network.source,
      world: network.world,
      pid: process.pid,
      upMs: network.clock.now(),
      ready: nodes.length > 0 && nodes.every(isReady),
      checking: this.#checking !== undefined,
      nodes,
    })
  }

  start(nodes: readonly string[]): Promise<BootstrapResult> {
    const names = this.#namesOr(nodes)
    this.#starting = startUntilReady(this.network, names)
    // Those who wait get the failure from the same promise.
    this.#starting.catch(() => undefined)
    return this.#starting
  }

  async wait(nodes: readonly string[]): Promise<void> {
    if (this.#starting !== undefined) await this.#starting
    await waitUntilReady(this.network, this.#namesOr(nodes))
  }

  stop(nodes: readonly string[]): Promise<void> {
    return this.network.stop(this.#namesOr(nodes))
  }

  kill(node: string): Promise<void> {
    return this.network.kill(node)
  }

  async restart(node: string): Promise<void> {
    await this.network.stop([node])
    await this.network.start([node])
    await waitUntilReady(this.network, [node])
  }

  async hup(nodes: readonly string[]): Promise<void> {
    await Promise.all(this.#namesOr(nodes).map((node) => this.network.command(node, { command: 'signal', signal: 'HUP' })))
  }

  async vote(): Promise<void> {
    await voteNow(this.network)
  }

  add(nodes: NewNodes): Promise<string[]> {
    return addNodes(this.network, nodes)
  }

  remove(nodes: readonly string[]): Promise<void> {
    return removeNodes(this.network, nodes)
  }

  async set(nodes: readonly string[], options: OptionValues): Promise<void> {
    const changes = optionChanges(options)
    for (const node of nodes) await this.network.setOptions(node, changes)
  }

  command(node: string, command: NodeCommand): Promise<unknown> {
    return this.network.command(node, command)
  }

  inspect(node: string): Promise<NodeInspection> {
    return this.network.inspect(node)
  }

  async verify({ settings, selection }: SuiteRequest, onEvent: (event: CheckEvent) => void, isWanted: () => boolean = () => true): Promise<CheckResult[]> {
    const { checks, retries, patienceMs } = await loadSuiteChecks(settings, this.network.network.checks, selection)
    const before = this.#checking ?? Promise.resolve()
    const results = before.then(() => runChecks(this.network, checks, progressTo(onEvent), { retries, patienceMs, isWanted }))
    const over: Promise<void> = results.then(() => undefined, () => undefined).then(() => {
      if (this.#checking === over) this.#checking = undefined
    })
    this.#checking = over
    return results
  }

  join(): Promise<JoinInformation> {
    return Promise.resolve(joinInformation(this.network))
  }

  follow(onEvent: (record: NodeEventRecord) => void): () => void {
    return this.network.onEvent(onEvent)
  }

  #namesOr(nodes: readonly string[]): string[] {
    const known = this.network.nodes().map((node) => node.name)
    for (const name of nodes) if (!known.includes(name)) throw noSuchNode(name, known)
    return nodes.length > 0 ? [...nodes] : known
  }
}

/** Options of a node's torrc that one who joins needs as well, beside the authorities. */
const sharedOptions = /^(TestingTorNetwork|DirAuthority|EnforceDistinctSubnets|PathsNeededToBuildCircuits) /i

export function joinInformation(network: RunningNetwork): JoinInformation {
  const example = network.nodes().find((node) => isRelay(node)) ?? network.nodes()[0]
  const torrc = example === undefined ? [] : network.torrcOf(example.name).split('\n').filter((line) => sharedOptions.test(line))
  const { nameServer } = network.placement
  return {
    network: network.network.name,
    torrc,
    socks: network.nodes().flatMap((node) => {
      const { host, socksPort } = network.placementOf(node.name)
      return socksPort === undefined ? [] : [{ node: node.name, address: formatAddressPort({ host, port: socksPort }) }]
    }),
    nameServer: nameServer === undefined ? undefined : formatAddressPort(nameServer),
  }
}
