/**
 * Watches a network whose nodes run in this process, from its start to its end, for everything that must always hold
 * (`violation.ts`). It stands between each node and its Runtime; it changes nothing, draws nothing and waits for nothing.
 */

import { RequestParser } from '../../core/dirhttp/parser.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { TraceSink } from '../../runtime/trace.ts'
import { LINK_BUFFER_BYTES_MAX } from '../../node/limits.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { settleMs, streamBufferSlackBytes, violationsKept } from '../limits.ts'
import { isRelay } from '../network-types.ts'
import type { NodePlacement } from '../placement.ts'
import { tapNetwork, type StreamTap } from '../tap/network-tap.ts'
import { runningNodes } from '../running-nodes.ts'
import { ByteLedger } from './byte-ledger.ts'
import { CircuitLedger } from './circuit-ledger.ts'
import { checkQueues, unmatchedCircuits, type InspectedNode } from './inspection-rules.ts'
import { SignatureLedger } from './signature-ledger.ts'
import type { InvariantName, Violation } from './violation.ts'

export interface MonitoredWorld {
  /** Milliseconds of the world's clock. */
  now(): number
  readonly params: { readonly [parameter: string]: number }
  /** Where servers of checks listen. */
  readonly observerHosts: readonly string[]
}

export class InvariantMonitor {
  readonly #world: MonitoredWorld
  readonly #violations: Violation[] = []
  readonly #bytes: ByteLedger
  readonly #signatures: SignatureLedger
  /** Of the present lives. */
  readonly #circuits = new Map<string, CircuitLedger>()
  readonly #told = new Set<string>()

  constructor(world: MonitoredWorld) {
    this.#world = world
    this.#bytes = new ByteLedger(this.report, () => world.now())
    this.#signatures = new SignatureLedger(this.report)
  }

  /** What did not hold, in the order in which it was seen; each breach of a node once. */
  get violations(): readonly Violation[] {
    return this.#violations
  }

  readonly report = (invariant: InvariantName, node: string, words: string): void => {
    // The same again says nothing new; numbers in it differ.
    const key = `${invariant} ${node} ${words.replace(/\d+/g, '#')}`
    if (this.#told.has(key) || this.#violations.length >= violationsKept) return
    this.#told.add(key)
    this.#violations.push({ invariant, node, words, atMs: this.#world.now() })
  }

  /** The Runtime for a new life of a node. */
  around(placed: NodePlacement, runtime: Runtime): Runtime {
    const { name } = placed.node
    const ledger = new CircuitLedger(name, this.#world.params, this.report)
    this.#circuits.set(name, ledger)
    const network = tapNetwork(runtime.network, {
      dialled: (target, secure) => {
        if (secure) return this.#bufferTap(name)
        if (isRelay(placed.node) && this.#world.observerHosts.includes(target.host)) return this.#bytes.server(name, target.port)
        return placed.node.role === 'authority' ? this.#postTap(name) : undefined
      },
      accepted: (at, _from, secure) => (secure ? this.#bufferTap(name) : at.port === placed.socksPort && at.host === placed.host ? this.#bytes.application(name) : undefined),
    })
    return { ...runtime, network, trace: both(runtime.trace, ledger) }
  }

  #bufferTap(node: string): StreamTap {
    return {
      buffered: (bytes) => {
        if (bytes > LINK_BUFFER_BYTES_MAX + streamBufferSlackBytes) this.report('queues', node, `a link has ${bytes} bytes waiting; ${LINK_BUFFER_BYTES_MAX} are the most`)
      },
    }
  }

  #postTap(node: string): StreamTap {
    const parser = new RequestParser()
    return {
      fromNode: (chunk) => {
        const request = parser.feed(chunk)
        if (request !== undefined) this.#signatures.posted(node, request)
        return chunk
      },
    }
  }

  /** A node has ended as it was asked to: `held` is what it has not given back. */
  ended(node: string, held: { readonly timers: number; readonly streams: number; readonly listeners: number }): void {
    for (const [what, count] of Object.entries(held)) if (count > 0) this.report('released', node, `${count} ${what} are left when it has ended`)
  }

  bug(node: string, words: string): void {
    this.report('no-internal-error', node, words)
  }

  /** Asks all nodes that run, now. */
  async sample(network: RunningNetwork): Promise<readonly InspectedNode[]> {
    const running = runningNodes(network)
    const nodes: InspectedNode[] = []
    for (const { name } of running) {
      const inspection = await network.inspect(name).catch(() => undefined)
      if (inspection === undefined) continue
      const inspected = { name, host: network.placementOf(name).host, inspection }
      checkQueues(inspected, this.report)
      nodes.push(inspected)
    }
    return nodes
  }

  /** Asks all nodes again and again, until told to end. */
  watch(network: RunningNetwork, everyMs: number): { end(): Promise<void> } {
    let ends = false
    const loop = async (): Promise<void> => {
      while (!ends) {
        await this.sample(network)
        await network.clock.sleep(everyMs)
      }
    }
    const watching = loop()
    return {
      end: () => {
        ends = true
        return watching
      },
    }
  }

  /** When nothing goes on any more, before the network is closed: what is left over. */
  async settle(network: RunningNetwork): Promise<void> {
    const before = unmatchedCircuits(await this.sample(network))
    const orphans = new Map([...this.#circuits.values()].map((ledger) => [ledger, ledger.orphans()]))
    await network.clock.sleep(settleMs)
    const after = unmatchedCircuits(await this.sample(network))
    for (const [key, words] of after) if (before.has(key)) this.report('released', key.split(' ')[0] ?? '', words)
    for (const [name, ledger] of this.#circuits) {
      // One that was killed could not tell of the end of its streams, and holds nothing any more.
      const runs = network.nodes().some((node) => node.name === name) && network.status(name).state.kind === 'running'
      if (runs) ledger.checkReleased(orphans.get(ledger) ?? new Set())
    }
  }
}

const both = (first: TraceSink | undefined, second: TraceSink): TraceSink =>
  first === undefined
    ? second
    : {
        emit: (event) => {
          first.emit(event)
          second.emit(event)
        },
      }
