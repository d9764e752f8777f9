/** Makes faults happen to a simulated network, and undoes them. Several may last at a time, on the same nodes and links. */

import { must } from '../../core/base/assert.ts'
import { SeededRng } from '../../core/base/rng.ts'
import { keyFilePaths, parseRsaKeyFile } from '../../core/ident/key-files.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { SimulatedNetwork } from '../backend/simulated.ts'
import type { ResolvedNetwork } from '../network-types.ts'
import type { NodePlacement } from '../placement.ts'
import { tapNetwork } from '../tap/network-tap.ts'
import { isRunning } from '../running-nodes.ts'
import { CellMisbehaviour, type CellOrders } from './cell-misbehaviour.ts'
import { isVoteMisbehaviour, type Fault, type Misbehaviour } from './fault.ts'
import { namesOf } from './names.ts'
import { VoteMisbehaviour, type VoteOrders } from './vote-misbehaviour.ts'

/** How a fault ends. */
export type Undo = () => Promise<void>

interface Delay {
  readonly extraLatencyMs: number
  readonly bytesPerSecond?: number
}

interface Orders {
  readonly votes: VoteOrders
  readonly cells: CellOrders
}

export class FaultInjector {
  readonly #network: ResolvedNetwork
  readonly #seed: string
  /** Of nodes that misbehave at some time: their connections are changed from the first byte on. */
  readonly #orders: ReadonlyMap<string, Orders>
  #running: SimulatedNetwork | undefined
  /** Links that are down or slow, by how many faults, by `a b`. */
  readonly #cuts = new Map<string, number>()
  readonly #delays = new Map<string, readonly Delay[]>()
  readonly #jumps = new Map<string, number>()
  readonly #crashed = new Set<string>()

  /** `faults`: all that there will be. */
  constructor(network: ResolvedNetwork, seed: string, faults: readonly Fault[]) {
    this.#network = network
    this.#seed = seed
    const names = faults.flatMap((fault) => (fault.kind === 'misbehave' ? namesOf(network, fault.node) : []))
    this.#orders = new Map(names.map((name) => [name, { votes: { how: undefined }, cells: { how: undefined, every: 1 } }]))
  }

  attach(running: SimulatedNetwork): void {
    this.#running = running
  }

  /** For `SimulatedNetworkOptions.around`. */
  readonly around = (placed: NodePlacement, runtime: Runtime): Runtime => {
    const orders = this.#orders.get(placed.node.name)
    if (orders === undefined) return runtime
    const rng = new SeededRng(`${this.#seed}\nmisbehaviour of ${placed.node.name} at ${runtime.monotonicNow()}`)
    const authorities = this.#network.nodes.filter((node) => node.role === 'authority')
    const votes = new VoteMisbehaviour(orders.votes, () => parseRsaKeyFile(must(runtime.files.read(keyFilePaths.authoritySigning), 'an authority has its signing key')))
    const network = tapNetwork(runtime.network, {
      dialled: (target, secure) => {
        if (secure) return new CellMisbehaviour(orders.cells, rng.derive(`to ${target.host}:${target.port} at ${runtime.monotonicNow()}`))
        const peer = authorities.findIndex((node) => this.#theRunning().placementOf(node.name).host === target.host)
        return placed.node.role === 'authority' && peer >= 0 ? votes.connection(peer) : undefined
      },
      accepted: (_at, from, secure) => (secure ? new CellMisbehaviour(orders.cells, rng.derive(`from ${from.host}:${from.port} at ${runtime.monotonicNow()}`)) : undefined),
    })
    return { ...runtime, network }
  }

  /** Makes it happen. What it answers undoes it; undefined where there is nothing to undo. */
  async begin(fault: Fault): Promise<Undo | undefined> {
    switch (fault.kind) {
      case 'crash':
        return this.#crash(this.#names(fault.node))
      case 'pause':
        return this.#pause(this.#names(fault.node))
      case 'partition': {
        const [one = [], other = []] = fault.sides.map((side) => side.flatMap((word) => this.#names(word)))
        return this.#cut(pairsOf(one, other))
      }
      case 'slow':
        return this.#slow(this.#pairs(fault.ends), { extraLatencyMs: fault.latencyMs, ...(fault.bytesPerSecond === undefined ? {} : { bytesPerSecond: fault.bytesPerSecond }) })
      case 'drop':
        for (const pair of this.#pairs(fault.ends)) this.#theRunning().simulation.setLinkFault(...endsOf(pair), { kind: 'drop' })
        return undefined
      case 'clock':
        return this.#jump(this.#names(fault.node), fault.jumpSec)
      case 'disk-full':
        return this.#fillDisks(this.#names(fault.node))
      case 'misbehave':
        return this.#order(this.#names(fault.node), fault.how, fault.every)
    }
  }

  async #crash(nodes: readonly string[]): Promise<Undo> {
    const running = this.#theRunning()
    const names = nodes.filter((name) => isRunning(running, name))
    for (const name of names) {
      this.#crashed.add(name)
      await running.kill(name)
    }
    return async () => {
      for (const name of names) this.#crashed.delete(name)
      await running.start(names)
    }
  }

  #pause(names: readonly string[]): Undo {
    const machines = names.map((name) => this.#theRunning().simulation.machine(name))
    for (const machine of machines) machine.pause()
    return () => {
      for (const machine of machines) machine.resume()
      return Promise.resolve()
    }
  }

  #cut(pairs: readonly string[]): Undo {
    const count = (more: number): void => {
      for (const pair of pairs) this.#cuts.set(pair, (this.#cuts.get(pair) ?? 0) + more)
      this.#applyLinks(pairs)
    }
    count(1)
    return () => {
      count(-1)
      return Promise.resolve()
    }
  }

  #slow(pairs: readonly string[], delay: Delay): Undo {
    for (const pair of pairs) this.#delays.set(pair, [...(this.#delays.get(pair) ?? []), delay])
    this.#applyLinks(pairs)
    return () => {
      for (const pair of pairs) this.#delays.set(pair, (this.#delays.get(pair) ?? []).filter((one) => one !== delay))
      this.#applyLinks(pairs)
      return Promise.resolve()
    }
  }

  #jump(names: readonly string[], sec: number): Undo {
    const jump = (by: number): void => {
      for (const name of names) {
        this.#jumps.set(name, (this.#jumps.get(name) ?? 0) + by)
        this.#applyClock(name)
      }
    }
    jump(sec)
    return () => {
      jump(-sec)
      return Promise.resolve()
    }
  }

