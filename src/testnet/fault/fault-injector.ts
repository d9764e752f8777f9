/** Makes faults happen to a simulated network, and undoes them. Several may last at a time, on the same nodes and links. */

import { must } from '../../core/base/assert.ts'
import { SeededRng } from '../../core/base/rng.ts'
import { keyFilePaths, parseRsaKeyFile } from '../../core/ident/key-files.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { SimulatedNetwork } from '../backend/simulated.ts'
import type { ResolvedNetwork } from '../network-types.ts'
import type { NodePlacement } from '../placement.ts'
import { tapNetwork } from '../tap/network-tap.ts'
import { CellMisbehaviour, type CellOrders } from './cell-misbehaviour.ts'
import { isVoteMisbehaviour, type Fault } from './fault.ts'
import { namesOf } from './names.ts'
import { VoteMisbehaviour, type VoteOrders } from './vote-misbehaviour.ts'

/** How a fault ends. */
export type Undo = () => Promise<void>

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
  readonly #delays = new Map<string, readonly { readonly extraLatencyMs: number; readonly bytesPerSecond?: number }[]>()
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
    const running = this.#theRunning()
    const { simulation } = running
    switch (fault.kind) {
      case 'crash': {
        const names = this.#names(fault.node).filter((name) => running.status(name).state.kind === 'running')
        for (const name of names) {
          this.#crashed.add(name)
          await running.kill(name)
        }
        return async () => {
          for (const name of names) this.#crashed.delete(name)
          await running.start(names)
        }
      }
      case 'pause': {
        const machines = this.#names(fault.node).map((name) => simulation.machine(name))
        for (const machine of machines) machine.pause()
        return () => {
          for (const machine of machines) machine.resume()
          return Promise.resolve()
        }
      }
      case 'partition': {
        const [one, other] = fault.sides.map((side) => side.flatMap((word) => this.#names(word)))
        const pairs = pairsOf(one ?? [], other ?? [])
        for (const pair of pairs) this.#cuts.set(pair, (this.#cuts.get(pair) ?? 0) + 1)
        this.#applyLinks(pairs)
        return () => {
          for (const pair of pairs) this.#cuts.set(pair, (this.#cuts.get(pair) ?? 1) - 1)
          this.#applyLinks(pairs)
          return Promise.resolve()
        }
      }
      case 'slow': {
        const pairs = pairsOf(this.#names(fault.ends[0]), this.#names(fault.ends[1]))
        const delay = { extraLatencyMs: fault.latencyMs, ...(fault.bytesPerSecond === undefined ? {} : { bytesPerSecond: fault.bytesPerSecond }) }
        for (const pair of pairs) this.#delays.set(pair, [...(this.#delays.get(pair) ?? []), delay])
        this.#applyLinks(pairs)
        return () => {
          for (const pair of pairs) this.#delays.set(pair, (this.#delays.get(pair) ?? []).filter((one) => one !== delay))
          this.#applyLinks(pairs)
          return Promise.resolve()
        }
      }
      case 'drop': {
        for (const pair of pairsOf(this.#names(fault.ends[0]), this.#names(fault.ends[1]))) {
          const [a, b] = endsOf(pair)
          simulation.setLinkFault(a, b, { kind: 'drop' })
        }
        return undefined
      }
      case 'clock': {
        const names = this.#names(fault.node)
        const jump = (sec: number): void => {
          for (const name of names) {
            this.#jumps.set(name, (this.#jumps.get(name) ?? 0) + sec)
            this.#applyClock(name)
          }
        }
        jump(fault.jumpSec)
        return () => {
          jump(-fault.jumpSec)
          return Promise.resolve()
        }
      }
      case 'disk-full': {
        const names = this.#names(fault.node)
        for (const { files } of names.map((name) => simulation.machine(name))) files.setCapacity(files.bytes)
        return async () => {
          for (const name of names) simulation.machine(name).files.setCapacity()
          // Who could not start for want of room is started by its operator, once there is some.
          await running.start(names.filter((name) => running.status(name).state.kind === 'died' && !this.#crashed.has(name)))
        }
      }
      case 'misbehave': {
        const given = this.#names(fault.node).flatMap((name) => this.#orders.get(name) ?? [])
        const order = (how: typeof fault.how | undefined): void => {
          for (const { votes, cells } of given) {
            if (isVoteMisbehaviour(fault.how)) votes.how = how
            else cells.how = how
            cells.every = fault.every
          }
        }
        order(fault.how)
        return () => {
          order(undefined)
          return Promise.resolve()
        }
      }
    }
  }

  /** Whether a fault keeps the node down at the moment. */
  isDown(name: string): boolean {
    return this.#crashed.has(name)
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
