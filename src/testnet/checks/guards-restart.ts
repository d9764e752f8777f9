/** `guards-restart`: a client that ends and starts again enters the network where it did before (guard-spec §1). */

import type { NodeInspection } from '../../runtime/events.ts'
import type { Check } from './check.ts'
import { makeCheckClient } from './client.ts'
import { circuitOfStream, pathOf } from './circuits.ts'
import { restart } from './disturb.ts'
import { echoOnce } from './echo-once.ts'

export const guardsRestart: Check = {
  name: 'guards-restart',
  summary: 'clients keep their guards over a restart',
  tags: ['full', 'anonymity'],
  disturbs: true,
  notFor: (network) => (network.nodes().some((node) => node.role === 'client' && node.implementation === 'relish') ? undefined : 'every client is C tor, whose guards are its own affair'),
  async run({ network, clients, sink, expect }) {
    const evidence: string[] = []
    for (const { name } of clients.filter((client) => network.nodes().some((node) => node.name === client.name && node.implementation === 'relish'))) {
      const before = primaryGuards(await network.inspect(name))
      expect(before.length > 0, `${name} has no primary guard`)
      await restart(network, [name])
      const after = primaryGuards(await network.inspect(name))
      expect.equal(after.join(', '), before.join(', '), `primary guards of ${name} after a restart`)
      const server = await sink.echo()
      const stream = await makeCheckClient(network, name).connect(server.address)
      await echoOnce(stream, name)
      const [entry] = pathOf(name, await circuitOfStream(network, name, server.address))
      stream.destroy()
      const used = (await network.inspect(name)).guards.find((guard) => guard.fingerprint === entry)?.nickname
      expect(used !== undefined && before.includes(used), `${name} entered the network at ${used ?? entry ?? 'nowhere'}, which is none of its guards ${before.join(', ')}`)
      evidence.push(`${name}: ${before.join(', ')} before and after; it enters at ${used}`)
    }
    return evidence
  },
}

const primaryGuards = (inspection: NodeInspection): string[] => inspection.guards.filter((guard) => guard.state.startsWith('primary')).map((guard) => guard.nickname)
