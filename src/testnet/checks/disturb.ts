/** What checks do that disturb a network: nodes ended and started again, votes off the schedule. Every step waits for a named condition. */

import { hasReached, isReady, waitUntilReady } from '../bootstrap.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { consensusWaitMs } from '../limits.ts'
import { isRelay, type NodeRole, type ResolvedNode } from '../network-types.ts'
import { consensusOf } from './circuits.ts'
import { CheckFailure } from './expect.ts'

export const isRunning = (network: RunningNetwork, name: string): boolean => network.status(name).state.kind === 'running'

export const runningNodes = (network: RunningNetwork): ResolvedNode[] => network.nodes().filter((node) => isRunning(network, node.name))

export const authoritiesOf = (network: RunningNetwork): ResolvedNode[] => runningNodes(network).filter((node) => node.role === 'authority')

/** Why votes cannot be had off the schedule, if so. */
export const needsOwnVotes = (network: RunningNetwork): string | undefined =>
  network.nodes().some((node) => node.role === 'authority' && node.implementation !== 'relish') ? 'C tor is among the authorities, which votes at its fixed times only' : undefined

/** Has the running authorities vote, and waits until all of them hold the consensus that comes of it. */
export async function voteAgain(network: RunningNetwork, words: string): Promise<void> {
  const authorities = authoritiesOf(network).map((node) => node.name)
  const before = newestOf(network, authorities)
  await Promise.all(authorities.map((name) => network.command(name, { command: 'vote' })))
  await network.waitFor(`${authorities.join(', ')} to have a newer consensus, ${words}`, () => authorities.every((name) => validAfterOf(network, name) > before), consensusWaitMs)
}

/** Has nodes ask for news of the directory, and waits until each holds a consensus at least as new as the authorities'. */
export async function fetchConsensus(network: RunningNetwork, names: readonly string[]): Promise<void> {
  const newest = newestOf(network, authoritiesOf(network).map((node) => node.name))
  const behind = (): string[] => names.filter((name) => validAfterOf(network, name) < newest)
  // Whom a node asks may not have it yet either, so that it asks again.
  for (let round = 0; round < fetchRoundsMax && behind().length > 0; round++) {
    await Promise.all(behind().map((name) => network.command(name, { command: 'signal', signal: 'HUP' })))
    await network.waitFor('nodes to hold the newest consensus', () => behind().length === 0, consensusWaitMs / fetchRoundsMax).catch(() => undefined)
  }
  if (behind().length > 0) {
    throw new CheckFailure(`${consensusWaitMs / 1000} s were not enough to fetch a consensus: ${behind().map((name) => `${name} has that of ${time(validAfterOf(network, name))}`).join(', ')}; the authorities have one of ${time(newest)}`)
  }
}

const fetchRoundsMax = 40

const time = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')

/** Ends nodes in order, starts them again and waits until they are ready. */
export async function restart(network: RunningNetwork, names: readonly string[]): Promise<void> {
  await network.stop(names)
  await network.start(names)
  await waitUntilReady(network, names)
}

/** Starts again what does not run, has the authorities vote on it, and waits until the network is as it was. */
export async function putBack(network: RunningNetwork, names: readonly string[]): Promise<void> {
  const gone = names.filter((name) => !isRunning(network, name))
  await network.start(gone)
  const relays = gone.filter((name) => network.nodes().some((node) => node.name === name && isRelay(node)))
  // An authority tests whether relays can be reached before it votes for them.
  await network.waitFor(`${gone.join(', ')} to have published`, () => relays.every((name) => hasReached(network.status(name), roleOf(network, name), 'published')), consensusWaitMs)
  await voteUntilListed(network, runningNodes(network).filter(isRelay).map((node) => node.name))
  await waitUntilReady(network, network.nodes().filter((node) => names.includes(node.name) || isReady(network.status(node.name))).map((node) => node.name))
  await fetchConsensus(network, runningNodes(network).map((node) => node.name))
}

/** Votes until every one of these relays is in the consensus as Running: an authority that has just come has yet to see who is there. */
async function voteUntilListed(network: RunningNetwork, relays: readonly string[]): Promise<void> {
  let missing: readonly string[] = relays
  for (let round = 0; round < votesUntilListedMax && missing.length > 0; round++) {
    if (round > 0) await network.clock.sleep(network.world === 'simulated' ? simulatedPauseMs : pauseMs)
    await voteAgain(network, `with ${relays.length} relays in it`)
    const listed = await relaysListed(network)
    missing = relays.filter((name) => !listed.has(name))
  }
  if (missing.length > 0) throw new CheckFailure(`after ${votesUntilListedMax} votes the consensus does not list ${missing.join(', ')} as Running`)
}
const votesUntilListedMax = 30
const pauseMs = 2000
/** A relay that was long away is tested again in up to 21 minutes, which pass in no time here. */
const simulatedPauseMs = 120_000

/** Names of relays that the authorities' newest consensus lists as Running. */
export async function relaysListed(network: RunningNetwork): Promise<ReadonlySet<string>> {
  const inspections = await Promise.all(authoritiesOf(network).map((node) => network.inspect(node.name)))
  const newest = inspections.map(consensusOf).sort((a, b) => b.validAfter - a.validAfter)[0]
  return new Set(newest?.relays.filter((relay) => relay.flags.includes('Running')).map((relay) => relay.nickname))
}

const roleOf = (network: RunningNetwork, name: string): NodeRole => network.nodes().find((node) => node.name === name)?.role ?? 'client'

const validAfterOf = (network: RunningNetwork, name: string): number => network.status(name).consensus?.validAfter ?? 0

const newestOf = (network: RunningNetwork, names: readonly string[]): number => Math.max(0, ...names.map((name) => validAfterOf(network, name)))
