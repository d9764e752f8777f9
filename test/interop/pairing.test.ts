/**
 * The pairing matrix: C tor in every role among relish nodes, and relish in every role among C tor nodes. In each network
 * all built-in checks pass, each node has been in its role, and no node logs a warning that is not explained. Prints the
 * matrix, and writes it into docs/INTEROP.md.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { prepareProcessNetwork, type ProcessNetwork } from '../../src/testnet/backend/process.ts'
import { BootstrapError, formatBootstrapError, startUntilReady, waitUntilReady } from '../../src/testnet/bootstrap.ts'
import { circuitOfStream, namesOf, pathOf, relaysByFingerprint } from '../../src/testnet/checks/circuits.ts'
import { makeCheckClient } from '../../src/testnet/checks/client.ts'
import { loadChecks } from '../../src/testnet/checks/load-checks.ts'
import { runChecks } from '../../src/testnet/checks/run-checks.ts'
import { loadNetworkText } from '../../src/testnet/load-network.ts'
import type { Implementation } from '../../src/testnet/network-types.ts'
import { packageRoot } from '../../src/testnet/package-root.ts'
import { RunDirectory } from '../../src/testnet/run-directory.ts'
import { openEchoSink } from '../../src/testnet/sink/sinks.ts'
import { torVersion } from '../../src/testnet/tor-program.ts'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'
import { readNodeLog, unexplained } from './allowed-log-lines.ts'
import { authorityNetwork, authorityRoles, cacheNode, directions, ownClient, pinned, relayNetwork, relayRoles, type Direction, type Role } from './pairing-networks.ts'

const networkTimeoutMs = 600_000
const runsMax = 3
/** Circuits looked at for each pinned client. */
const circuitsEach = 3

let cli: BuiltCli
let version: string
let folder: string
const cells = new Map<string, string>()
const cellKey = (direction: Direction, role: Role): string => `${direction.subject} ${role}`

beforeAll(async () => {
  version = await torVersion('tor', 'the pairing matrix')
  cli = await buildCli()
  folder = mkdtempSync(join(tmpdir(), 'relish-pairing-'))
})

afterAll(() => {
  const table = matrix()
  console.log(table)
  const allRun = directions.every((direction) => [...relayRoles, ...authorityRoles].every((role) => cells.has(cellKey(direction, role))))
  if (allRun) writeIntoDocument(table)
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
})

describe.each(directions)('$subject among $other', (direction) => {
  test.concurrent('as client, guard, middle, exit and directory cache', async () => {
    const results = await inNetwork(`relays-${direction.subject}`, relayNetwork(direction), async (network) => {
      const shown = new Map<Role, string>()
      for (const { role, client, hop, node } of pinned) shown.set(role, await showsInPath(network, client, hop, node))
      shown.set('client', await showsImplementation(network, ownClient, direction))
      shown.set('directory cache', await showsCache(network, direction.other))
      return shown
    })
    for (const role of relayRoles) cells.set(cellKey(direction, role), results.problems.length > 0 ? 'failed' : `${results.checks}; ${results.shown.get(role) ?? ''}`)
    expect(results.problems).toEqual([])
  }, networkTimeoutMs)

  test.concurrent.each(authorityRoles.map((role, index) => ({ role, count: index + 1 })))('as $role', async ({ role, count }) => {
    const results = await inNetwork(`authorities-${direction.subject}-${count}`, authorityNetwork(direction, count), async (network) => new Map([[role, await showsSignatures(network, count)]]))
    cells.set(cellKey(direction, role), results.problems.length > 0 ? 'failed' : `${results.checks}; ${results.shown.get(role) ?? ''}`)
    expect(results.problems).toEqual([])
  }, networkTimeoutMs)
})

interface NetworkResults {
  /** `11 checks`. */
  readonly checks: string
  readonly shown: ReadonlyMap<Role, string>
  /** Checks that failed and log lines that nobody explains. */
  readonly problems: readonly string[]
}

/**
 * Runs a network, and again if a vote of C tor's came too late in it: it has two seconds, and on a busy machine takes more.
 * Then the authorities disagree, as they should, and say so. The last of three runs counts in any case.
 */
async function inNetwork(name: string, text: string, show: (network: ProcessNetwork) => Promise<ReadonlyMap<Role, string>>): Promise<NetworkResults> {
  for (let run = 1; ; run++) {
    const results = await inOneNetwork(`${name}-${run}`, text, show)
    if (run === runsMax || !results.problems.some((problem) => problem.includes('Posted vote received too late'))) return results
    console.log(`${name}: a vote came too late; once more`)
  }
}

