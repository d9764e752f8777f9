/**
 * The composition root: makes the parts of a node that its options ask for, and connects them. The parts know each
 * other through what is given to them here and in no other way; nothing of the protocol is decided in this file.
 */

import { must } from '../core/base/assert.ts'
import { base64EncodeUnpadded, hexEncode, hexEncodeUpper } from '../core/base/encoding.ts'
import { asRelishError, RelishError } from '../core/base/errors.ts'
import { durationMs } from '../core/base/time.ts'
import { torVersion } from '../core/base/version.ts'
import type { LinkTlsKey } from '../core/cert/link-certs.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../core/cert/relay-keys.ts'
import { parseAddressPort } from '../core/ident/address.ts'
import type { Consensus } from '../core/netdoc/consensus.ts'
import type { FlowParameters } from '../core/proto/flow/circuit-flow.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import { isAuthority, isRelay } from '../core/torrc/validate.ts'
import type { NodeCommand, NodeEvent } from '../runtime/events.ts'
import type { Runtime, SocketAddress } from '../runtime/index.ts'
import { Authority } from './authority.ts'
import { bandwidthLimits } from './bandwidth-buckets.ts'
import { BandwidthMeter } from './bandwidth-meter.ts'
import { BootstrapStatus } from './bootstrap-status.ts'
import { ChannelManager, type DialFailed } from './channel-manager.ts'
import { ControlPort, wantsControlPort } from './control-port.ts'
import { controlView } from './control-view.ts'
import { Client } from './client.ts'
import { ClockWatch } from './clock-watch.ts'
import { BeginDirTransport } from './dir-begindir-transport.ts'
import { DirCache } from './dir-cache.ts'
import { DirClient } from './dir-client.ts'
import { ConsensusHistory } from './dir-consensus-history.ts'
import { DescriptorPublisher } from './dir-publisher.ts'
import { ConsensusWaits } from './dir-consensus-waits.ts'
import { DirServerConnections } from './dir-server-connection.ts'
import { DirServer } from './dir-server.ts'
import { dirRoles, DirSources, trustedIdentities } from './dir-sources.ts'
import { DirPortTransport } from './dir-transport.ts'
import { circuitQueueMarks, NodeFlowParameters } from './flow-parameters.ts'
import { makeLinkKey } from './link-key.ts'
import { linkPaddingRules } from './link-padding-rules.ts'
import { meteredRuntime } from './metered-network.ts'
import { NetworkView } from './network-view.ts'
import { inspectNode, rolesOf, type InspectedParts } from './node-inspection.ts'
import { NodeStages, type StageCondition } from './node-stages.ts'
import { NewsBoard } from './node-news.ts'
import type { Node, NodeOwner, NodeReply } from './node.ts'
import { OriginCircuitManager } from './origin-circuits.ts'
import { OwnPublication } from './own-publication.ts'
import { Relay, type RelayParts } from './relay.ts'
import { StateStore } from './state-store.ts'
import { tellWarnings } from './warning-log.ts'

/** C tor's port for HTTPSProxy without one. */
const defaultProxyPort = 443
/** Warnings kept for inspection. */
const WARNINGS_KEPT = 50

/** Options that a node looks at when it starts, and not again. C tor follows changes of these. */
const readAtStart = [
  'Address', 'AuthoritativeDirectory', 'ControlPort', 'ControlSocket', 'DirAuthority', 'DirPort', 'FallbackDir', 'HTTPSProxy', 'Nickname', 'ORPort',
  'OutboundBindAddress', 'OutboundBindAddressExit', 'OutboundBindAddressOR', 'ServerDNSResolvConfFile', 'UseMicrodescriptors', 'V3AuthoritativeDirectory',
] as const satisfies readonly (keyof TorOptions)[]

/** Makes a node; `start` sets it going. Throws `config` for options that cannot be carried out. */
export function createNode(runtime: Runtime, options: TorOptions, owner: NodeOwner): Node {
  return new TorNode(runtime, options, owner)
}

