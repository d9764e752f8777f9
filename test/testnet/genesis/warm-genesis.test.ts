/** A network that begins with its first consensus made for it: as after a vote, and voting goes on. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RunningNetwork } from '../../../src/testnet/backend/backend.ts'
import { prepareInlineNetwork } from '../../../src/testnet/backend/inline.ts'
import { SimulatedNetwork } from '../../../src/testnet/backend/simulated.ts'
import { startUntilReady } from '../../../src/testnet/bootstrap.ts'
import { loadChecks } from '../../../src/testnet/checks/load-checks.ts'
import { runChecks } from '../../../src/testnet/checks/run-checks.ts'
import { loadNetwork, loadNetworkText } from '../../../src/testnet/load-network.ts'
import { RunDirectory } from '../../../src/testnet/run-directory.ts'

const silent = { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined }
/** Everything about directories and ways through the network; what moves many bytes is tested elsewhere. */
const checks = ['consensus', 'echo', 'resolve', 'exit-seen', 'path', 'no-relay-knows-both', 'tls-only']

async function validAfter(network: RunningNetwork, node: string): Promise<number> {
  return (await network.inspect(node)).consensus[0]?.validAfter ?? 0
}

async function warm(name: string): Promise<SimulatedNetwork> {
  return SimulatedNetwork.prepare({ network: loadNetwork(name, {}).network, seed: 'warm', genesis: 'warm' })
}

test('is ready before anybody could have voted, passes the checks, and votes at its next time', async () => {
  const network = await warm('basic')
  await network.drive(async () => {
    const begunMs = network.clock.now()
    const first = network.clock.wallNow()
    const result = await startUntilReady(network)
    expect(network.clock.now() - begunMs).toBeLessThan(1_000)
  expect(result.stages.find((stage) => stage.stage === 'ready')?.nodes).toBe(10)
    const results = await runChecks(network, await loadChecks(checks), silent)
    expect(results.filter((one) => one.outcome.kind === 'failed')).toEqual([])
    expect(await validAfter(network, 'auth1')).toBeLessThanOrEqual(first)
    // The next consensus by the schedule, which relays fetch within minutes, lists everybody again.
    await network.clock.sleep(9 * 60_000)
    expect(await validAfter(network, 'auth1')).toBeGreaterThan(first)
    const { consensus } = await network.inspect('exit3')
    expect(consensus.map((one) => [one.validAfter > first, one.relays.filter((relay) => relay.flags.includes('Running')).length, one.signers.length])).toEqual([[true, 8, 3], [true, 8, 3]])
    expect(network.nodes().filter((node) => node.role !== 'client').flatMap((node) => network.status(node.name).warnings)).toEqual([])
  })
  expect(network.bugs()).toEqual([])
  await network.close()
})

test('a relay of a later phase joins at a vote of its own', async () => {
  const text = 'nodes:\n  - { role: authority, name: auth, count: 3 }\n  - { role: exit, name: exit }\n  - { role: exit, name: late, phase: 2 }\n  - { role: client, name: client }\n'
  const { network: resolved } = loadNetworkText(text, '/phases.yaml', {})
  const network = await SimulatedNetwork.prepare({ network: resolved, seed: 'warm', genesis: 'warm' })
  await network.drive(async () => {
    await startUntilReady(network)
    const { consensus } = await network.inspect('late')
    expect(consensus[0]?.relays.map((relay) => relay.nickname).sort()).toEqual(['auth1', 'auth2', 'auth3', 'exit', 'late'])
  })
  await network.close()
})

test('one seed gives one warm run', async () => {
  const digests: string[] = []
  for (let run = 0; run < 2; run++) {
    const network = await warm('basic-min')
    await network.drive(() => startUntilReady(network))
    digests.push(network.traceDigest())
    await network.close()
  }
  expect(digests[1]).toBe(digests[0])
})

test('inline networks begin so unless they are told otherwise', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'relish-warm-'))
  const network = await prepareInlineNetwork({ network: loadNetwork('basic-min', {}).network, directory: new RunDirectory(join(folder, 'run')) })
  try {
    expect(network.genesis).toBe('warm')
    await startUntilReady(network)
    const results = await runChecks(network, await loadChecks(['consensus', 'echo']), silent)
    expect(results.map((one) => one.outcome.kind)).toEqual(['passed', 'passed'])
  } finally {
    await network.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