  #fillDisks(names: readonly string[]): Undo {
    const running = this.#theRunning()
    for (const { files } of names.map((name) => running.simulation.machine(name))) files.setCapacity(files.bytes)
    return async () => {
      for (const name of names) running.simulation.machine(name).files.setCapacity()
      // Who could not start for want of room is started by its operator, once there is some.
      await running.start(names.filter((name) => running.status(name).state.kind === 'died' && !this.#crashed.has(name)))
    }
  }

  #order(names: readonly string[], how: Misbehaviour, every: number): Undo {
    const given = names.flatMap((name) => this.#orders.get(name) ?? [])
    const order = (now: Misbehaviour | undefined): void => {
      for (const { votes, cells } of given) {
        if (isVoteMisbehaviour(how)) votes.how = now
        else cells.how = now
        cells.every = every
      }
    }
    order(how)
    return () => {
      order(undefined)
      return Promise.resolve()
    }
  }

  #applyLinks(pairs: readonly string[]): void {
    const { simulation } = this.#theRunning()
    for (const pair of pairs) {
      const [a, b] = endsOf(pair)
      const delays = this.#delays.get(pair) ?? []
      if ((this.#cuts.get(pair) ?? 0) > 0) {
        simulation.setLinkFault(a, b, { kind: 'partition' })
        continue
      }
      simulation.setLinkFault(a, b, { kind: 'none' })
      const rates = delays.flatMap((delay) => delay.bytesPerSecond ?? [])
      if (delays.length > 0) {
        simulation.setLinkFault(a, b, { kind: 'slow', extraLatencyMs: delays.reduce((sum, delay) => sum + delay.extraLatencyMs, 0), ...(rates.length === 0 ? {} : { bytesPerSecond: Math.min(...rates) }) })
      }
    }
  }

  /** The node's own skew, and the jumps on top of it. */
  #applyClock(name: string): void {
    const { simulation, network } = this.#theRunning()
    const line = network.nodes.find((node) => node.name === name)?.torrc.findLast((one) => /^TestingClockOffset\s/i.test(one))
    const ownSec = Number(line?.split(/\s+/)[1] ?? 0)
    simulation.machine(name).setClockSkew((ownSec + (this.#jumps.get(name) ?? 0)) * 1000)
  }

  #pairs(ends: readonly [string, string]): readonly string[] {
    return pairsOf(this.#names(ends[0]), this.#names(ends[1]))
  }

  #names(word: string): readonly string[] {
    return namesOf(this.#network, word)
  }

  #theRunning(): SimulatedNetwork {
    return must(this.#running, 'faults happen to a network that runs')
  }
}

/** Pairs of different nodes, each once, as `a b` in the order of their names. */
function pairsOf(one: readonly string[], other: readonly string[]): readonly string[] {
  return [...new Set(one.flatMap((a) => other.filter((b) => b !== a).map((b) => (a < b ? `${a} ${b}` : `${b} ${a}`))))]
}

function endsOf(pair: string): readonly [string, string] {
  const [a = '', b = ''] = pair.split(' ')
  return [a, b]
}