/** What exists once the keys are there. */
interface Parts {
  readonly channels: ChannelManager
  readonly circuits: OriginCircuitManager
  readonly view: NetworkView
  readonly cache: DirCache
  readonly waits: ConsensusWaits | undefined
  readonly beginDir: BeginDirTransport
  readonly dirClient: DirClient
  readonly client: Client
  readonly relay: Relay | undefined
  readonly authority: Authority | undefined
  readonly publisher: DescriptorPublisher | undefined
  readonly publication: OwnPublication | undefined
}

class TorNode implements Node {
  readonly #runtime: Runtime
  readonly #owner: NodeOwner
  readonly #stages: NodeStages
  readonly #bootstrap: BootstrapStatus
  readonly #state: StateStore
  readonly #news = new NewsBoard()
  readonly #control: ControlPort | undefined
  readonly #warnings: string[] = []
  readonly #listeners: { readonly listener: string; readonly address: { host: string; port: number } }[] = []
  #options: TorOptions
  #parts: Parts | undefined
  #linkKey: LinkTlsKey | undefined
  #stopped = false

  constructor(runtime: Runtime, options: TorOptions, owner: NodeOwner) {
    this.#runtime = { ...runtime, log: tellWarnings(runtime.log, (level, message) => this.#emit({ kind: 'warning', level, message })) }
    this.#options = options
    this.#owner = owner
    this.#stages = new NodeStages(conditionsOf(options), (event) => this.#emit(event))
    this.#bootstrap = new BootstrapStatus(this.#runtime.log, (event) => this.#emit(event))
    this.#state = new StateStore(this.#runtime, torVersion)
    this.#control = wantsControlPort(options) ? this.#makeControlPort() : undefined
  }

