/** `links`, `region`, `clockSkewSec` and `names` of a network file, and what a simulation makes of them. */

import { describe, expect, test } from 'vitest'
import { startUntilReady } from '../../src/testnet/bootstrap.ts'
import { SimulatedNetwork } from '../../src/testnet/backend/simulated.ts'
import type { Check } from '../../src/testnet/checks/check.ts'
import { runChecks } from '../../src/testnet/checks/run-checks.ts'
import { linkModelOf, regionOf } from '../../src/testnet/link-settings.ts'
import { loadNetworkText } from '../../src/testnet/load-network.ts'

const nodes = `nodes:
  - { role: authority, name: auth, count: 3, region: us }
  - { role: exit, count: 2 }
  - { role: client, name: alice, clockSkewSec: 30 }
`
const networkOf = (more: string) => loadNetworkText(`${nodes}${more}`, '/nowhere/net.yaml', {}).network

describe('links', () => {
  const linkOf = (more: string, from: string, to: string) => {
    const network = networkOf(more)
    const end = (name: string) => {
      const node = network.nodes.find((one) => one.name === name)
      return { name, region: node === undefined ? 'local' : regionOf(node, network) }
    }
    return linkModelOf(network, 'observer')(end(from), end(to))
  }

  test('without a word they are those of one machine', () => {
    expect(linkOf('', 'alice', 'exit1')).toMatchObject({ latencyMs: 0.05, jitterMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, dialLoss: 0 })
  })

  test('the preset has regions, in turn for nodes that have none', () => {
    expect(linkOf('links: internet\n', 'auth1', 'auth2')).toMatchObject({ latencyMs: 18, jitterMs: 1.8, dialLoss: 0.001 })
    // The fourth node is in eu, the fifth in us.
    expect(linkOf('links: internet\n', 'exit1', 'exit2').latencyMs).toBe(45)
    expect(linkOf('links: internet\n', 'observer', 'alice').latencyMs).toBe(0.05)
  })

  test('settings of all, then of some, in both directions, by node, group and region', () => {
    const links = 'links: { preset: internet, latencyMs: 5, between: [{ ends: [us, exit], bandwidth: 5 MB }, { ends: ["*", exit2], loss: 0.5, queueBytes: 1000 }] }\n'
    expect(linkOf(links, 'alice', 'auth1')).toMatchObject({ latencyMs: 5, jitterMs: 0, bytesPerSecond: 12_500_000, dialLoss: 0.001 })
    expect(linkOf(links, 'auth1', 'exit1')).toMatchObject({ bytesPerSecond: 5 << 20, dialLoss: 0.001 })
    expect(linkOf(links, 'exit2', 'auth1')).toMatchObject({ bytesPerSecond: 5 << 20, dialLoss: 0.5, queueBytes: 1000 })
  })

  test.each([
    ['links: { between: [{ ends: [alise, exit] }] }\n', 'no node, group or region is called "alise"'],
    ['links: { bandwidth: 5 parsecs }\n', '"5 parsecs" is no amount of bytes'],
    ['links: fast\n', '"links" cannot be the string "fast"'],
    ['names: { a.test: [10.0.0.300] }\n', '"10.0.0.300" is not an IP address'],
  ])('%s', (more, words) => {
    expect(() => networkOf(more)).toThrow(words)
  })
})

test('a network over the Internet, with a clock that is ahead and scripted names', async () => {
  const network = await SimulatedNetwork.prepare({
    network: networkOf('links: internet\nnames: { server.test: [203.0.113.7], broken.test: failure }\n'),
    seed: '1',
  })
  const check: Check = {
    name: 'names',
    summary: '',
    tags: [],
    run: async ({ clients: [client], network: { clock }, expect: wanted }) => {
      if (client === undefined) throw new Error('a client')
      const startMs = clock.now()
      wanted.equal(await client.resolve('server.test'), '203.0.113.7', 'address')
      // Three hops there and back, over oceans.
      wanted(clock.now() - startMs > 60, 'an answer takes time')
      wanted.equal(await client.resolvePtr('203.0.113.7'), 'server.test', 'name')
      for (const name of ['broken.test', 'none.test']) {
        const refused = await client.resolve(name).then(() => undefined, (error: Error) => error.message)
        wanted(refused !== undefined, `${name} has no address`)
      }
      return ['ok']
    },
  }
  const results = await network.drive(async () => {
    await startUntilReady(network)
    return runChecks(network, [check], { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined })
  })
  expect(results.map(({ outcome }) => (outcome.kind === 'failed' ? outcome.reason : outcome.kind))).toEqual(['passed'])
  expect(network.simulation.machine('alice').wallNow() - network.clock.wallNow()).toBe(30_000)
  await network.close()
})
