/**
 * A few relays and a client on the simulated runtime that do nothing but links and circuits: no directory, no
 * configuration. The client is told its hops.
 */

import { RelishError } from '../../src/core/base/errors.ts'
import { seconds, type DurationMs } from '../../src/core/base/time.ts'
import { makeLinkCredentials } from '../../src/core/cert/link-certs.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../src/core/cert/relay-keys.ts'
import type { ByteStream, Runtime } from '../../src/runtime/index.ts'
import { Simulation, type SimulationOptions } from '../../src/sim/simulation.ts'
import { ChannelManager } from '../../src/node/channel-manager.ts'
import type { FlowParameters } from '../../src/core/proto/flow/circuit-flow.ts'
import { ClockHealth } from '../../src/core/proto/flow/round-trip.ts'
import { NetworkParameters } from '../../src/core/netdir/parameters.ts'
import { congestionParameters } from '../../src/node/flow-parameters.ts'
import { supportedProtocols } from '../../src/node/supported-protocols.ts'
import { ExitService } from '../../src/node/exit-service.ts'
import { handshakeKeysOf } from '../../src/node/handshake-keys.ts'
import { HsRelayService } from '../../src/node/hs-relay-service.ts'
import type { HopTarget, OriginCircuit } from '../../src/node/origin-circuit.ts'
import { OriginCircuitManager } from '../../src/node/origin-circuits.ts'
import { RelayCircuits } from '../../src/node/relay-circuits.ts'

const PORT = 9001

export interface WorldRelay {
  readonly name: string
  readonly runtime: Runtime
  readonly keys: RelayKeys
  readonly channels: ChannelManager
  readonly circuits: RelayCircuits
  readonly streams: ExitService
  readonly origin: OriginCircuitManager
  readonly hop: HopTarget
  readonly directoryStreams: ByteStream[]
  reached: number
}

export interface WorldOptions {
  readonly relays?: number
  readonly seed?: string
  readonly links?: SimulationOptions['links']
  readonly isKnownRelay?: (rsaIdentity: Uint8Array) => boolean
  readonly allows?: (address: string, port: number) => boolean
  readonly isNetworkPort?: (address: string, port: number) => boolean
  readonly isDirectory?: boolean
  /** Congestion control with the last hop of every circuit, by the parameters of this consensus line; fixed windows without it. */
  readonly congestion?: ReadonlyMap<string, number>
  readonly refusesSingleHopRendezvous?: boolean
  readonly traceSink?: (line: string) => void
}

export class CircuitWorld {
  readonly sim: Simulation
  readonly #flow: FlowParameters
  readonly relays: WorldRelay[] = []
  readonly client: { readonly runtime: Runtime; readonly channels: ChannelManager; readonly circuits: OriginCircuitManager }
  /** A machine outside the network, for destinations. */
  readonly server: Runtime

