/**
 * The client: listeners for applications, their streams, and the circuits for them. It is told of the network through a
 * `NetworkView` and builds through `OriginCircuits`; it owns neither.
 */

import type { RelishError } from '../core/base/errors.ts'
import { durationMs, later, seconds, type MonotonicMs } from '../core/base/time.ts'
import { torVersion } from '../core/base/version.ts'
import { formatAddressPort } from '../core/ident/address.ts'
import { ExitPolicy } from '../core/netdoc/exit-policy.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { PortSpec } from '../core/torrc/port-spec.ts'
import type { CircuitExplanation, NodeEvent } from '../runtime/events.ts'
import type { ByteStream, Listener, ListenHandlers, Runtime, SocketAddress, Timer } from '../runtime/index.ts'
import { ApplicationConnection } from './application-connection.ts'
import type { ProtocolRequest } from './application-protocol.ts'
import { ApplicationStream } from './application-stream.ts'
import type { BootstrapStatus } from './bootstrap-status.ts'
import { ClientCircuits } from './client-circuits.ts'
import { applicationConnectionsMax } from './client-limits.ts'
import { prepareRequest } from './client-request.ts'
import { HttpTunnelProtocol } from './http-tunnel-protocol.ts'
import type { NetworkView } from './network-view.ts'
import type { OriginCircuits } from './origin-circuit.ts'
import { SocksProtocol } from './socks-protocol.ts'

export interface ClientParts {
  readonly runtime: Runtime
  readonly options: TorOptions
  readonly circuits: OriginCircuits
  readonly view: NetworkView
  readonly bootstrap: BootstrapStatus
  readonly onEvent: (event: NodeEvent) => void
  /** Called once, when the first circuit was built: the node works as a client. */
  readonly onFirstCircuit: () => void
  /** Why an attempt at a first circuit came to nothing. */
  readonly onNoCircuit: (words: string) => void
  /** A listener could not be bound. C tor does not start then. */
  readonly onListenError: (error: RelishError) => void
}

/** NEWNYM is obeyed at most so often: C tor's MAX_SIGNEWNYM_RATE. */
const newNymInterval = seconds(10)
/** C tor's SOCKS_WARN_INTERVAL. */
const leakWarningInterval = seconds(5)

/** A listener, and what its line says now: flags may change while it stays open. */
interface OpenListener {
  readonly listener: Listener
  readonly name: string
  readonly use: PortUse
  spec: PortSpec
}

type PortUse = 'SocksPort' | 'HTTPTunnelPort'

export class Client {
  readonly #circuits: ClientCircuits
  #parts: ClientParts
  #socksPolicy: ExitPolicy
  /** By where they listen. */
  readonly #listeners = new Map<string, OpenListener>()
  #listenersMade = 0
  readonly #connections = new Set<ApplicationConnection>()
  #nymEpoch = 0
  #lastNewNym: MonotonicMs | undefined
  #newNymTimer: Timer | undefined
  #nextLeakWarning: MonotonicMs | undefined
  #nextLimitWarning: MonotonicMs | undefined
  #stopped = false

  /** Throws `config` for a SocksPolicy that cannot be read. */
  constructor(parts: ClientParts) {
    this.#parts = parts
    const { runtime, options, view, circuits, bootstrap, onFirstCircuit, onNoCircuit } = parts
    this.#circuits = new ClientCircuits({ runtime, options, view, circuits, bootstrap, onFirstCircuit, onNoCircuit })
    this.#socksPolicy = ExitPolicy.parse(options.SocksPolicy.join(','))
  }

