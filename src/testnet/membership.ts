/**
 * Nodes that come to a running network and leave it, and the votes by which everybody learns of them. Nothing else stops
 * meanwhile: streams go on, and clients use newcomers from the next consensus they have.
 */

import { latin1Decode, latin1Encode } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import type { RunningNetwork } from './backend/backend.ts'
import { areListed, canVoteNow, waitUntilPublished, waitUntilReady } from './bootstrap.ts'
import { consensusFiles } from './consensus-files.ts'
import { askForNews, validAfterOf, voteForNewer } from './consensus-spread.ts'
import { descriptorsPollMs, descriptorsTimeoutMs, spreadRetryMs, spreadTimeoutMs, votesForNewcomersMax } from './limits.ts'
import { isRelay, type Implementation, type NodeRole, type RawTorrc, type ResolvedNode } from './network-types.ts'
import { torrcLines } from './resolve-network.ts'
import { isRunning, runningNodes } from './running-nodes.ts'

/** Nodes to add: as a group in a network file. */
export interface NewNodes {
  readonly role: Exclude<NodeRole, 'authority'>
  /** Start of their names, or with `count` absent the whole name if nobody has it yet; the role if absent. Numbers go on from those that are taken. */
  readonly name?: string
  readonly count?: number
  /** Our own unless given; C tor is possible in the process world. */
  readonly implementation?: Implementation
  /** The program to run for `implementation: 'tor'`. */
  readonly tor?: string
  readonly torrc?: RawTorrc
}

/** Adds nodes and waits until they are ready. Gives their names. If they do not come up they are taken away again. */
export async function addNodes(network: RunningNetwork, wanted: NewNodes): Promise<string[]> {
  const names = newNames(network, wanted)
  const added: string[] = []
  try {
    for (const name of names) {
      added.push(name)
      await network.addNode({ name, role: wanted.role, implementation: wanted.implementation ?? 'relish', tor: wanted.tor, torrc: torrcLines(wanted.torrc) })
    }
    if (wanted.role !== 'client') await announce(network, names)
    if (wanted.role !== 'client' && wanted.implementation === 'tor' && canVoteNow(network)) await startAfresh(network, names)
    await waitUntilReady(network, names)
    return names
  } catch (error) {
    const there = network.nodes().map((node) => node.name)
    // Whatever goes wrong here, what went wrong first is what the caller needs to know.
    await Promise.allSettled(added.filter((name) => there.includes(name)).map((name) => network.removeNode(name)))
    throw error
  }
}

function newNames(network: RunningNetwork, { role, name = role, count, implementation }: NewNodes): string[] {
  if (implementation === 'tor' && network.world !== 'processes') {
    throw new RelishError('refused', `C tor is a process of its own and cannot be added to a network whose world is ${network.world}`, { hint: 'use the process world' })
  }
  if ((role as NodeRole) === 'authority') {
    throw new RelishError('refused', 'authorities cannot be added to a running network', { hint: 'every node has been told who they are when it started: write them into the network file' })
  }
  if (!/^[A-Za-z][A-Za-z0-9]{0,15}$/.test(name)) throw new RelishError('config', `"${name}" is no name for a node`, { hint: 'up to 16 letters and digits, beginning with a letter' })
  if (count !== undefined && !(Number.isInteger(count) && count >= 1)) throw new RelishError('config', `${count} is no number of nodes to add`)
  const taken = new Set(network.nodes().map((node) => node.name.toLowerCase()))
  const names: string[] = []
  if (count === undefined && !taken.has(name.toLowerCase()) && name !== role) return [name]
  for (let number = 1; names.length < (count ?? 1); number++) if (!taken.has(`${name}${number}`.toLowerCase())) names.push(`${name}${number}`)
  return names
}

/** Votes until the consensus lists them. An authority that has not reached a newcomer yet votes without it. */
async function announce(network: RunningNetwork, names: readonly string[]): Promise<void> {
  // With C tor among the authorities the next vote comes by itself.
  if (!canVoteNow(network)) return
  await waitUntilPublished(network, names)
  for (let votes = 0; votes < votesForNewcomersMax; votes++) {
    await voteEverywhere(network)
    if (await areListed(network, names)) return
  }
}

/**
 * C tor keeps the consensus that it found when it came, in which it is not listed, until that is nearly too old, and nothing
 * makes it ask for another but to have none. Where it votes itself the next one is never far.
 */
