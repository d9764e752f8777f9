/**
 * A ByteStream over a socket of Node.js, plain or TLS.
 *
 * Writes are joined: chunks wait until the turn of the event loop ends, then leave as one write; while that write is
 * under way further chunks wait and are joined again. So one write is in flight at most, and `bufferedBytes` is exact.
 */

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { assert } from '../core/base/assert.ts'
import { concatBytes } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import type { ByteStream, ByteStreamHandlers, SecureByteStream, SocketAddress } from '../runtime/index.ts'
import { hostLimits } from './limits.ts'
import { socketError } from './socket-errors.ts'
import type { TurnQueue } from './turn-queue.ts'

export interface HostStreamContext {
  readonly turns: TurnQueue
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
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #inFlightBytes = 0
  #flushPlanned = false
  #blocked = false
  #ended = false
  #closed = false
  #error: RelishError | undefined

  /** `socket` is connected, paused, and was made with `allowHalfOpen`. */
  constructor(socket: Socket, context: HostStreamContext, unixPath?: string) {
    this.socket = socket
    this.#context = context
    this.local = unixPath === undefined ? { host: plainHost(socket.localAddress), port: socket.localPort ?? 0 } : { host: unixPath, port: 0 }
    this.remote = unixPath === undefined ? { host: plainHost(socket.remoteAddress), port: socket.remotePort ?? 0 } : { host: unixPath, port: 0 }
    // Listened to from the first moment: an unheard 'error' would end the process.
    socket.on('error', (thrown) => {
      this.#error ??= socketError('connection failed', thrown)
    })
    socket.on('close', () => this.#onClosed())
  }

  get bufferedBytes(): number {
    return this.#waitingBytes + this.#inFlightBytes
  }

  start(handlers: ByteStreamHandlers): void {
    assert(this.#handlers === undefined, 'a stream is started once')
    this.#handlers = handlers
    if (this.#closed) {
      this.#context.turns.add(() => handlers.onClose(this.#error))
      return
    }
    this.socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    this.socket.on('end', () => this.#context.guard(() => handlers.onEnd()))
    this.socket.resume()
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended || this.#closed) return false
    if (chunk.length > 0) {
      this.#waiting.push(chunk)
      this.#waitingBytes += chunk.length
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
    this.#waiting = []
    this.#waitingBytes = 0
    this.#ended = true
    this.socket.destroy()
  }

  pauseReading(): void {
    this.socket.pause()
  }

  resumeReading(): void {
    if (this.#handlers !== undefined) this.socket.resume()
  }

  #onData(chunk: Buffer): void {
    const handlers = this.#handlers
    if (handlers === undefined) return
    for (let at = 0; at < chunk.length && !this.#closed && !this.socket.destroyed; at += hostLimits.readChunkBytesMax) {
      const part = chunk.length <= hostLimits.readChunkBytesMax ? chunk : chunk.subarray(at, at + hostLimits.readChunkBytesMax)
      this.#context.guard(() => handlers.onData(part))
    }
  }

  #planFlush(): void {
    if (this.#flushPlanned || this.#inFlightBytes > 0) return
    this.#flushPlanned = true
    this.#context.turns.add(() => {
      this.#flushPlanned = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#closed || this.socket.destroyed || this.#inFlightBytes > 0) return
    if (this.#waitingBytes === 0) {
      if (this.#ended) this.socket.end()
      return
    }
    let taken = 0
    let bytes = 0
    while (taken < this.#waiting.length && (taken === 0 || bytes < hostLimits.joinedWriteBytesMax)) {
      bytes += this.#waiting[taken]?.length ?? 0
      taken++
    }
    const chunks = taken === this.#waiting.length ? this.#waiting : this.#waiting.slice(0, taken)
    this.#waiting = taken === this.#waiting.length ? [] : this.#waiting.slice(taken)
    this.#waitingBytes -= bytes
    this.#inFlightBytes = bytes
    const joined = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : concatBytes(chunks)
    this.socket.write(joined, this.#onWritten)
  }

  readonly #onWritten = (): void => {
    this.#inFlightBytes = 0
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
    this.#closed = true
    this.#waiting = []
    this.#waitingBytes = 0
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

  constructor(socket: TLSSocket, context: HostStreamContext, localCertificate: Uint8Array | undefined) {
    super(socket, context)
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
