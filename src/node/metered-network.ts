/**
 * A network whose connections report the bytes that pass, and keep to the bandwidth they are allowed: wraps the runtime's,
 * so that links, exit streams and directory ports need not know of either.
 */

import { copyBytes } from '../core/base/encoding.ts'
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
import type { BandwidthLimits, ConnectionLimits } from './bandwidth-buckets.ts'
import type { ByteCounter } from './bandwidth-meter.ts'

/** The counter for connections with a host; undefined: they are not counted. */
export type CounterFor = (host: string) => ByteCounter | undefined

/** `inner` with its network watched. What is not counted is not limited either, as in C tor. */
export function meteredRuntime(inner: Runtime, counterFor: CounterFor, limits: BandwidthLimits): Runtime {
  return { ...inner, network: new MeteredNetwork(inner.network, counterFor, limits) }
}

class MeteredNetwork implements Network {
  readonly #inner: Network
  readonly #counterFor: CounterFor
  readonly #limits: BandwidthLimits

  constructor(inner: Network, counterFor: CounterFor, limits: BandwidthLimits) {
    this.#inner = inner
    this.#counterFor = counterFor
    this.#limits = limits
  }

  dial(options: DialOptions, handlers: DialHandlers<ByteStream>): { cancel(): void } {
    return this.#inner.dial(options, { ...bound(handlers), onConnect: (stream) => handlers.onConnect(this.#watch(stream, this.#limits.other)) })
  }

  dialSecure(options: DialOptions, handlers: DialHandlers<SecureByteStream>): { cancel(): void } {
    return this.#inner.dialSecure(options, { ...bound(handlers), onConnect: (stream) => handlers.onConnect(this.#watchSecure(stream)) })
  }

  listen(address: SocketAddress, handlers: ListenHandlers<ByteStream>): Listener {
    return this.#inner.listen(address, { ...boundListener(handlers), onConnection: (stream) => handlers.onConnection(this.#watch(stream, this.#limits.relayed)) })
  }

  listenSecure(address: SocketAddress, identity: () => TlsIdentity, handlers: ListenHandlers<SecureByteStream>): Listener {
    return this.#inner.listenSecure(address, identity, { ...boundListener(handlers), onConnection: (stream) => handlers.onConnection(this.#watchSecure(stream)) })
  }

  /** Unix sockets lead to this machine only. */
  listenUnix(path: string, handlers: ListenHandlers<ByteStream>): Listener {
    return this.#inner.listenUnix(path, handlers)
  }

  #watch(stream: ByteStream, limits: ConnectionLimits): ByteStream {
    const counter = this.#counterFor(stream.remote.host)
    return counter === undefined ? stream : new MeteredStream(stream, counter, limits)
  }

  #watchSecure(stream: SecureByteStream): SecureByteStream {
    const counter = this.#counterFor(stream.remote.host)
    return counter === undefined ? stream : new MeteredSecureStream(stream, counter, this.#limits.relayed)
  }
}

/** Counts what is read and what is accepted for writing, and holds both back while there is no bandwidth for it. */
export class MeteredStream<Inner extends ByteStream = ByteStream> implements ByteStream {
  protected readonly inner: Inner
  readonly #counter: ByteCounter
  readonly #limits: ConnectionLimits | undefined
  #handlers: ByteStreamHandlers | undefined
  /** Our reader does not want more at present. */
  #readerPaused = false
  #readWaits = false
  /** Chunks that wait for bandwidth; undefined while there is some. */
  #held: Uint8Array[] | undefined
  #heldBytes = 0
  #ended = false

  /** Without `limits` bytes are counted only. */
  constructor(inner: Inner, counter: ByteCounter, limits?: ConnectionLimits) {
    this.inner = inner
    this.#counter = counter
    this.#limits = limits
  }

  get local(): SocketAddress {
    return this.inner.local
  }

  get remote(): SocketAddress {
    return this.inner.remote
  }

  get bufferedBytes(): number {
    return this.inner.bufferedBytes + this.#heldBytes
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers
    this.inner.start({
      onData: (chunk) => {
        this.#counter.read(chunk.length)
        if (this.#limits?.read.take(chunk.length) === false) this.#waitToRead(this.#limits)
        handlers.onData(chunk)
      },
      onEnd: () => handlers.onEnd(),
      onDrain: () => {
        // What is held comes first; when it is gone there is another word of it.
        if (this.#held === undefined) handlers.onDrain()
      },
      onClose: (error) => {
        this.#letGo()
        handlers.onClose(error)
      },
    })
  }

  write(chunk: Uint8Array): boolean {
    this.#counter.written(chunk.length)
    if (this.#held !== undefined) {
      this.#held.push(copyBytes(chunk))
      this.#heldBytes += chunk.length
      return false
    }
    const goesOn = this.inner.write(chunk)
    if (this.#limits === undefined || this.#limits.written.take(chunk.length)) return goesOn
    this.#held = []
    this.#limits.written.wait(this.#writeOn)
    return false
  }

  end(): void {
    if (this.#heldBytes > 0) this.#ended = true
    else this.inner.end()
  }

  destroy(): void {
    this.#letGo()
    this.inner.destroy()
  }

  pauseReading(): void {
    this.#readerPaused = true
    this.inner.pauseReading()
  }

  resumeReading(): void {
    this.#readerPaused = false
    if (!this.#readWaits) this.inner.resumeReading()
  }

  #waitToRead(limits: ConnectionLimits): void {
    if (this.#readWaits) return
    this.#readWaits = true
    this.inner.pauseReading()
    limits.read.wait(this.#readOn)
  }

  readonly #readOn = (): void => {
    this.#readWaits = false
    if (!this.#readerPaused) this.inner.resumeReading()
  }

  /** A turn of this connection: one chunk, if there is one. */
  readonly #writeOn = (): void => {
    const chunk = this.#held?.shift()
    if (chunk !== undefined) {
      this.#heldBytes -= chunk.length
      this.inner.write(chunk)
      this.#limits?.written.take(chunk.length)
    }
    if (this.#heldBytes > 0) {
      this.#limits?.written.wait(this.#writeOn)
      return
    }
    this.#held = undefined
    if (this.#ended) this.inner.end()
    else this.#handlers?.onDrain()
  }

  #letGo(): void {
    this.#limits?.read.forget(this.#readOn)
    this.#limits?.written.forget(this.#writeOn)
    this.#held = undefined
    this.#heldBytes = 0
    // Whoever writes all the same is not told to go on.
    this.#handlers = undefined
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