async function startAfresh(network: RunningNetwork, names: readonly string[]): Promise<void> {
  await network.stop(names)
  for (const name of names) for (const file of consensusFiles) network.files(name).remove(file)
  await network.start(names)
}

/**
 * Takes nodes out for good: authorities reject their keys, vote, everybody learns of it, and then they are stopped and
 * forgotten. Throws `refused` for authorities.
 */
export async function removeNodes(network: RunningNetwork, names: readonly string[]): Promise<void> {
  const nodes = names.map((name) => network.placementOf(name).node)
  const authority = nodes.find((node) => node.role === 'authority')
  if (authority !== undefined) {
    throw new RelishError('refused', `${authority.name} is an authority: all nodes were told of it when they started`, { hint: 'stop or kill it instead' })
  }
  const relays = nodes.filter(isRelay).map((node) => node.name)
  if (relays.length > 0 && (await reject(network, relays)) && canVoteNow(network)) await voteEverywhere(network)
  await Promise.all(names.map((name) => network.removeNode(name)))
}

/** C tor's way to keep a relay out: its fingerprint in the file `approved-routers` of every authority. False if none of them was ever known. */
async function reject(network: RunningNetwork, names: readonly string[]): Promise<boolean> {
  const fingerprints = names.flatMap((name) => fingerprintOf(network, name) ?? [])
  if (fingerprints.length === 0) return false
  const authorities = network.nodes().filter((node) => node.role === 'authority')
  for (const { name } of authorities) {
    const files = network.files(name)
    const before = files.read(approvedRouters)
    files.write(approvedRouters, latin1Encode(`${before === undefined ? '' : latin1Decode(before)}${fingerprints.map((one) => `!reject ${one}\n`).join('')}`))
  }
  await Promise.all(runningNames(network, (node) => node.role === 'authority').map((name) => network.command(name, { command: 'signal', signal: 'HUP' })))
  return true
}

const approvedRouters = 'approved-routers'

/** From the file that a relay writes when it has its keys: it may not run any more. */
function fingerprintOf(network: RunningNetwork, name: string): string | undefined {
  const text = network.files(name).read('fingerprint')
  return text === undefined ? undefined : /([0-9A-F]{40})\s*$/.exec(latin1Decode(text).replaceAll(' ', '').toUpperCase())?.[1]
}

/**
 * Has the authorities vote, and waits until all running nodes have the new consensus: authorities make it, relays fetch
 * it from them, and clients from the relays, with the descriptors of what it lists. Throws `refused` where authorities cannot vote now, `timeout` naming who
 * does not have it.
 */
export async function voteEverywhere(network: RunningNetwork): Promise<void> {
  const before = await voteForNewer(network, 'the authorities to sign a new consensus', spreadTimeoutMs)
  await fetchNewer(network, runningNames(network, (node) => isRelay(node) && node.role !== 'authority' && node.implementation === 'relish'), before)
  await fetchNewer(network, runningNames(network, (node) => node.role === 'client' && node.implementation === 'relish'), before)
  await waitForDescriptors(network)
}

/** Clients build circuits from the descriptors of what the consensus lists. One that nobody has any more is not waited for long. */
async function waitForDescriptors(network: RunningNetwork): Promise<void> {
  const deadlineMs = network.clock.now() + descriptorsTimeoutMs
  for (;;) {
    const clients = runningNames(network, (node) => node.role === 'client' && node.implementation === 'relish')
    const counts = await Promise.all(clients.map(async (name) => (await network.inspect(name)).descriptors))
    if (counts.every(({ wanted, held }) => held >= wanted) || network.clock.now() > deadlineMs) return
    await network.clock.sleep(descriptorsPollMs)
  }
}

async function fetchNewer(network: RunningNetwork, names: readonly string[], before: number): Promise<void> {
  // A node that still starts finds the new one by itself, and one that has ended needs none.
  const isBehind = (name: string): boolean => isRunning(network, name) && network.status(name).consensus !== undefined && validAfterOf(network, name) <= before
  const behind = await askForNews(network, () => names.filter(isBehind), spreadRetryMs, spreadTimeoutMs)
  if (behind.length > 0) throw new RelishError('timeout', `${behind.join(', ')} did not get the new consensus within ${spreadTimeoutMs / 1000} s`)
}

const runningNames = (network: RunningNetwork, which: (node: ResolvedNode) => boolean): string[] => runningNodes(network).filter(which).map((node) => node.name)
