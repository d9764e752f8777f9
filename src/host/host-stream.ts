/**
 * A ByteStream over a socket of Node.js, plain or TLS.
 *
 * What comes in one turn of the event loop, of TLS a record of 16 KiB at a time, is joined as far as it fits one chunk
 * (`incoming-bytes.ts`): the way of a chunk through a node costs much more than its bytes do.
 *
 * Writes are joined, too (`outgoing-bytes.ts`): what is written waits until the turn of the event loop ends, then leaves as one
 * write; while that is under way more waits and is joined again. So one write is in flight at most, and `bufferedBytes` is exact.
 */

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { assert } from '../core/base/assert.ts'
import type { BufferPool } from '../core/base/buffer-pool.ts'
import { RelishError } from '../core/base/errors.ts'
import type { ByteStream, ByteStreamHandlers, SecureByteStream, SocketAddress } from '../runtime/index.ts'
import { IncomingBytes, type SocketReader } from './incoming-bytes.ts'
import { hostLimits } from './limits.ts'
import { OutgoingBytes } from './outgoing-bytes.ts'
import { socketError } from './socket-errors.ts'
import type { TurnQueue } from './turn-queue.ts'

export interface HostStreamContext {
  readonly turns: TurnQueue
  readonly readBuffers: BufferPool
  readonly writeBuffers: BufferPool
  /** Calls `work`; what it throws goes to the owner's `onBug`. */
  readonly guard: (work: () => void) => void
  /** Told when the stream is closed for good. */
  readonly onClosed: (stream: HostStream) => void
}

export class HostStream implements ByteStream {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  protected readonly socket: Socket
  readonly #context: HostStreamContext
  #handlers: ByteStreamHandlers | undefined
  readonly #reader: SocketReader | undefined
  readonly #arrived: IncomingBytes
  #deliveryPlanned = false
  /** The owner wants nothing now. */
  #paused = false
  /** The other side has ended; its owner is told after what came before. */
  #remoteEnded = false
  #endTold = false
  /** By its owner, who wants to hear no more but that it is closed. */
  #destroyed = false
  readonly #waiting: OutgoingBytes
  #inFlightBytes = 0
  /** Of the write under way. */
  #writeBuffer: Uint8Array | undefined
  #flushPlanned = false
  #blocked = false
  #ended = false
  #closed = false
  #error: RelishError | undefined

