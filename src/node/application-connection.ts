/**
 * One connection of an application to a listener: the request, the reply once it is known what came of it, then bytes
 * both ways. A slow reader on either side stops the other: nothing is queued here.
 */

import type { RelishError } from '../core/base/errors.ts'
import { durationMs, seconds } from '../core/base/time.ts'
import type { ResolvedAnswer } from '../core/cell/stream-messages.ts'
import type { ByteStream, Runtime, Timer } from '../runtime/index.ts'
import type { ApplicationProtocol, ProtocolRequest } from './application-protocol.ts'
import type { ApplicationRequest, ApplicationSide, ApplicationStream } from './application-stream.ts'
import type { PreparedRequest, RawRequest } from './client-request.ts'
import { LocalReason } from './end-reasons.ts'

export interface ApplicationConnectionParts {
  readonly runtime: Runtime
  readonly stream: ByteStream
  readonly protocol: ApplicationProtocol
  readonly socksTimeoutMs: number
  prepare(raw: RawRequest): PreparedRequest
  open(request: ApplicationRequest, side: ApplicationSide): ApplicationStream
  /** SafeSocks and TestSocks, and the warning about applications that resolve names themselves. False: refuse. */
  checkLeak(request: ProtocolRequest): boolean
  /** Called once, when the connection is over. */
  onGone(): void
}

type State =
  | { readonly kind: 'handshake' }
  | { readonly kind: 'stream'; readonly stream: ApplicationStream; connected: boolean }
  /** Everything is said; what is buffered goes out. */
  | { readonly kind: 'closing' }
  | { readonly kind: 'closed' }

/** How long the application may take to read what is left, without reading any of it. */
const lingerTime = seconds(10)

export class ApplicationConnection implements ApplicationSide {
  readonly #parts: ApplicationConnectionParts
  #state: State = { kind: 'handshake' }
  #timer: Timer | undefined

  constructor(parts: ApplicationConnectionParts) {
    this.#parts = parts
  }

  start(): void {
    const { stream, runtime, socksTimeoutMs } = this.#parts
    this.#timer = runtime.setTimer(durationMs(socksTimeoutMs), () => stream.destroy())
    stream.start({
      onData: (chunk) => this.#received(chunk),
      onEnd: () => this.#applicationEnded(),
      onDrain: () => {
        if (this.#state.kind === 'stream') this.#state.stream.resume()
      },
      onClose: (error) => this.#closed(error),
    })
  }

  /** The node stops. */
  destroy(): void {
    this.#parts.stream.destroy()
  }

  // From the stream.

  onConnected(): void {
    const state = this.#state
    if (state.kind !== 'stream') return
    state.connected = true
    this.#parts.stream.write(this.#parts.protocol.connected())
  }

  onAnswers(answers: readonly ResolvedAnswer[]): void {
    if (this.#state.kind === 'stream') this.#finish(this.#parts.protocol.answered(answers))
  }

  onFailed(reason: number): void {
    if (this.#state.kind === 'stream') this.#finish(this.#parts.protocol.failed(reason))
  }

  onData(chunk: Uint8Array): boolean {
    return this.#parts.stream.write(chunk)
  }

  onDrain(): void {
    if (this.#state.kind === 'stream') this.#parts.stream.resumeReading()
  }

  onClosed(): void {
    this.#finish()
  }

  // From the application.

  #received(chunk: Uint8Array): void {
    const state = this.#state
    switch (state.kind) {
      case 'handshake':
        this.#shakeHands(chunk)
        return
      case 'stream':
        if (!state.stream.write(chunk)) this.#parts.stream.pauseReading()
        return
      case 'closing':
      case 'closed':
        return
    }
  }

  #shakeHands(chunk: Uint8Array): void {
    const { stream, runtime, protocol } = this.#parts
    const step = protocol.handle(chunk)
    if (step.kind === 'refused') {
      runtime.log.write(step.level, 'app', step.words)
      this.#finish(step.reply)
      return
    }
    if (step.reply.length > 0) stream.write(step.reply)
    if (step.kind === 'more') return
    this.#timer?.cancel()
    this.#begin(step.request, step.early)
  }

  #begin(request: ProtocolRequest, early: Uint8Array): void {
    const { runtime, stream, protocol } = this.#parts
    if (!this.#parts.checkLeak(request)) {
      this.#finish(protocol.failed(LocalReason.ENTRYPOLICY))
      return
    }
    const prepared = this.#parts.prepare({ ...request, clientAddress: stream.remote.host })
    switch (prepared.kind) {
      case 'answer':
        this.#finish(protocol.answered([{ kind: 'address', address: prepared.address, ttlSec: 0 }]))
        return
      case 'refused':
        runtime.log.write(prepared.level, 'app', prepared.words)
        this.#finish(protocol.failed(prepared.reason))
        return
      case 'stream': {
        const application = this.#parts.open(prepared.request, this)
        this.#state = { kind: 'stream', stream: application, connected: false }
        // socks-extensions §5: what came with the request goes ahead of the answer.
        if (early.length > 0 && !application.write(early)) stream.pauseReading()
        application.start()
      }
    }
  }

  #applicationEnded(): void {
    const state = this.#state
    if (state.kind === 'stream' && state.connected) {
      state.stream.end()
      return
    }
    // Nobody waits for an answer any more.
    if (state.kind !== 'closing') this.#parts.stream.destroy()
  }

  #finish(last?: Uint8Array): void {
    if (this.#state.kind === 'closing' || this.#state.kind === 'closed') return
    this.#state = { kind: 'closing' }
    const { stream } = this.#parts
    if (last !== undefined && last.length > 0) stream.write(last)
    stream.end()
    // What the application still sends is read and dropped, so that its own end can be seen.
    stream.resumeReading()
    this.#linger(stream.bufferedBytes)
  }

  /** Closes once the application has taken all, or takes nothing more. */
  #linger(bufferedBefore: number): void {
    this.#timer?.cancel()
    this.#timer = this.#parts.runtime.setTimer(lingerTime, () => {
      const { stream } = this.#parts
      const left = stream.bufferedBytes
      if (left === 0 || left >= bufferedBefore) stream.destroy()
      else this.#linger(left)
    })
  }

  #closed(error: RelishError | undefined): void {
    const state = this.#state
    this.#timer?.cancel()
    this.#state = { kind: 'closed' }
    if (state.kind === 'closed') return
    if (error !== undefined) this.#parts.runtime.log.write('debug', 'app', `Connection of an application broke: ${error.message}`)
    if (state.kind === 'stream') state.stream.destroy()
    this.#parts.onGone()
  }
}
