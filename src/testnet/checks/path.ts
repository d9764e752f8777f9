/** `path`: every circuit for streams has three different relays, no two of one family or subnet, and ends at an exit. */

import { parseIpv4 } from '../../core/ident/address.ts'
import type { ConsensusInspection } from '../../runtime/events.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import type { Check } from './check.ts'
import { circuitOfStream, consensusOf, namesOf, pathOf, relaysByFingerprint } from './circuits.ts'
import { forEachClient } from './client.ts'
import { CheckFailure } from './expect.ts'

/** Isolated by different credentials, these streams get circuits of their own. */
const circuitsEach = 5

export const path: Check = {
  name: 'path',
  summary: 'circuits have three different relays, no two of one family or subnet',
  tags: ['smoke', 'anonymity'],
  besideOthers: true,
  async run({ network, clients, sink }) {
    const server = await sink.echo()
    const names = await relaysByFingerprint(network)
    return forEachClient(clients, async (client) => {
      const consensus = consensusOf(await network.inspect(client.name))
      const shown = new Set<string>()
      for (let round = 0; round < circuitsEach; round++) {
        const stream = await client.connect(server.address, { username: 'path', password: String(round) })
        const hops = pathOf(client.name, await circuitOfStream(network, client.name, server.address))
        stream.destroy()
        await stream.closed()
        judgePath(network, client.name, hops, consensus, names)
        shown.add(namesOf(hops, names))
      }
      return [`${client.name}: ${[...shown].join('; ')}`]
    })
  },
}

/** Throws `CheckFailure` for a path that no client may use. */
export function judgePath(network: RunningNetwork, client: string, hops: readonly string[], consensus: ConsensusInspection, names: ReadonlyMap<string, string>): void {
  const words = `${client}: ${namesOf(hops, names)}`
  const fail = (reason: string): CheckFailure => new CheckFailure(`${words}: ${reason}`)
  if (hops.length !== 3) throw fail(`${hops.length} relays instead of three`)
  if (new Set(hops).size !== hops.length) throw fail('one relay twice')
  const relays = hops.map((hop) => {
    const relay = consensus.relays.find((one) => one.fingerprint === hop)
    if (relay === undefined) throw fail(`${names.get(hop) ?? hop} is not in the consensus`)
    return relay
  })
  const last = relays.at(-1)
  if (last === undefined || !last.flags.includes('Exit')) throw fail('the last relay is no exit')
  const families = relays.map((relay) => network.nodes().find((node) => node.name === relay.nickname)?.family).filter((family) => family !== undefined)
  if (new Set(families).size !== families.length) throw fail(`two relays of the family ${families.find((family, index) => families.indexOf(family) !== index)}`)
  const distinctSubnets = /^EnforceDistinctSubnets 1$/m.test(network.torrcOf(client))
  if (!distinctSubnets) return
  const subnets = relays.map((relay) => parseIpv4(relay.address)?.slice(0, 2).join('.') ?? relay.address)
  if (new Set(subnets).size !== subnets.length) throw fail(`two relays of one /16 (${subnets.join(', ')})`)
}
