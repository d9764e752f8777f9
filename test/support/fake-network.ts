/**
 * A network that is none, in one process: clients' SOCKS ports connect straight from an exit's address, and inspections
 * are made up to match. Checks pass on it; each way of misbehaving makes exactly the checks fail that look at it.
 */

import { generateKeyPairSync } from 'node:crypto'
import { seconds, wallMs, later } from '../../src/core/base/time.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { RsaPrivateKey } from '../../src/core/crypto/rsa.ts'
import { SocksServerHandshake } from '../../src/core/socks/server-handshake.ts'
import { SocksCommand, SocksStatus, emitFailure, emitReply, type SocksRequest } from '../../src/core/socks/message.ts'
import { assembleConsensus, emitUnsignedConsensus, signConsensus } from '../../src/core/netdoc/consensus.ts'
import { signAuthorityCertificate } from '../../src/core/netdoc/authority-certificate.ts'
import { createHostRuntime } from '../../src/host/host-runtime.ts'
import type { CircuitInspection, ConsensusInspection, NodeCommand, NodeInspection } from '../../src/runtime/events.ts'
import type { FileStore, Network, SocketAddress } from '../../src/runtime/index.ts'
import { claimAddressBlock, type AddressBlock } from '../../src/testnet/addresses.ts'
import type { ExtraNode, NameServer, NodeEventRecord, NodeStatus, RunningNetwork, WorldClock } from '../../src/testnet/backend/backend.ts'
import { EventHub } from '../../src/testnet/backend/event-hub.ts'
import { NodeWatch } from '../../src/testnet/backend/node-watch.ts'
import { loadNetworkText } from '../../src/testnet/load-network.ts'
import type { ResolvedNetwork, ResolvedNode } from '../../src/testnet/network-types.ts'
import type { NetworkPlacement, NodePlacement } from '../../src/testnet/placement.ts'
import { dialStream, listenStreams, type WorldListener, type WorldStream } from '../../src/testnet/world-stream.ts'

/** What may be wrong with the network. */
export interface Misbehaviour {
  /** Bytes from the server are changed on their way to the client. */
  corrupt?: boolean
  /** One byte is lost of what the server sends, past the first so many. */
  dropAfter?: number
  /** All streams of a client get each other's bytes: the first stream's target serves all. */
  mixStreams?: boolean
  /** Streams leave from the client's own address. */
  leaveFromClient?: boolean
  /** Names are asked for by the client. */
  resolveAtClient?: boolean
  /** The path that circuits claim to have, by relay names. */
  path?: readonly string[]
  /** All streams share one circuit, whatever their credentials. */
  noIsolation?: boolean
  /** The guard's circuit shows the stream. */
  guardSeesTarget?: boolean
  /** The exit's circuit shows the client's address. */
  exitSeesClient?: boolean
  /** Port 25 is let out. */
  openPolicy?: boolean
  /** Answer for port 25, in place of NOT_ALLOWED. */
  policyReply?: SocksStatus
  /** BIND is answered with success. */
  acceptBind?: boolean
  /** This node holds another consensus. */
  otherConsensusAt?: string
  /** So many authorities did not sign. */
  unsigned?: number
  /** Bytes of the client's streams go over its links in the clear. */
  plainLinks?: boolean
  /** Missing names are answered. */
  inventNames?: boolean
}

const text = `
nodes:
  - { role: authority, name: auth, count: 3 }
  - { role: relay, name: middle, count: 2 }
  - { role: exit, count: 2 }
  - { role: client, count: 2 }
`

interface OpenStream {
  readonly client: string
  readonly circuit: CircuitInspection
  readonly target: string
}

export class FakeNetwork implements RunningNetwork {
  readonly world = 'processes'
  readonly genesis = 'cold'
  readonly network: ResolvedNetwork
  readonly placement: NetworkPlacement
  readonly clock: WorldClock
  readonly observer: Network
  readonly nameServer: NameServer
  readonly misbehaviour: Misbehaviour = {}
  readonly #block: AddressBlock
  readonly #host = createHostRuntime({ dataDirectory: '/nowhere', onBug: (error) => { throw error } })
  readonly #hub: EventHub
  readonly #watches = new Map<string, NodeWatch>()
  readonly #extra = new Map<string, NodePlacement & { proxy: string | undefined }>()
  readonly #listeners = new Map<string, WorldListener>()
  readonly #ports = new Map<string, number>()
  readonly #streams = new Set<OpenStream>()
  readonly #circuits = new Map<string, CircuitInspection>()
  readonly #names = new Map<string, readonly string[]>()
  readonly #reverse = new Map<string, string>()
  readonly #questions: { name: string; type: string; from: string }[] = []
  readonly #documents = signedConsensus()
  #nextId = 1

