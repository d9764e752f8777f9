import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { formatIsoTime, wallMs } from '../../src/core/base/time.ts'
import { claimAddressBlock, reservePort } from '../../src/testnet/addresses.ts'
import { prepareInlineNetwork } from '../../src/testnet/backend/inline.ts'
import { prepareProcessNetwork, type ProcessNetwork } from '../../src/testnet/backend/process.ts'
import { BootstrapError, formatBootstrapError, startUntilReady, waitUntilReady } from '../../src/testnet/bootstrap.ts'
import { makeCheckClient } from '../../src/testnet/checks/client.ts'
import { loadNetworkText } from '../../src/testnet/load-network.ts'
import { optionChanges } from '../../src/testnet/option-changes.ts'
import { RunDirectory } from '../../src/testnet/run-directory.ts'
import { openEchoSink } from '../../src/testnet/sink/sinks.ts'

const fakeNode = [process.execPath, fileURLToPath(new URL('../support/fake-node.mjs', import.meta.url))] as const

const small = `
nodes:
  - { role: authority, name: auth }
  - { role: relay, name: middle }
  - { role: exit, name: exit }
  - { role: client, name: client }
`

const folders: string[] = []
const networks: ProcessNetwork[] = []

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'relish-process-'))
  folders.push(path)
  return path
}

async function prepare(text: string, path: string = folder()): Promise<ProcessNetwork> {
  const { network } = loadNetworkText(text, '/nowhere/small.yaml', {})
  const prepared = await prepareProcessNetwork({ network, text, directory: new RunDirectory(path), nodeProgram: fakeNode })
  networks.push(prepared)
  return prepared
}

const withTorrc = (node: string, line: string): string => small.replace(`name: ${node} }`, `name: ${node}, torrc: "${line}" }`)

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

afterEach(async () => {
  await Promise.all(networks.splice(0).map((network) => network.close()))
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true })
})

