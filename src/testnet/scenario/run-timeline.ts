/**
 * Runs a network in virtual time while things happen to it: start, then faults, actions, expectations and traffic side by
 * side, each at its time; then what follows; then what must be left in the end. Scenarios and the exploration of seeds
 * are both this.
 */

import { RelishError, asRelishError } from '../../core/base/errors.ts'
import type { SimulationLogLine } from '../../sim/simulation.ts'
import { SimulatedNetwork } from '../backend/simulated.ts'
import { BootstrapError, formatBootstrapError, startUntilReady, voteNow } from '../bootstrap.ts'
import { loadChecks } from '../checks/load-checks.ts'
import { describeFault, type TimedFault } from '../fault/fault.ts'
import { FaultInjector } from '../fault/fault-injector.ts'
import type { Violation } from '../invariant/violation.ts'
import { expectationPollMs, inspectionIntervalMs } from '../limits.ts'
import type { ResolvedNetwork } from '../network-types.ts'
import type { TorrcInputs } from '../render-torrc.ts'
import { missingOf } from './expectations.ts'
import { describeExpectation, type TimedAction, type TimedExpectation, type Timeline } from './scenario.ts'
import { Traffic, type TrafficCount } from './traffic.ts'

export interface TimelineOptions extends Timeline {
  readonly network: ResolvedNetwork
  readonly seed: string
  readonly traffic: boolean
  /** Called when all of the timeline has happened; before what must be left in the end is looked at. Answers what is wrong. */
  readonly afterwards?: (network: SimulatedNetwork) => Promise<string | undefined>
  readonly onNote?: (atMs: number, words: string) => void
  readonly logLevel?: TorrcInputs['logLevel']
  readonly logSink?: (line: SimulationLogLine) => void
  readonly traceSink?: (line: string) => void
}

export interface ExpectationOutcome {
  readonly expectation: string
  readonly atMs: number
  readonly met: boolean
  /** When it came true, or was given up. */
  readonly afterMs: number
  /** What was in its way. */
  readonly missing: string | undefined
}

export interface TimelineResult {
  /** Why the network did not come up, before anything had happened to it. */
  readonly notStarted: string | undefined
  readonly expectations: readonly ExpectationOutcome[]
  readonly traffic: TrafficCount
  /** What `afterwards` found wrong. */
  readonly afterwards: string | undefined
  readonly bugs: readonly { readonly node: string; readonly error: string }[]
  readonly violations: readonly Violation[]
  readonly digest: string
  readonly virtualMs: number
  readonly events: number
}

export async function runTimeline(options: TimelineOptions): Promise<TimelineResult> {
  const injector = new FaultInjector(options.network, options.seed, options.faults.map((one) => one.fault))
  const names = options.expectations.flatMap(({ expectation }) => (expectation.kind === 'check' ? [expectation.name] : []))
  // Modules take real time to load, which must not pass while virtual time does.
  const checks = await loadChecks([...new Set(names)])
  const { traceSink, logSink, logLevel } = options
  const network = await SimulatedNetwork.prepare({
    network: options.network,
    seed: options.seed,
    around: injector.around,
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(logSink === undefined ? {} : { logSink }),
    ...(traceSink === undefined ? {} : { traceSink }),
  })
  injector.attach(network)
  const broken: { node: string; error: string }[] = []
  const told = { expectations: [] as ExpectationOutcome[], traffic: { streams: 0, failed: 0 }, afterwards: undefined as string | undefined, notStarted: undefined as string | undefined }
  try {
    await network.drive(async () => {
      try {
        await startUntilReady(network)
      } catch (error) {
        if (!(error instanceof BootstrapError)) throw error
        told.notStarted = formatBootstrapError(error)
        return
      }
      const traffic = new Traffic(network, network.invariants, options.seed)
      told.traffic = traffic.count
      const flowing = options.traffic ? traffic.run() : Promise.resolve()
      const watching = network.invariants.watch(network, inspectionIntervalMs)
      const happening = new Happening(network, injector, options)
      try {
        const [expectations] = await Promise.all([
          Promise.all(options.expectations.map((one) => happening.expectation(one, checks))),
          ...options.faults.map((one) => happening.fault(one)),
          ...options.actions.map((one) => happening.action(one)),
        ])
        told.expectations = expectations
        told.afterwards = await options.afterwards?.(network)
      } finally {
        // Whatever goes on in virtual time would go on for ever.
        traffic.end()
        await Promise.all([flowing, watching.end()])
      }
      // Faults that last leave circuits half known: that is not anybody's fault.
      if (!happening.somethingLasts) await network.invariants.settle(network)
    })
    await network.close()
  } catch (thrown) {
    // The simulation itself broke down.
    broken.push({ node: 'simulation', error: asRelishError(thrown).message })
  }
  return {
    ...told,
    bugs: [...network.bugs().map(({ node, error }) => ({ node, error: error.message })), ...broken],
    violations: network.invariants.violations,
    digest: network.traceDigest(),
    virtualMs: network.clock.now(),
    events: network.simulation.eventsRun,
  }
}

