/**
 * A network whose nodes all run in this process, on a world that gives each of them a Runtime: real sockets
 * (`inline.ts`) or a simulation (`simulated.ts`). Nodes get the same torrcs as child processes do, read by the same
 * parser; what a process does besides (signals, log files, process ids) is absent.
 */

import { RelishError, asRelishError } from '../../core/base/errors.ts'
import type { TorOptions } from '../../core/torrc/option-table.ts'
import type { Node } from '../../node/node.ts'
import type { NodeCommand, NodeEvent, NodeInspection } from '../../runtime/events.ts'
import type { FileStore, Network as RuntimeNetwork, Runtime, SocketAddress } from '../../runtime/index.ts'
import type { Genesis, ResolvedNetwork, ResolvedNode } from '../network-types.ts'
import type { NetworkPlacement, NodePlacement } from '../placement.ts'
import type { ExtraNode, NameServer, NodeEventRecord, NodeStatus, RunningNetwork, World, WorldClock } from './backend.ts'
import { EventHub } from './event-hub.ts'
import { NodeWatch } from './node-watch.ts'
import type { CoreBuilds } from './core-build.ts'
import { commandTimeoutMs, nodesPerMachineMax, nodesPerNetworkMax, stopGraceMs } from '../limits.ts'
import { noSuchNode } from '../node-names.ts'
import { changeTorrcOf, type OptionChanges } from '../option-changes.ts'

/** One life of a node's program. */
export interface NodeLife {
  readonly runtime: Runtime
  /** Runs this in a turn of the node's own, soon; not at all once its life is over. */
  post(work: () => void): void
  /** Ends it at once: sockets close, handlers are called no more. `orderly`: the node has said that it is done. */
  end(orderly: boolean): void
}

export interface InProcessWorld {
  readonly world: World
  readonly genesis: Genesis
  readonly clock: WorldClock
  readonly observer: RuntimeNetwork
  readonly nameServer: NameServer
  readonly placement: NetworkPlacement
  readonly cores: CoreBuilds
  /** Places a node that the network file does not have. */
  place(node: ResolvedNode): Promise<NodePlacement>
  /** What a node that is gone for good leaves behind. */
  forget(placed: NodePlacement): void
  torrcOf(placed: NodePlacement): string
  /** The data directory of a node. */
  files(placed: NodePlacement): FileStore
  /** `onBug`: a handler of the node threw. */
  boot(placed: NodePlacement, options: TorOptions, onBug: (error: RelishError) => void): NodeLife
  /** A node says something of itself, or its backend says that it has ended. */
  record(node: string, happened: NodeEvent): void
  /** Something happened that code outside the nodes may wait for: it gets the chance to go on before anything else does. */
  touch(): void
  /** Lets time pass while the promise is waited for. */
  during<T>(promise: Promise<T>): Promise<T>
  close(): Promise<void>
}

interface Member {
  readonly node: ResolvedNode
  readonly placed: NodePlacement
  readonly watch: NodeWatch
  torrc: string
  running: { readonly node: Node; readonly life: NodeLife } | undefined
  /** Told when the node has ended, in whatever way. */
  readonly onEnded: Set<() => void>
}

export class InProcessNetwork implements RunningNetwork {
  readonly world: World
  readonly genesis: Genesis
  readonly network: ResolvedNetwork
  readonly placement: NetworkPlacement
  readonly clock: WorldClock
  readonly observer: RuntimeNetwork
  readonly nameServer: NameServer
  readonly #world: InProcessWorld
  readonly #hub: EventHub
  readonly #members = new Map<string, Member>()
  #nextIndex: number
  #closing: Promise<void> | undefined

  constructor(world: InProcessWorld) {
    this.#world = world
    this.world = world.world
    this.genesis = world.genesis
    this.network = world.placement.network
    this.placement = world.placement
    this.clock = world.clock
    this.observer = world.observer
    this.nameServer = world.nameServer
    this.#nextIndex = this.network.nodes.length
    this.#hub = new EventHub((ms, callback) => this.clock.after(ms, callback))
    for (const placed of world.placement.nodes) this.#add(placed)
  }