describe('nodes as processes', () => {
  test('start, become ready on inherited sockets, answer, and are gone after close', async () => {
    const network = await prepare(small)
    const result = await startUntilReady(network)
    expect(result.stages.at(-1)).toMatchObject({ stage: 'ready', nodes: 4 })
    const placed = network.placementOf('exit')
    expect(network.status('exit').listeners).toEqual([{ listener: 'or', address: { host: placed.host, port: placed.orPort } }])
    expect(await network.inspect('exit')).toMatchObject({ nickname: 'exit', stage: 'ready' })
    await expect(network.command('exit', { command: 'document', name: 'nothing' })).rejects.toThrow('exit: a fake node has no nothing')
    const pids = network.nodes().map((node) => {
      const { state } = network.status(node.name)
      return state.kind === 'running' ? (state.pid ?? 0) : 0
    })
    expect(pids.every(isAlive)).toBe(true)
    await network.close()
    expect(pids.some(isAlive)).toBe(false)
  })

  test('every node has its own /16, and a stream arrives at a sink from where it left', async () => {
    const network = await prepare(small)
    await startUntilReady(network)
    const hosts = network.placement.nodes.map((placed) => placed.host)
    expect(new Set(hosts.map((host) => host.split('.')[1])).size).toBe(process.platform === 'linux' ? 4 : 1)
    const sink = await openEchoSink(network.observer, network.placement.observerHost, () => network.clock.now())
    const stream = await makeCheckClient(network, 'client').connect(sink.address)
    await stream.write(Uint8Array.of(1, 2, 3))
    expect(await stream.readExactly(3)).toEqual(Uint8Array.of(1, 2, 3))
    expect(sink.visits[0]?.from.host).toBe(network.placementOf('client').host)
    stream.destroy()
    sink.close()
  })

  test('restart at the same address and with the same torrc', async () => {
    const network = await prepare(small)
    await startUntilReady(network)
    const before = network.status('exit').listeners
    await network.kill('exit')
    expect(network.status('exit').state).toEqual({ kind: 'stopped' })
    await startUntilReady(network, ['exit'])
    expect(network.status('exit').listeners).toEqual(before)
  })

  test('a node that ignores SIGTERM is killed', async () => {
    const network = await prepare(withTorrc('exit', 'ContactInfo ignore-term=1'))
    await startUntilReady(network)
    await network.stop(['exit'])
    expect(network.status('exit').state).toEqual({ kind: 'stopped' })
  })

  test('a start that stands still says who, where, what for and what to try', async () => {
    const network = await prepare(`${withTorrc('exit', 'ContactInfo stuck-at=consensus')}options: { progressSec: 4 }\n`)
    const error = await startUntilReady(network).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(BootstrapError)
    const words = formatBootstrapError(error as BootstrapError)
    expect(words).toContain('no node has come further for 4 s (3 of 4 nodes are ready)')
    expect(words).toContain('exit (exit): at stage consensus')
    expect(words).toContain('waits for what comes after consensus')
    expect(words).toContain('warn: the fake node was told to stay here')
    expect(words).toContain('try: relish logs exit --level info')
  })

  test('a start that stands still since the clock jumped says so', async () => {
    const network = await prepare(`${withTorrc('exit', 'ContactInfo stuck-at=consensus')}options: { progressSec: 1 }\n`)
    vi.spyOn(network.clock, 'wallNow').mockReturnValueOnce(0).mockReturnValue(3_600_000)
    await expect(startUntilReady(network)).rejects.toThrow(/no node has come further for 1 s, and the clock of this machine has jumped ahead by 359\d s meanwhile/)
  })

  test('a node that dies while starting fails the start at once, with its last words', async () => {
    const network = await prepare(withTorrc('middle', 'ContactInfo die-at=listed'))
    const error = await startUntilReady(network).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(BootstrapError)
    const words = formatBootstrapError(error as BootstrapError)
    expect(words).toContain('middle ended while starting')
    expect(words).toContain('exit status 7; its last words:\n    the fake node was told to die')
  })

  test('nodes of a later phase start when the earlier ones are ready', async () => {
    const network = await prepare(small.replace('name: client }', 'name: client, phase: 2 }'))
    await startUntilReady(network)
    const clientStart = network.status('client').stageAtMs.starting ?? 0
    expect(clientStart).toBeGreaterThan(Math.max(...['auth', 'middle', 'exit'].map((name) => network.status(name).stageAtMs.ready ?? Infinity)))
  })
})

describe('a network that changes while it runs', () => {
  test('nodes are added at addresses of their own, and leave nothing when they are removed', async () => {
    const network = await prepare(small)
    await startUntilReady(network)
    const placed = await network.addNode({ name: 'later', role: 'exit', torrc: ['ContactInfo me'] })
    await waitUntilReady(network, ['later'])
    expect(network.placement.nodes.map((node) => node.host)).not.toContain(process.platform === 'linux' ? placed.host : '')
    expect(network.torrcOf('later')).toContain('ContactInfo me')
    await expect(network.addNode({ name: 'later', role: 'client', torrc: [] })).rejects.toThrow('there is a node later already')
    for (const name of ['later', 'middle']) await network.removeNode(name)
    expect(network.nodes().map((node) => node.name)).toEqual(['auth', 'exit', 'client'])
    expect(existsSync(placed.dataDirectory)).toBe(false)
    const port = await reservePort(placed.host, placed.orPort)
    port.release()
  })

  test('options are in the torrc from then on, unless the node cannot live with them', async () => {
    const network = await prepare(small)
    await startUntilReady(network)
    await network.setOptions('exit', optionChanges({ BandwidthRate: '1 MB', BandwidthBurst: '1 MB' }))
    const changed = network.torrcOf('exit')
    expect(changed).toContain('BandwidthRate 1 MB')
    await expect(network.setOptions('exit', optionChanges({ BandwidthRate: 'much' }))).rejects.toMatchObject({ kind: 'config' })
    expect(network.torrcOf('exit')).toBe(changed)
    await network.stop(['exit'])
    await network.setOptions('exit', optionChanges({ BandwidthRate: null, BandwidthBurst: null }))
    await startUntilReady(network, ['exit'])
    expect(network.torrcOf('exit')).not.toMatch(/^Bandwidth/m)
  })
})

