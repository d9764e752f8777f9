/**
 * Asking a directory: one HTTP request, one response, over whatever way leads there. The directory client, the
 * publisher and the authority use it without knowing the way; `DirPortTransport` is plain HTTP to a directory port,
 * `BeginDirTransport` a stream to the last hop of a circuit (dir-begindir-transport.ts).
 */

import { asRelishError, protocolError, RelishError } from '../core/base/errors.ts'
import { between, type DurationMs, type MonotonicMs } from '../core/base/time.ts'
import { codingsToUse, decodeBody } from '../core/dirhttp/compression.ts'
import { emitRequest, headerOf, type HttpHeader } from '../core/dirhttp/message.ts'
import { ResponseParser } from '../core/dirhttp/parser.ts'
import type { ByteStream, Runtime, SocketAddress, Timer } from '../runtime/index.ts'
import { TRACED_TARGET_CHARS } from './dir-limits.ts'
import type { HopTarget } from './origin-circuit.ts'

/** A directory and the ways to it. */
export interface DirTarget {
  /** For logs and traces. */
  readonly name: string
  /** Upper-case hex of its RSA identity, by which failures are remembered. */
  readonly fingerprint: string
  /** Its directory port, where it has one. */
  readonly dirAddress?: SocketAddress
  /** How to reach it as the only hop of a circuit. */
  readonly hop?: HopTarget
}

export interface DirRequest {
  readonly method: 'GET' | 'POST'
  /** Path, beginning with `/`. */
  readonly target: string
  readonly body?: Uint8Array
  readonly headers?: readonly HttpHeader[]
  readonly timeout: DurationMs
}

export interface DirResponse {
  readonly status: number
  readonly reason: string
  readonly headers: readonly HttpHeader[]
  /** After decompression. */
  readonly body: Uint8Array
}

export interface DirExchangeHandlers {
  /** Any answer, whatever its status. */
  onResponse(response: DirResponse): void
  /** No answer: not reached, cut off, malformed, or too late. */
  onFailed(error: RelishError): void
}

/** One of the handlers is called, once, after `send` has returned; none after `cancel`. */
export interface DirTransport {
  send(directory: DirTarget, request: DirRequest, handlers: DirExchangeHandlers): { cancel(): void }
}

/** What both transports do with a stream once they have one: write the request, read the response. */
export class HttpExchange {
  readonly #runtime: Runtime
  readonly #directory: DirTarget
  readonly #request: DirRequest
  readonly #begunAt: MonotonicMs
  readonly #parser = new ResponseParser()
  #timer: Timer | undefined
  #handlers: DirExchangeHandlers | undefined
  readonly #onOver: () => void

  /** `onOver` is called when the exchange has an outcome, before the handlers hear of it. */
  constructor(runtime: Runtime, directory: DirTarget, request: DirRequest, handlers: DirExchangeHandlers, onOver: () => void) {
    this.#runtime = runtime
    this.#directory = directory
    this.#request = request
    this.#begunAt = runtime.monotonicNow()
    runtime.trace?.emit({ event: 'directory.ask', ...this.#traced(), bytes: request.body?.length ?? 0 })
    this.#handlers = handlers
    this.#onOver = onOver
    this.#timer = runtime.setTimer(request.timeout, () => {
      this.fail(new RelishError('timeout', `no answer to ${request.method} ${request.target.slice(0, 80)} within ${request.timeout / 1000} s`))
    })
  }

  get isOver(): boolean {
    return this.#handlers === undefined
  }

  onData(chunk: Uint8Array): void {
    if (this.isOver) return
    try {
      const response = this.#parser.feed(chunk)
      if (response !== undefined) this.#deliver(response)
    } catch (thrown) {
      this.fail(asRelishError(thrown).within('directory response'))
    }
  }

  /** The directory has closed: without a Content-Length that ends the response. */
  onEnd(): void {
    if (this.isOver) return
    try {
      this.#deliver(this.#parser.end())
    } catch (thrown) {
      this.fail(asRelishError(thrown).within('directory response'))
    }
  }

