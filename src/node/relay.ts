/**
 * The relay part of a node: its keys on links and circuits, its OR and directory ports, what it does with circuits that
 * come through and end at it, and what it says of itself. Publishing that is `own-publication.ts`; authorities have more.
 */

import { hexEncodeUpper } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import { between, type MonotonicMs, type WallMs } from '../core/base/time.ts'
import { makeLinkCredentials, type LinkCredentials, type LinkTlsKey } from '../core/cert/link-certs.ts'
import type { RelayKeys } from '../core/cert/relay-keys.ts'
import { formatAddressPort } from '../core/ident/address.ts'
import { NetworkParameters } from '../core/netdir/parameters.ts'
import type { ExitPolicy } from '../core/netdoc/exit-policy.ts'
import { chooseMiddle } from '../core/path/choose-path.ts'
import type { FlowParameters } from '../core/proto/flow/circuit-flow.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { PortSpec } from '../core/torrc/port-spec.ts'
import { isAuthority } from '../core/torrc/validate.ts'
import type { NodeEvent } from '../runtime/events.ts'
import type { ByteStream, Listener, Runtime } from '../runtime/index.ts'
import type { BandwidthMeter } from './bandwidth-meter.ts'
import { BandwidthWatch } from './bandwidth-watch.ts'
import type { ChannelManager } from './channel-manager.ts'
import { HS_DIR_CACHE_BYTES } from './dir-limits.ts'
import type { DirServerConnections } from './dir-server-connection.ts'
import { ExitService } from './exit-service.ts'
import { handshakeKeysOf } from './handshake-keys.ts'
import { HsDirCache } from './hs-dir-cache.ts'
import { HsDirServer } from './hs-dir-server.ts'
import { HsRelayService } from './hs-relay-service.ts'
import { makeLinkKey } from './link-key.ts'
import { MeteredStream } from './metered-network.ts'
import type { NetworkView } from './network-view.ts'
import { OnionKeyRotation } from './onion-key-rotation.ts'
import type { HopTarget, OriginCircuits } from './origin-circuit.ts'
import {
  makeOwnDocuments, ownAddresses, ownExitPolicy, publicationTime, relayRate, stillSays, type OwnAddresses, type OwnDocuments, type OwnDocumentsInput,
} from './own-descriptor.ts'
import { RelayCircuits } from './relay-circuits.ts'
import { RelayBandwidthTest } from './relay-bandwidth-test.ts'
import { RelaySelfTest } from './relay-self-test.ts'

export interface RelayParts {
  readonly runtime: Runtime
  readonly options: TorOptions
  readonly keys: RelayKeys
  /** For the first TLS certificate. */
  readonly linkKey: LinkTlsKey
  readonly view: NetworkView
  /** Counts what goes over the connections of `runtime`. */
  readonly meter: BandwidthMeter
  /** Consensus parameters of circuits, as of now. */
  readonly flow: () => FlowParameters
  readonly onEvent: (event: NodeEvent) => void
  /** All OR and directory ports are bound, so that addresses can be stated. */
  readonly onListening: () => void
  /** A port could not be bound. C tor does not start then. */
  readonly onListenError: (error: RelishError) => void
  /** Others can reach us, or that is taken for granted: time to publish. */
  readonly onReachable: () => void
  /** The descriptor says something that is not so any more. */
  readonly onDescriptorStale: () => void
  /** For circuits of the relay's own. Given late, since circuits want channels and channels want the relay. */
  readonly originCircuits: () => OriginCircuits
}

export class Relay {
  readonly circuits: RelayCircuits
  readonly #exits: ExitService
  readonly #runtime: Runtime
  readonly #parts: RelayParts
  readonly #startedAt: MonotonicMs
  readonly #boundPorts = new Map<PortSpec, number>()
  readonly #listeners: Listener[] = []
  readonly #rotation: OnionKeyRotation
  readonly #selfTest: RelaySelfTest
  readonly #bandwidthTest: RelayBandwidthTest
  readonly #bandwidth: BandwidthWatch
  #keys: RelayKeys
  #options: TorOptions
  #channels: ChannelManager | undefined
  #directory: DirServerConnections | undefined
  #credentials: LinkCredentials | undefined
  #renewingCredentials = false
  #addresses: OwnAddresses | undefined
  #exitPolicy: ExitPolicy | undefined
  #documents: OwnDocuments | undefined
  #toBind = 0