describe('run directories', () => {
  test('one belongs to one run at a time', async () => {
    const path = folder()
    await prepare(small, path)
    await expect(prepare(small, path)).rejects.toThrow(`${path} is in use by another run`)
  })

  test('two runs of one network in two directories have nothing in common', async () => {
    const [one, two] = await Promise.all([prepare(small), prepare(small)])
    await Promise.all([startUntilReady(one), startUntilReady(two)])
    const addresses = [one, two].flatMap((network) => network.nodes().flatMap((node) => network.status(node.name).listeners.map(({ address }) => `${address.host}:${address.port}`)))
    expect(new Set(addresses).size).toBe(addresses.length)
  })

  test('the next run has the same keys, addresses and ports', async () => {
    const path = folder()
    const first = await prepare(small, path)
    const torrc = first.torrcOf('client')
    await first.close()
    const second = await prepare(small, path)
    expect(second.torrcOf('client')).toBe(torrc)
    expect(existsSync(join(path, 'nodes/auth/keys/authority_certificate'))).toBe(true)
    expect(readFileSync(join(path, 'nodes/auth/keys/authority_signing_key'), 'utf8')).toContain('BEGIN RSA PRIVATE KEY')
  })
})

test('documents that say where relays were are forgotten when they are somewhere else, and kept when they are not', async () => {
  const path = folder()
  const first = await prepare(small, path)
  await first.close()
  const kept = join(path, 'nodes/client/cached-microdesc-consensus')
  const keys = join(path, 'nodes/client/state')
  writeFileSync(kept, 'old')
  writeFileSync(keys, 'guards')
  await (await prepare(small, path)).close()
  expect(existsSync(kept)).toBe(true)

  const block = await claimAddressBlock(new RunDirectory(path).readRecord()?.addressBytes)
  await (await prepare(small, path)).close()
  await block.release()
  expect(existsSync(kept)).toBe(process.platform !== 'linux')
  expect(existsSync(keys)).toBe(true)
})

test('a consensus that is over, or about to be, is forgotten before the next run, and one in force is kept', async () => {
  const path = folder()
  await (await prepare(small, path)).close()
  const kept = join(path, 'nodes/client/cached-microdesc-consensus')
  const minutes = (count: number): string => formatIsoTime(wallMs(Date.now() + count * 60_000))
  const isKept = async (validAfter: number, freshUntil: number, validUntil: number): Promise<boolean> => {
    writeFileSync(kept, `network-status-version 3 microdesc\nvalid-after ${minutes(validAfter)}\nfresh-until ${minutes(freshUntil)}\nvalid-until ${minutes(validUntil)}\n`)
    await (await prepare(small, path)).close()
    return existsSync(kept)
  }
  expect(await isKept(-1, 4, 19)).toBe(true)
  expect(await isKept(-14, -9, 6)).toBe(true)
  expect(await isKept(-16, -11, 4)).toBe(false)
  expect(await isKept(-60, -55, -40)).toBe(false)
  expect(await isKept(60, 65, 80)).toBe(false)
})

test('documents of a run in one process, whose places nobody keeps, are forgotten by the next run of any kind', async () => {
  const path = folder()
  const directory = new RunDirectory(path)
  await (await prepare(small, path)).close()
  const { network } = loadNetworkText(small, '/nowhere/small.yaml', {})
  await (await prepareInlineNetwork({ network, directory })).close()
  const kept = join(path, 'nodes/client/cached-microdesc-consensus')
  expect(existsSync(kept)).toBe(true)
  expect(directory.readRecord()).toBeUndefined()
  await (await prepareInlineNetwork({ network, directory, genesis: 'cold' })).close()
  expect(existsSync(kept)).toBe(false)

  writeFileSync(kept, 'old')
  await (await prepare(small, path)).close()
  expect(existsSync(kept)).toBe(false)
})
