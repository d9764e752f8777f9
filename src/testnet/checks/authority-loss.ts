/**
 * What becomes of the consensus when authorities are lost. `authority-minority`: those that are left make one without the
 * others, and the network goes on. `authority-majority`: those that are left make none, say why and how many they miss,
 * and what the network holds serves it on; when the others are back, all sign again.
 */

import type { ConsensusInspection } from '../../runtime/events.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { consensusWaitMs } from '../limits.ts'
import { isRunning, runningAuthorities, runningNodes } from '../running-nodes.ts'
import type { Check, CheckContext } from './check.ts'
import { consensusOf, timeText } from './circuits.ts'
import { CheckFailure } from './expect.ts'
import { fetchConsensus, needsOwnVotes, putBack, voteAgain } from './disturb.ts'
import { echoOnce } from './echo-once.ts'
import { consensusHeldBy } from './promises.ts'

/** Of a node that starts while others are gone: relays that it knows from before do not answer. */
const unreachable = /Problem bootstrapping\. .*CONNECTREFUSED/

/** Of an authority that has too few votes or signatures. */
const tooFew = /don't have enough votes|signatures are here/

export const authorityMinority: Check = {
  name: 'authority-minority',
  summary: 'without a minority of the authorities there is a new consensus, and the network goes on',
  tags: ['full', 'recovery', 'directory'],
  disturbs: true,
  expectedWarnings: [unreachable],
  notFor: (network) => needsOwnVotes(network) ?? (authorityCount(network) < 3 ? 'losing one of fewer than three authorities is losing the majority' : undefined),
  async run(context) {
    const { network, expect } = context
    const authorities = await heaviestFirst(network)
    const majority = Math.floor(authorities.length / 2) + 1
    const [left, lost] = [authorities.slice(0, majority), authorities.slice(majority)]
    try {
      const before = await newestConsensus(network)
      await network.stop(lost)
      let without = before
      // One that all had signed before may become valid in between.
      for (let votes = 0; votes < 2 && without.signers.length !== left.length; votes++) {
        await voteAgain(network, `without ${lost.join(', ')}`)
        without = await newestConsensus(network)
      }
      expect(without.validAfter > before.validAfter, `the consensus without ${lost.join(', ')} is the one from before`)
      expect.equal(without.signers.length, left.length, `signatures under the consensus without ${lost.join(', ')}`)
      await fetchConsensus(network, runningNodes(network).map((node) => node.name))
      await everyClientWorks(context)
      await putBack(network, lost)
      const after = await newestConsensus(network)
      expect.equal(after.signers.length, authorities.length, `signatures under the consensus once ${lost.join(', ')} are back`)
      return [
        `without ${lost.join(', ')}: a consensus of ${timeText(without.validAfter)} with ${without.signers.length} of ${authorities.length} signatures, held by all who run, and every client works`,
        `with them again: ${after.signers.length} of ${authorities.length} signatures, of ${timeText(after.validAfter)}`,
      ]
    } finally {
      await putBackIfGone(network, lost)
    }
  },
}

export const authorityMajority: Check = {
  name: 'authority-majority',
  summary: 'without a majority of the authorities there is no new consensus, and those left say why',
  tags: ['full', 'recovery', 'directory'],
  disturbs: true,
  expectedWarnings: [tooFew, unreachable],
  notFor: (network) => needsOwnVotes(network) ?? (authorityCount(network) < 2 ? 'the network has one authority only' : undefined),
  async run(context) {
    const { network, expect } = context
    const authorities = await heaviestFirst(network)
    const half = Math.floor(authorities.length / 2)
    const [left, lost] = [authorities.slice(0, half), authorities.slice(half)]
    const [speaker] = left
    if (speaker === undefined) throw new CheckFailure(`of the authorities only ${authorities.join(', ')} runs`)
    try {
      await network.stop(lost)
      const before = await newestConsensus(network)
      const said = await warningAfter(network, speaker, () => Promise.all(runningAuthorities(network).map((node) => network.command(node.name, { command: 'vote' }))))
      const after = await newestConsensus(network)
      // One with more signatures than there are authorities left had been signed before, and has become valid in between.
      if (after.signers.length <= left.length) expect.equal(after.validAfter, before.validAfter, `the newest consensus with ${left.length} of ${authorities.length} authorities`)
      await everyClientWorks(context)
      await putBack(network, lost)
      const again = await newestConsensus(network)
      expect.equal(again.signers.length, authorities.length, `signatures under the consensus once ${lost.join(', ')} are back`)
      return [
        `without ${lost.join(', ')}: no consensus after that of ${timeText(after.validAfter)}, which serves every client on; ${speaker} says: ${said}`,
        `with them again: a consensus of ${timeText(again.validAfter)} with ${again.signers.length} of ${authorities.length} signatures`,
      ]
    } finally {
      await putBackIfGone(network, lost)
    }
  },
}

/**
 * Authorities are relays, too, and one that was started again is often the only one that has measured a bandwidth. Without
 * those that clients choose for nearly every path there are no circuits until the consensus leaves them out, as in any Tor
 * network: that is no matter of authorities, so the others are the ones that are lost.
 */
async function heaviestFirst(network: RunningNetwork): Promise<string[]> {
  const names = runningAuthorities(network).map((node) => node.name)
  const { relays } = await consensusHeldBy(network, names)
  const weightOf = (name: string): number => relays.find((relay) => relay.nickname === name)?.bandwidth ?? 0
  return names.sort((a, b) => weightOf(b) - weightOf(a))
}

const authorityCount = (network: RunningNetwork): number => network.nodes().filter((node) => node.role === 'authority').length

/** The newest that a running authority holds. */
async function newestConsensus(network: RunningNetwork): Promise<ConsensusInspection> {
  const held = (await Promise.all(runningAuthorities(network).map((node) => network.inspect(node.name)))).map(consensusOf)
  const newest = held.sort((a, b) => b.validAfter - a.validAfter)[0]
  if (newest === undefined) throw new CheckFailure('no authority runs')
  return newest
}

async function everyClientWorks({ clients, sink }: CheckContext): Promise<void> {
  const server = await sink.echo()
  await Promise.all(
    clients.map(async (client) => {
      const stream = await client.connect(server.address, { username: 'authorities', password: `${Math.floor(server.visits.length)}` })
      await echoOnce(stream, client.name)
      stream.destroy()
    }),
  )
}

/** What the node says of a failed vote. Throws `timeout` if it says nothing. */
async function warningAfter(network: RunningNetwork, name: string, act: () => Promise<unknown>): Promise<string> {
  let said: string | undefined
  const unsubscribe = network.onEvent(({ node, event }) => {
    if (node === name && event.kind === 'warning' && tooFew.test(event.message)) said ??= event.message
  })
  try {
    await act()
    await network.waitFor(`${name} to say why there is no consensus`, () => said !== undefined, consensusWaitMs)
    return said ?? ''
  } finally {
    unsubscribe()
  }
}

async function putBackIfGone(network: RunningNetwork, names: readonly string[]): Promise<void> {
  if (names.some((name) => !isRunning(network, name))) await putBack(network, names)
}