  static async create(): Promise<FakeNetwork> {
    const made = new FakeNetwork(await claimAddressBlock())
    for (const node of made.network.nodes) if (node.role === 'client') await made.#serve(node.name)
    return made
  }

  private constructor(block: AddressBlock) {
    this.#block = block
    this.network = loadNetworkText(text, '/nowhere/fake.yaml', {}).network
    const startMs = performance.now()
    const after = (ms: number, callback: () => void): (() => void) => {
      const timer = setTimeout(callback, ms)
      return () => clearTimeout(timer)
    }
    this.clock = { now: () => performance.now() - startMs, sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)), after, wallNow: () => Date.now() }
    this.#hub = new EventHub(after)
    this.observer = this.#host.network
    this.placement = {
      network: this.network,
      observerHost: block.observerHost,
      observerHost6: undefined,
      nameServer: undefined,
      distinctAddresses: true,
      nodes: this.network.nodes.map((node) => this.#place(node)),
    }
    for (const node of this.network.nodes) this.#watch(node.name)
    this.nameServer = {
      setAddresses: (name, addresses) => void this.#names.set(name, addresses),
      setAnswer: () => undefined,
      setName: (address, name) => void this.#reverse.set(address, name),
      questions: this.#questions,
    }
  }

  #place(node: ResolvedNode): NodePlacement {
    const isClient = node.role === 'client'
    return { node, host: this.#block.nodeHost(node.index), host6: undefined, orPort: isClient ? undefined : 5000, orPort6: undefined, dirPort: undefined, socksPort: isClient ? 0 : undefined, controlPort: undefined, dataDirectory: '/nowhere' }
  }

  #watch(name: string): void {
    const watch = new NodeWatch(name, () => this.clock.now())
    watch.started(undefined)
    watch.handle({ kind: 'stage', stage: 'ready' })
    this.#watches.set(name, watch)
  }

  async #serve(name: string): Promise<void> {
    const listener = await listenStreams(this.observer, this.placementOf(name).host, (stream) => this.#socks(name, stream))
    this.#listeners.set(name, listener)
    this.#ports.set(name, listener.address.port)
  }

  async #socks(client: string, stream: WorldStream): Promise<void> {
    const handshake = new SocksServerHandshake()
    for (;;) {
      const chunk = await stream.read()
      if (chunk === undefined) return
      // BIND, answered as if it worked.
      if (this.misbehaviour.acceptBind === true && chunk[0] === 5 && chunk[1] === 2 && chunk.length > 4) {
        await stream.write(emitReply(5, SocksStatus.SUCCEEDED))
        continue
      }
      const step = handshake.handle(chunk)
      if (step.reply.length > 0) await stream.write(step.reply)
      if (step.kind === 'refused') stream.end()
      if (step.kind !== 'request') continue
      stream.unread(step.early)
      await this.#request(client, stream, step.request)
      return
    }
  }

  async #request(client: string, stream: WorldStream, request: SocksRequest): Promise<void> {
    const refuse = async (status: SocksStatus): Promise<void> => {
      await stream.write(emitFailure(request, status, false))
      stream.end()
    }
    const exit = this.misbehaviour.leaveFromClient === true ? client : 'exit1'
    const asker = this.placementOf(this.misbehaviour.resolveAtClient === true ? client : 'exit1').host
    if (request.command === SocksCommand.RESOLVE_PTR) {
      this.#questions.push({ name: request.host, type: 'PTR', from: asker })
      const name = this.#reverse.get(request.host)
      if (name === undefined) return refuse(SocksStatus.HOST_UNREACHABLE)
      await stream.write(emitReply(request.version, SocksStatus.SUCCEEDED, { kind: 'name', host: name }))
      return stream.end()
    }
    let host = request.host
    if (request.hostKind === 'name') {
      this.#questions.push({ name: request.host, type: 'A', from: asker })
      const address = this.#names.get(request.host)?.[0] ?? (this.misbehaviour.inventNames === true ? '192.0.2.99' : undefined)
      if (address === undefined) return refuse(SocksStatus.HOST_UNREACHABLE)
      host = address
    }
    if (request.command === SocksCommand.RESOLVE) {
      await stream.write(emitReply(request.version, SocksStatus.SUCCEEDED, { kind: 'address', host }))
      return stream.end()
    }
    if (request.port === 25 && this.misbehaviour.openPolicy !== true) return refuse(this.misbehaviour.policyReply ?? SocksStatus.NOT_ALLOWED)
    if (request.port === 25) {
      await stream.write(emitReply(request.version, SocksStatus.SUCCEEDED))
      return
    }
    const server = await dialStream(this.observer, { host, port: request.port }, this.placementOf(exit).host, 5000)
    const open = this.#open(client, request)
    await stream.write(emitReply(request.version, SocksStatus.SUCCEEDED))
    await Promise.all([pipe(stream, server, (chunk) => this.#outbound(client, chunk)), pipe(server, stream, this.#inbound())])
    this.#streams.delete(open)
  }

  #open(client: string, request: SocksRequest): OpenStream {
    const isolation = this.misbehaviour.noIsolation === true ? '' : JSON.stringify(request.credentials, (_key, value: unknown) => (value instanceof Uint8Array ? [...value] : value))
    const names = this.misbehaviour.path ?? ['auth1', 'middle1', 'exit1']
    const key = `${client} ${names.join()} ${isolation}`
    const guard = this.placementOf(names[0] ?? 'auth1')
    const id = this.#nextId++
    const circuit: CircuitInspection = this.#circuits.get(key) ?? {
      id,
      role: 'origin',
      state: 'open',
      path: names.map((name) => fingerprintOf(name)),
      next: { channel: 1, circuitId: id, remote: { host: guard.host, port: 5000 }, fingerprint: fingerprintOf(guard.node.name) },
      streams: [],
      ageMs: 1,
      queuedCells: 0,
    }
    this.#circuits.set(key, circuit)
    const open = { client, circuit, target: `${request.host}:${request.port}` }
    this.#streams.add(open)
    return open
  }

  async #outbound(client: string, chunk: Uint8Array): Promise<Uint8Array> {
    const { proxy } = this.#extra.get(client) ?? {}
    if (proxy !== undefined) await this.#link(proxy, this.misbehaviour.plainLinks === true ? chunk : new Uint8Array(chunk.length))
    return chunk
  }

  /** What the link of an added client would carry: a ClientHello, then bytes, through its proxy. */
  async #link(proxy: string, bytes: Uint8Array): Promise<void> {
    const [host = '', port = ''] = proxy.split(':')
    const sink = await listenStreams(this.observer, this.placement.observerHost, async (stream) => {
      while ((await stream.read()) !== undefined);
      stream.end()
    })
    const link = await dialStream(this.observer, { host, port: Number(port) }, undefined, 5000)
    await link.write(new TextEncoder().encode(`CONNECT ${sink.address.host}:${sink.address.port} HTTP/1.1\r\n\r\n`))
    await link.read()
    await link.write(Uint8Array.of(22, 3, 1, 0, 5, 1, 0, 0, 1, 0))
    await link.write(bytes.slice())
    link.end()
    // The proxy has recorded everything once it has passed the end on.
    await link.read()
    sink.close()
  }

  #inbound(): (chunk: Uint8Array) => Uint8Array {
    let passed = 0
    return (chunk) => {
      const { corrupt, dropAfter } = this.misbehaviour
      const before = passed
      passed += chunk.length
      const out = chunk.slice()
      if (corrupt === true) out[0] = (out[0] ?? 0) ^ 1
      if (dropAfter !== undefined && before <= dropAfter && passed > dropAfter) return out.subarray(0, out.length - 1)
      return out
    }
  }

  start(): Promise<void> {
    return Promise.resolve()
  }
  stop(): Promise<void> {
    return Promise.resolve()
  }
  kill(): Promise<void> {
    return Promise.resolve()
  }

  async addNode(extra: ExtraNode): Promise<NodePlacement> {
    const index = this.network.nodes.length + this.#extra.size
    const node: ResolvedNode = { name: extra.name, index, group: 'extra', role: 'client', implementation: 'relish', tor: undefined, core: undefined, phase: 1, family: undefined, ipv6: false, region: undefined, torrc: extra.torrc }
    this.#extra.set(extra.name, { ...this.#place(node), proxy: /^HTTPSProxy (.*)$/.exec(extra.torrc[0] ?? '')?.[1] })
    this.#watch(extra.name)
    await this.#serve(extra.name)
    return this.placementOf(extra.name)
  }

  removeNode(name: string): Promise<void> {
    this.#listeners.get(name)?.close()
    this.#extra.delete(name)
    return Promise.resolve()
  }

  setOptions(name: string): Promise<void> {
    return Promise.reject(new RelishError('unavailable', `${name} is no real node: it has no options`))
  }

  files(name: string): FileStore {
    throw new RelishError('unavailable', `${name} is no real node: it has no files`)
  }

  nodes(): readonly ResolvedNode[] {
    return [...this.network.nodes, ...[...this.#extra.values()].map((placed) => placed.node)]
  }

  placementOf(name: string): NodePlacement {
    const placed = this.placement.nodes.find((one) => one.node.name === name) ?? this.#extra.get(name)
    if (placed === undefined) throw new RelishError('config', `there is no node ${name}`)
    const socksPort = this.#ports.get(name)
    return socksPort === undefined ? placed : { ...placed, socksPort }
  }

  status(name: string): NodeStatus {
    const watch = this.#watches.get(name)
    if (watch === undefined) throw new RelishError('config', `there is no node ${name}`)
    return watch.status()
  }

  command(name: string, command: NodeCommand): Promise<unknown> {
    if (command.command === 'inspect') return this.inspect(name)
    if (command.command === 'document' && command.name === 'consensus-microdesc') return Promise.resolve(this.#documents.text)
    if (command.command === 'document' && command.name === 'certificates') return Promise.resolve(this.#documents.certificates)
    return Promise.reject(new RelishError('refused', 'a fake network does not do that'))
  }

  inspect(name: string): Promise<NodeInspection> {
    const { node } = this.placementOf(name)
    const isRelay = node.role !== 'client'
    return Promise.resolve({
      nickname: name,
      version: 'fake',
      roles: [node.role],
      ...(isRelay ? { fingerprint: fingerprintOf(name) } : {}),
      stage: 'ready',
      bootstrap: { progress: 100, tag: 'done', summary: 'Done' },
      listeners: [],
      consensus: [this.#consensus(name, 'microdesc')],
      descriptors: { wanted: 0, held: 0 },
      guards: [],
      channels: [],
      circuits: isRelay ? this.#relayCircuits(name) : this.#originCircuits(name),
      warnings: [],
    })
  }

  #consensus(holder: string, flavour: ConsensusInspection['flavour']): ConsensusInspection {
    return {
      flavour,
      validAfter: 1_800_000_000_000,
      freshUntil: 1_800_000_300_000,
      validUntil: 1_800_000_900_000,
      digest: this.misbehaviour.otherConsensusAt === holder ? 'FF' : 'AA',
      method: 34,
      relays: this.network.nodes.filter((node) => node.role !== 'client').map((node) => ({
        nickname: node.name,
        fingerprint: fingerprintOf(node.name),
        address: this.placementOf(node.name).host,
        orPort: 5000,
        flags: node.role === 'exit' ? ['Exit', 'Running'] : ['Running'],
      })),
      signers: ['auth1', 'auth2', 'auth3'].slice(this.misbehaviour.unsigned ?? 0),
    }
  }

  #originCircuits(client: string): CircuitInspection[] {
    const open = [...this.#streams].filter((stream) => stream.client === client)
    return [...new Set(open.map((stream) => stream.circuit))].map((circuit) => ({
      ...circuit,
      streams: open.filter((stream) => stream.circuit === circuit).map((stream) => ({ streamId: 1, state: 'open', target: stream.target, bytesRead: 0, bytesWritten: 0 })),
    }))
  }

  /** The circuit as a relay of its path sees it: the guard by the client's id, each next one by the id after it. */
  #relayCircuits(relay: string): CircuitInspection[] {
    return [...this.#streams].flatMap(({ circuit, client, target }) => {
      const path = circuit.path ?? []
      const at = path.indexOf(fingerprintOf(relay))
      if (at < 0) return []
      const nodeAt = (index: number): string | undefined => this.network.nodes.find((node) => fingerprintOf(node.name) === path[index])?.name
      const before = nodeAt(at - 1)
      const next = nodeAt(at + 1)
      const showsTarget = next === undefined || (at === 0 && this.misbehaviour.guardSeesTarget === true)
      const showsClient = before === undefined || (next === undefined && this.misbehaviour.exitSeesClient === true)
      const previousHost = this.placementOf(showsClient ? client : (before ?? client)).host
      return [
        {
          id: circuit.id,
          role: 'relay' as const,
          state: 'open' as const,
          previous: { channel: 1, circuitId: circuit.id + at * 1000, remote: { host: previousHost, port: 1 }, ...(before === undefined ? {} : { fingerprint: fingerprintOf(before) }) },
          ...(next === undefined ? {} : { next: { channel: 2, circuitId: circuit.id + (at + 1) * 1000, remote: { host: this.placementOf(next).host, port: 5000 }, fingerprint: fingerprintOf(next) } }),
          streams: showsTarget ? [{ streamId: 1, state: 'open', target, bytesRead: 0, bytesWritten: 0 }] : [],
          ageMs: 1,
          queuedCells: 0,
        },
      ]
    })
  }

  onEvent(listener: (record: NodeEventRecord) => void): () => void {
    return this.#hub.onEvent(listener)
  }

  waitFor(words: string, condition: () => boolean, timeoutMs: number): Promise<void> {
    return this.#hub.waitFor(words, condition, timeoutMs)
  }

  nodeAt(address: SocketAddress): string | undefined {
    return this.nodes().find((node) => this.placementOf(node.name).host === address.host)?.name
  }

  versionOf(): string {
    return 'relish'
  }

  torrcOf(): string {
    return 'EnforceDistinctSubnets 1\n'
  }

  async close(): Promise<void> {
    for (const listener of this.#listeners.values()) listener.close()
    this.#host.close()
    await this.#block.release()
  }
}

async function pipe(from: WorldStream, to: WorldStream, change: (chunk: Uint8Array) => Uint8Array | Promise<Uint8Array>): Promise<void> {
  try {
    for (;;) {
      const chunk = await from.read()
      if (chunk === undefined) break
      await to.write(await change(chunk))
    }
    to.end()
  } catch {
    from.destroy()
    to.destroy()
  }
}

const fingerprintOf = (name: string): string => Buffer.from(name.padEnd(20, '.')).toString('hex').toUpperCase()

/** A real consensus of nobody, signed by three authorities made for it. */
function signedConsensus(): { text: string; certificates: string } {
  const now = wallMs(Math.floor(Date.now() / 1000) * 1000)
  const key = (): RsaPrivateKey => new RsaPrivateKey(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)
  const authorities = [0, 1, 2].map(() => {
    const signingKey = key()
    return { signingKey, certificate: signAuthorityCertificate({ published: now, expires: later(now, seconds(3600)) }, key(), signingKey) }
  })
  const unsigned = emitUnsignedConsensus({
    flavour: 'microdesc',
    consensusMethod: 34,
    validAfter: now,
    freshUntil: later(now, seconds(300)),
    validUntil: later(now, seconds(900)),
    votingDelay: { voteSec: 20, distSec: 20 },
    clientVersions: [],
    serverVersions: [],
    knownFlags: ['Running'],
    params: new Map(),
    sources: authorities.map(({ certificate }, index) => ({
      nickname: `auth${index + 1}`,
      identity: certificate.identity,
      identityFingerprint: certificate.identityFingerprint,
      hostname: '127.0.0.1',
      address: '127.0.0.1',
      dirPort: 80,
      orPort: 443,
      contact: 'x',
      voteDigest: new Uint8Array(20),
    })),
    relays: [],
    bandwidthWeights: new Map(),
  })
  const signatures = authorities.map(({ certificate, signingKey }) => signConsensus(unsigned, 'microdesc', certificate.identityFingerprint, signingKey))
  return { text: assembleConsensus(unsigned, signatures), certificates: authorities.map(({ certificate }) => certificate.text).join('') }
}
