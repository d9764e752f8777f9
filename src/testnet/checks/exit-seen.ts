/** `exit-seen`: the server sees an exit of the consensus come, never the client. */

import { latin1Decode } from '../../core/base/encoding.ts'
import type { Check } from './check.ts'
import { circuitOfStream, consensusOf, pathOf } from './circuits.ts'

export const exitSeen: Check = {
  name: 'exit-seen',
  summary: 'the server sees an exit relay of the consensus, never the client',
  tags: ['smoke', 'anonymity'],
  notFor: (network) => (network.placement.distinctAddresses ? undefined : 'all nodes share one address here'),
  async run({ network, clients, sink, expect }) {
    const evidence: string[] = []
    for (const client of clients) {
      const clientHost = network.placementOf(client.name).host
      const consensus = consensusOf(await network.inspect(client.name))
      const exits = consensus.relays.filter((relay) => relay.flags.includes('Exit'))
      const server = await sink.echo()
      const stream = await client.connect(server.address)
      // The operating system connects before the server looks; an echo shows that it has.
      await stream.write(Uint8Array.of(1))
      await stream.readExactly(1)
      const path = pathOf(client.name, await circuitOfStream(network, client.name, server.address))
      stream.destroy()
      const visitor = expect.defined(server.visits.at(-1), 'the server saw nobody').from.host
      expect(visitor !== clientHost, `the server saw the client ${client.name} itself, at ${clientHost}`)
      const exit = expect.defined(exits.find((relay) => relay.address === visitor), `the server saw ${visitor}, which is no exit of the consensus (${exits.map((relay) => `${relay.nickname} ${relay.address}`).join(', ')})`)
      expect.equal(exit.fingerprint, path.at(-1), `the exit that came is the last relay of ${client.name}'s circuit`)

      const http = await sink.http()
      const answer = latin1Decode(await client.fetch(`http://${http.address.host}:${http.address.port}/`))
      expect(exits.some((relay) => relay.address === answer.trim()), `over HTTP the server saw ${answer.trim()}, which is no exit`)
      evidence.push(`${client.name} is ${clientHost}; the server saw ${visitor}, which is ${exit.nickname} (${exit.fingerprint.slice(0, 8)}…), an Exit of the consensus and the last hop of the client's circuit`)
    }
    return evidence
  },
}
