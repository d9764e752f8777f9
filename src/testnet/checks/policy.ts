/** `policy`: a port that every exit rejects is refused with the SOCKS reply that says so, and nothing reaches the server. */

import { SocksStatus } from '../../core/socks/message.ts'
import { SocksRefusal } from '../socks-client.ts'
import type { Check } from './check.ts'
import { forEachClient } from './client.ts'
import { CheckFailure } from './expect.ts'

/** Rejected by `templates/exit-policy.torrc`. */
const rejectedPort = 25

export const policy: Check = {
  name: 'policy',
  summary: 'a port that exits reject is refused with the right SOCKS reply',
  tags: ['full', 'policy'],
  besideOthers: true,
  async run({ network, clients, sink, expect }) {
    const server = await sink.echo()
    return forEachClient(clients, async (client) => {
      const target = { host: network.placement.observerHost, port: rejectedPort }
      const answer = await client.connect(target, { version: '5' }).then(
        (stream) => {
          stream.destroy()
          return new CheckFailure(`${client.name} connected to port ${rejectedPort}, which every exit rejects`)
        },
        (error: unknown) => error,
      )
      if (!(answer instanceof SocksRefusal)) throw answer
      // C tor says "general failure" where no exit of the consensus allows the port, and "not allowed" where an exit refused.
      expect.oneOf(answer.code, [SocksStatus.GENERAL_FAILURE, SocksStatus.NOT_ALLOWED], `${client.name}: reply for port ${rejectedPort}`)
      const stream = await client.connect(server.address)
      stream.destroy()
      return [`${client.name}: port ${rejectedPort} is refused with reply ${answer.code} (${SocksStatus.nameOf(answer.code)}), port ${server.address.port} of the same host is let out`]
    })
  },
}
