/**
 * One run of a suite on a prepared network: start, checks, with observers all the while. Closing the network is the
 * caller's, who asks for what the observers saw after that.
 */

import type { BootstrapResult } from '../bootstrap.ts'
import { startUntilReady } from '../bootstrap.ts'
import type { NodeEventRecord, RunningNetwork } from '../backend/backend.ts'
import type { CheckResult } from '../checks/check.ts'
import { runChecks, type CheckProgress } from '../checks/run-checks.ts'
import { timelineKept } from '../limits.ts'
import { Observers } from '../observe/observers.ts'
import type { Suite } from './suite.ts'

export interface SuiteHooks extends CheckProgress {
  /** The network does not come up: it is as it was then. */
  onNotReady(error: unknown): Promise<void>
  /** Checks begin now. */
  onReady(bootstrap: BootstrapResult): void
  /** A check has failed, and the network is as it left it. */
  onFailed(check: string): Promise<void>
}

export interface TimelineEntry {
  readonly atMs: number
  /** A node, or the check that began or ended. */
  readonly who: string
  readonly what: string
}

export class SuiteRun {
  readonly timeline: TimelineEntry[] = []
  readonly #network: RunningNetwork
  readonly #suite: Suite
  readonly #observers: Observers
  readonly #unsubscribe: () => void
  bootstrap: BootstrapResult | undefined
  readonly results: CheckResult[] = []

  /** Made before anything is started. `directory`: of the run, where nodes have files. */
  constructor(network: RunningNetwork, suite: Suite, directory: string | undefined) {
    this.#network = network
    this.#suite = suite
    this.#observers = new Observers(network, { memoryMb: suite.memoryMb, expectedWarnings: suite.expectedWarnings, ...(directory === undefined ? {} : { directory }) })
    this.#unsubscribe = network.onEvent((record) => this.#note(record.atMs, record.node, wordsOf(record, this.#observers)))
  }

  /** Throws what the start throws; a check that fails is a result. */
  async run(hooks: SuiteHooks, start: () => Promise<BootstrapResult> = () => startUntilReady(this.#network)): Promise<void> {
    try {
      this.bootstrap = await start()
    } catch (error) {
      await hooks.onNotReady(error)
      throw error
    }
    hooks.onReady(this.bootstrap)
    const { retries, patienceMs, checks } = this.#suite
    await runChecks(
      this.#network,
      checks,
      {
        onStart: (check) => {
          this.#observers.checkStarted(check)
          this.#note(this.#network.clock.now(), check.name, 'begins')
          hooks.onStart(check)
        },
        onLog: (check, line) => hooks.onLog(check, line),
        onResult: (result) => {
          this.results.push(result)
          this.#note(this.#network.clock.now(), result.name, result.outcome.kind)
          hooks.onResult(result)
        },
      },
      { retries, patienceMs, onFailed: (check) => hooks.onFailed(check.name) },
    )
    this.#observers.checksEnded()
  }

  /** Call once the network is closed. */
  end(): ReturnType<Observers['closed']> {
    this.#unsubscribe()
    return this.#observers.closed()
  }

  #note(atMs: number, who: string, what: string | undefined): void {
    if (what !== undefined && this.timeline.length < timelineKept) this.timeline.push({ atMs: Math.round(atMs), who, what })
  }
}

function wordsOf({ node, event }: NodeEventRecord, observers: Observers): string | undefined {
  switch (event.kind) {
    case 'stage':
      return event.waitingFor === undefined ? event.stage : `${event.stage}, waits for ${event.waitingFor}`
    case 'consensus':
      return `consensus of ${event.relays} relays, ${event.signatures} signatures (${event.flavour})`
    case 'warning':
      return `${event.level}${observers.isExpected(node, event.message) ? ', expected' : ''}: ${event.message}`
    case 'setback':
      return `setback: ${event.words}`
    case 'stopped':
      return `stopped: ${event.reason}`
    case 'listening':
    case 'waiting':
    case 'bootstrap':
      return undefined
  }
}
