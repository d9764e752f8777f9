/** A network in virtual time: every node a machine of one simulation. Same seed, same run, to the last byte. */

import { durationMs } from '../../core/base/time.ts'
import { SeededRng } from '../../core/base/rng.ts'
import type { RelishError } from '../../core/base/errors.ts'
import type { LogLevel, Runtime } from '../../runtime/index.ts'
import type { SimMachine } from '../../sim/sim-machine.ts'
import { Simulation, type SimulationLogLine, type SimulationOptions } from '../../sim/simulation.ts'
import { traceHeader } from '../../trace/header.ts'
import { nodesPerMachineMax, sinkVisitsKept } from '../limits.ts'
import { prepareWarmGenesis } from '../genesis/warm-genesis.ts'
import { isRelay, type Genesis, type ResolvedNetwork, type ResolvedNode } from '../network-types.ts'
import type { NetworkPlacement, NodePlacement } from '../placement.ts'
import { prepareKeys, type KeyWorkshop } from '../prepare-keys.ts'
import { renderNodeTorrc, type TorrcInputs } from '../render-torrc.ts'
import type { NameServer } from './backend.ts'
import { CoreBuilds } from './core-build.ts'
import { linkModelOf, regionOf } from '../link-settings.ts'
import { scriptNames } from '../name-server.ts'
import { refuseForeign } from './foreign-nodes.ts'
import { InvariantMonitor } from '../invariant/monitor.ts'
import { InProcessNetwork, type InProcessWorld } from './in-process.ts'
import { VirtualTime } from './virtual-time.ts'

export interface SimulatedNetworkOptions {
  readonly network: ResolvedNetwork
  readonly seed: string
  /** Instead of what the network file says; cold if that says nothing. */
  readonly genesis?: Genesis
  readonly links?: SimulationOptions['links']
  /** Authority keys are of this size, since longer ones only take longer to make. 1024 unless given. */
  readonly rsaBitsMax?: number
  readonly logLevel?: TorrcInputs['logLevel']
  readonly logSink?: (line: SimulationLogLine) => void
  readonly traceSink?: (line: string) => void
  /** Asked before each event: a promise while virtual time is to stand still. */
  readonly paused?: (network: SimulatedNetwork) => Promise<void> | undefined
  /** Puts something between a node and its Runtime: faults of its own making. */
  readonly around?: (placed: NodePlacement, runtime: Runtime) => Runtime
}

/** The observer: sinks listen there and checks dial from there. */
const observerName = 'observer'
const ports = Object.freeze({ or: 9001, dir: 9030, socks: 9050, control: 9051 })

const levelsUpTo: Readonly<Record<TorrcInputs['logLevel'], readonly LogLevel[]>> = Object.freeze({
  err: ['error'],
  warn: ['error', 'warn'],
  notice: ['error', 'warn', 'notice'],
  info: ['error', 'warn', 'notice', 'info'],
  debug: ['error', 'warn', 'notice', 'info', 'debug'],
})

export class SimulatedNetwork extends InProcessNetwork {
  readonly simulation: Simulation
  readonly invariants: InvariantMonitor
  readonly #time: VirtualTime
  readonly #bugs: readonly { readonly node: string; readonly error: RelishError }[]

  private constructor(world: InProcessWorld, simulation: Simulation, time: VirtualTime, bugs: readonly { node: string; error: RelishError }[], invariants: InvariantMonitor) {
    super(world)
    this.simulation = simulation
    this.#time = time
    this.#bugs = bugs
    this.invariants = invariants
  }