  constructor(parts: RelayParts) {
    this.#parts = parts
    this.#runtime = parts.runtime
    this.#options = parts.options
    this.#keys = parts.keys
    this.#startedAt = parts.runtime.monotonicNow()
    let handshakeKeys = handshakeKeysOf(parts.keys)
    this.#exits = this.#exitService()
    this.circuits = new RelayCircuits({
      runtime: parts.runtime,
      channels: () => this.#mustChannels(),
      keys: () => handshakeKeys,
      streams: this.#exits,
      messages: this.#hsRelayService(),
      extendAllowPrivateAddresses: () => this.#options.ExtendAllowPrivateAddresses,
      flow: parts.flow,
      onReached: () => this.#selfTest.noteReached(),
    })
    this.#rotation = new OnionKeyRotation({
      runtime: parts.runtime,
      keys: () => this.#keys,
      setKeys: (keys) => {
        this.#keys = keys
        handshakeKeys = handshakeKeysOf(keys)
        parts.onDescriptorStale()
      },
      rotationDays: () => this.#parameters().get('onion-key-rotation-days'),
      graceDays: () => this.#parameters().get('onion-key-grace-period-days'),
    })
    this.#selfTest = new RelaySelfTest({
      runtime: parts.runtime,
      circuits: parts.originCircuits,
      // As in C tor, an authority publishes in any case: without it there is no consensus, and without that no path to test.
      assumeReachable: () => this.#options.AssumeReachable || isAuthority(this.#options) || this.#parameters().get('assume-reachable') === 1,
      pathToSelf: () => this.#pathToSelf(),
      onReachable: () => parts.onReachable(),
    })
    this.#bandwidthTest = new RelayBandwidthTest({
      runtime: parts.runtime,
      circuits: parts.originCircuits,
      pathToSelf: () => this.#pathToSelf(),
      rate: () => relayRate(this.#options),
      observed: () => parts.meter.observed(),
    })
    this.#bandwidth = new BandwidthWatch({
      runtime: parts.runtime,
      meter: parts.meter,
      published: () => this.#documents?.descriptor.bandwidth.observed,
      testing: () => this.#options.TestingTorNetwork,
      onChanged: () => parts.onDescriptorStale(),
    })
  }

  get keys(): RelayKeys {
    return this.#keys
  }

  /** For links: made anew before they expire. */
  readonly credentials = (): LinkCredentials => {
    this.#credentials ??= this.#credentialsFor(this.#parts.linkKey)
    if (this.#credentials.renewAt <= this.#runtime.wallNow() && !this.#renewingCredentials) {
      // Until the new key is there, the old certificate is good for some hours more.
      this.#renewingCredentials = true
      makeLinkKey(this.#runtime, this.#options.TestingLinkKeyType, (key) => {
        this.#renewingCredentials = false
        this.#credentials = this.#credentialsFor(key)
      })
    }
    return this.#credentials
  }

  #credentialsFor(linkKey: LinkTlsKey): LinkCredentials {
    return makeLinkCredentials(this.#keys, linkKey, { now: this.#runtime.wallNow(), rng: this.#runtime.rng('link credentials') })
  }

  /** Our addresses for NETINFO; before the ports are bound, those that were configured. */
  readonly myAddresses = (): readonly string[] => {
    const known = this.#addresses
    if (known !== undefined) return [known.orAddress.host, ...(known.orAddress6 === undefined ? [] : [known.orAddress6.host])]
    return this.#options.ORPort.flatMap((spec) => (spec.host === undefined || spec.noAdvertise ? [] : [spec.host]))
  }

  get addresses(): OwnAddresses | undefined {
    return this.#addresses
  }

  /** `hiddenServiceDir` and the like may change it: ask again for each publication. Undefined before the ports are bound. */
  documents(): OwnDocuments | undefined {
    return this.#documents
  }

  /** Keeps descriptors of onion services, on relays that are directories. */
  makeHsDirServer(): HsDirServer | undefined {
    if (!this.#isDirectory) return undefined
    const cache = new HsDirCache(this.#runtime, {
      bytesMax: () => this.#options.MaxHSDirCacheBytes || HS_DIR_CACHE_BYTES,
      descriptorBytesMax: () => this.#parameters().get('HSV3MaxDescriptorSize'),
    })
    return new HsDirServer(this.#runtime, cache)
  }

  get exitPolicy(): ExitPolicy | undefined {
    return this.#exitPolicy
  }

  /** Opens the OR and directory ports. */
  listen(channels: ChannelManager, directory: DirServerConnections): void {
    this.#channels = channels
    this.#directory = directory
    const orPorts = this.#options.ORPort.filter((spec) => !spec.noListen)
    const dirPorts = this.#options.DirPort.filter((spec) => !spec.noListen)
    this.#toBind = orPorts.length + dirPorts.length
    for (const spec of orPorts) {
      channels.listen({ host: spec.host ?? '0.0.0.0', port: spec.port }, this.#portHandlers(spec, 'or', 'ORPort', 'OR'))
    }
    for (const spec of dirPorts) {
      const handlers = this.#portHandlers(spec, 'dir', 'DirPort', 'Directory')
      this.#listeners.push(
        this.#runtime.network.listen(
          { host: spec.host ?? '0.0.0.0', port: spec.port },
          { ...handlers, onConnection: (stream) => directory.serve(this.#meteredDirectory(stream), stream.remote) },
        ),
      )
    }
  }

  /** Finds out whether others can reach this relay and what it can carry, keeps its onion key fresh, and its descriptor true. */
  begin(): void {
    this.#selfTest.start()
    this.#parts.view.onChange(() => {
      this.#selfTest.networkChanged()
      this.#bandwidthTest.networkChanged()
    })
    this.#rotation.start()
    this.#bandwidthTest.start()
    this.#bandwidth.start()
  }

  /**
   * Goes on with a descriptor from before a restart, whose extra-info document is still there, if it says what a new one
   * would. Undefined, and nothing changed, if it does not.
   */
  resumeDocuments(before: OwnDocuments): OwnDocuments | undefined {
    // What it has seen of its bandwidth since then is `bandwidth-watch.ts`'s affair, as while it runs.
    const input = { ...this.#documentsInput(before.descriptor.published), observedBandwidth: before.descriptor.bandwidth.observed }
    if (!stillSays(before.descriptor, input)) return undefined
    this.#documents = before
    return before
  }

  /** Makes the descriptor anew: what it says has changed, or it has grown old. */
  renewDocuments(): OwnDocuments {
    const published = publicationTime(this.#documents?.descriptor.published, this.#runtime.wallNow())
    this.#documents = makeOwnDocuments(this.#documentsInput(published))
    return this.#documents
  }

  #documentsInput(published: WallMs): OwnDocumentsInput {
    const addresses = this.#addresses
    const exitPolicy = this.#exitPolicy
    if (addresses === undefined || exitPolicy === undefined) throw new RelishError('bug', 'a descriptor is made once the ports are bound')
    return {
      options: this.#options,
      keys: this.#keys,
      addresses,
      exitPolicy,
      published,
      uptime: between(this.#startedAt, this.#runtime.monotonicNow()),
      observedBandwidth: this.#parts.meter.observed(),
      statistics: this.#parts.meter.lines(),
      hibernating: false,
      isDirectory: this.#isDirectory,
    }
  }

  /** New options: true when the descriptor says something else now. */
  reconfigure(options: TorOptions): boolean {
    this.#options = options
    if (this.#addresses === undefined) return false
    const before = this.#exitPolicy?.toLines().join('\n')
    const contact = this.#documents?.descriptor.contact
    this.#exitPolicy = ownExitPolicy(options, this.#addresses)
    return this.#exitPolicy.toLines().join('\n') !== before || options.ContactInfo !== contact
  }

  stop(): void {
    this.#selfTest.stop()
    this.#rotation.stop()
    this.#bandwidthTest.stop()
    this.#bandwidth.stop()
    for (const listener of this.#listeners.splice(0)) listener.close()
    this.#directory?.closeAll()
    this.circuits.closeAll()
    this.#exits.stop()
  }

  #portHandlers(spec: PortSpec, listener: 'or' | 'dir', option: string, words: string) {
    return {
      onListening: (address: { host: string; port: number }): void => {
        this.#runtime.log.write('notice', 'net', `Opened ${words} listener connection (ready) on ${formatAddressPort(address)}`)
        this.#parts.onEvent({ kind: 'listening', listener, address })
        this.#boundPorts.set(spec, address.port)
        if (--this.#toBind === 0) this.#onAllBound()
      },
      onError: (error: RelishError): void => {
        const address = formatAddressPort({ host: spec.host ?? '0.0.0.0', port: spec.port })
        this.#parts.onListenError(error.within(`${option} ${address}`))
      },
    }
  }

  #onAllBound(): void {
    const options = this.#options
    try {
      this.#addresses = ownAddresses(options, { portOf: (spec) => this.#boundPorts.get(spec) ?? spec.port })
      this.#exitPolicy = ownExitPolicy(options, this.#addresses)
    } catch (thrown) {
      if (!(thrown instanceof RelishError)) throw thrown
      this.#parts.onListenError(thrown)
      return
    }
    this.#parts.onListening()
  }

  get #isDirectory(): boolean {
    return this.#options.DirCache || this.#options.AuthoritativeDirectory
  }

  #exitService(): ExitService {
    const { runtime, view } = this.#parts
    return new ExitService({
      runtime,
      allows: (address, port) => this.#exitPolicy?.allows(address, port) === true,
      ipv6Exit: () => this.#options.IPv6Exit,
      bindAddresses: () => ({ ...this.#options.OutboundBindAddress, ...this.#options.OutboundBindAddressExit }),
      isKnownRelay: (rsaIdentity) => {
        const { netDir } = view
        // Before there is a consensus nobody is known; C tor does not refuse anybody then either.
        if (netDir === undefined) return true
        const setting = this.#options.RefuseUnknownExits
        const refuses = setting === 'auto' ? netDir.parameters.get('refuseunknownexits') === 1 : setting
        return !refuses || netDir.byFingerprint(hexEncodeUpper(rsaIdentity)) !== undefined
      },
      isNetworkPort: (address, port) => view.netDir?.parameters.get('allow-network-reentry') === 0 && view.netDir.isOrAddress(address, port),
      acceptDirectory: (stream, anonymous) => {
        const directory = this.#directory
        if (directory === undefined) stream.destroy()
        else directory.serve(this.#meteredDirectory(stream), stream.remote, anonymous)
      },
    })
  }

  #hsRelayService(): HsRelayService {
    return new HsRelayService(this.#runtime, {
      introDosLimits: () => {
        const parameters = this.#parameters()
        return {
          enabled: parameters.get('HiddenServiceEnableIntroDoSDefense') === 1,
          ratePerSec: parameters.get('HiddenServiceEnableIntroDoSRatePerSec'),
          burst: parameters.get('HiddenServiceEnableIntroDoSBurstPerSec'),
        }
      },
      refusesSingleHopRendezvous: () => {
        const setting = this.#options.DoSRefuseSingleHopClientRendezvous
        // C tor: a bridge's clients have no other way.
        if (this.#options.BridgeRelay) return false
        return setting === 'auto' ? this.#parameters().get('DoSRefuseSingleHopClientRendezvous') === 1 : setting
      },
    })
  }

  #meteredDirectory(stream: ByteStream): ByteStream {
    return new MeteredStream(stream, this.#parts.meter.directoryCounter())
  }

  #parameters(): NetworkParameters {
    return this.#parts.view.netDir?.parameters ?? new NetworkParameters()
  }

  /** Two relays and then this one, by its own keys: the consensus may not list it yet. */
  #pathToSelf(): readonly HopTarget[] | undefined {
    const { view } = this.#parts
    const world = view.pathWorld()
    const addresses = this.#addresses
    if (world === undefined || addresses === undefined || !view.info.enough) return undefined
    const needs = { stable: false, fast: false }
    const middle = chooseMiddle(world, needs, [])
    const first = middle === undefined ? undefined : chooseMiddle(world, needs, [middle])
    if (middle === undefined || first === undefined) return undefined
    const self: HopTarget = {
      rsaIdentity: this.#keys.rsaFingerprint,
      ed25519Identity: this.#keys.ed25519Identity,
      ntorOnionKey: this.#keys.ntorOnionKey.publicKey,
      addresses: [addresses.orAddress],
      nickname: this.#options.Nickname ?? 'Unnamed',
    }
    return [view.hopTarget(first), view.hopTarget(middle), self]
  }

  #mustChannels(): ChannelManager {
    if (this.#channels === undefined) throw new RelishError('bug', 'circuits come once there are channels')
    return this.#channels
  }
}
