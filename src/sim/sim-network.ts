/**
 * The wires and sockets that all machines of a simulation share.
 *
 * Addresses: a machine owns those it was given. Loopback addresses that nobody owns are common ground, as for processes
 * on one computer: any machine may listen there and every machine reaches it. Other unknown addresses have no route.
 */

import { crc32 } from 'node:zlib'
import { canonicalIp, formatAddressPort, isIpv6 } from '../core/ident/address.ts'
import { RelishError } from '../core/base/errors.ts'
import type { Rng } from '../core/base/rng.ts'
import type {
  ByteStream,
  DialHandlers,
  DialOptions,
  ListenHandlers,
  Listener,
  Network,
  SecureByteStream,
  SocketAddress,
  TlsIdentity,
} from '../runtime/index.ts'
import type { EventQueue } from './event-queue.ts'
import { simLimits } from './limits.ts'
import type { LinkEnd, LinkModel } from './link-model.ts'
import { SimLink } from './sim-link.ts'
import { SimStream, type ProgramGuard } from './sim-stream.ts'
import type { TraceRecorder } from './trace-recorder.ts'

/** A machine as the network sees it. */
export interface NetworkMachine extends LinkEnd {
  readonly addresses: readonly string[]
}

/** A running program on a machine: sockets belong to it and close with it. */
export interface NetworkProgram extends ProgramGuard {
  readonly machine: NetworkMachine
  readonly streams: Set<SimStream>
  readonly listeners: Set<SimListener>
}

interface SimListener {
  readonly program: NetworkProgram
  readonly address: SocketAddress
  readonly identity: (() => TlsIdentity) | undefined
  readonly onConnection: (stream: SimStream) => void
}

export interface SimNetworkOptions {
  readonly queue: EventQueue
  readonly links: LinkModel
  /** Randomness of the network for a named purpose. */
  readonly rng: (purpose: string) => Rng
  readonly trace: TraceRecorder
  /** Undefined if no such machine. */
  readonly owner: (host: string) => NetworkMachine | undefined
}

export class SimNetwork {
  readonly #options: SimNetworkOptions
  /** By `host port`; wildcards by `machine * port` and `machine :: port`; Unix sockets by `machine path`. */
  readonly #listeners = new Map<string, SimListener>()
  readonly #links = new Map<string, SimLink>()
  readonly #nextPort = new Map<string, number>()
  readonly #connections = new Set<{ readonly ends: readonly [SimStream, SimStream]; readonly machines: readonly [string, string] }>()
  #connectionCount = 0
  #secureBytes = 0

  constructor(options: SimNetworkOptions) {
    this.#options = options
  }

  /** Bytes that were sent on secure connections, by both ends. */
  get secureBytes(): number {
    return this.#secureBytes
  }

