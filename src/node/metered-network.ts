/** A network whose connections report the bytes that pass: wraps the runtime's, so that links, exit streams and directory ports need not count. */

import type {
  ByteStream,
  ByteStreamHandlers,
  DialHandlers,
  DialOptions,
  Listener,
  ListenHandlers,
  Network,
  Runtime,
  SecureByteStream,
  SocketAddress,
  TlsIdentity,
} from '../runtime/index.ts'
import type { ByteCounter } from './bandwidth-meter.ts'

/** The counter for connections with a host; undefined: they are not counted. */
export type CounterFor = (host: string) => ByteCounter | undefined

/** `inner` with its network watched. */
export function meteredRuntime(inner: Runtime, counterFor: CounterFor): Runtime {
  return { ...inner, network: new MeteredNetwork(inner.network, counterFor) }
}

class MeteredNetwork implements Network {
  readonly #inner: Network
  readonly #counterFor: CounterFor

  constructor(inner: Network, counterFor: CounterFor) {
    this.#inner = inner
    this.#counterFor = counterFor
  }

  dial(options: DialOptions, handlers: DialHandlers<ByteStream>): { cancel(): void } {
    return this.#inner.dial(options, { ...bound(handlers), onConnect: (stream) => handlers.onConnect(this.#watch(stream)) })
  }

  dialSecure(options: DialOptions, handlers: DialHandlers<SecureByteStream>): { cancel(): void } {
    return this.#inner.dialSecure(options, { ...bound(handlers), onConnect: (stream) => handlers.onConnect(this.#watchSecure(stream)) })
  }

  listen(address: SocketAddress, handlers: ListenHandlers<ByteStream>): Listener {
    return this.#inner.listen(address, { ...boundListener(handlers), onConnection: (stream) => handlers.onConnection(this.#watch(stream)) })
  }

  listenSecure(address: SocketAddress, identity: () => TlsIdentity, handlers: ListenHandlers<SecureByteStream>): Listener {
    return this.#inner.listenSecure(address, identity, { ...boundListener(handlers), onConnection: (stream) => handlers.onConnection(this.#watchSecure(stream)) })
  }

  /** Unix sockets lead to this machine only. */
  listenUnix(path: string, handlers: ListenHandlers<ByteStream>): Listener {
    return this.#inner.listenUnix(path, handlers)
  }

  #watch(stream: ByteStream): ByteStream {
    const counter = this.#counterFor(stream.remote.host)
    return counter === undefined ? stream : new MeteredStream(stream, counter)
  }

  #watchSecure(stream: SecureByteStream): SecureByteStream {
    const counter = this.#counterFor(stream.remote.host)
    return counter === undefined ? stream : new MeteredSecureStream(stream, counter)
  }
}

/** Counts what is read and what is accepted for writing. */
export class MeteredStream<Inner extends ByteStream = ByteStream> implements ByteStream {
  protected readonly inner: Inner
  readonly #counter: ByteCounter

  constructor(inner: Inner, counter: ByteCounter) {
    this.inner = inner
    this.#counter = counter
  }

  get local(): SocketAddress {
    return this.inner.local
  }

  get remote(): SocketAddress {
    return this.inner.remote
  }

  get bufferedBytes(): number {
    return this.inner.bufferedBytes
  }

  start(handlers: ByteStreamHandlers): void {
    this.inner.start({
      onData: (chunk) => {
        this.#counter.read(chunk.length)
        handlers.onData(chunk)
      },
      onEnd: () => handlers.onEnd(),
      onDrain: () => handlers.onDrain(),
      onClose: (error) => handlers.onClose(error),
    })
  }

  write(chunk: Uint8Array): boolean {
    this.#counter.written(chunk.length)
    return this.inner.write(chunk)
  }

  end(): void {
    this.inner.end()
  }

  destroy(): void {
    this.inner.destroy()
  }

  pauseReading(): void {
    this.inner.pauseReading()
  }

  resumeReading(): void {
    this.inner.resumeReading()
  }
}

class MeteredSecureStream extends MeteredStream<SecureByteStream> implements SecureByteStream {
  get peerCertificate(): Uint8Array | undefined {
    return this.inner.peerCertificate
  }

  get localCertificate(): Uint8Array | undefined {
    return this.inner.localCertificate
  }

  exportKeyingMaterial(length: number, label: string, context: Uint8Array): Uint8Array {
    return this.inner.exportKeyingMaterial(length, label, context)
  }
}

const bound = <Stream>(handlers: DialHandlers<Stream>): Pick<DialHandlers<Stream>, 'onError'> => ({ onError: (error) => handlers.onError(error) })

const boundListener = <Stream>(handlers: ListenHandlers<Stream>): Pick<ListenHandlers<Stream>, 'onListening' | 'onError'> => ({
  onListening: (address) => handlers.onListening(address),
  onError: (error) => handlers.onError(error),
})
