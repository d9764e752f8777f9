/** A new consensus on its way through a running network: the vote, and everybody's asking for what comes of it. */

import { RelishError } from '../core/base/errors.ts'
import type { RunningNetwork } from './backend/backend.ts'
import { voteNow } from './bootstrap.ts'
import { runningAuthorities } from './running-nodes.ts'

/** When the consensus that a node holds became valid; 0 if it holds none. */
export const validAfterOf = (network: RunningNetwork, name: string): number => network.status(name).consensus?.validAfter ?? 0

/** When the newest that any of these nodes holds did. */
export const newestHeldBy = (network: RunningNetwork, names: readonly string[]): number => Math.max(0, ...names.map((name) => validAfterOf(network, name)))

/**
 * Has the running authorities vote, and waits until all of them hold the consensus that comes of it. Gives what was the newest
 * before. Throws `refused` where they cannot vote now, and `timeout` with `words`.
 */
export async function voteForNewer(network: RunningNetwork, words: string, timeoutMs: number): Promise<number> {
  const authorities = runningAuthorities(network).map((node) => node.name)
  const before = newestHeldBy(network, authorities)
  await voteNow(network)
  await network.waitFor(words, () => authorities.every((name) => validAfterOf(network, name) > before), timeoutMs)
  return before
}

/**
 * Has those who are behind ask for news of the directory until none is, or until time is over; gives those who still are. They
 * ask again and again, since whom a node asks may have no news either.
 */
export async function askForNews(network: RunningNetwork, behind: () => readonly string[], retryMs: number, timeoutMs: number): Promise<readonly string[]> {
  const deadlineMs = network.clock.now() + timeoutMs
  while (behind().length > 0 && network.clock.now() < deadlineMs) {
    await Promise.all(behind().map((name) => network.command(name, { command: 'signal', signal: 'HUP' })))
    await network.waitFor('nodes to fetch the new consensus', () => behind().length === 0, retryMs).catch((error: unknown) => {
      if (!(error instanceof RelishError && error.kind === 'timeout')) throw error
    })
  }
  return behind()
}