  /** The link from one machine to another, made at its first use. */
  link(from: NetworkMachine, to: NetworkMachine): SimLink {
    const key = `${from.name} ${to.name}`
    const known = this.#links.get(key)
    if (known !== undefined) return known
    const made = new SimLink(this.#options.links(from, to), this.#options.rng(`link ${key}`))
    this.#links.set(key, made)
    return made
  }

  /** Breaks every connection between two machines, in the order in which they were made. */
  breakConnections(a: string, b: string): void {
    for (const { ends, machines } of [...this.#connections]) {
      if ((machines[0] === a && machines[1] === b) || (machines[0] === b && machines[1] === a)) ends[0].break()
    }
  }

  forProgram(program: NetworkProgram): Network {
    return {
      dial: (options, handlers) => this.#dial(program, options, handlers, false),
      dialSecure: (options, handlers) => this.#dial(program, options, handlers, true),
      listen: (address, handlers) => this.#listen(program, address, undefined, handlers),
      listenSecure: (address, identity, handlers) => this.#listen(program, address, identity, handlers),
      listenUnix: (path, handlers) => this.#listenUnix(program, path, handlers),
    }
  }

  /** Everything the program holds is closed, as a kernel does when a process ends. */
  closeAll(program: NetworkProgram): void {
    for (const listener of [...program.listeners]) this.#unlisten(listener)
    for (const stream of [...program.streams]) stream.destroy()
  }

  #dial(program: NetworkProgram, options: DialOptions, handlers: DialHandlers<SecureByteStream>, secure: boolean): { cancel(): void } {
    const { queue } = this.#options
    const attempt = `connecting to ${formatAddressPort(options.target)}`
    let settled = false
    const settle = (): boolean => {
      const first = !settled
      settled = true
      timeout.cancel()
      return first
    }
    const fail = (error: RelishError): void => {
      if (settle()) program.run(() => handlers.onError(error.within(attempt)))
    }
    const timeout = queue.schedule(options.timeout * 1000, () => fail(new RelishError('timeout', `no answer within ${options.timeout} ms`)))
    /** The socket that the program would get: connected already, as far as the listener knows. */
    let underWay: SimStream | undefined
    const cancel = {
      cancel: () => {
        if (settle()) underWay?.destroy()
      },
    }

    const target = canonicalIp(options.target.host)
    const localHost = this.#localHost(program.machine, target, options)
    if (target === undefined || localHost === undefined || options.httpsProxy !== undefined) {
      const words =
        target === undefined ? 'not an IP address' : localHost === undefined ? 'no such local address of that family' : 'the simulation has no HTTP proxies'
      queue.schedule(0, () => fail(new RelishError('local-io', words)))
      return cancel
    }
    const to = this.#destination(program.machine, target, options.target.port)
    if (to === undefined) {
      queue.schedule(0, () => fail(new RelishError('local-io', 'no route to host')))
      return cancel
    }
    const out = this.link(program.machine, to.machine)
    const back = this.link(to.machine, program.machine)
    // Without an answer, only the time-out ends the attempt.
    if (out.losesDial() || back.isDown) return cancel
    const outUs = out.travelUs()
    const backUs = back.travelUs()
    queue.schedule(outUs, () => {
      if (settled) return
      const listener = this.#destination(program.machine, target, options.target.port)?.listener
      if (listener === undefined) {
        queue.schedule(backUs, () => fail(new RelishError('refused', 'connection refused')))
        return
      }
      if ((listener.identity !== undefined) !== secure) {
        // One side speaks TLS and the other does not.
        queue.schedule(backUs, () => fail(new RelishError('protocol', 'the peer does not speak TLS')))
        return
      }
      const local = { host: localHost, port: this.#ephemeralPort(localHost) }
      const [near, far] = this.#connect(program, listener, local, { host: target, port: options.target.port }, out, back)
      underWay = near
      near.isHeld = true
      // TCP takes one round trip and TLS another before the initiator may write; the listener is half a trip behind.
      const handshakeUs = secure ? outUs + 2 * backUs : backUs
      queue.schedule(handshakeUs, () => {
        if (settle()) program.run(() => handlers.onConnect(near))
        else near.destroy()
      })
      queue.schedule(secure ? handshakeUs + outUs : 0, () =>
        listener.program.run(() => {
          far.isHeld = true
          listener.onConnection(far)
        }),
      )
    })
    return cancel
  }

  #connect(program: NetworkProgram, listener: SimListener, local: SocketAddress, remote: SocketAddress, out: SimLink, back: SimLink): readonly [SimStream, SimStream] {
    const { queue, trace, rng } = this.#options
    const connection = ++this.#connectionCount
    const identity = listener.identity?.()
    const shared = {
      queue,
      exporterSecret: identity === undefined ? undefined : rng('exporters').bytes(32),
      segmentBytesMax: identity === undefined ? simLimits.plainSegmentBytesMax : simLimits.secureSegmentBytesMax,
    }
    const near: SimStream = new SimStream({
      ...shared,
      guard: program,
      link: out,
      local,
      remote,
      localCertificate: undefined,
      peerCertificate: identity?.certificateDer,
      onTraffic: this.#recorder(program.machine.name, connection, 'out', identity !== undefined),
      onClosed: (stream) => {
        program.streams.delete(stream)
        this.#connections.delete(entry)
      },
    })
    const far: SimStream = new SimStream({
      ...shared,
      guard: listener.program,
      link: back,
      local: remote,
      remote: local,
      localCertificate: identity?.certificateDer,
      peerCertificate: undefined,
      onTraffic: this.#recorder(listener.program.machine.name, connection, 'back', identity !== undefined),
      onClosed: (stream) => listener.program.streams.delete(stream),
    })
    SimStream.join(near, far)
    const entry = { ends: [near, far], machines: [program.machine.name, listener.program.machine.name] } as const
    this.#connections.add(entry)
    program.streams.add(near)
    listener.program.streams.add(far)
    trace.record(program.machine.name, { event: 'net.connect', connection, from: formatAddressPort(local), to: formatAddressPort(remote), secure: identity !== undefined })
    return [near, far]
  }

  #recorder(machine: string, connection: number, direction: 'out' | 'back', secure: boolean): (what: 'segment' | 'end' | 'reset', bytes: Uint8Array | undefined) => void {
    const { trace } = this.#options
    return (what, bytes) => {
      if (bytes === undefined) {
        trace.record(machine, { event: `net.${what}`, connection, direction })
        return
      }
      if (secure) this.#secureBytes += bytes.length
      trace.recordSegment(machine, { bytes: bytes.length, connection, crc32: crc32(bytes), direction })
    }
  }

