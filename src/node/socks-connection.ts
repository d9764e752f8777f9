/**
 * One connection of an application to a SOCKS listener: the handshake, the reply once it is known what came of the
 * request, then bytes both ways. A slow reader on either side stops the other: nothing is queued here.
 */

import { hexEncode } from '../core/base/encoding.ts'
import type { RelishError } from '../core/base/errors.ts'
import { durationMs, seconds } from '../core/base/time.ts'
import type { ResolvedAnswer } from '../core/cell/stream-messages.ts'
import { emitFailure, emitReply, SocksCommand, SocksStatus, type SocksRequest } from '../core/socks/message.ts'
import { SocksServerHandshake } from '../core/socks/server-handshake.ts'
import type { StreamFlags } from '../core/torrc/port-spec.ts'
import type { ByteStream, Runtime, Timer } from '../runtime/index.ts'
import type { ApplicationRequest, ApplicationSide, ApplicationStream } from './application-stream.ts'
import type { PreparedRequest, RawRequest } from './client-request.ts'
import { socksStatusFor } from './end-reasons.ts'

export interface SocksConnectionParts {
  readonly runtime: Runtime
  readonly stream: ByteStream
  readonly flags: StreamFlags
  readonly socksTimeoutMs: number
  prepare(raw: RawRequest): PreparedRequest
  open(request: ApplicationRequest, side: ApplicationSide): ApplicationStream
  /** SafeSocks and TestSocks, and the warning about applications that resolve names themselves. False: refuse. */
  checkLeak(request: SocksRequest): boolean
  /** Called once, when the connection is over. */
  onGone(): void
}

type State =
  | { readonly kind: 'handshake'; readonly handshake: SocksServerHandshake }
  | { readonly kind: 'stream'; readonly request: SocksRequest; readonly stream: ApplicationStream; connected: boolean }
  /** Everything is said; what is buffered goes out. */
  | { readonly kind: 'closing' }
  | { readonly kind: 'closed' }

/** How long the application may take to read what is left, without reading any of it. */
const lingerTime = seconds(10)

export class SocksConnection implements ApplicationSide {
  readonly #parts: SocksConnectionParts
  #state: State
  #timer: Timer | undefined

  constructor(parts: SocksConnectionParts) {
    this.#parts = parts
    this.#state = { kind: 'handshake', handshake: new SocksServerHandshake({ preferNoAuth: parts.flags.preferSocksNoAuth }) }
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
    // As C tor does, the reply names no address.
    this.#parts.stream.write(emitReply(state.request.version, SocksStatus.SUCCEEDED))
  }

  onAnswers(answers: readonly ResolvedAnswer[]): void {
    const state = this.#state
    if (state.kind !== 'stream') return
    this.#parts.stream.write(resolveReply(state.request, answers, this.#parts.flags))
    this.#finish()
  }

  onFailed(reason: number): void {
    const state = this.#state
    if (state.kind !== 'stream') return
    this.#reject(state.request, reason)
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
        this.#handshake(state.handshake, chunk)
        return
      case 'stream':
        // The runtime lends the chunk for this call only; the stream keeps it.
        if (!state.stream.write(chunk.slice())) this.#parts.stream.pauseReading()
        return
      case 'closing':
      case 'closed':
        return
    }
  }

  #handshake(handshake: SocksServerHandshake, chunk: Uint8Array): void {
    const { stream, runtime } = this.#parts
    const step = handshake.handle(chunk)
    if (step.reply.length > 0) stream.write(step.reply)
    if (step.kind === 'more') return
    this.#timer?.cancel()
    if (step.kind === 'refused') {
      runtime.log.write(step.httpSeen ? 'warn' : 'info', 'app', `SOCKS request refused: ${step.reason}`)
      this.#finish()
      return
    }
    this.#request(step.request, step.early)
  }

  #request(request: SocksRequest, early: Uint8Array): void {
    const { runtime, stream, flags } = this.#parts
    if (!this.#parts.checkLeak(request)) {
      stream.write(emitFailure(request, SocksStatus.NOT_ALLOWED, flags.extendedErrors))
      this.#finish()
      return
    }
    const prepared = this.#parts.prepare({
      kind: request.command === SocksCommand.CONNECT ? 'connect' : request.command === SocksCommand.RESOLVE ? 'resolve' : 'resolve-ptr',
      host: request.host,
      port: request.port,
      clientAddress: stream.remote.host,
      credentials: credentialsKey(request),
      protocol: request.version === 4 ? 'socks4' : 'socks5',
    })
    switch (prepared.kind) {
      case 'answer':
        stream.write(resolveReply(request, [{ kind: 'address', address: prepared.address, ttlSec: 0 }], flags))
        this.#finish()
        return
      case 'refused':
        runtime.log.write(prepared.level, 'app', prepared.words)
        this.#reject(request, prepared.reason)
        return
      case 'stream': {
        const application = this.#parts.open(prepared.request, this)
        this.#state = { kind: 'stream', request, stream: application, connected: false }
        // socks-extensions §5: what came with the request goes ahead of the answer.
        if (early.length > 0 && !application.write(early)) stream.pauseReading()
        application.start()
      }
    }
  }

  /** C tor answers lookups that fail in one way only. */
  #reject(request: SocksRequest, reason: number): void {
    const status = request.command === SocksCommand.CONNECT ? socksStatusFor(reason) : SocksStatus.HOST_UNREACHABLE
    this.#parts.stream.write(emitFailure(request, status, this.#parts.flags.extendedErrors))
    this.#finish()
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

  #finish(): void {
    if (this.#state.kind === 'closing' || this.#state.kind === 'closed') return
    this.#state = { kind: 'closing' }
    const { stream } = this.#parts
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

/** One text for what the application gave to keep its streams apart; different credentials give different texts. */
function credentialsKey(request: SocksRequest): string {
  const { credentials } = request
  switch (credentials.kind) {
    case 'none':
      return ''
    case 'socks4':
      return `4:${hexEncode(credentials.userId)}`
    case 'socks5':
      return `5:${hexEncode(credentials.username)}:${hexEncode(credentials.password)}`
  }
}

/** The one answer a SOCKS reply has room for (socks-extensions §2). */
function resolveReply(request: SocksRequest, answers: readonly ResolvedAnswer[], flags: StreamFlags): Uint8Array {
  if (request.command === SocksCommand.RESOLVE_PTR) {
    const name = answers.find((answer) => answer.kind === 'hostname')
    if (name?.kind === 'hostname') return emitReply(request.version, SocksStatus.SUCCEEDED, { kind: 'name', host: name.name })
    return emitReply(request.version, SocksStatus.HOST_UNREACHABLE)
  }
  const addresses = answers.flatMap((answer) => (answer.kind === 'address' ? [answer.address] : []))
  const ipv4 = flags.ipv4Traffic ? addresses.find((address) => !address.includes(':')) : undefined
  const ipv6 = flags.ipv6Traffic && request.version === 5 ? addresses.find((address) => address.includes(':')) : undefined
  const chosen = flags.preferIpv6 ? (ipv6 ?? ipv4) : (ipv4 ?? ipv6)
  if (chosen === undefined) return emitReply(request.version, SocksStatus.HOST_UNREACHABLE)
  return emitReply(request.version, SocksStatus.SUCCEEDED, { kind: 'address', host: chosen })
}
