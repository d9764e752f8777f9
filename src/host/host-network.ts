/**
 * Network on Node.js: TCP, TLS for links, Unix sockets.
 *
 * TLS is as tor-spec §2 has it for the v3 link handshake: the listener shows one self-signed certificate, the initiator
 * shows none and accepts any; who the peer is gets proven inside, by CERTS and AUTHENTICATE cells.
 */

import { connect, createServer, isIP, type Server, type Socket, type TcpNetConnectOpts } from 'node:net'
import { connect as connectTls, createSecureContext, TLSSocket, type SecureContext } from 'node:tls'
import { bytesToFill } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import { formatAddressPort } from '../core/ident/address.ts'
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
import { HostSecureStream, HostStream, type HostStreamContext } from './host-stream.ts'
import { askProxy } from './http-connect.ts'
import { makeReadBuffers, SocketReader } from './incoming-bytes.ts'
import { hostLimits } from './limits.ts'
import { makeWriteBuffers } from './outgoing-bytes.ts'
import { socketError } from './socket-errors.ts'
import { TurnQueue } from './turn-queue.ts'

/**
 * Nobody vouches for the certificates of links: without `ca`, OpenSSL would read the hundred and more that the public web
 * trusts, in every process. Both versions that C tor speaks, and only suites with forward secrecy. Our certificate has a P-256 key, C tor's an
 * RSA key, hence ECDSA and RSA suites of TLS 1.2; the names of TLS 1.3 come first.
 */
const tlsSettings = Object.freeze({
  ca: [] as string[],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  // C tor's listener asks for P-256 or, where built so, X25519.
  ecdhCurve: 'X25519:P-256',
} as const)

export interface HostNetworkOptions {
  readonly guard: (work: () => void) => void
  readonly inheritedListeners: ReadonlyMap<string, number>
}

export class HostNetwork implements Network {
  readonly #guard: (work: () => void) => void
  readonly #inherited: ReadonlyMap<string, number>
  readonly #context: HostStreamContext
  readonly #streams = new Set<HostStream>()
  readonly #servers = new Set<Server>()
  /** Where what dialled sockets bring is read to. */
  readonly #readSpace = bytesToFill(hostLimits.readChunkBytesMax)
  /** Of all links that we dial. */
  #dialling: SecureContext | undefined
  /** Sockets that are not streams yet: being dialled or in a handshake. */
  readonly #unfinished = new Set<Socket>()

  constructor(options: HostNetworkOptions) {
    this.#guard = options.guard
    this.#inherited = options.inheritedListeners
    this.#context = { turns: new TurnQueue(options.guard), readBuffers: makeReadBuffers(), writeBuffers: makeWriteBuffers(), guard: options.guard, onClosed: (stream) => this.#streams.delete(stream) }
  }

