/** A network that runs, as those who use the library see it: everything they can do with it, and its end. */

import { RelishError } from '../core/base/errors.ts'
import type { RunningNetwork, World } from '../testnet/backend/backend.ts'
import type { CheckResult } from '../testnet/checks/check.ts'
import { nodeMemoryMbMax } from '../testnet/limits.ts'
import { addNodes, removeNodes, voteEverywhere, type NewNodes } from '../testnet/membership.ts'
import type { Observation } from '../testnet/observe/observation.ts'
import { Observers } from '../testnet/observe/observers.ts'
import type { ClientOptions, Condition, Network, NetworkClient, NetworkEvents, NetworkNode, Sink, SinkOptions, VerifyOptions, WaitOptions } from './api.ts'
import { LibraryClient } from './client.ts'
import { waitForCondition } from './conditions.ts'
import { VerificationError, asLaunchError } from './errors.ts'
import { LibraryEvents } from './events.ts'
import { LibraryNode } from './node.ts'
import { LibrarySink } from './sink.ts'
import type { During } from './world-duplex.ts'

export interface NetworkParts {
  readonly network: RunningNetwork
  readonly during: During
  readonly directory: string | undefined
  readonly expectedWarnings: readonly RegExp[]
  /** Called once everything has ended. */
  readonly cleanUp: () => Promise<void>
}

export class LibraryNetwork implements Network {
  readonly name: string
  readonly world: World
  readonly directory: string | undefined
  readonly events: NetworkEvents
  readonly #parts: NetworkParts
  readonly #network: RunningNetwork
  readonly #events: LibraryEvents
  readonly #observers: Observers
  /** Sinks, streams and connections that end with the network. */
  readonly #open = new Set<{ close(): unknown }>()
  #sinks = 0
  #closing: Promise<void> | undefined

  constructor(parts: NetworkParts) {
    this.#parts = parts
    this.#network = parts.network
    this.name = parts.network.network.name
    this.world = parts.network.world
    this.directory = parts.directory
    this.#events = new LibraryEvents(parts.network, parts.during)
    this.events = this.#events
    this.#observers = new Observers(parts.network, { memoryMb: nodeMemoryMbMax, expectedWarnings: parts.expectedWarnings, ...(parts.directory === undefined ? {} : { directory: parts.directory }) })
  }

  problems(): readonly Observation[] {
    return this.#observers.observations
  }

  nodes(): readonly NetworkNode[] {
    return this.#network.nodes().map((node) => new LibraryNode(this.#network, node.name))
  }

  node(name: string): NetworkNode {
    return new LibraryNode(this.#network, name)
  }

  client(name?: string, options: ClientOptions = {}): NetworkClient {
    const chosen = name ?? this.#network.nodes().find((node) => node.role === 'client' && this.#network.status(node.name).state.kind === 'running')?.name
    if (chosen === undefined) throw new RelishError('config', 'no client of the network runs', { hint: "add one: net.add({ role: 'client' })" })
    return new LibraryClient({ network: this.#network, during: this.#parts.during, name: chosen, options, keep: this.#keep })
  }

  sink(options: SinkOptions = {}): Promise<Sink> {
    const name = options.name ?? `sink-${++this.#sinks}.relish.test`
    return this.#parts.during(LibrarySink.open(this.#network, name, options, this.#keep))
  }

  vote(): Promise<void> {
    return voteEverywhere(this.#network)
  }

  async add(nodes: NewNodes): Promise<readonly NetworkNode[]> {
    try {
      return (await addNodes(this.#network, nodes)).map((name) => this.node(name))
    } catch (thrown) {
      throw asLaunchError(thrown)
    }
  }

  remove(name: string): Promise<void> {
    return removeNodes(this.#network, [name])
  }

  waitFor(condition: Condition, options: WaitOptions = {}): Promise<void> {
    return waitForCondition(this.#network, this.#parts.during, condition, options)
  }

  async verify({ suite, only = [], skip = [] }: VerifyOptions = {}): Promise<readonly CheckResult[]> {
    const [{ loadSuite }, { loadSuiteChecks }, { runChecks }] = await Promise.all([import('../testnet/suite/load-suite.ts'), import('../testnet/suite/select-checks.ts'), import('../testnet/checks/run-checks.ts')])
    const settings = loadSuite(suite ?? (only.length > 0 ? 'full' : 'default'), {})
    const { checks, retries, patienceMs } = await loadSuiteChecks(settings, this.#network.network.checks, { only, skip })
    const ignore = (): void => undefined
    const results = await this.#parts.during(runChecks(this.#network, checks, { onStart: ignore, onLog: ignore, onResult: ignore }, { retries, patienceMs }))
    if (results.some(({ outcome }) => outcome.kind === 'failed')) throw new VerificationError(results)
    return results
  }

  drive<T>(work: () => Promise<T>): Promise<T> {
    return this.#parts.during(work())
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    // Whatever cannot be closed must not keep the nodes.
    await Promise.allSettled([...this.#open].map((one) => one.close()))
    try {
      await this.#network.close()
    } finally {
      this.#observers.stop()
      this.#events.close()
      await this.#parts.cleanUp()
    }
  }

  readonly #keep = (closable: { close(): unknown }): (() => void) => {
    this.#open.add(closable)
    return () => void this.#open.delete(closable)
  }
}