async function inOneNetwork(name: string, text: string, show: (network: ProcessNetwork) => Promise<ReadonlyMap<Role, string>>): Promise<NetworkResults> {
  const loaded = loadNetworkText(text, `/nowhere/${name}.yaml`, {})
  const directory = new RunDirectory(join(folder, name))
  const network = await prepareProcessNetwork({ network: loaded.network, text, directory, nodeProgram: [process.execPath, cli.torPath], logLevel: 'info' })
  const problems: string[] = []
  let checks = ''
  let shown: ReadonlyMap<Role, string> = new Map()
  try {
    await startUntilReady(network)
    const results = await runChecks(network, await loadChecks(loaded.network.checks), { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined })
    for (const { name: check, outcome } of results) if (outcome.kind === 'failed') problems.push(`${check}: ${outcome.reason} (expected ${outcome.expected ?? '-'}, found ${outcome.found ?? '-'})`)
    const notRun = results.filter((result) => result.outcome.kind === 'not-run').map((result) => result.name)
    checks = `${results.length - notRun.length} checks${notRun.length === 0 ? '' : ` (not run: ${notRun.join(', ')})`}`
    shown = await show(network)
    for (const node of network.nodes()) {
      const { state } = network.status(node.name)
      if (state.kind === 'died') problems.push(`${node.name} ended: ${state.reason}`)
    }
  } catch (error) {
    problems.push(error instanceof BootstrapError ? formatBootstrapError(error) : error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    await network.close()
  }
  // With those that came while it ran.
  problems.push(...unexplained(network.nodes().map((node) => readNodeLog(node.name, node.implementation, directory.nodeLog(node.name)))))
  return { checks, shown, problems }
}

async function showsInPath(network: ProcessNetwork, clientName: string, hop: number, node: string): Promise<string> {
  const server = await openEchoSink(network.observer, network.placement.observerHost, () => network.clock.now())
  const client = makeCheckClient(network, clientName)
  const names = await relaysByFingerprint(network)
  let path = ''
  try {
    for (let round = 0; round < circuitsEach; round++) {
      const stream = await client.connect(server.address, { username: 'pairing', password: String(round) })
      const hops = pathOf(clientName, await circuitOfStream(network, clientName, server.address))
      stream.destroy()
      path = namesOf(hops, names)
      expect(names.get(hops[hop] ?? ''), `hop ${hop + 1} of ${clientName}'s circuit ${path}`).toBe(node)
    }
  } finally {
    server.close()
  }
  return `${circuitsEach} circuits of three through it`
}

async function showsImplementation(network: ProcessNetwork, client: string, { subject }: Direction): Promise<string> {
  const { version: says } = await network.inspect(client)
  expect(says).toMatch(subject === 'tor' ? /^Tor 0\.4\.9\S*$/ : /relish/)
  return 'all circuits through the others'
}

/** A client that knows the cache alone, and has links with nobody else, learns everything from it. */
async function showsCache(network: ProcessNetwork, implementation: Implementation): Promise<string> {
  const name = 'viacache'
  const { fingerprint } = await network.inspect(cacheNode)
  const { host, orPort } = network.placementOf(cacheNode)
  await network.addNode({
    name,
    role: 'client',
    implementation,
    torrc: [
      // Port 1 of its directory is never asked: requests go through the OR port.
      `FallbackDir ${host}:1 orport=${orPort} id=${fingerprint}`,
      // To C tor authorities are fallbacks, too: it would choose one of them one time in four.
      ...(implementation === 'tor' ? ['DirAuthorityFallbackRate 0'] : []),
      `EntryNodes ${cacheNode}`,
      'ClientBootstrapConsensusAuthorityDownloadInitialDelay 300',
    ],
  })
  await waitUntilReady(network, [name])
  const { channels, consensus } = await network.inspect(name)
  const names = await relaysByFingerprint(network)
  const peers = new Set(channels.map((channel) => names.get(channel.fingerprint ?? '') ?? channel.fingerprint))
  expect([...peers], 'relays that the client of the cache has links with').toEqual([cacheNode])
  expect(consensus.length).toBeGreaterThan(0)
  return 'consensus, certificates and descriptors of a client from it alone'
}

async function showsSignatures(network: ProcessNetwork, count: number): Promise<string> {
  const consensuses = (await network.inspect('client1')).consensus
  expect(consensuses.map((one) => one.signers.length)).toEqual(consensuses.map(() => 3))
  expect(network.nodes().filter((node) => node.name.startsWith('own')).length).toBe(count)
  return 'signed by all three'
}

function matrix(): string {
  const cell = (direction: Direction, role: Role): string => cells.get(cellKey(direction, role)) ?? 'not run'
  return [
    `C tor ${version}`,
    '',
    '| role | C tor in it, relish elsewhere | relish in it, C tor elsewhere |',
    '| --- | --- | --- |',
    ...[...relayRoles, ...authorityRoles].map((role) => `| ${role} | ${directions.map((direction) => cell(direction, role)).join(' | ')} |`),
  ].join('\n')
}

/** Between the marks; what people wrote around it stays. */
function writeIntoDocument(table: string): void {
  const file = join(packageRoot(), 'docs/INTEROP.md')
  const text = readFileSync(file, 'utf8')
  const [begin, end] = ['<!-- matrix: written by test/interop/pairing.test.ts -->\n', '<!-- end of matrix -->']
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  expect(from >= 0 && to > from, 'docs/INTEROP.md has the marks between which the matrix goes').toBe(true)
  const written = `${text.slice(0, from + begin.length)}${table}\n${text.slice(to)}`
  if (written !== text) writeFileSync(file, written)
}