  constructor(options: WorldOptions = {}) {
    this.sim = new Simulation({ seed: options.seed ?? 'circuits', ...(options.links === undefined ? {} : { links: options.links }), ...(options.traceSink === undefined ? {} : { traceSink: options.traceSink }) })
    for (let i = 0; i < (options.relays ?? 3); i++) this.relays.push(this.#addRelay(i, options))
    const runtime = this.sim.addMachine({ name: 'client', addresses: ['10.0.0.1'] }).boot()
    const channels = new ChannelManager(runtime, { credentials: undefined, myAddresses: () => [] })
    this.#flow = flowOf(options)
    this.client = { runtime, channels, circuits: new OriginCircuitManager({ runtime, channels, flow: () => this.#flow }) }
    this.server = this.sim.addMachine({ name: 'server', addresses: ['203.0.113.1', '2001:db8::1'] }).boot()
  }

  relay(index: number): WorldRelay {
    const relay = this.relays[index]
    if (relay === undefined) throw new Error(`no relay ${index}`)
    return relay
  }

  /** Runs the simulation until the condition holds; throws with its name when it does not in time. */
  until(what: string, condition: () => boolean, limit: DurationMs = seconds(120)): void {
    if (!this.sim.runUntil(condition, limit)) throw new Error(`waited in vain for: ${what}`)
  }

  /** An open circuit through these relays, or why there is none. */
  build(path: readonly HopTarget[] = this.relays.map((relay) => relay.hop)): OriginCircuit | { readonly error: RelishError; readonly failedHop: number } {
    let outcome: OriginCircuit | { error: RelishError; failedHop: number } | undefined
    this.client.circuits.build(path, { purpose: 'test', congestionControl: this.#flow.congestion !== undefined }, {
      onOpen: (circuit) => { outcome = circuit },
      onFailed: (error, failedHop) => { outcome = { error, failedHop } },
    })
    this.until('a circuit, built or failed', () => outcome !== undefined)
    return outcome as OriginCircuit
  }

  open(path?: readonly HopTarget[]): OriginCircuit {
    const outcome = this.build(path)
    if ('error' in outcome) throw outcome.error
    return outcome
  }

  #addRelay(index: number, options: WorldOptions): WorldRelay {
    const address = `192.0.2.${index + 1}`
    const name = `relay${index}`
    const runtime = this.sim.addMachine({ name, addresses: [address] }).boot()
    const relayKeys = this.#keysOf(name, runtime)
    const credentials = makeLinkCredentials(relayKeys, runtime.generateTlsKey(), { now: runtime.wallNow(), rng: runtime.rng('link') })
    const directoryStreams: ByteStream[] = []
    const flow = flowOf(options)
    const streams = new ExitService({
      runtime,
      allows: options.allows ?? (() => true),
      ipv6Exit: () => true,
      bindAddresses: () => ({ ipv4: address }),
      ...(options.isKnownRelay === undefined ? {} : { isKnownRelay: options.isKnownRelay }),
      ...(options.isNetworkPort === undefined ? {} : { isNetworkPort: options.isNetworkPort }),
      ...(options.isDirectory === false ? {} : { acceptDirectory: (stream) => void directoryStreams.push(stream) }),
    })
    const circuits: RelayCircuits = new RelayCircuits({
      runtime,
      channels: () => channels,
      keys: () => handshakeKeysOf(relayKeys),
      streams,
      messages: new HsRelayService(runtime, {
        introDosLimits: () => ({ enabled: false, ratePerSec: 0, burst: 0 }),
        refusesSingleHopRendezvous: () => options.refusesSingleHopRendezvous === true,
      }),
      extendAllowPrivateAddresses: () => false,
      flow: () => flow,
      onReached: () => { relay.reached++ },
    })
    const channels: ChannelManager = new ChannelManager(runtime, {
      credentials: () => credentials,
      myAddresses: () => [address],
      onCreate: (channel, cell) => circuits.handleCreate(channel, cell),
    })
    channels.listen({ host: address, port: PORT }, { onListening: () => {}, onError: (error) => { throw error } })
    const hop: HopTarget = {
      rsaIdentity: relayKeys.rsaFingerprint,
      ed25519Identity: relayKeys.ed25519Identity,
      ntorOnionKey: relayKeys.ntorOnionKey.publicKey,
      addresses: [{ host: address, port: PORT }],
      ...(options.congestion === undefined ? {} : { protocols: supportedProtocols.text }),
    }
    const relay: WorldRelay = { name, runtime, keys: relayKeys, channels, circuits, streams, origin: new OriginCircuitManager({ runtime, channels }), hop, directoryStreams, reached: 0 }
    return relay
  }

  /** Making RSA keys takes most of the time of a world, so that relays of one name share them between worlds. */
  #keysOf(name: string, runtime: Runtime): RelayKeys {
    const known = madeKeys.get(name)
    if (known !== undefined) return known
    let keys: RelayKeys | undefined
    loadOrCreateRelayKeys(runtime.files, { nickname: name, now: runtime.wallNow(), rng: runtime.rng('keys'), generateRsaKey: runtime.generateRsaKey }, (result) => {
      if (result instanceof RelishError) throw result
      keys = result
      madeKeys.set(name, result)
    })
    this.until(`the keys of ${name}`, () => keys !== undefined)
    return madeKeys.get(name) as RelayKeys
  }
}

/** Each node has a clock of its own to watch. */
function flowOf({ congestion }: WorldOptions): FlowParameters {
  return congestion === undefined ? {} : { congestion: congestionParameters(new NetworkParameters(congestion)), clock: new ClockHealth() }
}

const madeKeys = new Map<string, RelayKeys>()
