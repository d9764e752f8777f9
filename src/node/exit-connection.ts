/**
 * One stream that leaves the network here: a socket to the destination on one side, the circuit's stream on the other.
 * Reading from either stops while the other takes nothing, so that neither a slow client nor a slow server makes this
 * relay buffer more than a window. tor-spec §6.2, §6.3.
 */

import { systemErrorCode } from '../core/base/system-error.ts'
import type { RelishError } from '../core/base/errors.ts'
import { EndReason } from '../core/cell/commands.ts'
import type { End } from '../core/cell/stream-messages.ts'
import type { Stream } from '../core/proto/stream/stream.ts'
import type { ByteStream, Runtime, SocketAddress, Timer } from '../runtime/index.ts'
import { EXIT_CONNECT_TIMEOUT, EXIT_LINGER } from './limits.ts'
import type { StreamHost, StreamSink } from './relay-circuit-driver.ts'

export class ExitConnection implements StreamSink {
  readonly #runtime: Runtime
  readonly #host: StreamHost
  readonly #stream: Stream
  readonly #lingering: LingeringSockets
  #dialing: { cancel(): void } | undefined
  #socket: ByteStream | undefined
  /** The circuit's side is over. */
  #ended = false

  constructor(runtime: Runtime, host: StreamHost, stream: Stream, lingering: LingeringSockets) {
    this.#runtime = runtime
    this.#host = host
    this.#stream = stream
    this.#lingering = lingering
  }

  dial(target: SocketAddress, localHost: string | undefined, ttlSec: number): void {
    this.#dialing = this.#runtime.network.dial(
      { target, timeout: EXIT_CONNECT_TIMEOUT, ...(localHost === undefined ? {} : { localHost }) },
      {
        onConnect: (socket) => {
          this.#dialing = undefined
          this.#handleConnect(socket, target.host, ttlSec)
        },
        onError: (error) => {
          this.#dialing = undefined
          this.refuse({ reason: endReasonOf(error) })
        },
      },
    )
  }

  /** Answers BEGIN with END. */
  refuse(end: End): void {
    if (this.#ended) return
    this.#ended = true
    this.#host.end(this.#stream, end)
  }

  // From the circuit.

  onData(chunk: Uint8Array): void {
    if (this.#socket !== undefined && !this.#socket.write(chunk)) this.#host.edge.pause(this.#stream)
  }

  onDrain(): void {
    this.#socket?.resumeReading()
  }

  onEnded(): void {
    this.#ended = true
    this.#dialing?.cancel()
    this.#closeSocket()
  }

  // From the socket.

  #handleConnect(socket: ByteStream, address: string, ttlSec: number): void {
    if (this.#ended) {
      socket.destroy()
      return
    }
    this.#socket = socket
    const { edge } = this.#host
    socket.start({
      onData: (chunk) => this.#handleData(socket, chunk),
      // The destination sends no more. A stream of Tor cannot be half closed (tor-spec §6.3).
      onEnd: () => this.#host.run(() => edge.finish(this.#host.now(), this.#stream, EndReason.DONE)),
      onDrain: () => this.#host.run(() => edge.resume(this.#stream)),
      onClose: (error) => this.#handleClose(error),
    })
    this.#host.run(() => edge.accept(this.#stream, { address, ttlSec }))
  }

  #handleData(socket: ByteStream, chunk: Uint8Array): void {
    if (this.#ended) {
      // Nobody reads it any more: the destination is told by a reset, as by any program that closes early.
      socket.destroy()
      return
    }
    const { edge } = this.#host
    if (!this.#host.run(() => edge.write(this.#host.now(), this.#stream, chunk))) socket.pauseReading()
  }

  #handleClose(error: RelishError | undefined): void {
    if (this.#socket !== undefined) this.#lingering.closed(this.#socket)
    this.#socket = undefined
    if (this.#ended) return
    const { edge } = this.#host
    if (error === undefined) {
      this.#host.run(() => edge.finish(this.#host.now(), this.#stream, EndReason.DONE))
      return
    }
    this.#ended = true
    this.#host.end(this.#stream, { reason: endReasonOf(error) })
  }

  /** Lets the destination have what was written, for a while. */
  #closeSocket(): void {
    const socket = this.#socket
    if (socket === undefined) return
    socket.end()
    socket.resumeReading()
    this.#lingering.keep(socket)
  }
}

/** Sockets whose streams are over: each closes when its destination has closed its end, or after a while. */
export class LingeringSockets {
  readonly #runtime: Runtime
  readonly #timers = new Map<ByteStream, Timer>()
  #stopped = false

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  keep(socket: ByteStream): void {
    if (this.#stopped) socket.destroy()
    else this.#timers.set(socket, this.#runtime.setTimer(EXIT_LINGER, () => socket.destroy()))
  }

  closed(socket: ByteStream): void {
    this.#timers.get(socket)?.cancel()
    this.#timers.delete(socket)
  }

  /** The node ends: nobody is waited for any more. */
  closeAll(): void {
    this.#stopped = true
    for (const [socket, timer] of [...this.#timers]) {
      timer.cancel()
      socket.destroy()
    }
    this.#timers.clear()
  }
}

/** tor-spec §6.3: the reason that tells the client most. */
export function endReasonOf(error: RelishError): EndReason {
  switch (error.kind) {
    case 'refused':
      return EndReason.CONNECTREFUSED
    case 'timeout':
      return EndReason.TIMEOUT
    case 'limit':
      return EndReason.RESOURCELIMIT
    default:
      return reasonOfCode(error)
  }
}

function reasonOfCode(error: RelishError): EndReason {
  switch (systemErrorCode(error)) {
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
    case 'ENETDOWN':
    case 'EHOSTDOWN':
    case 'EADDRNOTAVAIL':
      return EndReason.NOROUTE
    case 'ECONNRESET':
    case 'EPIPE':
      return EndReason.CONNRESET
    default:
      return EndReason.MISC
  }
}