  #listen(program: NetworkProgram, address: SocketAddress, identity: (() => TlsIdentity) | undefined, handlers: ListenHandlers<SecureByteStream>): Listener {
    const host = canonicalIp(address.host)
    const owner = host === undefined ? undefined : this.#options.owner(host)
    if (host === undefined || (!isWildcard(host) && !isLoopback(host) && owner !== program.machine)) {
      return this.#failedListener(program, handlers, address.host, 'no such local address')
    }
    const port = address.port === 0 ? this.#ephemeralPort(host) : address.port
    const key = isWildcard(host) ? wildcardKey(program.machine, host, port) : `${host} ${port}`
    return this.#register(key, { program, address: { host, port }, identity, onConnection: (stream) => handlers.onConnection(stream) }, handlers)
  }

  #listenUnix(program: NetworkProgram, path: string, handlers: ListenHandlers<ByteStream>): Listener {
    return this.#failedListener(program, handlers, path, 'the simulation has no Unix sockets', 'unavailable')
  }

  #register(key: string, listener: SimListener, handlers: { onListening(address: SocketAddress): void; onError(error: RelishError): void }): Listener {
    if (this.#listeners.has(key)) return this.#failedListener(listener.program, handlers, formatAddressPort(listener.address), 'address in use')
    this.#listeners.set(key, listener)
    listener.program.listeners.add(listener)
    this.#options.queue.schedule(0, () => {
      if (this.#listeners.get(key) === listener) listener.program.run(() => handlers.onListening(listener.address))
    })
    return { close: () => this.#unlisten(listener) }
  }

  #failedListener(program: NetworkProgram, handlers: { onError(error: RelishError): void }, where: string, words: string, kind: 'local-io' | 'unavailable' = 'local-io'): Listener {
    this.#options.queue.schedule(0, () => program.run(() => handlers.onError(new RelishError(kind, `listening on ${where}: ${words}`))))
    return { close: () => undefined }
  }

  #unlisten(listener: SimListener): void {
    listener.program.listeners.delete(listener)
    const { host, port } = listener.address
    const key = isWildcard(host) ? wildcardKey(listener.program.machine, host, port) : `${host} ${port}`
    if (this.#listeners.get(key) === listener) this.#listeners.delete(key)
  }

  /** Where a connection to `host` leads: the machine, and who listens there, if anybody does. Undefined: no route. */
  #destination(from: NetworkMachine, host: string, port: number): { machine: NetworkMachine; listener: SimListener | undefined } | undefined {
    const exact = this.#listeners.get(`${host} ${port}`)
    if (exact !== undefined) return { machine: exact.program.machine, listener: exact }
    const machine = this.#options.owner(host) ?? (isLoopback(host) ? from : undefined)
    if (machine === undefined) return undefined
    const any = isIpv6(host) ? '::' : '0.0.0.0'
    return { machine, listener: this.#listeners.get(wildcardKey(machine, any, port)) }
  }

  /** The address a dial comes from; undefined when the machine has none that fits. */
  #localHost(machine: NetworkMachine, target: string | undefined, options: DialOptions): string | undefined {
    if (target === undefined) return undefined
    const family = isIpv6(target)
    if (options.localHost !== undefined) {
      const asked = canonicalIp(options.localHost)
      if (asked === undefined || isIpv6(asked) !== family) return undefined
      return machine.addresses.includes(asked) || (isLoopback(asked) && this.#options.owner(asked) === undefined) ? asked : undefined
    }
    // As Linux chooses: 127.0.0.1 towards any loopback address.
    if (isLoopback(target)) return family ? '::1' : '127.0.0.1'
    return machine.addresses.find((address) => isIpv6(address) === family)
  }

  #ephemeralPort(host: string): number {
    const span = simLimits.ephemeralPortLast - simLimits.ephemeralPortFirst + 1
    const start = this.#nextPort.get(host) ?? 0
    for (let i = 0; i < span; i++) {
      const port = simLimits.ephemeralPortFirst + ((start + i) % span)
      if (this.#listeners.has(`${host} ${port}`)) continue
      this.#nextPort.set(host, (start + i + 1) % span)
      return port
    }
    throw new RelishError('limit', `no free port at ${host}`)
  }
}

export type { SimListener }

const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::'
const isLoopback = (host: string): boolean => host.startsWith('127.') || host === '::1'
const wildcardKey = (machine: LinkEnd, host: string, port: number): string => `${machine.name} ${host === '::' ? '::' : '*'} ${port}`
