/** Clients of a whole network in virtual time: what they do when relays go away, and what they remember. */

import { expect, it } from 'vitest'
import { utf8Decode, utf8Encode } from '../../src/core/base/encoding.ts'
import { startUntilReady } from '../../src/testnet/bootstrap.ts'
import type { RunningNetwork } from '../../src/testnet/backend/backend.ts'
import { SimulatedNetwork } from '../../src/testnet/backend/simulated.ts'
import type { Check } from '../../src/testnet/checks/check.ts'
import type { CheckClient } from '../../src/testnet/checks/client.ts'
import { runChecks } from '../../src/testnet/checks/run-checks.ts'
import { loadNetwork, loadNetworkText } from '../../src/testnet/load-network.ts'

const silent = { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined }

/** Runs one scripted story on a network that is up. */
async function tell(seed: string, story: Check['run']): Promise<void> {
  const network = await SimulatedNetwork.prepare({ network: loadNetwork('basic', {}).network, seed })
  await network.drive(() => startUntilReady(network))
  const check: Check = { name: 'story', summary: 'a scripted story', tags: [], run: story }
  const [result] = await network.drive(() => runChecks(network, [check], silent))
  expect(result?.outcome.kind === 'failed' ? result.outcome.reason : result?.outcome.kind).toBe('passed')
  expect(network.bugs()).toEqual([])
  await network.close()
}

async function guardOf(network: RunningNetwork, client: string): Promise<string> {
  const { circuits } = await network.inspect(client)
  const [first] = circuits.filter((circuit) => circuit.role === 'origin' && circuit.path?.length === 3).map((circuit) => circuit.path?.[0])
  if (first === undefined) throw new Error(`${client} has no circuit`)
  return first
}

async function nameOf(network: RunningNetwork, fingerprint: string): Promise<string> {
  for (const node of network.nodes()) {
    if (network.status(node.name).state.kind === 'running' && (await network.inspect(node.name)).fingerprint === fingerprint) return node.name
  }
  throw new Error(`no node is ${fingerprint}`)
}

async function echoes(client: CheckClient, server: { readonly host: string; readonly port: number }, words: string): Promise<void> {
  const stream = await client.connect(server)
  await stream.write(utf8Encode(words))
  expect(utf8Decode(await stream.readExactly(words.length))).toBe(words)
  stream.end()
}

it('a client whose guard dies goes on through another', async () => {
  await tell('guard dies', async ({ network, clients, sink }) => {
    const [client] = clients
    if (client === undefined) throw new Error('a client')
    const server = (await sink.echo()).address
    await echoes(client, server, 'before')
    const guard = await guardOf(network, client.name)
    await network.kill(await nameOf(network, guard))
    await echoes(client, server, 'after')
    const next = await guardOf(network, client.name)
    expect(next).not.toBe(guard)
    const { guards } = await network.inspect(client.name)
    expect(guards.find((one) => one.fingerprint === guard)?.state).toContain('unreachable')
    return [`${guard} died, ${next} took its place`]
  })
})

it('a client that starts again keeps its guard', async () => {
  await tell('client restarts', async ({ network, clients, sink }) => {
    const [client] = clients
    if (client === undefined) throw new Error('a client')
    const server = (await sink.echo()).address
    await echoes(client, server, 'before')
    const guard = await guardOf(network, client.name)
    await network.stop([client.name])
    await network.start([client.name])
    await network.waitFor(`${client.name} to be ready again`, () => network.status(client.name).stage === 'ready', 60_000)
    await echoes(client, server, 'after')
    expect(await guardOf(network, client.name)).toBe(guard)
    return [`${guard} it is`]
  })
})

it('a client whose exits die one after another finds those that are left', async () => {
  await tell('exits die', async ({ network, clients, sink }) => {
    const [client] = clients
    if (client === undefined) throw new Error('a client')
    const server = (await sink.echo()).address
    for (const exit of ['exit1', 'exit2', 'exit3', 'exit4']) {
      await network.kill(exit)
      await echoes(client, server, `without ${exit}`)
    }
    return ['four of five exits died']
  })
})

it('relays of a later phase are in the consensus before clients start, and can be guards at once', async () => {
  const { network } = loadNetworkText(
    `nodes:
  - { role: authority, name: auth, count: 3 }
  - { role: exit, name: exit, count: 4 }
  - { role: relay, name: late, phase: 2 }
  - { role: client, name: client, phase: 3, torrc: { EntryNodes: late } }
options: { progressSec: 20 }
`,
    '/nowhere/late.yaml',
    {},
  )
  const running = await SimulatedNetwork.prepare({ network, seed: 'late' })
  await running.drive(() => startUntilReady(running, running.nodes().flatMap((node) => (node.phase === 1 ? [node.name] : []))))
  // By default, less uptime than half of the relays means no Stable flag, and without it a relay is no guard.
  await running.drive(() => running.clock.sleep(5000))
  await running.drive(() => startUntilReady(running))
  expect(running.status('client').stage).toBe('ready')
  await running.close()
})