  /** `socket` is connected, paused, and was made with `allowHalfOpen`, and with the reader if there is one. */
  constructor(socket: Socket, context: HostStreamContext, { unixPath, reader }: { readonly unixPath?: string; readonly reader?: SocketReader | undefined } = {}) {
    this.socket = socket
    this.#context = context
    this.#reader = reader
    this.#arrived = reader?.incoming ?? new IncomingBytes(context.readBuffers)
    this.#waiting = new OutgoingBytes(context.writeBuffers)
    this.local = unixPath === undefined ? { host: plainHost(socket.localAddress), port: socket.localPort ?? 0 } : { host: unixPath, port: 0 }
    this.remote = unixPath === undefined ? { host: plainHost(socket.remoteAddress), port: socket.remotePort ?? 0 } : { host: unixPath, port: 0 }
    // Listened to from the first moment: an unheard 'error' would end the process.
    socket.on('error', (thrown) => {
      this.#error ??= socketError('connection failed', thrown)
    })
    socket.on('close', () => this.#onClosed())
  }

  get bufferedBytes(): number {
    return this.#waiting.length + this.#inFlightBytes
  }

  start(handlers: ByteStreamHandlers): void {
    assert(this.#handlers === undefined, 'a stream is started once')
    this.#handlers = handlers
    if (this.#closed) {
      this.#context.turns.add(() => handlers.onClose(this.#error))
      return
    }
    if (this.#reader === undefined) this.#readPastQueue()
    else this.#reader.listener = () => this.#onArrived()
    if (this.#arrived.length > 0) this.#onArrived()
    this.socket.on('end', () => {
      this.#remoteEnded = true
      if (!this.#deliveryPlanned) this.#deliver()
    })
    this.#resume()
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended || this.#closed) return false
    if (chunk.length > 0) {
      this.#waiting.push(chunk)
      this.#planFlush()
    }
    if (this.bufferedBytes > hostLimits.streamHighMarkBytes) this.#blocked = true
    return !this.#blocked
  }

  end(): void {
    if (this.#ended || this.#closed) return
    this.#ended = true
    this.#planFlush()
  }

  destroy(): void {
    this.#waiting.clear()
    this.#arrived.clear()
    this.#ended = true
    this.#destroyed = true
    this.socket.destroy()
    // A socket that closed before what it had brought was wanted says so no more.
    if (this.socket.closed) this.#context.turns.add(() => this.#onClosed())
  }

  pauseReading(): void {
    this.#paused = true
    this.socket.pause()
  }

  resumeReading(): void {
    this.#paused = false
    if (this.#handlers === undefined) return
    if (this.#arrived.length > 0 || this.#remoteEnded) this.#planDelivery()
    else this.#resume()
  }

  /**
   * A socket that has no reader puts what it reads into a queue of Node.js, which costs more than what is done with it here. So
   * it is taken where it is put there, by the method that readable streams have for it; the end goes the usual way.
   */
  #readPastQueue(): void {
    const { socket } = this
    // What has come already.
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) this.#arrived.push(chunk)
    const push = socket.push
    socket.push = (chunk: Buffer | null): boolean => {
      if (chunk === null) return push.call(socket, null)
      this.#arrived.push(chunk)
      this.#onArrived()
      return !socket.isPaused()
    }
  }

  #resume(): void {
    this.socket.resume()
    // Past the queue, the stream does not know that it could ask for more.
    if (this.#reader === undefined && !this.socket.destroyed) this.socket._read(0)
  }

  #onArrived(): void {
    if (this.#destroyed) {
      this.#arrived.clear()
      return
    }
    if (this.#arrived.length >= hostLimits.readTurnBytesMax) this.socket.pause()
    this.#planDelivery()
  }

  #planDelivery(): void {
    if (this.#deliveryPlanned) return
    this.#deliveryPlanned = true
    this.#context.turns.addArrival(this.#onTurn)
  }

  readonly #onTurn = (): void => {
    this.#deliveryPlanned = false
    this.#deliver()
  }

  /** Hands on what has come, as long as the owner wants it. */
  #deliver(): void {
    const handlers = this.#handlers
    if (handlers === undefined) return
    while (this.#arrived.length > 0 && !this.#paused) {
      this.#arrived.lendFirst((chunk) => this.#context.guard(() => handlers.onData(chunk)))
    }
    this.#arrived.shrink()
    if (this.#paused || this.#destroyed || this.#closed) return
    if (this.#remoteEnded && !this.#endTold) {
      this.#endTold = true
      this.#context.guard(() => handlers.onEnd())
    }
    if (this.socket.closed) this.#onClosed()
    else if (this.socket.isPaused()) this.#resume()
  }

  #planFlush(): void {
    if (this.#flushPlanned || this.#inFlightBytes > 0) return
    this.#flushPlanned = true
    this.#context.turns.add(this.#onTurnEnd)
  }

  readonly #onTurnEnd = (): void => {
    this.#flushPlanned = false
    this.#flush()
  }

  #flush(): void {
    if (this.#closed || this.socket.destroyed || this.#inFlightBytes > 0) return
    const next = this.#waiting.take()
    if (next === undefined) {
      if (this.#ended) this.socket.end()
      return
    }
    this.#inFlightBytes = next.length
    // The socket needs the bytes until it has called back.
    this.#writeBuffer = next.buffer
    this.socket.write(next.buffer.subarray(0, next.length), this.#onWritten)
  }

  readonly #onWritten = (): void => {
    this.#inFlightBytes = 0
    if (this.#writeBuffer !== undefined) this.#context.writeBuffers.giveBack(this.#writeBuffer)
    this.#writeBuffer = undefined
    if (this.#closed || this.socket.destroyed) return
    this.#flush()
    if (this.#blocked && this.bufferedBytes <= hostLimits.streamLowMarkBytes) {
      this.#blocked = false
      const handlers = this.#handlers
      if (handlers !== undefined && !this.#ended) this.#context.guard(() => handlers.onDrain())
    }
  }

  #onClosed(): void {
    if (this.#closed) return
    // What came before is handled first, as soon as the owner wants it; but after a failure nobody waits.
    if (this.#arrived.length > 0 && !this.#paused) this.#deliver()
    if (this.#closed || (this.#arrived.length > 0 && this.#error === undefined)) return
    this.#closed = true
    this.#arrived.clear()
    this.#waiting.clear()
    this.#inFlightBytes = 0
    this.#context.onClosed(this)
    const handlers = this.#handlers
    if (handlers !== undefined) this.#context.guard(() => handlers.onClose(this.#error))
  }
}

/** A stream whose socket has finished its TLS handshake. */
export class HostSecureStream extends HostStream implements SecureByteStream {
  readonly peerCertificate: Uint8Array | undefined
  readonly localCertificate: Uint8Array | undefined
  readonly #tls: TLSSocket

  constructor(socket: TLSSocket, context: HostStreamContext, { localCertificate, reader }: { readonly localCertificate?: Uint8Array; readonly reader?: SocketReader | undefined }) {
    super(socket, context, { reader })
    this.#tls = socket
    const shown = socket.getPeerX509Certificate()
    this.peerCertificate = shown === undefined ? undefined : new Uint8Array(shown.raw)
    this.localCertificate = localCertificate
  }

  exportKeyingMaterial(length: number, label: string, context: Uint8Array): Uint8Array {
    if (this.#tls.destroyed) throw new RelishError('unavailable', 'a closed connection exports no keying material')
    // A present but empty context is not the same as none (RFC 5705 §4); Node.js tells them apart by `undefined`.
    return new Uint8Array(this.#tls.exportKeyingMaterial(length, label, Buffer.from(context)))
  }
}

/** IPv4 peers of a dual-stack listener come as `::ffff:a.b.c.d`; zones of link-local addresses are dropped. */
function plainHost(host: string | undefined): string {
  if (host === undefined) return ''
  const bare = host.replace(/%.*$/, '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)
  return mapped?.[1] ?? bare
}
