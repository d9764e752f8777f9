/** What checks do that disturb a network: nodes ended and started again, votes off the schedule. Every step waits for a named condition. */

import { canVoteNow, hasReached, isReady, waitUntilReady } from '../bootstrap.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { askForNews, newestHeldBy, validAfterOf, voteForNewer } from '../consensus-spread.ts'
import { consensusWaitMs } from '../limits.ts'
import { isRelay, type NodeRole } from '../network-types.ts'
import { isRunning, runningAuthorities, runningNodes } from '../running-nodes.ts'
import { consensusOf, timeText } from './circuits.ts'
import { CheckFailure } from './expect.ts'

/** Why votes cannot be had off the schedule, if so. */
export const needsOwnVotes = (network: RunningNetwork): string | undefined =>
  canVoteNow(network) ? undefined : 'C tor is among the authorities, which votes at its fixed times only'

/** Has the running authorities vote, and waits until all of them hold the consensus that comes of it. */
export async function voteAgain(network: RunningNetwork, words: string): Promise<void> {
  const authorities = runningAuthorities(network).map((node) => node.name)
  await voteForNewer(network, `${authorities.join(', ')} to have a newer consensus, ${words}`, consensusWaitMs)
}

/** Has nodes ask for news of the directory, relays before clients, who ask them; waits until each holds a consensus at least as new as the authorities'. */
export async function fetchConsensus(network: RunningNetwork, names: readonly string[]): Promise<void> {
  const newest = newestHeldBy(network, runningAuthorities(network).map((node) => node.name))
  await fetchSince(network, newest, names.filter((name) => roleOf(network, name) !== 'client'))
  await fetchSince(network, newest, names)
}

async function fetchSince(network: RunningNetwork, newest: number, names: readonly string[]): Promise<void> {
  const behind = await askForNews(network, () => names.filter((name) => validAfterOf(network, name) < newest), fetchRetryMs, consensusWaitMs)
  if (behind.length > 0) {
    throw new CheckFailure(`${consensusWaitMs / 1000} s were not enough to fetch a consensus: ${behind.map((name) => `${name} has that of ${timeText(validAfterOf(network, name))}`).join(', ')}; the authorities have one of ${timeText(newest)}`)
  }
}

const fetchRetryMs = 3000

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
  const inspections = await Promise.all(runningAuthorities(network).map((node) => network.inspect(node.name)))
  const newest = inspections.map(consensusOf).sort((a, b) => b.validAfter - a.validAfter)[0]
  return new Set(newest?.relays.filter((relay) => relay.flags.includes('Running')).map((relay) => relay.nickname))
}

const roleOf = (network: RunningNetwork, name: string): NodeRole => network.nodes().find((node) => node.name === name)?.role ?? 'client'
