/** `socks-matrix`: every way of asking a SOCKS port, isolation by credentials, and what must be refused. */

import { bytesEqual, latin1Decode, utf8Encode } from '../../core/base/encoding.ts'
import { formatAddressPort } from '../../core/ident/address.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { SocksStatus } from '../../core/socks/message.ts'
import type { SocksOptions } from '../socks-client.ts'
import { dialStream } from '../world-stream.ts'
import type { Check, CheckContext } from './check.ts'
import { circuitOfStream } from './circuits.ts'
import { forEachClient, type CheckClient } from './client.ts'

const connectTimeoutMs = 10_000

export const socksMatrix: Check = {
  name: 'socks-matrix',
  summary: 'SOCKS 4, 4a and 5 by IPv4, IPv6 and name; isolation by credentials; refusals',
  tags: ['full', 'socks'],
  besideOthers: true,
  expectedWarnings: [/SOCKS request refused: HTTP spoken to a SOCKS port/, /Socks version 71 not recognized/],
  async run(context) {
    const { network, clients, sink } = context
    const four = await sink.echo()
    const host6 = network.placement.observerHost6
    const six = host6 === undefined ? undefined : await sink.echo(host6)
    const name = sink.name([four.address.host])
    return forEachClient(clients, async (client) => {
      const evidence: string[] = []
      const rows: [string, { host: string; port: number }, SocksOptions][] = [
        ['4', four.address, { version: '4' }],
        ['4a', { host: name, port: four.address.port }, { version: '4a' }],
        ['5-IPv4', four.address, { version: '5' }],
        ['5-name', { host: name, port: four.address.port }, { version: '5' }],
      ]
      if (six !== undefined) rows.push(['5-IPv6', six.address, { version: '5' }])
      for (const [row, target, options] of rows) {
        await oneEcho(context, client, row, target, options)
        evidence.push(`${client.name} SOCKS ${row}: echo from ${formatAddressPort(target)}`)
      }
      if (six === undefined) evidence.push(`${client.name} SOCKS 5-IPv6: not tried, this machine has no IPv6 loopback`)
      evidence.push(await isolation(context, client))
      evidence.push(...(await refusals(network, client, context)))
      return evidence
    })
  },
}

async function oneEcho({ expect }: CheckContext, client: CheckClient, row: string, target: { host: string; port: number }, options: SocksOptions): Promise<void> {
  const stream = await client.connect(target, options)
  const sent = utf8Encode(`socks ${row} of ${client.name}`)
  await stream.write(sent.slice())
  expect(bytesEqual(await stream.readExactly(sent.length), sent), `SOCKS ${row} of ${client.name}: the echo differs`)
  stream.destroy()
  await stream.closed()
}

/** Streams with other credentials never share a circuit; streams with the same do. */
async function isolation({ network, sink, expect }: CheckContext, client: CheckClient): Promise<string> {
  const open = async (username: string): Promise<{ circuit: number; close: () => Promise<void> }> => {
    const server = await sink.echo()
    const stream = await client.connect(server.address, { version: '5', username, password: 'isolation' })
    const circuit = await circuitOfStream(network, client.name, server.address)
    return {
      circuit: circuit.id,
      close: async () => {
        stream.destroy()
        await stream.closed()
      },
    }
  }
  const alice = await open('alice')
  const bob = await open('bob')
  const again = await open('alice')
  expect(alice.circuit !== bob.circuit, `${client.name}: streams of alice and bob share circuit ${alice.circuit}`)
  expect.equal(again.circuit, alice.circuit, `${client.name}: circuit of alice's second stream`)
  for (const one of [alice, bob, again]) await one.close()
  return `${client.name} isolation: alice twice on circuit ${alice.circuit}, bob on circuit ${bob.circuit}`
}

/** RFC 1928 §6: BIND and UDP ASSOCIATE are commands that a client of Tor does not support. */
async function refusals(network: RunningNetwork, client: CheckClient, { expect }: CheckContext): Promise<string[]> {
  const evidence: string[] = []
  for (const [name, command] of [['BIND', 2], ['UDP ASSOCIATE', 3]] as const) {
    const stream = await dialStream(network.observer, client.socks, network.placement.observerHost, connectTimeoutMs)
    await stream.write(Uint8Array.of(5, 1, 0))
    await stream.readExactly(2)
    await stream.write(Uint8Array.of(5, command, 0, 1, 192, 0, 2, 1, 0, 80))
    const reply = await stream.readExactly(2)
    stream.destroy()
    expect.equal(reply[1], SocksStatus.COMMAND_NOT_SUPPORTED, `${client.name}: reply to SOCKS5 ${name}`)
    evidence.push(`${client.name} refuses SOCKS5 ${name}: ${SocksStatus.nameOf(reply[1] ?? -1)}`)
  }
  const stream = await dialStream(network.observer, client.socks, network.placement.observerHost, connectTimeoutMs)
  await stream.write(utf8Encode('GET / HTTP/1.0\r\n\r\n'))
  const answer = latin1Decode(await stream.readAll(1 << 16))
  expect(/^HTTP\/1\.[01] 501 /.test(answer), `${client.name} answers HTTP on its SOCKS port with ${JSON.stringify(answer.slice(0, 40))} instead of 501`)
  evidence.push(`${client.name} tells HTTP that it is no HTTP proxy: ${answer.split('\r\n')[0]}`)
  return evidence
}
