/**
 * Serves directory requests over byte streams: connections to the directory port, and BEGIN_DIR streams that the relay
 * hands over. One request and one response each (dir-spec §4, HTTP/1.0), then the stream is closed.
 */

import { asRelishError, type RelishError } from '../core/base/errors.ts'
import { emitResponse, reasonFor, type HttpRequest, type HttpResponse } from '../core/dirhttp/message.ts'
import { RequestParser } from '../core/dirhttp/parser.ts'
import type { Runtime, SocketAddress } from '../runtime/index.ts'
import { DIR_CONNECTIONS_MAX, DIR_REQUEST_TIMEOUT, DIR_RESPONSE_TIMEOUT, DIR_UPLOAD_BYTES_MAX, DIR_WRITE_BYTES } from './dir-limits.ts'

/** What is needed of a stream; a `ByteStream` of the runtime is one. */
export interface DirServerStream {
  start(handlers: { onData(chunk: Uint8Array): void; onEnd(): void; onDrain(): void; onClose(error: RelishError | undefined): void }): void
  /** False: stop until `onDrain`. */
  write(chunk: Uint8Array): boolean
  /** What was written is sent first. */
  end(): void
  destroy(): void
}

/** Who answers: a `DirServer`. */
export interface DirResponder {
  handle(request: HttpRequest, from: SocketAddress | undefined, anonymous: boolean): HttpResponse
  /** Puts a request off, whose answer may be a better one soon. `onOver`: once, later, when it is to be handled. Undefined: now. */
  hold?(request: HttpRequest, onOver: () => void): { cancel(): void } | undefined
}

export class DirServerConnections {
  readonly #runtime: Runtime
  readonly #server: DirResponder
  readonly #connections = new Set<DirServerConnection>()

  constructor(runtime: Runtime, server: DirResponder) {
    this.#runtime = runtime
    this.#server = server
  }

  /** Takes over a stream that was not started yet. `from`: the address the peer is seen at. `anonymous`: that is a relay on the way, and not the client. */
  serve(stream: DirServerStream, from: SocketAddress | undefined, anonymous = false): void {
    if (this.#connections.size >= DIR_CONNECTIONS_MAX) {
      stream.destroy()
      return
    }
    const answer = (request: HttpRequest): HttpResponse => this.#server.handle(request, from, anonymous)
    const connection = new DirServerConnection(this.#runtime, this.#server, answer, stream, () => this.#connections.delete(connection))
    this.#connections.add(connection)
    connection.start()
  }

  closeAll(): void {
    for (const connection of [...this.#connections]) connection.close()
  }
}

class DirServerConnection {
  readonly #runtime: Runtime
  readonly #server: DirResponder
  readonly #answer: (request: HttpRequest) => HttpResponse
  readonly #stream: DirServerStream
  readonly #onOver: () => void
  readonly #parser = new RequestParser({ bodyBytesMax: DIR_UPLOAD_BYTES_MAX })
  #state: 'reading' | 'holding' | 'writing' | 'ending' | 'closed' = 'reading'
  #response: Uint8Array = new Uint8Array(0)
  #written = 0
  /** The request's deadline, later the response's; between them what ends the holding. */
  #timer: { cancel(): void } | undefined

  constructor(runtime: Runtime, server: DirResponder, answer: (request: HttpRequest) => HttpResponse, stream: DirServerStream, onOver: () => void) {
    this.#runtime = runtime
    this.#server = server
    this.#answer = answer
    this.#stream = stream
    this.#onOver = onOver
  }

  start(): void {
    this.#timer = this.#runtime.setTimer(DIR_REQUEST_TIMEOUT, () => this.close())
    this.#stream.start({
      onData: (chunk) => this.#read(chunk),
      onEnd: () => {
        // A peer may close its side once it has asked; one that has not asked gets nothing.
        if (this.#state === 'reading') this.close()
      },
      onDrain: () => this.#write(),
      onClose: () => this.#over(),
    })
  }

  close(): void {
    if (this.#state === 'closed') return
    this.#stream.destroy()
    this.#over()
  }

  #over(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#timer?.cancel()
    this.#onOver()
  }

  #read(chunk: Uint8Array): void {
    if (this.#state !== 'reading') return
    this.#respond(() => {
      const request = this.#parser.feed(chunk)
      if (request === undefined) return undefined
      const held = this.#server.hold?.(request, () => this.#respond(() => this.#answer(request)))
      if (held === undefined) return this.#answer(request)
      this.#state = 'holding'
      this.#timer?.cancel()
      this.#timer = held
      return undefined
    })
  }

  /** Sends what `answer` gives, if anything, or what is wrong with the request. */
  #respond(answer: () => HttpResponse | undefined): void {
    let response: HttpResponse | undefined
    try {
      response = answer()
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      this.#runtime.log.write('info', 'dirserv', `Bad directory request: ${error.message}`)
      const status = error.kind === 'limit' ? 413 : 400
      response = { status, reason: reasonFor(status), headers: [], body: new Uint8Array(0) }
    }
    if (response === undefined) return
    this.#state = 'writing'
    this.#response = emitResponse(response)
    this.#timer?.cancel()
    this.#timer = this.#runtime.setTimer(DIR_RESPONSE_TIMEOUT, () => this.close())
    this.#write()
  }

  /** As much as the stream takes now; the rest when it has drained. */
  #write(): void {
    if (this.#state !== 'writing') return
    while (this.#written < this.#response.length) {
      const chunk = this.#response.slice(this.#written, this.#written + DIR_WRITE_BYTES)
      this.#written += chunk.length
      if (!this.#stream.write(chunk)) break
    }
    if (this.#written < this.#response.length) return
    this.#state = 'ending'
    this.#stream.end()
  }
}
