/** `resolve`: names are asked for by exits and by nobody else, forwards and backwards. */

import { RelishError } from '../../core/base/errors.ts'
import type { NameQuestion } from '../backend/backend.ts'
import { SocksRefusal } from '../socks-client.ts'
import type { Check } from './check.ts'
import { forEachClient } from './client.ts'
import { CheckFailure } from './expect.ts'

/** TEST-NET-3 and TEST-NET-2 (RFC 5737): addresses that nothing treats as internal, and that nobody has. */
const forwardAddress = '203.0.113.77'
/** One for each client: exits keep answers. */
const reverseAddressOf = (index: number): string => `198.51.100.${(index % 250) + 1}`

export const resolve: Check = {
  name: 'resolve',
  summary: 'names are resolved at exits only; PTR and missing names too',
  tags: ['full', 'anonymity'],
  besideOthers: true,
  async run({ network, clients, sink, expect }) {
    const exits = network.nodes().filter((node) => node.role === 'exit').map((node) => node.name)
    // C tor asks from an address that does not tell its nodes apart, but with a socket that it keeps open.
    const askerOf = (question: NameQuestion): string | undefined => network.nodeAt({ host: question.from, port: question.fromPort ?? 0 }, 'udp')
    const server = await sink.echo()
    return forEachClient(clients, async (client, index) => {
      const reverseAddress = reverseAddressOf(index)
      const name = sink.name([forwardAddress])
      expect.equal(await client.resolve(name), forwardAddress, `${client.name} resolves ${name}`)
      // Named by the address: exits keep answers, also from when another client had this place in the order.
      const reverse = `reverse-of-${reverseAddress.replaceAll('.', '-')}.relish.test`
      network.nameServer.setName(reverseAddress, reverse)
      expect.equal(await client.resolvePtr(reverseAddress, { username: 'ptr', password: client.name }), reverse, `${client.name} resolves ${reverseAddress} backwards`)

      const connected = sink.name([server.address.host])
      const stream = await client.connect({ host: connected, port: server.address.port })
      stream.destroy()

      const missing = `missing-${client.name}.relish.test`
      const refusal = await client.resolve(missing).then(
        (address) => new CheckFailure(`${client.name} resolved ${missing}, which does not exist, to ${address}`),
        (error: unknown) => error,
      )
      if (!(refusal instanceof SocksRefusal)) throw refusal instanceof RelishError ? refusal : new CheckFailure(`${client.name}: ${String(refusal)}`)

      const asked = network.nameServer.questions.filter((question) => [name, connected, missing].includes(question.name.toLowerCase()))
      expect([name, connected, missing].every((one) => asked.some((question) => question.name.toLowerCase() === one)), `the name server was asked for ${asked.map((question) => question.name).join(', ')} only`)
      if (network.placement.distinctAddresses) {
        const strangers = asked.filter((question) => !exits.includes(askerOf(question) ?? ''))
        expect(strangers.length === 0, `${strangers.map((question) => `${askerOf(question) ?? question.from} asked for ${question.name}`).join('; ')}: that is no exit`)
      }
      const askers = [...new Set(asked.map((question) => askerOf(question) ?? question.from))]
      return [`${client.name}: ${name} is ${forwardAddress}, ${reverseAddress} is ${reverse}, ${missing} is refused (${refusal.message}); asked by ${askers.join(', ')} only`]
    })
  },
}