  start(): void {
    this.#stages.begin()
    this.#bootstrap.enter('starting')
    this.#control?.start()
    const { options } = this
    if (!isRelay(options)) {
      this.#startParts(undefined)
      return
    }
    const { files, rng, wallNow, generateRsaKey } = this.#runtime
    // Both may take a while, and are made at the same time.
    let relayKeys: RelayKeys | undefined
    const startWithBoth = (): void => {
      if (!this.#stopped && relayKeys !== undefined && this.#linkKey !== undefined) this.#startParts(relayKeys)
    }
    loadOrCreateRelayKeys(
      files,
      {
        nickname: options.Nickname ?? 'Unnamed',
        now: wallNow(),
        rng: rng.call(this.#runtime, 'relay keys'),
        generateRsaKey: (bits, onKey) => generateRsaKey.call(this.#runtime, bits, onKey),
        signingKeyLifetime: durationMs(options.SigningKeyLifetime),
        signingKeySlop: durationMs(options.TestingSigningKeySlop),
      },
      (result) => {
        if (this.#stopped) return
        if (result instanceof RelishError) this.#fail(result)
        else relayKeys = result
        startWithBoth()
      },
    )
    makeLinkKey(this.#runtime, options.TestingLinkKeyType, (key) => {
      this.#linkKey = key
      startWithBoth()
    })
  }

  handleCommand(command: NodeCommand, reply: (reply: NodeReply) => void): void {
    try {
      this.#obey(command, reply)
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      reply({ ok: false, error: error.message })
    }
  }

  reconfigure(options: TorOptions): void {
    const later = readAtStart.filter((name) => JSON.stringify(options[name]) !== JSON.stringify(this.#options[name]))
    if (later.length > 0) this.#runtime.log.write('warn', 'config', `Changes of ${later.join(', ')} take effect when this node is started again.`)
    this.#options = options
    this.#parts?.authority?.reconfigure(options)
    // The view first: the client builds by what it says.
    this.#parts?.view.reconfigure(options)
    this.#parts?.client.reconfigure(options)
    this.#control?.reconfigure(options)
    if (this.#parts?.relay?.reconfigure(options) === true) this.#parts.publication?.renewSoon()
  }

  stop(onStopped: () => void): void {
    if (!this.#stopped) {
      this.#stopped = true
      this.#control?.stop()
      const parts = this.#parts
      if (parts !== undefined) {
        parts.authority?.stop()
        parts.publication?.stop()
        parts.publisher?.stop()
        parts.dirClient.stop()
        parts.client.stop()
        parts.view.stop()
        parts.relay?.stop()
        parts.beginDir.closeAll()
        parts.circuits.closeAll()
        parts.channels.closeAll()
      }
      this.#state.flush()
    }
    // What was closed says goodbye to its peers first.
    this.#runtime.setTimer(durationMs(0), onStopped)
  }

  get options(): TorOptions {
    return this.#options
  }

  // Putting the parts together

  #startParts(keys: RelayKeys | undefined): void {
    this.#stages.meet('keys')
    try {
      const parts = this.#makeParts(keys)
      this.#parts = parts
      this.#traceIdentity(parts.relay)
      this.#begin(parts)
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      this.#fail(error)
    }
  }

  #traceIdentity(relay: Relay | undefined): void {
    const { options } = this
    this.#runtime.trace?.emit({
      event: 'node.identity',
      nickname: options.Nickname ?? 'Unnamed',
      version: torVersion,
      roles: rolesOf(options, relay),
      ...(relay === undefined ? {} : { fingerprint: hexEncodeUpper(relay.keys.rsaFingerprint), ed25519: base64EncodeUnpadded(relay.keys.ed25519Identity) }),
    })
  }

  #makeParts(keys: RelayKeys | undefined): Parts {
    const { options } = this
    const meter = new BandwidthMeter(this.#runtime, this.#state, () => this.#options)
    // Clients do not count.
    const runtime = keys === undefined ? this.#runtime : meteredRuntime(this.#runtime, (host) => meter.counterFor(host), bandwidthLimits(this.#runtime, () => this.#options))
    const fingerprint = keys === undefined ? undefined : hexEncodeUpper(keys.rsaFingerprint)
    const view = new NetworkView(runtime, options, this.#state, { version: torVersion, ownFingerprint: fingerprint })
    const parameters = new NodeFlowParameters()
    const flow = (): FlowParameters => parameters.current(view.netDir, this.#options)
    const relay = keys === undefined ? undefined : this.#makeRelay({ runtime, keys, view, meter, flow })
    const bindAddress = options.OutboundBindAddressOR.ipv4 ?? options.OutboundBindAddress.ipv4
    const httpsProxy = proxyAddress(options.HTTPSProxy)
    const clocks = new ClockWatch(runtime, new Set(options.DirAuthority.map((line) => hexEncodeUpper(line.rsaIdentity))))
    const channels = new ChannelManager(runtime, {
      credentials: relay?.credentials,
      myAddresses: relay?.myAddresses ?? (() => []),
      news: this.#news,
      ...(bindAddress === undefined ? {} : { localHost: bindAddress }),
      ...(httpsProxy === undefined ? {} : { httpsProxy }),
      ...(relay === undefined ? {} : { onCreate: (channel, cell) => relay.circuits.handleCreate(channel, cell) }),
      onLinkStep: (step) => this.#bootstrap.link(step),
      onDialFailed: (failed) => this.#onDialFailed(failed),
      onChannelOpen: (channel, open) => clocks.channelOpened(channel, open),
      circuitQueueMarks: () => circuitQueueMarks(view.netDir),
      linkPadding: () => linkPaddingRules(view.netDir, this.#options),
      keepalivePeriod: () => durationMs(this.#options.KeepalivePeriod),
    })
    const circuits = new OriginCircuitManager({ runtime, channels, news: this.#news, flow })
    const cache = new DirCache(runtime, trustedIdentities(options))
    // First: others wait for what comes.
    const waits = options.TestingTorNetwork && relay !== undefined ? new ConsensusWaits(runtime, cache) : undefined
    cache.listen({ consensusChanged: (consensus) => clocks.consensusHeld(consensus) })
    const dirPort = new DirPortTransport(runtime, bindAddress)
    const beginDir = new BeginDirTransport(runtime, circuits, (step) => this.#bootstrap.directoryRequest(step))
    const sources = new DirSources({
      runtime,
      options,
      dirPort,
      beginDir,
      chooseDirectory: (avoid) => view.chooseDirectory(avoid),
      ...(fingerprint === undefined ? {} : { ownFingerprint: fingerprint }),
    })
    const authority =
      keys === undefined || relay === undefined || !isAuthority(options)
        ? undefined
        : new Authority({
            runtime, options, keys, cache, sources, channels,
            onVoted: () => this.#stages.meet('voted'),
            onWaiting: (words) => this.#stages.waitFor('voted', words),
          })
    const publisher =
      relay === undefined || !publishes(options)
        ? undefined
        : new DescriptorPublisher(runtime, sources.authorities.map((target) => sources.direct(target)), options.TestingTorNetwork, {
            onPublished: () => this.#stages.meet('published'),
            onProgress: () => this.#stages.waitFor('published', `${this.#parts?.publisher?.waitingFor().join(', ') ?? 'authorities'} to take its descriptor`),
          })
    const publication = relay === undefined ? undefined : new OwnPublication({ runtime, relay, cache, authority, publisher, onPublished: () => this.#stages.meet('published') })
    const client = new Client({
      runtime,
      options,
      circuits,
      view,
      bootstrap: this.#bootstrap,
      onEvent: (event) => this.#emit(event),
      onFirstCircuit: () => this.#stages.meet('circuit'),
      onNoCircuit: (words) => this.#stages.setBack('circuit', words),
      onListenError: (error) => this.#fail(error),
    })
    const dirClient = new DirClient(runtime, options, cache, sources, (words) => this.#stages.setBack('consensus', words))
    return { channels, circuits, view, cache, waits, beginDir, dirClient, client, relay, authority, publisher, publication }
  }

  #makeControlPort(): ControlPort {
    return new ControlPort({
      runtime: this.#runtime,
      options: this.#options,
      owner: this.#owner,
      node: controlView(this, () => inspectNode(this.#inspected()), () => this.#parts),
      news: this.#news,
      onEvent: (event) => this.#emit(event),
      onListenError: (error) => this.#fail(error),
    })
  }

  #makeRelay(parts: Pick<RelayParts, 'runtime' | 'keys' | 'view' | 'meter' | 'flow'>): Relay {
    return new Relay({
      ...parts,
      options: this.#options,
      linkKey: must(this.#linkKey, 'a relay starts with its link key'),
      onEvent: (event) => this.#emit(event),
      onListening: () => this.#onRelayListening(),
      onListenError: (error) => this.#fail(error),
      onReachable: () => this.#parts?.publication?.begin(),
      onDescriptorStale: () => this.#parts?.publication?.renewSoon(),
      originCircuits: () => {
        if (this.#parts === undefined) throw new RelishError('bug', 'a relay begins once all of the node is there')
        return this.#parts.circuits
      },
    })
  }

  #begin(parts: Parts): void {
    const { cache, waits, view, relay, authority, dirClient, client, channels } = parts
    cache.listen({
      consensusChanged: (consensus) => this.#onConsensus(consensus),
      descriptorsChanged: () => this.#onDescriptors(),
    })
    view.onChange(() => this.#onView())
    for (const flavour of ['ns', 'microdesc'] as const) {
      const held = cache.consensus(flavour)
      if (held !== undefined) this.#onConsensus(held)
    }
    client.start()
    if (relay === undefined) {
      dirClient.start()
      return
    }
    const hsDir = relay.makeHsDirServer()
    const server = new DirServer({
      runtime: this.#runtime,
      cache,
      ...(waits === undefined ? {} : { waits }),
      ...(dirRoles(this.options).caches ? { history: new ConsensusHistory(this.#runtime, cache) } : {}),
      ...(authority === undefined ? {} : { authority: authority.documents }),
      ...(hsDir === undefined ? {} : { hsDir }),
      own: () => {
        const documents = relay.documents()
        const certificate = authority?.certificate
        return {
          ...(documents === undefined ? {} : { descriptor: documents.descriptor.text, extraInfo: documents.extraInfo.text }),
          ...(certificate === undefined ? {} : { certificate }),
        }
      },
    })
    relay.listen(channels, new DirServerConnections(this.#runtime, server))
  }

  /** The ports are bound: the node can be found, and says so. */
  #onRelayListening(): void {
    const parts = this.#parts
    if (parts === undefined || this.#stopped) return
    this.#stages.meet('listening')
    parts.authority?.start()
    parts.relay?.begin()
    parts.dirClient.start()
  }

  // News

  #onDialFailed({ target, address, error, isOther }: DialFailed): void {
    const fingerprint = hexEncodeUpper(target.rsaIdentity)
    const place = `${address.host}:${address.port}`
    if (isOther) {
      // As in C tor: what relays are asked to extend to may be anything.
      const level = isRelay(this.#options) ? 'info' : 'warn'
      this.#runtime.log.write(level, 'handshake', `Tried connecting to router at ${place} ID=${fingerprint}, but its identity keys were not as expected: ${error.message}`)
    }
    const reason = isOther ? 'IDENTITY' : error.kind === 'refused' ? 'CONNECTREFUSED' : error.kind === 'timeout' ? 'TIMEOUT' : 'IOERROR'
    this.#bootstrap.problem({ warning: isOther ? 'Unexpected identity in router certificate' : error.message, reason, fingerprint, address: place })
  }

  #onConsensus(consensus: Consensus): void {
    const parts = this.#parts
    if (parts === undefined) return
    this.#emit({
      kind: 'consensus',
      flavour: consensus.flavour,
      validAfter: consensus.validAfter,
      digest: hexEncode(consensus.flavour === 'ns' ? consensus.sha1 : consensus.sha256),
      relays: consensus.relays.length,
      signatures: consensus.signatures.length,
    })
    const usable = this.#options.UseMicrodescriptors === false ? 'ns' : 'microdesc'
    if (consensus.flavour !== usable) return
    this.#stages.meet('consensus')
    this.#noteListing(parts, consensus)
    parts.view.setConsensus(consensus, {
      microdescriptor: (digest) => parts.cache.microdescriptor(digest),
      serverDescriptor: (digest) => parts.cache.serverDescriptor(digest),
    })
    this.#onDescriptors()
  }

  #noteListing({ relay, publication }: Parts, consensus: Consensus): void {
    if (relay === undefined) return
    const own = hexEncodeUpper(relay.keys.rsaFingerprint)
    const listed = consensus.relays.find((one) => one.fingerprint === own)
    if (listed?.flags.has('Running') === true) this.#stages.meet('listed')
    else this.#stages.waitFor('listed', listed === undefined ? 'a consensus that lists it (the present one does not)' : 'a consensus that lists it as Running (the present one does not)')
    publication?.handleListing(consensus, listed)
  }

  #onDescriptors(): void {
    const parts = this.#parts
    if (parts === undefined) return
    const { wanted, held } = parts.dirClient.counts()
    this.#bootstrap.enterDirectory('requesting_descriptors')
    if (wanted > 0) this.#bootstrap.loadingDescriptors(held / wanted)
    parts.view.descriptorsChanged()
    const { enough, status } = parts.view.info
    this.#stages.waitFor('directory', `descriptors of relays: ${held} of ${wanted} are held${held < wanted || enough ? '' : `. ${status}`}`)
  }

  #onView(): void {
    const parts = this.#parts
    if (parts === undefined || !parts.view.info.enough) return
    this.#bootstrap.enterDirectory('enough_dirinfo')
    this.#stages.meet('directory')
  }

  #emit(event: NodeEvent): void {
    if (event.kind === 'listening') {
      this.#listeners.push({ listener: event.listener, address: event.address })
      // A client has no other ports; a relay's readiness is told by all of its ports together.
      if (event.listener === 'socks' && !isRelay(this.#options)) this.#stages.meet('listening')
    }
    if (event.kind === 'warning') this.#warnings.splice(0, Math.max(0, this.#warnings.push(event.message) - WARNINGS_KEPT))
    this.#control?.handleNodeEvent(event)
    this.#owner.onEvent(event)
  }

  #fail(error: RelishError): void {
    if (this.#owner.onFatal !== undefined) {
      this.#owner.onFatal(error)
      return
    }
    this.#runtime.log.write('error', 'general', error.message)
    this.stop(() => this.#emit({ kind: 'stopped', reason: error.message }))
  }

  // What the owner asks

  #client(): Client {
    if (this.#parts === undefined) throw new RelishError('unavailable', 'the node has not started yet')
    return this.#parts.client
  }

  #authority(): Authority {
    if (this.#parts?.authority === undefined) throw new RelishError('refused', 'this node is not an authority')
    return this.#parts.authority
  }

  #obey(command: NodeCommand, reply: (reply: NodeReply) => void): void {
    switch (command.command) {
      case 'inspect':
        reply({ ok: true, result: inspectNode(this.#inspected()) })
        return
      case 'vote':
        this.#authority().voteNow()
        reply({ ok: true, result: null })
        return
      case 'build-circuit':
        this.#client().buildCircuit(command.path, (result) => reply(result instanceof RelishError ? { ok: false, error: result.message } : { ok: true, result }))
        return
      case 'choose-paths':
        reply({ ok: true, result: this.#client().choosePaths(command.port, command.count) })
        return
      case 'explain-circuit':
        reply({ ok: true, result: this.#client().explainCircuit(command.circuit) })
        return
      case 'explain-relay':
        reply({ ok: true, result: this.#authority().explainRelay(command.fingerprint) })
        return
      case 'document':
        reply({ ok: true, result: this.#document(command.name) })
        return
      case 'signal':
        this.#signal(command.signal)
        reply({ ok: true, result: null })
        return
    }
  }

  #signal(signal: Extract<NodeCommand, { command: 'signal' }>['signal']): void {
    switch (signal) {
      case 'HUP':
        // The configuration came through `reconfigure`, if it changed. C tor also asks for news of the directory.
        this.#parts?.authority?.reload()
        this.#parts?.dirClient.fetchNow()
        return
      case 'NEWNYM':
        this.#parts?.client.newNym()
        return
      case 'DUMP':
        this.#runtime.log.write('notice', 'general', JSON.stringify(inspectNode(this.#inspected())))
        return
      case 'SHUTDOWN':
      case 'HALT':
        this.stop(() => this.#emit({ kind: 'stopped', reason: 'asked to' }))
        return
    }
  }

  #document(name: string): string {
    const parts = this.#parts
    const documents = parts?.relay?.documents()
    const text = ((): string | undefined => {
      switch (name) {
        case 'consensus':
          return parts?.cache.consensus('ns')?.text
        case 'consensus-microdesc':
          return parts?.cache.consensus('microdesc')?.text
        case 'certificates':
          return [...(parts?.cache.certificates() ?? [])].map((certificate) => certificate.text).join('')
        case 'votes':
          return parts?.authority?.votes().join('')
        case 'descriptor':
          return documents?.descriptor.text
        case 'extra-info':
          return documents?.extraInfo.text
        default:
          throw new RelishError('refused', `no document is called "${name}": there are consensus, consensus-microdesc, certificates, votes, descriptor and extra-info`)
      }
    })()
    if (text === undefined || text === '') throw new RelishError('unavailable', `this node holds no ${name}`)
    return text
  }

  #inspected(): InspectedParts {
    const parts = this.#parts
    return {
      now: { wall: this.#runtime.wallNow(), monotonic: this.#runtime.monotonicNow() },
      options: this.#options,
      stages: this.#stages,
      bootstrap: this.#bootstrap,
      listeners: this.#listeners,
      warnings: this.#warnings,
      ...(parts === undefined
        ? {}
        : {
            channels: parts.channels,
            circuits: parts.circuits,
            cache: parts.cache,
            view: parts.view,
            descriptors: parts.dirClient.counts(),
            ...(parts.relay === undefined ? {} : { relay: parts.relay }),
          }),
    }
  }
}

/** `HOST[:PORT]`; throws `config` for anything else. */
function proxyAddress(text: string | undefined): SocketAddress | undefined {
  if (text === undefined) return undefined
  const address = parseAddressPort(text) ?? parseAddressPort(`${text}:${defaultProxyPort}`)
  if (address === undefined) throw new RelishError('config', `HTTPSProxy: expected an address and a port, not "${text}"`)
  return address
}

function publishes(options: TorOptions): boolean {
  return !options.PublishServerDescriptor.every((where) => where === '0')
}

function conditionsOf(options: TorOptions): ReadonlySet<StageCondition> {
  const relay = isRelay(options)
  const conditions: StageCondition[] = ['consensus', 'directory']
  if (relay) conditions.push('keys', 'listening', 'listed')
  if (relay && publishes(options)) conditions.push('published')
  if (isAuthority(options)) conditions.push('voted')
  if (!relay) conditions.push('circuit')
  if (!relay && options.SocksPort.length > 0) conditions.push('listening')
  return new Set(conditions)
}
