/**
 * Observers that watch every run: a node that died, a warning nobody expects, an internal error, and, once the network is
 * closed, processes, ports and files that are left, and memory beyond its bound. What they see fails the run even where
 * every check has passed.
 *
 * They see what the operating system tells (Linux's /proc): in a simulation there are no processes, ports and files, and
 * inline all nodes share one process, whose memory is its owner's affair.
 */

import { join } from 'node:path'
import type { NodeEventRecord, RunningNetwork } from '../backend/backend.ts'
import type { Check } from '../checks/check.ts'
import { memorySampleMs, observationsKept } from '../limits.ts'
import { filesOf, strayFiles, wordsOnStandardError } from './files.ts'
import type { Observation, ObservationKind } from './observation.ts'
import { listenersOn, openFilesBelow, peakMemoryOf, processesOfGroups } from './processes.ts'

export interface ObserverSettings {
  /** The run directory; absent where nodes have no files. */
  readonly directory?: string
  readonly memoryMb: number
  /** Of the suite; those of a check count from its start on. */
  readonly expectedWarnings: readonly RegExp[]
}

const withoutNumbers = (words: string): string => words.replace(/\d+/g, '0')

/** What any application brings about that asks a client for an address instead of a name: most checks do. */
const alwaysExpected: readonly RegExp[] = Object.freeze([/is giving Tor only an IP address/])

/** What C tor warns of in networks of its own alone, too; docs/INTEROP.md says why. */
const expectedOfTor: readonly RegExp[] = Object.freeze([
  /^Received http status code 404 .* while fetching consensus directory/,
  /^No available nodes when trying to choose node/,
  /^Failed to choose an exit server/,
  /^Client asked me to extend back to the previous hop/,
  /^connection_edge_process_relay_cell \(away from origin\) failed/,
])

export class Observers {
  readonly #network: RunningNetwork
  readonly #settings: ObserverSettings
  readonly #observations: Observation[] = []
  readonly #expected: RegExp[]
  readonly #pids = new Map<number, string>()
  readonly #overfed = new Set<number>()
  readonly #before: ReadonlySet<string>
  readonly #unsubscribe: () => void
  readonly #timer: NodeJS.Timeout | undefined

  /** Made before anything is started. */
  constructor(network: RunningNetwork, settings: ObserverSettings) {
    this.#network = network
    this.#settings = settings
    this.#expected = [...alwaysExpected, ...settings.expectedWarnings]
    this.#before = settings.directory === undefined ? new Set() : filesOf(settings.directory)
    this.#unsubscribe = network.onEvent((record) => this.#onEvent(record))
    this.#timer = network.world === 'processes' ? setInterval(() => this.#sample(), memorySampleMs) : undefined
    this.#timer?.unref()
  }

  /** What was seen so far. */
  get observations(): readonly Observation[] {
    return [...this.#observations]
  }

  /** Sees nothing more. */
  stop(): void {
    this.#unsubscribe()
    clearInterval(this.#timer)
  }

  /** What the check causes is expected from now on: its after-effects may come late. */
  checkStarted(check: Check): void {
    this.#expected.push(...(check.expectedWarnings ?? []))
  }

  /** The checks are over, the network still runs. */
  checksEnded(): void {
    this.#sample()
    for (const node of this.#network.nodes()) {
      const { state } = this.#network.status(node.name)
      if (state.kind === 'stopped') this.#add('died', node.name, `${node.name} is stopped at the end: whatever stopped it has not put it back`)
    }
  }

  /** Call when the network is closed: nothing of it may be left. Gives everything that was seen. */
  closed(): readonly Observation[] {
    this.stop()
    for (const { pid, group, command } of processesOfGroups(new Set(this.#pids.keys()))) {
      const node = this.#pids.get(group) ?? ''
      this.#add('leaked-process', node, `process ${pid} (${command}), which ${pid === group ? `is ${node}` : `${node} started`}, still runs`)
    }
    if (this.#network.world !== 'simulated' && this.#network.placement.distinctAddresses) {
      const hosts = new Map(this.#network.placement.nodes.map((placed) => [placed.host, placed.node.name]))
      hosts.set(this.#network.placement.observerHost, 'the observer')
      for (const address of listenersOn(new Set(hosts.keys()))) this.#add('leaked-port', hosts.get(address.replace(/:\d+$/, '')), `somebody still listens on ${address}`)
    }
    const { directory } = this.#settings
    if (directory !== undefined) {
      for (const file of strayFiles(directory, this.#before)) this.#add('leaked-file', undefined, `${file} is left in the run directory`)
      for (const file of new Set(openFilesBelow(directory))) this.#add('leaked-file', undefined, `${file} is still open`)
      for (const { node } of this.#network.placement.nodes) {
        const [first, ...more] = wordsOnStandardError(join(directory, 'nodes', node.name, 'stderr.log'))
        // A node that died has its last words in the reason already.
        if (first !== undefined && !this.#observations.some((one) => one.node === node.name && one.kind === 'died')) {
          this.#add('internal-error', node.name, `${node.name} wrote to its standard error: ${[first, ...more].join('\n')}`)
        }
      }
    }
    return [...this.#observations]
  }

  #onEvent({ node, event }: NodeEventRecord): void {
    this.#learnPid(node)
    if (event.kind === 'warning') {
      if (event.level === 'error') this.#add('internal-error', node, event.message)
      else if (!this.isExpected(node, event.message)) this.#add('warning', node, event.message)
    } else if (event.kind === 'stopped') {
      const state = this.#network.nodes().some((one) => one.name === node) ? this.#network.status(node).state : undefined
      if (state?.kind === 'died') this.#add('died', node, `${node} ended by itself: ${state.reason}`)
    }
  }

  /** Whether the warning is no wonder: checks cause it, or the suite knows of it. */
  isExpected(node: string, message: string): boolean {
    const ofTor = this.#network.nodes().find((one) => one.name === node)?.implementation === 'tor' ? expectedOfTor : []
    return [...this.#expected, ...ofTor].some((pattern) => pattern.test(message))
  }

  #learnPid(node: string): void {
    if (!this.#network.nodes().some((one) => one.name === node)) return
    const { state } = this.#network.status(node)
    if (state.kind === 'running' && state.pid !== undefined) this.#pids.set(state.pid, node)
  }

  #sample(): void {
    for (const [pid, node] of this.#pids) {
      const bytes = peakMemoryOf(pid)
      const bound = this.#settings.memoryMb * 2 ** 20
      if (bytes === undefined || bytes <= bound || this.#overfed.has(pid)) continue
      this.#overfed.add(pid)
      this.#add('memory', node, `${node} had ${(bytes / 2 ** 20).toFixed(0)} MB resident; its bound is ${this.#settings.memoryMb} MB`)
    }
  }

  /** The same again, but for its numbers, is counted and not kept. */
  #add(kind: ObservationKind, node: string | undefined, words: string): void {
    const known = this.#observations.findIndex((one) => one.kind === kind && one.node === node && withoutNumbers(one.words) === withoutNumbers(words))
    const before = this.#observations[known]
    if (before !== undefined && kind === 'warning') {
      this.#observations[known] = { ...before, times: (before.times ?? 1) + 1 }
      return
    }
    if (this.#observations.length >= observationsKept) return
    this.#observations.push({ kind, ...(node === undefined ? {} : { node }), atMs: this.#network.clock.now(), words })
  }
}
