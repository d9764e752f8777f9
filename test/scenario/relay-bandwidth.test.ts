/** What the consensus says of relays that were restarted or have carried much, beside those that have done nothing yet. */

import { expect, test } from 'vitest'
import { parseConsensus } from '../../src/core/netdoc/consensus.ts'
import { launch, type Network } from '../../src/library/index.ts'
import { SimulatedNetwork } from '../../src/testnet/backend/simulated.ts'
import { startUntilReady } from '../../src/testnet/bootstrap.ts'
import { loadChecks } from '../../src/testnet/checks/load-checks.ts'
import { runChecks } from '../../src/testnet/checks/run-checks.ts'
import { voteForNewer } from '../../src/testnet/consensus-spread.ts'
import { loadNetwork } from '../../src/testnet/load-network.ts'

/** Kilobytes a second, by nickname. */
async function weights(net: Network): Promise<Record<string, number>> {
  const { relays } = parseConsensus(await net.node('auth1').document('consensus'))
  return Object.fromEntries(relays.map((relay) => [relay.nickname, relay.bandwidth ?? 0]))
}

/** Lets virtual time pass. */
async function pass(net: Network, seconds: number): Promise<void> {
  await net.waitFor(() => false, { timeout: seconds * 1000 }).catch(() => undefined)
}

const bytesMoved = 2_000_000

test('a relay that has carried much and was restarted does not get everybody\'s paths', async () => {
  await using net = await launch('basic-min', { world: 'simulated', seed: 'restart' })
  const sink = await net.sink()
  const stream = await net.client().connect(sink.name, sink.echoPort)
  let got = 0
  stream.on('data', (chunk: Buffer) => { got += chunk.length })
  stream.write(new Uint8Array(bytesMoved))
  await net.waitFor(() => got === bytesMoved)
  const busy = sink.visits[0]?.node ?? ''
  // A second counts when it is over.
  await pass(net, 1)
  await net.node(busy).restart()

  // Nobody has tested what it can carry yet, and nobody says anything.
  await net.vote()
  expect(new Set(Object.values(await weights(net)))).toEqual(new Set([0]))

  await pass(net, 20)
  await net.vote()
  const later = await weights(net)
  expect(later[busy]).toBeGreaterThan(200)
  const values = Object.values(later)
  // A thousand cells each in ten seconds are 51 kilobytes a second, and others' tests came through.
  expect(Math.min(...values)).toBeGreaterThanOrEqual(51)
  expect(Math.max(...values) / Math.min(...values)).toBeLessThan(20)
  await net.verify({ only: ['bandwidth-weights'] })
  expect(net.problems()).toEqual([])
})

test('what a client chooses is held against the consensus that it has, while the authorities have the next', async () => {
  const checks = await loadChecks(['bandwidth-weights'])
  const network = await SimulatedNetwork.prepare({ network: loadNetwork('basic', {}, ['clients=1']).network, seed: 'ahead' })
  const results = await network.drive(async () => {
    await startUntilReady(network)
    await network.clock.sleep(20_000)
    await voteForNewer(network, 'a vote', 30_000)
    const ignore = (): void => undefined
    return runChecks(network, checks, { onStart: ignore, onLog: ignore, onResult: ignore })
  })
  await network.close()
  expect(results.map((one) => one.outcome)).toMatchObject([{ kind: 'passed' }])
})
