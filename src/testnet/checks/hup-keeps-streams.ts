/** `hup-keeps-streams`: every node reads its configuration again, and streams that are open go on as if nothing had happened. */

import { formatAddressPort } from '../../core/ident/address.ts'
import { runningNodes } from '../running-nodes.ts'
import type { Check } from './check.ts'
import { circuitOfStream, namesOf, pathOf, relaysByFingerprint } from './circuits.ts'
import { echoOnce } from './echo-once.ts'

export const hupKeepsStreams: Check = {
  name: 'hup-keeps-streams',
  summary: 'streams survive that every node is told to read its configuration again',
  tags: ['full', 'operation'],
  async run({ network, clients, sink, expect }) {
    const names = await relaysByFingerprint(network)
    const evidence: string[] = []
    for (const client of clients) {
      const server = await sink.echo()
      const stream = await client.connect(server.address)
      await echoOnce(stream, `${client.name} before`)
      const before = await circuitOfStream(network, client.name, server.address)
      const nodes = runningNodes(network).map((node) => node.name)
      const pids = new Map(nodes.map((name) => [name, sinceOf(network.status(name).state)]))
      await Promise.all(nodes.map((name) => network.command(name, { command: 'signal', signal: 'HUP' })))
      await echoOnce(stream, `${client.name} after`)
      const after = await circuitOfStream(network, client.name, server.address)
      expect.equal(after.id, before.id, `circuit of ${client.name}'s stream to ${formatAddressPort(server.address)} after a HUP of every node`)
      for (const name of nodes) expect.equal(sinceOf(network.status(name).state), pids.get(name), `${name} has run since`)
      stream.destroy()
      evidence.push(`${client.name}: its stream on circuit ${before.id} (${namesOf(pathOf(client.name, before), names)}) goes on after a HUP of all ${nodes.length} nodes`)
    }
    return evidence
  },
}

const sinceOf = (state: { readonly kind: string; readonly sinceMs?: number }): string => `${state.kind} ${state.sinceMs ?? ''}`
