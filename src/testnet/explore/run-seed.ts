/**
 * One run of the exploration. While faults last, only safety is asked for; then they end, and the network must become
 * whole again: every node ready, every relay listed as Running in everybody's consensus, every client's streams served.
 */

import { must } from '../../core/base/assert.ts'
import { randomBelow, randomChoice, SeededRng } from '../../core/base/rng.ts'
import type { SimulatedNetwork } from '../backend/simulated.ts'
import { makeCheckClient } from '../checks/client.ts'
import type { TimedFault } from '../fault/fault.ts'
import { convergencePollMs, convergenceTimeoutMs, startPatienceSec, trafficStreamBytesMax } from '../limits.ts'
import { isRelay, type ResolvedNetwork } from '../network-types.ts'
import { missingOf } from '../scenario/expectations.ts'
import { runTimeline, type TimelineOptions, type TimelineResult } from '../scenario/run-timeline.ts'
import { sendAndCompare } from '../scenario/traffic.ts'
import { openEchoSink } from '../sink/sinks.ts'

export type SeedOutcome =
  | { readonly kind: 'ok' }
  | { readonly kind: 'not-started'; readonly words: string }
  /** A node, or the simulation itself, ended by an internal error. */
  | { readonly kind: 'crash'; readonly words: string }
  | { readonly kind: 'invariant'; readonly words: string }
  | { readonly kind: 'not-converged'; readonly words: string }

export interface SeedResult {
  readonly seed: string
  readonly outcome: SeedOutcome
  readonly digest: string
  readonly virtualMs: number
  readonly events: number
}

/**
 * The network as a seed has it: how often authorities vote, so that votes fall among the faults, and how far its nodes
 * are apart, where the network file says nothing of that.
 */
export function drawNetwork(network: ResolvedNetwork, seed: string): ResolvedNetwork {
  const rng = new SeededRng(`${seed}\noptions`)
  const interval = must(randomChoice(rng, [60, 120, 300]), 'a list of intervals')
  const delay = Math.min(20, interval / 6)
  const schedule = [`V3AuthVotingInterval ${interval} seconds`, `V3AuthVoteDelay ${delay} seconds`, `V3AuthDistDelay ${delay} seconds`]
  const overInternet = randomBelow(rng, 2) === 0
  return {
    ...network,
    nodes: network.nodes.map((node) => (node.role === 'authority' && !node.torrc.some((line) => /^V3AuthVotingInterval\s/i.test(line)) ? { ...node, torrc: [...schedule, ...node.torrc] } : node)),
    // A connection attempt that is lost costs half a minute and more, and is no reason to give up.
    options: { ...network.options, progressSec: startPatienceSec },
    links: Object.keys(network.links).length === 0 && overInternet ? { preset: 'internet' } : network.links,
  }
}

export type SeedOptions = Pick<TimelineOptions, 'onNote' | 'logLevel' | 'logSink' | 'traceSink'>

export async function runSeed(given: ResolvedNetwork, seed: string, faults: readonly TimedFault[], options: SeedOptions = {}): Promise<SeedResult> {
  const network = drawNetwork(given, seed)
  const result = await runTimeline({ ...options, network, seed, faults, actions: [], expectations: [], traffic: true, afterwards: (running) => converge(running, seed) })
  return { seed, outcome: outcomeOf(result), digest: result.digest, virtualMs: result.virtualMs, events: result.events }
}

/** What is worst first. */
function outcomeOf(result: TimelineResult): SeedOutcome {
  const [bug] = result.bugs
  if (bug !== undefined) return { kind: 'crash', words: `${bug.node}: ${bug.error}` }
  const [violation] = result.violations
  if (violation !== undefined) return { kind: 'invariant', words: `${violation.invariant}, ${violation.node}: ${violation.words}` }
  if (result.notStarted !== undefined) return { kind: 'not-started', words: result.notStarted }
  if (result.afterwards !== undefined) return { kind: 'not-converged', words: result.afterwards }
  return { kind: 'ok' }
}

/** Undefined once the network is whole; what is missing when it does not get there in time. */
async function converge(network: SimulatedNetwork, seed: string): Promise<string | undefined> {
  const untilMs = network.clock.now() + convergenceTimeoutMs
  // It is whole again when the authorities have agreed once more.
  const last = network.clock.wallNow()
  const died = (): string | undefined => network.nodes().map((node) => network.status(node.name)).flatMap((status) => (status.state.kind === 'died' ? [`${status.name} has ended: ${status.state.reason}`] : []))[0]
  for (;;) {
    const missing = died() ?? (await missingNow(network, last)) ?? (await deafClient(network, seed))
    if (missing === undefined) return undefined
    if (network.clock.now() >= untilMs) return `${convergenceTimeoutMs / 60_000} minutes after the last fault: ${missing}`
    await network.clock.sleep(convergencePollMs)
  }
}

async function missingNow(network: SimulatedNetwork, lastConsensusMs: number): Promise<string | undefined> {
  const names = network.nodes().map((node) => node.name)
  const running = network.nodes().filter(isRelay).length
  return (
    (await missingOf({ kind: 'nodes', which: 'every', names, has: 'ready' }, network, [], 0)) ??
    (await missingOf({ kind: 'consensus', running, signatures: undefined, newer: true }, network, [], lastConsensusMs))
  )
}

/** A client whose streams do not come back. */
async function deafClient(network: SimulatedNetwork, seed: string): Promise<string | undefined> {
  const sink = await openEchoSink(network.observer, network.placement.observerHost, () => network.clock.now())
  try {
    for (const node of network.nodes().filter((one) => one.role === 'client')) {
      const rng = new SeededRng(`${seed}\nlast stream of ${node.name} at ${network.clock.now()}`)
      const served = await sendAndCompare(network, makeCheckClient(network, node.name), sink, rng.bytes(1 + randomBelow(rng, trafficStreamBytesMax)), network.invariants)
      if (!served) return `a stream of ${node.name} is not served`
    }
    return undefined
  } finally {
    sink.close()
  }
}
