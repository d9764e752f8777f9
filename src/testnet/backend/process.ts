/**
 * A network whose nodes are child processes on loopback sockets. `prepareProcessNetwork` makes everything up to the
 * torrcs; `ProcessNetwork` starts, watches, asks and stops the nodes.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RelishError } from '../../core/base/errors.ts'
import { programVersion } from '../../core/base/version.ts'
import { HostFiles } from '../../host/host-files.ts'
import { createHostRuntime } from '../../host/host-runtime.ts'
import type { HostRuntime } from '../../host/host-options.ts'
import type { NodeCommand, NodeInspection } from '../../runtime/events.ts'
import type { FileStore, Network as RuntimeNetwork, SocketAddress } from '../../runtime/index.ts'
import { mergeParts } from '../../trace/merge-parts.ts'
import { claimAddressBlock, hasIpv6Loopback, type AddressBlock, type ReservedPort } from '../addresses.ts'
import { allOrNone } from '../all-or-none.ts'
import { nodesPerMachineMax } from '../limits.ts'
import { scriptNames, startNameServer, type RunningNameServer } from '../name-server.ts'
import { hasFirstDocuments } from '../genesis/kept-documents.ts'
import type { Genesis, ResolvedNetwork, ResolvedNode } from '../network-types.ts'
import { noSuchNode } from '../node-names.ts'
import { changeTorrc, changeTorrcOf, type OptionChanges } from '../option-changes.ts'
import { programFolder } from '../package-root.ts'
import type { NetworkPlacement, NodePlacement } from '../placement.ts'
import { hostWorkshop, keySizesOfNew, prepareKeys, type PreparedKeys } from '../prepare-keys.ts'
import { renderNodeTorrc, type TorrcInputs } from '../render-torrc.ts'
import { defaultRunDirectory, lockRunDirectory, type RunDirectory, type RunLock } from '../run-directory.ts'
import { shellWord } from '../shell-word.ts'
import { ownerOfSocket, type Transport } from '../socket-owner.ts'
import { verifyTorrc } from '../tor-program.ts'
import type { ExtraNode, NodeEventRecord, NodeStatus, RunningNetwork, WorldClock } from './backend.ts'
import { EventHub } from './event-hub.ts'
import { builtFolder } from './built-folder.ts'
import { checkPrograms, isForeign, programOf } from './foreign-nodes.ts'
import type { NodeChild, NodeChildCallbacks } from './node-child.ts'
import { NodeProcess } from './node-process.ts'
import { NodeWatch } from './node-watch.ts'
import { checkMachine, placeNode, portsOf, reserveAgain, samePorts } from './place-network.ts'
import { TorProcess } from './tor-process.ts'

export interface ProcessNetworkOptions {
  readonly network: ResolvedNetwork
  readonly directory: RunDirectory
  /** The network file as written, kept in the run directory. */
  readonly text: string
  /** Instead of what the network file says; cold if that says nothing. */
  readonly genesis?: Genesis
  readonly logLevel?: TorrcInputs['logLevel']
  /** What runs a relish node: program and first arguments. `dist/relish-tor.js` if absent. */
  readonly nodeProgram?: readonly [string, ...string[]]
  /** Nodes record, and what they have recorded is in this file once the network is closed. */
  readonly trace?: string
  /** Environment variables of the nodes; this process's own if absent. */
  readonly environment?: NodeJS.ProcessEnv
}

/** One node as this backend holds it. */
interface Member {
  readonly node: ResolvedNode
  readonly placement: NodePlacement
  readonly watch: NodeWatch
  /** Bound sockets that no process has taken over yet. */
  reserved: readonly ReservedPort[]
  process: NodeChild | undefined
  /** Options changed since the start. */
  changes: OptionChanges
}

