/**
 * `tls-only`: what a client sends never appears on a link. A client of the check's own, one of each kind, reaches its guards through a
 * proxy that keeps every byte: each link begins with a TLS ClientHello, and a marker that the client sends, and the
 * server gets, is in none of them.
 */

import { bytesEqual, utf8Encode } from '../../core/base/encoding.ts'
import { formatAddressPort } from '../../core/ident/address.ts'
import { waitUntilReady } from '../bootstrap.ts'
import type { ResolvedNode } from '../network-types.ts'
import type { Check, CheckContext } from './check.ts'
import { makeCheckClient } from './client.ts'
import { openRecordingProxy } from './recording-proxy.ts'

const nodeName = 'tlsonly'

export const tlsOnly: Check = {
  name: 'tls-only',
  summary: 'links begin with TLS, and a marker sent by a client is on none of them',
  tags: ['full', 'anonymity'],
  besideOthers: true,
  notFor: (network) => (network.world === 'simulated' ? 'links of a simulation are not TLS' : undefined),
  async run(context) {
    const { network } = context
    // One client of each kind that the network has.
    const clients = network.nodes().filter((node) => node.role === 'client')
    const kinds = clients.filter((node, index) => clients.findIndex((other) => other.implementation === node.implementation && other.tor === node.tor) === index)
    const evidence: string[] = []
    for (const [index, kind] of kinds.entries()) evidence.push(...(await watchLinks(context, kind, `${nodeName}${index + 1}`)))
    return evidence
  },
}

async function watchLinks({ network, sink, expect, log }: CheckContext, { implementation, tor }: ResolvedNode, nodeName: string): Promise<string[]> {
  const proxy = await openRecordingProxy(network)
  const marker = utf8Encode(`marker-${network.network.name}-${Math.floor(network.clock.wallNow())}-that-nobody-else-sends`)
  try {
    await network.addNode({ name: nodeName, role: 'client', implementation, tor, torrc: [`HTTPSProxy ${formatAddressPort(proxy.address)}`] })
    log(`${nodeName} bootstraps through the recording proxy`)
    await waitUntilReady(network, [nodeName])
    const server = await sink.echo()
    const stream = await makeCheckClient(network, nodeName).connect(server.address)
    const sent = utf8Encode(new TextDecoder().decode(marker).repeat(50))
    await stream.write(sent.slice())
    expect(bytesEqual(await stream.readExactly(sent.length), sent), 'the marker did not come back from the server')
    stream.destroy()

    expect(proxy.links.length > 0, `${nodeName} opened no link through its proxy`)
    for (const link of proxy.links) {
      const first = Buffer.concat(link.sent)
      // TLS: content type 22 (handshake), version 3.x; handshake type 1 (client_hello) after the record's length.
      expect(first.length === 0 || (first[0] === 22 && first[1] === 3 && first[5] === 1), `the link to ${link.target} begins with ${first.subarray(0, 6).toString('hex')}, which is no TLS ClientHello`)
    }
    const leak = proxy.saw(marker)
    expect(leak === undefined, `the marker was seen on the link to ${leak?.target}`)
    const bytes = proxy.links.reduce((sum, link) => sum + link.bytes, 0)
    return [
      `${nodeName}: ${proxy.links.length} links (${proxy.links.map((link) => link.target).join(', ')}), each beginning with a TLS ClientHello`,
      `the server got the marker ${50} times; it is nowhere in the ${bytes} bytes of the links`,
    ]
  } finally {
    if (network.nodes().some((node) => node.name === nodeName)) await network.removeNode(nodeName)
    proxy.close()
  }
}