  fail(error: RelishError): void {
    const handlers = this.#finish()
    if (handlers === undefined) return
    this.#runtime.trace?.emit({ event: 'directory.failed', ...this.#traced(), error: error.message, elapsedUs: this.#elapsedUs() })
    handlers.onFailed(error)
  }

  /** No handler is called after this. */
  cancel(): void {
    this.#finish()
  }

  #deliver(response: { status: number; reason: string; headers: readonly HttpHeader[]; body: Uint8Array }): void {
    const body = decodeBody(headerOf(response, 'content-encoding'), response.body)
    const handlers = this.#finish()
    this.#runtime.trace?.emit({ event: 'directory.answer', ...this.#traced(), status: response.status, bytes: body.length, elapsedUs: this.#elapsedUs() })
    handlers?.onResponse({ ...response, body })
  }

  #traced(): { readonly directory: string; readonly method: string; readonly target: string } {
    return { directory: this.#directory.name, method: this.#request.method, target: this.#request.target.slice(0, TRACED_TARGET_CHARS) }
  }

  #elapsedUs(): number {
    return Math.round(between(this.#begunAt, this.#runtime.monotonicNow()) * 1000)
  }

  #finish(): DirExchangeHandlers | undefined {
    const handlers = this.#handlers
    if (handlers === undefined) return undefined
    this.#handlers = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    this.#onOver()
    return handlers
  }
}

/** The request as bytes, with the headers every request of ours has. */
export function requestBytes({ variesByPlatform }: Pick<Runtime, 'variesByPlatform'>, request: DirRequest, host: string): Uint8Array {
  return emitRequest({
    method: request.method,
    target: request.target,
    headers: [{ name: 'Host', value: host }, { name: 'Accept-Encoding', value: codingsToUse(variesByPlatform).join(', ') }, ...(request.headers ?? [])],
    // A POST without a body still says how long it is.
    body: request.body ?? new Uint8Array(0),
  })
}

/** Plain HTTP to a directory port. */
export class DirPortTransport implements DirTransport {
  readonly #runtime: Runtime
  /** Local address to connect from; the operating system's choice if undefined. */
  readonly #localHost: string | undefined

  constructor(runtime: Runtime, localHost: string | undefined) {
    this.#runtime = runtime
    this.#localHost = localHost
  }

  send(directory: DirTarget, request: DirRequest, handlers: DirExchangeHandlers): { cancel(): void } {
    let stream: ByteStream | undefined
    let dialing: { cancel(): void } | undefined
    const exchange = new HttpExchange(this.#runtime, directory, request, handlers, () => {
      dialing?.cancel()
      stream?.destroy()
    })
    const address = directory.dirAddress
    if (address === undefined) {
      // Answered later, as every other outcome.
      const timer = this.#runtime.setTimer(0 as DurationMs, () => exchange.fail(new RelishError('unavailable', `${directory.name} has no directory port`)))
      return {
        cancel: () => {
          timer.cancel()
          exchange.cancel()
        },
      }
    }
    const from = this.#localHost === undefined ? {} : { localHost: this.#localHost }
    dialing = this.#runtime.network.dial(
      { target: address, timeout: request.timeout, ...from },
      {
        onConnect: (connected) => {
          dialing = undefined
          if (exchange.isOver) {
            connected.destroy()
            return
          }
          stream = connected
          connected.start({
            onData: (chunk) => exchange.onData(chunk),
            onEnd: () => exchange.onEnd(),
            onDrain: () => {},
            onClose: (error) => exchange.fail(error ?? protocolError(`${directory.name} closed the connection without an answer`)),
          })
          connected.write(requestBytes(this.#runtime, request, `${address.host}:${address.port}`))
        },
        onError: (error) => {
          dialing = undefined
          exchange.fail(error.within(`connecting to the directory port of ${directory.name}`))
        },
      },
    )
    return { cancel: () => exchange.cancel() }
  }
}