  /** Makes machines, keys and torrcs. Starts nothing. */
  static async prepare(options: SimulatedNetworkOptions): Promise<SimulatedNetwork> {
    refuseForeign(options.network, 'simulated')
    const cores = await CoreBuilds.load(options.network)
    const questions: { name: string; type: string; from: string }[] = []
    const bugs: { node: string; error: RelishError }[] = []
    const onBug = new Map<string, (error: RelishError) => void>()
    const levels = levelsUpTo[options.logLevel ?? 'notice']
    let touched = false
    let made: SimulatedNetwork | undefined
    const simulation: Simulation = new Simulation({
      seed: options.seed,
      links: options.links ?? linkModelOf(options.network, observerName),
      rsaBitsMax: options.rsaBitsMax ?? defaultRsaBitsMax,
      ...(options.traceSink === undefined ? {} : { traceSink: options.traceSink }),
      logEnabled: (level) => levels.includes(level),
      ...(options.logSink === undefined ? {} : { logSink: options.logSink }),
      onBug: (machine, error) => {
        const told = onBug.get(machine)
        // Code of a check that throws inside a handler is a mistake of the check: the run cannot go on.
        if (told === undefined) throw error
        bugs.push({ node: machine, error })
        monitor.bug(machine, error.message)
        told(error)
      },
      onNameQuestion: ({ name, type, from }) => {
        const address = simulation.machine(from).addresses[0] ?? from
        if (questions.length < sinkVisitsKept) questions.push({ name, type: type === 'PTR' ? 'PTR' : 'A', from: address })
      },
    })
    const placed = options.network.nodes.map((node) => placeNode(node, options.network))
    options.traceSink?.(JSON.stringify(traceHeader({ network: options.network.name, world: 'simulated', seed: options.seed, startMs: simulation.wallNow(), nodes: placed.map((one) => ({ name: one.node.name, role: one.node.role, host: one.host })) })))
    const time = new VirtualTime({
      step: () => simulation.step(),
      takeTouched: () => {
        const was = simulation.takeObserverTouched() || touched
        touched = false
        return was
      },
      ...(options.paused === undefined ? {} : { paused: () => (made === undefined ? undefined : options.paused?.(made)) }),
    })
    const touch = (): void => {
      touched = true
    }

    const observerHost = '127.254.0.1'
    const observerHost6 = 'fd00:ff::1'
    const observer = simulation.addMachine({ name: observerName, addresses: [observerHost, observerHost6], isObserver: true }).boot()
    const placement: NetworkPlacement = {
      network: options.network,
      nodes: placed,
      observerHost,
      observerHost6,
      nameServer: undefined,
      distinctAddresses: true,
    }
    const addMachine = (placed: NodePlacement): SimMachine =>
      // Every machine has IPv6, whether its OR port uses it or not, as every process on a computer has ::1.
      simulation.addMachine({ name: placed.node.name, addresses: [placed.host, address6(placed.node)], region: regionOf(placed.node, options.network) })
    for (const placed of placement.nodes) addMachine(placed)
    const workshop: KeyWorkshop = {
      now: simulation.wallNow(),
      files: (placed) => simulation.machine(placed.node.name).files,
      rng: (placed) => new SeededRng(`${options.seed}\nprepared ${placed.node.name}`),
      generate: (placed, purpose, bits) => Promise.resolve(simulation.rsaKey(new SeededRng(`${options.seed}\nprepared keys ${placed.node.name} ${purpose}`), bits)),
      keepsAuthorityIdentityKeys: false,
    }
    const keys = await prepareKeys(placement.nodes, workshop)
    const torrcOf = (placed: NodePlacement): string =>
      renderNodeTorrc({ placement, authorities: keys.authorities, fingerprints: keys.fingerprints, logLevel: options.logLevel ?? 'notice', resolvConfFile: undefined }, placed)
    const genesis = options.genesis ?? options.network.genesis ?? 'cold'
    if (genesis === 'warm') await prepareWarmGenesis({ network: options.network, nodes: placement.nodes, workshop, torrcOf, memory: cores.ownMemory() })
    const nameServer: NameServer = {
      setAddresses: (name, addresses) => simulation.names.setAddresses(name, addresses),
      setAnswer: (name, answer) => (typeof answer === 'string' ? simulation.names.setAnswer(name, answer) : simulation.names.setAddresses(name, answer)),
      setName: (address, name) => simulation.names.setName(address, name),
      questions,
    }
    scriptNames(nameServer, options.network)
    const after = (ms: number, callback: () => void): (() => void) => {
      const timer = simulation.at(durationMs(ms), () => {
        touch()
        callback()
      })
      return () => timer.cancel()
    }
    const monitor = new InvariantMonitor({ now: () => simulation.now(), params: options.network.params, observerHosts: [placement.observerHost, placement.observerHost6 ?? placement.observerHost] })
    const world: InProcessWorld = {
      world: 'simulated',
      genesis,
      clock: {
        now: () => simulation.now(),
        sleep: (ms) => time.during(new Promise((resolve) => after(ms, resolve))),
        after,
        wallNow: () => simulation.wallNow(),
      },
      observer: observer.network,
      nameServer,
      placement,
      cores,
      place: (node) => {
        const placed = placeNode(node, options.network)
        addMachine(placed)
        return Promise.resolve(placed)
      },
      forget: (placed) => simulation.removeMachine(placed.node.name),
      torrcOf,
      files: (placed) => workshop.files(placed),
      boot: (placed, torOptions, onNodeBug) => {
        const machine = simulation.machine(placed.node.name)
        if (torOptions.TestingClockOffset !== 0) machine.setClockSkew(torOptions.TestingClockOffset * 1000)
        onBug.set(placed.node.name, onNodeBug)
        const booted = machine.boot()
        const tampered = options.around?.(placed, booted) ?? booted
        return {
          runtime: monitor.around(placed, tampered),
          post: (work) => machine.post(work),
          end: (orderly) => {
            if (orderly) monitor.ended(placed.node.name, machine.held())
            machine.crash()
          },
        }
      },
      touch,
      record: (node, happened) => {
        const { kind, ...details } = happened
        simulation.record(node, { ...details, event: `node.${kind}` })
      },
      during: (promise) => time.during(promise),
      close: () => Promise.resolve(),
    }
    made = new SimulatedNetwork(world, simulation, time, bugs, monitor)
    return made
  }

  /** Runs code with promises, with time passing as long as it is not done: everything it waits for belongs to this network. */
  drive<T>(work: () => Promise<T>): Promise<T> {
    return this.#time.during(work())
  }

  /** SHA-256 of all that happened so far, in hexadecimal. */
  traceDigest(): string {
    return this.simulation.traceDigest()
  }

  /** What handlers of nodes threw. Each ended its node. */
  bugs(): readonly { readonly node: string; readonly error: RelishError }[] {
    return this.#bugs
  }
}

const defaultRsaBitsMax = 1024

const address6 = (node: ResolvedNode): string => `fd00::${(node.index + 1).toString(16)}:1`

/** Every node is alone in its /16: 127.(i+1).0.1 as on a real machine, and past those somewhere in the Internet. */
const hostOf = (index: number): string => (index < nodesPerMachineMax ? `127.${index + 1}.0.1` : `${20 + (index >> 8)}.${index & 255}.0.1`)

/** With the ports that C tor has by default. */
function placeNode(node: ResolvedNode, network: ResolvedNetwork): NodePlacement {
  const host6 = node.ipv6 && isRelay(node) ? address6(node) : undefined
  return {
    node,
    host: hostOf(node.index),
    host6,
    orPort: isRelay(node) ? ports.or : undefined,
    orPort6: host6 === undefined ? undefined : ports.or,
    dirPort: node.role === 'authority' ? ports.dir : undefined,
    socksPort: node.role === 'client' ? ports.socks : undefined,
    controlPort: network.options.controlPorts ? ports.control : undefined,
    dataDirectory: `/simulated/${node.name}`,
  }
}