  /** Opens the listeners. Circuits follow as soon as the view of the network is good enough. */
  start(): void {
    for (const { spec, use } of portsOf(this.#parts.options)) this.#listen(spec, use)
  }

  /**
   * Takes over changed options, after the view has: listeners come and go, streams stay, and new streams get circuits built by
   * the new rules. Throws `config` as the constructor does, with nothing changed.
   */
  reconfigure(options: TorOptions): void {
    this.#socksPolicy = ExitPolicy.parse(options.SocksPolicy.join(','))
    const pathsChanged = pathOptions.some((name) => JSON.stringify(options[name]) !== JSON.stringify(this.#parts.options[name]))
    this.#parts = { ...this.#parts, options }
    this.#circuits.reconfigure(options, pathsChanged)
    const ports = portsOf(options)
    const wanted = new Set(ports.map(({ spec, use }) => placeOf(spec, use)))
    for (const [place, open] of this.#listeners) {
      if (wanted.has(place)) continue
      open.listener.close()
      this.#listeners.delete(place)
    }
    for (const { spec, use } of ports) {
      const open = this.#listeners.get(placeOf(spec, use))
      if (open === undefined) this.#listen(spec, use)
      else open.spec = spec
    }
  }

  /** Circuits, for parts of the node that need one of their own. */
  get circuits(): ClientCircuits {
    return this.#circuits
  }

  get hasCircuit(): boolean {
    return this.#circuits.hasBuilt
  }

  /** From now on streams go to circuits that no stream has used so far (control-spec §3.7, NEWNYM). */
  newNym(): void {
    const { runtime } = this.#parts
    const now = runtime.monotonicNow()
    const due = this.#lastNewNym === undefined ? now : later(this.#lastNewNym, newNymInterval)
    if (now < due) {
      runtime.log.write('notice', 'control', `Rate limiting NEWNYM request: delaying by ${Math.ceil((due - now) / 1000)} second(s)`)
      this.#newNymTimer ??= runtime.setTimer(durationMs(due - now), () => {
        this.#newNymTimer = undefined
        this.newNym()
      })
      return
    }
    this.#lastNewNym = now
    this.#nymEpoch++
    this.#circuits.retireAll()
  }

  explainCircuit(id: number): CircuitExplanation {
    return this.#circuits.explain(id)
  }

  /** Builds one circuit through these relays, by fingerprint. No stream is put on it. */
  buildCircuit(path: readonly string[], onDone: (result: { readonly id: number } | RelishError) => void): void {
    this.#circuits.buildFixed(path, onDone)
  }

  /** Paths as they would be chosen now for streams to this port, by fingerprint. */
  choosePaths(port: number, count: number): readonly (readonly string[])[] {
    return this.#circuits.choosePaths(port, count)
  }

  stop(): void {
    this.#stopped = true
    this.#newNymTimer?.cancel()
    for (const { listener } of this.#listeners.values()) listener.close()
    for (const connection of [...this.#connections]) connection.destroy()
    this.#circuits.stop()
  }

  #listen(spec: PortSpec, use: PortUse): void {
    const { runtime, onEvent, onListenError } = this.#parts
    const place = placeOf(spec, use)
    const handlers: ListenHandlers<ByteStream> = {
      onListening: (address) => {
        runtime.log.write('notice', 'net', `Opened ${use === 'SocksPort' ? 'Socks' : 'HTTP tunnel'} listener connection on ${describe(spec, address)}`)
        if (use === 'SocksPort') onEvent({ kind: 'listening', listener: 'socks', address })
      },
      onConnection: (stream) => {
        const open = this.#listeners.get(place)
        if (open === undefined) refuse(stream)
        else this.#accept(stream, open)
      },
      onError: (error) => onListenError(error.within(`${use} ${describe(spec, undefined)}`)),
    }
    const listener = spec.unixPath === undefined ? runtime.network.listen({ host: spec.host ?? '127.0.0.1', port: spec.port }, handlers) : runtime.network.listenUnix(spec.unixPath, handlers)
    this.#listeners.set(place, { listener, name: `listener ${this.#listenersMade++}`, use, spec })
  }

  #accept(stream: ByteStream, open: OpenListener): void {
    const { runtime, options, view } = this.#parts
    const { spec, use, name: listener } = open
    if (this.#stopped || !this.#mayConnect(stream.remote, spec)) {
      refuse(stream)
      return
    }
    const connection: ApplicationConnection = new ApplicationConnection({
      runtime,
      stream,
      protocol: use === 'SocksPort' ? new SocksProtocol(spec.streams) : new HttpTunnelProtocol(torVersion),
      socksTimeoutMs: options.SocksTimeout,
      prepare: (raw) => {
        if (raw.kind === 'connect') this.#warnPlaintext(raw.port)
        return prepareRequest(raw, { options, flags: spec.streams, listener, nymEpoch: this.#nymEpoch, netDir: view.netDir })
      },
      open: (request, side) =>
        new ApplicationStream(
          {
            runtime,
            circuits: this.#circuits,
            socksTimeoutMs: options.SocksTimeout,
            attemptTimeoutMs: options.CircuitStreamTimeout,
            rejectPrivateAnswers: options.ClientDNSRejectInternalAddresses,
          },
          request,
          side,
        ),
      checkLeak: (request) => this.#checkLeak(request),
      onGone: () => this.#connections.delete(connection),
    })
    this.#connections.add(connection)
    connection.start()
  }

  #mayConnect(remote: SocketAddress, spec: PortSpec): boolean {
    const { runtime } = this.#parts
    if (this.#connections.size >= applicationConnectionsMax) {
      const now = runtime.monotonicNow()
      if (this.#nextLimitWarning === undefined || now >= this.#nextLimitWarning) {
        this.#nextLimitWarning = later(now, leakWarningInterval)
        runtime.log.write('warn', 'app', `There are ${applicationConnectionsMax} connections of applications: no more are taken`)
      }
      return false
    }
    if (spec.unixPath !== undefined || this.#socksPolicy.allows(remote.host, remote.port)) return true
    runtime.log.write('notice', 'app', `Denying socks connection from untrusted address ${remote.host}.`)
    return false
  }

  #warnPlaintext(port: number): void {
    const { runtime, options } = this.#parts
    if (!options.WarnPlaintextPorts.includes(port)) return
    runtime.log.write('warn', 'app', `Application request to port ${port}: this port is commonly used for unencrypted protocols. Please make sure you don't send anything you would mind the rest of the Internet reading!`)
  }

  /** An application that gives an address may have asked a name server for it, in the clear. */
  #checkLeak(request: ProtocolRequest): boolean {
    const { runtime, options } = this.#parts
    const always = options.SafeSocks || options.TestSocks
    if (request.protocol === 'http-connect') return true
    if (!request.numeric || request.kind === 'resolve-ptr') {
      if (options.TestSocks) {
        runtime.log.write('notice', 'app', `Your application (using ${request.protocol} to port ${request.port}) instructed Tor to take care of the DNS resolution itself if necessary. This is good.`)
      }
      return true
    }
    const now = runtime.monotonicNow()
    if (always || this.#nextLeakWarning === undefined || now >= this.#nextLeakWarning) {
      this.#nextLeakWarning = later(now, leakWarningInterval)
      const words = `Your application (using ${request.protocol} to port ${request.port}) is giving Tor only an IP address. Applications that do DNS resolves themselves may leak information. Consider using Socks4A (e.g. via privoxy or socat) instead.`
      runtime.log.write('warn', 'app', options.SafeSocks ? `${words} Rejecting.` : words)
    }
    return !options.SafeSocks
  }
}

/** Options by whose old values circuits should not be used any more. */
const pathOptions = [
  'EntryNodes', 'ExitNodes', 'MiddleNodes', 'ExcludeNodes', 'ExcludeExitNodes', 'StrictNodes', 'NodeFamily', 'EnforceDistinctSubnets', 'UseEntryGuards', 'LongLivedPorts',
] as const satisfies readonly (keyof TorOptions)[]

const portsOf = (options: Pick<TorOptions, PortUse>): { spec: PortSpec; use: PortUse }[] =>
  (['SocksPort', 'HTTPTunnelPort'] as const).flatMap((use) => options[use].map((spec) => ({ spec, use })))

const placeOf = (spec: PortSpec, use: PortUse): string => `${use} ${spec.unixPath ?? `${spec.host ?? ''} ${spec.auto ? 'auto' : spec.port}`}`

/** Closes a connection that nobody takes. */
function refuse(stream: ByteStream): void {
  stream.start({ onData: () => undefined, onEnd: () => undefined, onDrain: () => undefined, onClose: () => undefined })
  stream.destroy()
}

const describe = (spec: PortSpec, address: SocketAddress | undefined): string =>
  spec.unixPath ?? formatAddressPort(address ?? { host: spec.host ?? '127.0.0.1', port: spec.port })