  dial(options: DialOptions, handlers: DialHandlers<ByteStream>): { cancel(): void } {
    return this.#dialSocket<ByteStream, HostStream, Socket>(options, handlers, {
      begin: (to) => connect(to),
      within: (tunnel) => tunnel,
      ready: 'connect',
      finish: (socket, reader) => new HostStream(socket, this.#context, { reader }),
    })
  }

  dialSecure(options: DialOptions, handlers: DialHandlers<SecureByteStream>): { cancel(): void } {
    const secure = (carrier: TcpNetConnectOpts | { readonly socket: Socket }): TLSSocket =>
      connectTls({
        secureContext: (this.#dialling ??= createSecureContext(tlsSettings)),
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
        // Not in the typings of these options, but heeded.
        ...{ allowHalfOpen: true },
        ...carrier,
      })
    return this.#dialSocket<SecureByteStream, HostSecureStream, TLSSocket>(options, handlers, {
      begin: (to) => secure(to).setNoDelay(true),
      within: (tunnel) => secure({ socket: tunnel }),
      ready: 'secureConnect',
      finish: (socket, reader) => new HostSecureStream(socket, this.#context, { reader }),
    })
  }

  listen(address: SocketAddress, handlers: ListenHandlers<ByteStream>): Listener {
    return this.#listenOn(address, handlers, (socket) => {
      this.#accept(new HostStream(socket, this.#context), handlers)
    })
  }

  listenSecure(address: SocketAddress, identity: () => TlsIdentity, handlers: ListenHandlers<SecureByteStream>): Listener {
    const contexts = new ContextCache()
    let handshakes = 0
    return this.#listenOn(address, handlers, (socket) => {
      if (handshakes >= hostLimits.tlsHandshakesPerListenerMax) {
        socket.destroy()
        return
      }
      handshakes++
      const shown = identity()
      const tls = new TLSSocket(socket, {
        isServer: true,
        secureContext: contexts.get(shown),
        requestCert: false,
        ...{ allowHalfOpen: true },
      })
      this.#unfinished.add(tls)
      const timer = setTimeout(() => tls.destroy(), hostLimits.tlsHandshakeTimeoutMs)
      let settled = false
      const settle = (): boolean => {
        if (settled) return false
        settled = true
        handshakes--
        clearTimeout(timer)
        this.#unfinished.delete(tls)
        return true
      }
      tls.on('error', () => tls.destroy())
      tls.once('close', settle)
      tls.once('secure', () => {
        if (!settle()) return
        tls.pause()
        this.#accept(new HostSecureStream(tls, this.#context, { localCertificate: shown.certificateDer }), handlers)
      })
    })
  }

  listenUnix(path: string, handlers: ListenHandlers<ByteStream>): Listener {
    const server = this.#server((socket) => this.#accept(new HostStream(socket, this.#context, { unixPath: path }), handlers), path, handlers)
    server.listen({ path, backlog: hostLimits.listenBacklog }, () => {
      this.#guard(() => handlers.onListening({ host: path, port: 0 }))
    })
    return this.#listener(server)
  }

  /** Ends everything; no handler is called any more (the owner's guard sees to that). */
  closeAll(): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#unfinished) socket.destroy()
    for (const stream of this.#streams) stream.destroy()
    this.#servers.clear()
  }

  #accept<T>(stream: HostStream & T, handlers: ListenHandlers<T>): void {
    this.#streams.add(stream)
    this.#guard(() => handlers.onConnection(stream))
  }

  /**
   * Connects, through the proxy where there is one. One timer covers all of it, and exactly one handler is called unless the
   * dial is cancelled.
   */
  #dialSocket<T, S extends HostStream & T, K extends Socket>(options: DialOptions, handlers: DialHandlers<T>, way: WayToDial<S, K>): { cancel(): void } {
    const attempt = `connecting to ${formatAddressPort(options.target)}`
    const first = options.httpsProxy ?? options.target
    if (isIP(first.host) === 0) {
      const timerOfRefusal = setImmediate(() => {
        this.#guard(() => handlers.onError(new RelishError('local-io', `${attempt}: not an IP address`)))
      })
      return { cancel: () => clearImmediate(timerOfRefusal) }
    }
    let settled = false
    let current: Socket | undefined
    const settle = (): boolean => {
      if (settled) return false
      settled = true
      clearTimeout(timer)
      if (current !== undefined) this.#unfinished.delete(current)
      return true
    }
    const failed = (thrown: unknown): void => {
      if (!settle()) return
      current?.destroy()
      this.#guard(() => handlers.onError(socketError(attempt, thrown)))
    }
    const watch = (socket: Socket): void => {
      if (current !== undefined) this.#unfinished.delete(current)
      current = socket
      this.#unfinished.add(socket)
      socket.on('error', failed)
      socket.once('close', () => failed(new RelishError('local-io', 'closed while connecting')))
    }
    const done = (socket: K, reader?: SocketReader): void => {
      socket.pause()
      const stream = way.finish(socket, reader)
      if (!settle()) {
        stream.destroy()
        return
      }
      this.#streams.add(stream)
      this.#guard(() => handlers.onConnect(stream))
    }
    const timer = setTimeout(() => failed(new RelishError('timeout', `no answer within ${options.timeout} ms`)), options.timeout)
    const to: TcpNetConnectOpts = { ...first, ...(options.localHost === undefined ? {} : { localAddress: options.localHost }), allowHalfOpen: true, noDelay: true }
    if (options.httpsProxy === undefined) {
      const reader = new SocketReader(this.#context.readBuffers, this.#readSpace)
      const socket = way.begin({ ...to, onread: reader.onread })
      watch(socket)
      socket.once(way.ready, () => done(socket, reader))
    } else {
      const tunnel = connect(to)
      watch(tunnel)
      const throughProxy = (): void => {
        const socket = way.within(tunnel)
        if (socket !== tunnel) watch(socket)
        if (socket === tunnel) done(socket)
        else socket.once(way.ready, () => done(socket))
      }
      tunnel.once('connect', () => {
        tunnel.pause()
        askProxy(tunnel, options.target, throughProxy, failed)
      })
    }
    return {
      cancel: () => {
        if (settle()) current?.destroy()
      },
    }
  }

  #listenOn(address: SocketAddress, handlers: { onListening(a: SocketAddress): void; onError(e: RelishError): void }, onSocket: (socket: Socket) => void): Listener {
    const server = this.#server(onSocket, formatAddressPort(address), handlers)
    const fd = this.#inherited.get(formatAddressPort(address))
    // All of IPv6 is not all of IPv4 too: a node that wants both has two listeners.
    const where = fd === undefined ? { host: address.host, port: address.port, backlog: hostLimits.listenBacklog, ipv6Only: address.host.includes(':') } : { fd }
    server.listen(where, () => {
      const bound = server.address()
      if (bound === null || typeof bound === 'string') return
      this.#guard(() => handlers.onListening({ host: bound.address, port: bound.port }))
    })
    return this.#listener(server)
  }

  #server(onSocket: (socket: Socket) => void, name: string, handlers: { onError(e: RelishError): void }): Server {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      socket.on('error', () => socket.destroy())
      this.#guard(() => onSocket(socket))
    })
    server.on('error', (thrown) => this.#guard(() => handlers.onError(socketError(`listening on ${name}`, thrown))))
    this.#servers.add(server)
    return server
  }

  #listener(server: Server): Listener {
    return {
      close: () => {
        server.close()
        this.#servers.delete(server)
      },
    }
  }
}

/** What plain and secure dialling do not have in common. */
interface WayToDial<S extends HostStream, K extends Socket> {
  begin(to: TcpNetConnectOpts): K
  /** The socket that runs through a proxy's tunnel; it may be the tunnel itself. */
  within(tunnel: Socket): K
  /** When the socket has connected and, if it is secure, shaken hands. */
  readonly ready: 'connect' | 'secureConnect'
  finish(socket: K, reader: SocketReader | undefined): S
}

/** The OpenSSL context of the current certificate; certificates change rarely, connections come often. */
class ContextCache {
  #identity: TlsIdentity | undefined
  #context: SecureContext | undefined

  get(identity: TlsIdentity): SecureContext {
    if (this.#context === undefined || this.#identity !== identity) {
      this.#context = createSecureContext({ ...tlsSettings, cert: pem('CERTIFICATE', identity.certificateDer), key: pem('PRIVATE KEY', identity.privateKeyDer) })
      this.#identity = identity
    }
    return this.#context
  }
}

function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