/** Locks the run directory, claims addresses and ports, makes keys and writes torrcs. Starts nothing. */
export async function prepareProcessNetwork(options: ProcessNetworkOptions): Promise<ProcessNetwork> {
  const { network, directory } = options
  const torVersions = await checkPrograms(network)
  checkMachine(network)
  for (const { core } of network.nodes) if (core !== undefined) builtFolder(core)
  const lock = await lockRunDirectory(directory)
  const held: (() => void | Promise<void>)[] = [() => lock.release()]
  try {
    const record = directory.readRecord()
    const genesis = options.genesis ?? network.genesis ?? 'cold'
    const workshop = hostWorkshop({ soon: keySizesOfNew(network.nodes, directory, genesis) })
    directory.make(network.nodes.map((node) => node.name))
    if (options.trace !== undefined) rmSync(directory.traces, { recursive: true, force: true })
    const block = await claimAddressBlock(record?.addressBytes)
    held.push(() => block.release())
    const same = block.bytes === record?.addressBytes
    const placed = await allOrNone(
      network.nodes.map((node) => placeNode(node, network, block, directory, (same ? record?.ports[node.name] : undefined) ?? {})),
      ({ reserved }) => reserved.forEach((port) => port.release()),
    )
    for (const { reserved } of placed) for (const port of reserved) held.push(() => port.release())
    const moved = placed.some((one) => !samePorts(portsOf(one.placement), same ? record?.ports[one.placement.node.name] : undefined))
    if (record === undefined || moved || Object.keys(record.ports).length !== placed.length || directory.hasOldConsensus(workshop.now)) directory.forgetDocuments()
    // Before anything is made that says where nodes are: a start that is broken off leaves no documents of other places than these.
    writeFileSync(directory.networkFile, options.text)
    directory.writeRecord({
      version: 1,
      network,
      addressBytes: block.bytes,
      ports: Object.fromEntries(placed.map(({ placement: one }) => [one.node.name, portsOf(one)])),
    })
    const nameServer = await startNameServer(block.observerHost)
    held.push(() => nameServer.close())
    scriptNames(nameServer, options.network)
    const placement: NetworkPlacement = {
      network,
      nodes: placed.map((one) => one.placement),
      observerHost: block.observerHost,
      observerHost6: hasIpv6Loopback() ? '::1' : undefined,
      nameServer: nameServer.address,
      distinctAddresses: block.distinct,
    }
    const keys = await prepareKeys(placement.nodes, workshop)
    writeFileSync(directory.resolvConf, `nameserver ${nameServer.address.host}:${nameServer.address.port}\n`)
    const made = new ProcessNetwork(options, lock, block, placement, nameServer, keys, torVersions)
    const changed = placed.filter(({ placement: node, reserved }) => made.add(node, reserved)).length
    await made.verifyForeign(network.nodes)
    if (made.genesis === 'warm' && (changed > 0 || !hasFirstDocuments(placement.nodes.map((one) => ({ node: one.node, files: workshop.files(one) })), workshop.now))) {
      // Loaded where it is wanted: what nodes are made of comes with it.
      const { prepareWarmGenesis } = await import('../genesis/warm-genesis.ts')
      await prepareWarmGenesis({ network, nodes: placement.nodes, workshop, torrcOf: (node) => made.torrcOf(node.node.name) })
    }
    return made
  } catch (error) {
    for (const letGo of held.reverse()) await letGo()
    throw error
  }
}

export class ProcessNetwork implements RunningNetwork {
  readonly world = 'processes'
  readonly network: ResolvedNetwork
  readonly genesis: Genesis
  readonly runOptions: string
  readonly placement: NetworkPlacement
  readonly clock: WorldClock
  readonly observer: RuntimeNetwork
  readonly nameServer: RunningNameServer
  readonly directory: RunDirectory
  readonly #options: ProcessNetworkOptions
  readonly #lock: RunLock
  readonly #block: AddressBlock
  readonly #keys: PreparedKeys
  /** By program. */
  #torVersions: ReadonlyMap<string, string>
  readonly #members = new Map<string, Member>()
  readonly #hub: EventHub
  readonly #host: HostRuntime
  /** Where C tor votes: the times of the present start. */
  #clock: TorrcInputs['clock']
  #nextIndex: number
  #closing: Promise<void> | undefined