  #add(placed: NodePlacement): void {
    const name = placed.node.name
    this.#members.set(name, {
      node: placed.node,
      placed,
      watch: new NodeWatch(name, () => this.clock.now()),
      torrc: this.#world.torrcOf(placed),
      running: undefined,
      onEnded: new Set(),
    })
  }

  start(names: readonly string[]): Promise<void> {
    try {
      for (const name of names) this.#launch(this.#member(name))
      this.#hub.changed()
      return Promise.resolve()
    } catch (thrown) {
      return Promise.reject(asRelishError(thrown))
    }
  }

  #launch(member: Member): void {
    if (member.running !== undefined) return
    const { name } = member.node
    const core = this.#world.cores.of(member.node)
    const options = core.readTorrc(member.torrc, name)
    const life = this.#world.boot(member.placed, options, (error) => this.#died(member, life, `internal error: ${error.message}`))
    const node = core.createNode({ ...life.runtime, memory: this.#world.cores.memoryOf(core) }, options, {
      onEvent: (event) => {
        if (member.running?.life !== life) return
        // What a process would end after.
        if (event.kind === 'stopped') this.#ended(member, undefined, true)
        else this.#handle(member, event)
      },
      onFatal: (error) => this.#died(member, life, error.message),
      requestExit: () => void this.#stop(member),
    })
    member.running = { node, life }
    member.watch.started(undefined)
    // A node begins in its own turn, as a process would: what it throws is its own end, not the caller's.
    life.post(() => node.start())
  }

  #handle(member: Member, event: NodeEvent): void {
    member.watch.handle(event)
    this.#world.record(member.node.name, event)
    this.#world.touch()
    this.#hub.emit({ atMs: this.clock.now(), node: member.node.name, event })
  }

  /** The node's life is over. `reason` is undefined if it was asked to end. */
  #ended(member: Member, reason: string | undefined, orderly = false): void {
    const running = member.running
    if (running === undefined) return
    member.running = undefined
    running.life.end(orderly)
    member.watch.ended(reason === undefined ? { kind: 'stopped' } : { kind: 'died', reason })
    this.#handle(member, { kind: 'stopped', reason: reason ?? 'asked to' })
    for (const told of [...member.onEnded]) told()
    member.onEnded.clear()
    this.#world.touch()
  }

  #died(member: Member, life: NodeLife, reason: string): void {
    if (member.running?.life === life) this.#ended(member, reason)
  }

  stop(names: readonly string[]): Promise<void> {
    return this.#world.during(Promise.all(names.map((name) => this.#stop(this.#member(name)))).then(() => undefined))
  }

  #stop(member: Member): Promise<void> {
    const running = member.running
    if (running === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      member.onEnded.add(resolve)
      const cancel = this.clock.after(stopGraceMs, () => {
        if (member.running === running) this.#ended(member, undefined)
      })
      running.node.stop(() => {
        cancel()
        if (member.running === running) this.#ended(member, undefined, true)
      })
    })
  }

  kill(name: string): Promise<void> {
    this.#ended(this.#runningMember(name), undefined)
    return Promise.resolve()
  }

  async addNode(extra: ExtraNode): Promise<NodePlacement> {
    if (this.#members.has(extra.name)) throw new RelishError('config', `there is a node ${extra.name} already`)
    const nodesMax = this.world === 'simulated' ? nodesPerNetworkMax : nodesPerMachineMax
    if (this.#nextIndex >= nodesMax) throw new RelishError('limit', `a run has addresses for ${nodesMax} nodes, those that are gone included`)
    const placed = await this.#world.during(
      this.#world.place({
        name: extra.name,
        index: this.#nextIndex++,
        group: 'extra',
        role: extra.role,
        implementation: 'relish',
        tor: undefined,
        core: undefined,
        phase: 1,
        family: undefined,
        ipv6: false,
        region: undefined,
        torrc: extra.torrc,
      }),
    )
    this.#add(placed)
    try {
      await this.start([extra.name])
    } catch (error) {
      await this.removeNode(extra.name)
      throw error
    }
    return placed
  }

  async removeNode(name: string): Promise<void> {
    const member = this.#member(name)
    await this.stop([name])
    this.#members.delete(name)
    this.#world.forget(member.placed)
  }

  setOptions(name: string, changes: OptionChanges): Promise<void> {
    try {
      const member = this.#member(name)
      const { running } = member
      const torrc = changeTorrcOf(member.node, member.torrc, changes, running !== undefined)
      member.torrc = torrc
      if (running === undefined) return Promise.resolve()
      // In the node's own turn, as when it reads its torrc again.
      return this.#world.during(
        new Promise((resolve) => {
          // One that ends before takes them over when it is started again.
          member.onEnded.add(resolve)
          running.life.post(() => {
            running.node.reconfigure(this.#world.cores.of(member.node).readTorrc(torrc, name))
            member.onEnded.delete(resolve)
            this.#world.touch()
            resolve()
          })
        }),
      )
    } catch (thrown) {
      return Promise.reject(asRelishError(thrown))
    }
  }

  files(name: string): FileStore {
    return this.#world.files(this.#member(name).placed)
  }

  nodes(): readonly ResolvedNode[] {
    return [...this.#members.values()].map((member) => member.node)
  }

  placementOf(name: string): NodePlacement {
    return this.#member(name).placed
  }

  status(name: string): NodeStatus {
    return this.#member(name).watch.status()
  }

  command(name: string, command: NodeCommand): Promise<unknown> {
    const member = this.#member(name)
    const running = member.running
    if (running === undefined) return Promise.reject(new RelishError('unavailable', `${name} does not run`))
    return this.#world.during(
      new Promise((resolve, reject) => {
        const onEnded = (): void => finish(() => reject(new RelishError('unavailable', `${name} ended before it answered`)))
        const cancel = this.clock.after(commandTimeoutMs, () => finish(() => reject(new RelishError('timeout', `${name} has not answered ${command.command} within ${commandTimeoutMs / 1000} s`))))
        const finish = (settle: () => void): void => {
          cancel()
          member.onEnded.delete(onEnded)
          this.#world.touch()
          settle()
        }
        member.onEnded.add(onEnded)
        // In the node's own turn, and as JSON, as if it had come over a pipe.
        running.life.post(() => {
          running.node.handleCommand(command, (reply) => {
            finish(() => (reply.ok ? resolve(JSON.parse(JSON.stringify(reply.result ?? null)) as unknown) : reject(new RelishError('refused', `${name}: ${reply.error}`))))
            this.#hub.changed()
          })
        })
      }),
    )
  }

  /** What `inspect` tells, at once and outside of the node's own turns; undefined if it does not run. For whoever has stopped time. */
  peek(name: string): NodeInspection | undefined {
    let inspection: NodeInspection | undefined
    this.#member(name).running?.node.handleCommand({ command: 'inspect' }, (reply) => {
      if (reply.ok) inspection = JSON.parse(JSON.stringify(reply.result)) as NodeInspection
    })
    return inspection
  }

  async inspect(name: string): Promise<NodeInspection> {
    return (await this.command(name, { command: 'inspect' })) as NodeInspection
  }

  onEvent(listener: (record: NodeEventRecord) => void): () => void {
    return this.#hub.onEvent(listener)
  }

  waitFor(words: string, condition: () => boolean, timeoutMs: number): Promise<void> {
    return this.#world.during(this.#hub.waitFor(words, condition, timeoutMs))
  }

  nodeAt(address: SocketAddress): string | undefined {
    if (!this.placement.distinctAddresses) return undefined
    return [...this.#members.values()].find((member) => member.placed.host === address.host)?.node.name
  }

  versionOf(name: string): string {
    const { node } = this.#member(name)
    return `relish ${this.#world.cores.of(node).version}${node.core === undefined ? '' : ` of ${node.core}`}`
  }

  torrcOf(name: string): string {
    return this.#member(name).torrc
  }

  close(): Promise<void> {
    this.#closing ??= this.stop([...this.#members.keys()]).then(() => this.#world.close())
    return this.#closing
  }

  #member(name: string): Member {
    const member = this.#members.get(name)
    if (member === undefined) throw noSuchNode(name, [...this.#members.keys()])
    return member
  }

  #runningMember(name: string): Member {
    const member = this.#member(name)
    if (member.running === undefined) throw new RelishError('unavailable', `${name} does not run`)
    return member
  }
}
