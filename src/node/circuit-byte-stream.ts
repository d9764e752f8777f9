/**
 * The end of a circuit's stream as a `ByteStream` of the Runtime, so that the directory server takes BEGIN_DIR streams
 * and connections to its port alike. tor-spec §6.2.1.
 */

import { RelishError } from '../core/base/errors.ts'
import { durationMs } from '../core/base/time.ts'
import { EndReason } from '../core/cell/commands.ts'
import type { Stream } from '../core/proto/stream/stream.ts'
import type { ByteStream, ByteStreamHandlers, Runtime, SocketAddress } from '../runtime/index.ts'
import type { StreamHost, StreamSink } from './relay-circuit-driver.ts'

export class CircuitByteStream implements ByteStream, StreamSink {
  /** No port of ours is involved. */
  readonly local: SocketAddress = { host: '127.0.0.1', port: 0 }
  /** The neighbour that the circuit comes from: all that is known of the client. */
  readonly remote: SocketAddress
  readonly #runtime: Runtime
  readonly #host: StreamHost
  readonly #stream: Stream
  #handlers: ByteStreamHandlers | undefined
  /** What came before `start`, if anything: the end of the stream. */
  #endedEarly: { readonly remote: boolean; readonly reason: number } | undefined
  #closed = false

  constructor(runtime: Runtime, host: StreamHost, stream: Stream) {
    this.#runtime = runtime
    this.#host = host
    this.#stream = stream
    this.remote = host.peer.address
    host.edge.pause(stream)
  }

  get bufferedBytes(): number {
    return this.#stream.outgoing.length
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers
    const ended = this.#endedEarly
    if (ended !== undefined) this.#later(() => this.onEnded(ended.remote, ended.reason))
    // A callback does not come before the call that registered it has returned.
    else this.#later(() => this.resumeReading())
  }

  write(chunk: Uint8Array): boolean {
    return this.#host.run(() => this.#host.edge.write(this.#host.now(), this.#stream, chunk))
  }

  end(): void {
    this.#host.run(() => this.#host.edge.finish(this.#host.now(), this.#stream, EndReason.DONE))
  }

  destroy(): void {
    if (this.#closed) return
    this.#host.end(this.#stream, { reason: EndReason.DESTROY })
    this.#later(() => this.#close(undefined))
  }

  pauseReading(): void {
    this.#host.edge.pause(this.#stream)
  }

  resumeReading(): void {
    if (!this.#closed) this.#host.run(() => this.#host.edge.resume(this.#stream))
  }

  onData(chunk: Uint8Array): void {
    this.#handlers?.onData(chunk)
  }

  onDrain(): void {
    this.#handlers?.onDrain()
  }

  onEnded(remote: boolean, reason: number): void {
    if (this.#handlers === undefined) {
      this.#endedEarly = { remote, reason }
      return
    }
    const orderly = !remote || reason === EndReason.DONE || reason === EndReason.MISC
    if (remote && orderly && !this.#closed) this.#handlers.onEnd()
    this.#close(orderly ? undefined : new RelishError('local-io', `the stream was closed: ${EndReason.nameOf(reason)}`))
  }

  #close(error: RelishError | undefined): void {
    if (this.#closed) return
    this.#closed = true
    this.#handlers?.onClose(error)
  }

  #later(callback: () => void): void {
    this.#runtime.setTimer(durationMs(0), callback)
  }
}