  constructor(options: ProcessNetworkOptions, lock: RunLock, block: AddressBlock, placement: NetworkPlacement, nameServer: RunningNameServer, keys: PreparedKeys, torVersions: ReadonlyMap<string, string>) {
    this.#options = options
    this.#lock = lock
    this.#block = block
    this.#keys = keys
    this.#torVersions = torVersions
    this.network = options.network
    this.genesis = options.genesis ?? options.network.genesis ?? 'cold'
    this.directory = options.directory
    const { name } = options.network
    this.runOptions = options.directory.path === defaultRunDirectory(name) ? `-n ${shellWord(name)}` : `--dir ${shellWord(options.directory.path)}`
    this.placement = placement
    this.nameServer = nameServer
    this.#nextIndex = options.network.nodes.length
    const startMs = performance.now()
    const after = (ms: number, callback: () => void): (() => void) => {
      const timer = setTimeout(callback, ms)
      return () => clearTimeout(timer)
    }
    this.clock = {
      now: () => performance.now() - startMs,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      after,
      wallNow: () => Date.now(),
    }
    this.#hub = new EventHub(after)
    this.#host = createHostRuntime({
      dataDirectory: join(options.directory.path, 'observer'),
      onBug: (error) => {
        throw error
      },
    })
    this.observer = this.#host.network
  }

  /** Takes in a placed node and writes its torrc. Gives whether that says anything else than the one before. */
  add(placement: NodePlacement, reserved: readonly ReservedPort[]): boolean {
    const name = placement.node.name
    mkdirSync(placement.dataDirectory, { recursive: true, mode: 0o700 })
    const path = this.directory.torrc(name)
    const torrc = renderNodeTorrc(this.#torrcInputs(), placement)
    const isSame = existsSync(path) && readFileSync(path, 'utf8') === torrc
    if (!isSame) writeFileSync(path, torrc)
    this.#members.set(name, { node: placement.node, placement, watch: new NodeWatch(name, () => this.clock.now()), reserved, process: undefined, changes: new Map() })
    return !isSame
  }

  /** Has C tor judge the torrcs of those nodes that it is to run. Throws `config` with its words. */
  async verifyForeign(nodes: readonly ResolvedNode[]): Promise<void> {
    await Promise.all(nodes.filter(isForeign).map((node) => verifyTorrc(programOf(node), this.directory.torrc(node.name), node.name)))
  }

  #torrcInputs(): TorrcInputs {
    return {
      placement: this.placement,
      authorities: this.#keys.authorities,
      fingerprints: this.#keys.fingerprints,
      logLevel: this.#options.logLevel ?? 'notice',
      resolvConfFile: this.directory.resolvConf,
      ...(this.#options.trace === undefined ? {} : { traceFile: (node: string) => join(this.directory.traces, `${node}.jsonl`) }),
      ...(this.#clock === undefined ? {} : { clock: this.#clock }),
    }
  }

  async start(names: readonly string[]): Promise<void> {
    // A check that was given up may go on; what it starts now nobody would stop.
    if (this.#closing !== undefined) throw new RelishError('unavailable', 'the network is being closed')
    const members = names.map((name) => this.#member(name)).filter((member) => member.process === undefined)
    await Promise.all(
      members.map(async (member) => {
        if (member.reserved.length > 0) return
        const reserved = await reserveAgain(member.placement)
        if (this.#closing === undefined) member.reserved = reserved
        else for (const port of reserved) port.release()
      }),
    )
    if (this.#closing !== undefined) throw new RelishError('unavailable', 'the network is being closed')
    this.#timeFirstVote()
    // C tor binds its ports itself.
    for (const member of members.filter((one) => isForeign(one.node))) {
      for (const port of member.reserved) port.release()
      member.reserved = []
    }
    // In one turn: no connection can arrive at a socket of ours between its node's start and our closing it.
    for (const member of members) this.#launch(member)
    for (const member of members) {
      for (const port of member.reserved) port.release()
      member.reserved = []
    }
    this.#hub.changed()
  }

  /** When the whole network starts with authorities that vote by the clock, the clock is set to when they will be ready. */
  #timeFirstVote(): void {
    const members = [...this.#members.values()]
    const authorities = members.filter((member) => member.node.role === 'authority')
    if (!authorities.some((member) => isForeign(member.node)) || members.some((member) => member.process !== undefined)) return
    const startSec = Math.floor(Date.now() / 1000)
    this.#clock = { startSec, firstVoteSec: startSec + Math.ceil(secondsToPublish(members.length)) }
    for (const { node, placement, changes } of members) writeFileSync(this.directory.torrc(node.name), changeTorrc(renderNodeTorrc(this.#torrcInputs(), placement), changes))
  }

  #launch(member: Member): void {
    const { name } = member.node
    const callbacks: NodeChildCallbacks = {
      onEvent: (event) => {
        member.watch.handle(event)
        this.#emit({ atMs: this.clock.now(), node: name, event })
      },
      onExit: (reason) => {
        if (member.process === child) member.process = undefined
        member.watch.ended(reason === undefined ? { kind: 'stopped' } : { kind: 'died', reason })
        this.#emit({ atMs: this.clock.now(), node: name, event: { kind: 'stopped', reason: reason ?? 'asked to' } })
      },
    }
    const files = { torrc: this.directory.torrc(name), errorFile: this.directory.nodeErrors(name) }
    const child: NodeChild = isForeign(member.node)
      ? new TorProcess({ ...files, ...callbacks, placement: member.placement, program: programOf(member.node), authorities: this.#keys.authorities.size })
      : new NodeProcess({ ...files, ...callbacks, name, program: nodeProgram(member.node, this.#options.nodeProgram), listeners: member.reserved, environment: this.#options.environment })
    member.process = child
    member.watch.started(child.pid)
  }

  #emit(record: NodeEventRecord): void {
    this.#hub.emit(record)
  }

  async stop(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.#member(name).process?.stop()))
  }

  async kill(name: string): Promise<void> {
    await this.#running(name).kill()
  }

  /** Sends a Unix signal that a node acts upon. */
  signal(name: string, signal: 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2'): void {
    this.#running(name).signal(signal)
  }

  async addNode(extra: ExtraNode): Promise<NodePlacement> {
    if (this.#members.has(extra.name)) throw new RelishError('config', `there is a node ${extra.name} already`)
    if (this.#nextIndex >= nodesPerMachineMax) throw new RelishError('limit', `a run has addresses for ${nodesPerMachineMax} nodes, those that are gone included`)
    const node: ResolvedNode = {
      name: extra.name,
      index: this.#nextIndex++,
      group: 'extra',
      role: extra.role,
      implementation: extra.implementation ?? 'relish',
      tor: extra.tor,
      core: undefined,
      phase: 1,
      family: undefined,
      ipv6: false,
      region: undefined,
      torrc: extra.torrc,
    }
    const { placement, reserved } = await placeNode(node, this.network, this.#block, this.directory, {})
    this.add(placement, reserved)
    try {
      if (isForeign(node)) this.#torVersions = new Map([...this.#torVersions, ...(await checkPrograms({ nodes: [node] }))])
      await this.verifyForeign([node])
      await this.start([extra.name])
    } catch (error) {
      await this.removeNode(extra.name)
      throw error
    }
    return placement
  }

  async removeNode(name: string): Promise<void> {
    const member = this.#member(name)
    await member.process?.stop()
    for (const port of member.reserved) port.release()
    // Disks take their time, and whatever else is under way should not wait for them.
    await rm(member.placement.dataDirectory, { recursive: true, force: true })
    this.#members.delete(name)
  }

  async setOptions(name: string, changes: OptionChanges): Promise<void> {
    const member = this.#member(name)
    const path = this.directory.torrc(name)
    const before = readFileSync(path, 'utf8')
    writeFileSync(path, changeTorrcOf(member.node, before, changes, member.process !== undefined))
    try {
      await this.verifyForeign([member.node])
      await member.process?.command({ command: 'signal', signal: 'HUP' })
    } catch (error) {
      writeFileSync(path, before)
      throw error
    }
    member.changes = new Map([...member.changes, ...changes])
  }

  files(name: string): FileStore {
    return new HostFiles(this.#member(name).placement.dataDirectory)
  }

  nodes(): readonly ResolvedNode[] {
    return [...this.#members.values()].map((member) => member.node)
  }

  placementOf(name: string): NodePlacement {
    return this.#member(name).placement
  }

  status(name: string): NodeStatus {
    return this.#member(name).watch.status()
  }

  command(name: string, command: NodeCommand): Promise<unknown> {
    const { process: child } = this.#member(name)
    return child === undefined ? Promise.reject(new RelishError('unavailable', `${name} does not run`)) : child.command(command)
  }

  async inspect(name: string): Promise<NodeInspection> {
    return (await this.command(name, { command: 'inspect' })) as NodeInspection
  }

  onEvent(listener: (record: NodeEventRecord) => void): () => void {
    return this.#hub.onEvent(listener)
  }

  waitFor(words: string, condition: () => boolean, timeoutMs: number): Promise<void> {
    return this.#hub.waitFor(words, condition, timeoutMs)
  }

  nodeAt(address: SocketAddress, transport: Transport): string | undefined {
    const members = [...this.#members.values()]
    const byAddress = this.placement.distinctAddresses ? members.find((member) => member.placement.host === address.host) : undefined
    if (byAddress !== undefined) return byAddress.node.name
    const owner = ownerOfSocket(address, transport, members.flatMap((member) => member.process?.pid ?? []))
    return owner === undefined ? undefined : members.find((member) => member.process?.pid === owner)?.node.name
  }

  versionOf(name: string): string {
    const { node } = this.#member(name)
    if (isForeign(node)) return `tor ${this.#torVersions.get(programOf(node)) ?? ''}`
    return node.core === undefined ? `relish ${programVersion}` : `relish of ${node.core}`
  }

  torrcOf(name: string): string {
    return readFileSync(this.directory.torrc(name), 'utf8')
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.stop([...this.#members.keys()])
      for (const member of this.#members.values()) for (const port of member.reserved) port.release()
      this.#host.close()
      this.#mergeTrace()
    } finally {
      await this.nameServer.close()
      await this.#block.release()
      await this.#lock.release()
    }
  }

  #mergeTrace(): void {
    const { trace: output } = this.#options
    if (output === undefined || !existsSync(this.directory.traces)) return
    const nodes = this.placement.nodes.map(({ node, host }) => ({ name: node.name, role: node.role, ...(this.placement.distinctAddresses ? { host } : {}) }))
    mergeParts({ folder: this.directory.traces, network: this.network.name, world: 'processes', nodes, output })
  }

  #member(name: string): Member {
    const member = this.#members.get(name)
    if (member === undefined) throw noSuchNode(name, [...this.#members.keys()])
    return member
  }

  #running(name: string): NodeChild {
    const child = this.#member(name).process
    if (child === undefined) throw new RelishError('unavailable', `${name} does not run`)
    return child
  }
}

/** How long nodes may take from their start to the last upload of a descriptor, with two cores for all of them. */
const secondsToPublish = (nodes: number): number => 4 + nodes / 4

/** `usual` runs nodes of this build, if it is given. */
function nodeProgram({ core }: ResolvedNode, usual: readonly [string, ...string[]] | undefined): readonly [string, ...string[]] {
  return core === undefined ? (usual ?? defaultNodeProgram()) : nodeCommand(join(builtFolder(core), 'relish-tor.js'))
}

function defaultNodeProgram(): readonly [string, ...string[]] {
  const program = join(programFolder(), 'relish-tor.js')
  if (!existsSync(program)) throw new RelishError('local-io', `${program} is missing`, { hint: 'run `npm run build`' })
  return nodeCommand(program)
}

/**
 * How Node.js runs a node's program. Ten nodes share a small machine: no helper threads that only take the cores from other
 * nodes (a tenth more throughput on two cores). Nothing here that V8 counts among the options of its compiler: Node.js would
 * compile its own modules anew in each process, instead of taking the compiled code it carries.
 */
export function nodeCommand(program: string): readonly [string, ...string[]] {
  return [process.execPath, '--v8-pool-size=1', '--single-threaded-gc', program]
}
