/**
 * Stands between a node and its network, outside of the node: sees what goes over each of its connections, and may change
 * it. For whoever watches honest nodes (invariants) and for whoever makes nodes misbehave (faults); works in every world
 * whose nodes run in this process.
 */

import type {
  ByteStream, ByteStreamHandlers, DialHandlers, DialOptions, ListenHandlers, Listener, Network, SecureByteStream, SocketAddress, TlsIdentity,
} from '../../runtime/index.ts'

/** The two ends that a tap has of its connection, for bytes of its own making. */
export interface TapEnds {
  /** To the peer, past the tap. */
  send(bytes: Uint8Array): void
  /** To the node, as if they had come from the peer. */
  deliver(bytes: Uint8Array): void
}

/** One connection. Chunks come in their order; what is returned takes their place, and an empty array is nothing. */
export interface StreamTap {
  attached?(ends: TapEnds): void
  fromPeer?(chunk: Uint8Array): Uint8Array
  fromNode?(chunk: Uint8Array): Uint8Array
  /** After every write: bytes of the node's that have not left. */
  buffered?(bytes: number): void
  closed?(): void
}

export interface NetworkTap {
  /** Undefined: this connection is none of ours. */
  dialled(target: SocketAddress, secure: boolean): StreamTap | undefined
  accepted(at: SocketAddress, from: SocketAddress, secure: boolean): StreamTap | undefined
}

export function tapNetwork(network: Network, tap: NetworkTap): Network {
  const dial = <Stream extends ByteStream>(options: DialOptions, handlers: DialHandlers<Stream>, secure: boolean): DialHandlers<Stream> => ({
    onConnect: (stream) => handlers.onConnect(tapped(stream, tap.dialled(options.target, secure))),
    onError: (error) => handlers.onError(error),
  })
  const listen = <Stream extends ByteStream>(address: SocketAddress, handlers: ListenHandlers<Stream>, secure: boolean): ListenHandlers<Stream> => ({
    onListening: (bound) => handlers.onListening(bound),
    onConnection: (stream) => handlers.onConnection(tapped(stream, tap.accepted(address, stream.remote, secure))),
    onError: (error) => handlers.onError(error),
  })
  return {
    dial: (options, handlers) => network.dial(options, dial(options, handlers, false)),
    dialSecure: (options, handlers) => network.dialSecure(options, dial(options, handlers, true)),
    listen: (address, handlers): Listener => network.listen(address, listen(address, handlers, false)),
    listenSecure: (address, identity: () => TlsIdentity, handlers) => network.listenSecure(address, identity, listen(address, handlers, true)),
    listenUnix: (path, handlers) => network.listenUnix(path, handlers),
  }
}

/** Every stream of a world has the methods of a secure one, where it is one. */
const tapped = <Stream extends ByteStream>(stream: Stream, tap: StreamTap | undefined): Stream =>
  tap === undefined ? stream : (new TappedStream(stream as unknown as SecureByteStream, tap) as unknown as Stream)

class TappedStream implements SecureByteStream {
  readonly #stream: SecureByteStream
  readonly #tap: StreamTap
  #handlers: ByteStreamHandlers | undefined

  constructor(stream: SecureByteStream, tap: StreamTap) {
    this.#stream = stream
    this.#tap = tap
    tap.attached?.({
      send: (bytes) => void stream.write(bytes),
      deliver: (bytes) => this.#handlers?.onData(bytes),
    })
  }

  get local(): SocketAddress {
    return this.#stream.local
  }

  get remote(): SocketAddress {
    return this.#stream.remote
  }

  get bufferedBytes(): number {
    return this.#stream.bufferedBytes
  }

  get peerCertificate(): Uint8Array | undefined {
    return this.#stream.peerCertificate
  }

  get localCertificate(): Uint8Array | undefined {
    return this.#stream.localCertificate
  }

  exportKeyingMaterial(length: number, label: string, context: Uint8Array): Uint8Array {
    return this.#stream.exportKeyingMaterial(length, label, context)
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers
    const tap = this.#tap
    this.#stream.start({
      onData: (chunk) => {
        const passed = tap.fromPeer === undefined ? chunk : tap.fromPeer(chunk)
        if (passed.length > 0) handlers.onData(passed)
      },
      onEnd: () => handlers.onEnd(),
      onDrain: () => handlers.onDrain(),
      onClose: (error) => {
        this.#handlers = undefined
        tap.closed?.()
        handlers.onClose(error)
      },
    })
  }

  write(chunk: Uint8Array): boolean {
    const passed = this.#tap.fromNode === undefined ? chunk : this.#tap.fromNode(chunk)
    const goesOn = this.#stream.write(passed)
    this.#tap.buffered?.(this.#stream.bufferedBytes)
    return goesOn
  }

  end(): void {
    this.#stream.end()
  }

  destroy(): void {
    this.#stream.destroy()
  }

  pauseReading(): void {
    this.#stream.pauseReading()
  }

  resumeReading(): void {
    this.#stream.resumeReading()
  }
}