/** One run's timeline, from the moment at which the network is ready. */
class Happening {
  readonly #network: SimulatedNetwork
  readonly #injector: FaultInjector
  readonly #options: TimelineOptions
  readonly #readyMs: number
  readonly #firstConsensusMs: number
  somethingLasts = false

  constructor(network: SimulatedNetwork, injector: FaultInjector, options: TimelineOptions) {
    this.#network = network
    this.#injector = injector
    this.#options = options
    this.#readyMs = network.clock.now()
    this.#firstConsensusMs = Math.max(0, ...network.nodes().map((node) => network.status(node.name).consensus?.validAfter ?? 0))
  }

  async fault({ atMs, forMs, fault }: TimedFault): Promise<void> {
    await this.#until(atMs)
    const words = describeFault(fault)
    this.#note('fault.begin', words)
    const undo = await this.#injector.begin(fault)
    if (undo === undefined) return
    if (forMs === undefined) {
      this.somethingLasts = true
      return
    }
    await this.#network.clock.sleep(forMs)
    this.#note('fault.end', words)
    await undo()
  }

  async action({ atMs, action }: TimedAction): Promise<void> {
    await this.#until(atMs)
    const words = action.kind === 'vote' ? 'all authorities vote' : `${action.names.join(', ')} restart${action.names.length === 1 ? 's' : ''}`
    this.#note('action', words)
    try {
      if (action.kind === 'vote') {
        await voteNow(this.#network)
      } else {
        await this.#network.stop(action.names)
        await this.#network.start(action.names)
      }
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      // As an operator would be told; what comes of it is for expectations to say.
      this.#note('action', `${words}: ${error.message}`)
    }
  }

  async expectation({ atMs, withinMs, expectation }: TimedExpectation, checks: Parameters<typeof missingOf>[2]): Promise<ExpectationOutcome> {
    await this.#until(atMs)
    const words = describeExpectation(expectation)
    const startMs = this.#network.clock.now()
    for (;;) {
      const missing = await missingOf(expectation, this.#network, checks, this.#firstConsensusMs)
      const afterMs = this.#network.clock.now() - startMs
      // Less than a millisecond may be less than the clock can go forward by.
      if (missing === undefined || withinMs - afterMs < 1) {
        this.#note('expectation', missing === undefined ? `${words}: yes` : `${words}: no: ${missing}`)
        return { expectation: words, atMs, met: missing === undefined, afterMs, missing }
      }
      await this.#network.clock.sleep(Math.min(expectationPollMs, withinMs - afterMs))
    }
  }

  async #until(atMs: number): Promise<void> {
    const left = this.#readyMs + atMs - this.#network.clock.now()
    if (left < 0) throw new RelishError('bug', 'a timeline goes forward')
    await this.#network.clock.sleep(left)
  }

  #note(event: string, words: string): void {
    this.#network.simulation.record('timeline', { event, words })
    this.#options.onNote?.(this.#network.clock.now(), words)
  }
}
