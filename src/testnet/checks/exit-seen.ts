/** `exit-seen`: the server sees an exit of the consensus come, never the client. */

import { latin1Decode } from '../../core/base/encoding.ts'
import { formatAddressPort } from '../../core/ident/address.ts'
import type { Check } from './check.ts'
import { circuitOfStream, consensusOf, pathOf } from './circuits.ts'
import { forEachClient } from './client.ts'

/** Where C tor's connections to servers on loopback come from, whatever its OutboundBindAddress. */
const foreignAddress = '127.0.0.1'

export const exitSeen: Check = {
  name: 'exit-seen',
  summary: 'the server sees an exit relay of the consensus, never the client',
  tags: ['smoke', 'anonymity'],
  besideOthers: true,
  notFor: (network) => (network.placement.distinctAddresses ? undefined : 'all nodes share one address here'),
  async run({ network, clients, sink, expect }) {
    const foreign = new Set(network.nodes().filter((node) => node.implementation !== 'relish').map((node) => node.name))
    return forEachClient(clients, async (client) => {
      const clientHost = network.placementOf(client.name).host
      const consensus = consensusOf(await network.inspect(client.name))
      const exits = consensus.relays.filter((relay) => relay.flags.includes('Exit'))
      const server = await sink.echo()
      const stream = await client.connect(server.address)
      // The operating system connects before the server looks; an echo shows that it has.
      await stream.write(Uint8Array.of(1))
      await stream.readExactly(1)
      const visitor = expect.defined(server.visits.at(-1), 'the server saw nobody').from
      // While the connection is open, since an address alone does not tell nodes of C tor apart.
      const came = network.nodeAt(visitor, 'tcp')
      const path = pathOf(client.name, await circuitOfStream(network, client.name, server.address))
      stream.destroy()
      const seen = formatAddressPort(visitor)
      expect(visitor.host !== clientHost && came !== client.name, `the server saw the client ${client.name} itself, at ${seen}`)
      const exit = expect.defined(exits.find((relay) => relay.nickname === came), `the server saw ${seen}, which is no exit of the consensus (${exits.map((relay) => `${relay.nickname} ${relay.address}`).join(', ')})`)
      const isForeign = foreign.has(exit.nickname)
      if (!isForeign) expect.equal(visitor.host, exit.address, `the address at which the server saw ${exit.nickname}`)
      expect.equal(exit.fingerprint, path.at(-1), `the exit that came is the last relay of ${client.name}'s circuit`)

      const http = await sink.http()
      const answer = latin1Decode(await client.fetch(`http://${http.address.host}:${http.address.port}/`))
      expect(exits.some((relay) => relay.address === answer.trim()) || (foreign.size > 0 && answer.trim() === foreignAddress), `over HTTP the server saw ${answer.trim()}, which is no exit`)
      const how = isForeign ? `a connection from ${seen}, which a socket of the process of ${exit.nickname} has` : `${seen}, which is ${exit.nickname}`
      return [`${client.name} is ${clientHost}; the server saw ${how} (${exit.fingerprint.slice(0, 8)}…), an Exit of the consensus and the last hop of the client's circuit`]
    })
  },
}
