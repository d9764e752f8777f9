/**
 * One stream of an application, from its request to its end: it waits for a circuit, is opened on it, is tried on
 * others when that fails in a way others may not (path-spec §2.5, §3), and then carries bytes both ways.
 *
 * How the application speaks (SOCKS, HTTP CONNECT) is its listener's business, behind `ApplicationSide`.
 */

import { copyBytes } from '../core/base/encoding.ts'
import { durationMs } from '../core/base/time.ts'
import { EndReason } from '../core/cell/commands.ts'
import { BeginFlags, type ResolvedAnswer } from '../core/cell/stream-messages.ts'
import { canonicalIp, isIpv6, isPrivateIp } from '../core/ident/address.ts'
import type { ExitNeed } from '../core/path/exit-choice.ts'
import type { StreamIsolation } from '../core/path/isolation.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import type { ClientCircuit } from './client-circuit.ts'
import type { CircuitWaiter, ClientCircuits } from './client-circuits.ts'
import { optimisticBytesMax, resolveFailuresMax, streamAttemptsMax } from './client-limits.ts'
import { isRetriable, LocalReason } from './end-reasons.ts'
import type { CircuitStream, StreamClosed } from './origin-circuit.ts'

/** What an application asked for. */
export interface ApplicationRequest {
  readonly kind: 'connect' | 'resolve' | 'resolve-ptr'
  /** Name or address, after rewriting. */
  readonly host: string
  readonly port: number
  readonly isolation: StreamIsolation
  readonly stable: boolean
  readonly ipv4Traffic: boolean
  readonly ipv6Traffic: boolean
  readonly preferIpv6: boolean
  /** KeepAliveIsolateSOCKSAuth, and credentials were given. */
  readonly keepAlive: boolean
  /** From `.exit` notation. Upper-case hex. */
  readonly exitFingerprint: string | undefined
}

/** The listener's end of the stream. */
export interface ApplicationSide {
  /** Bytes may flow. `address`: what the exit connected to, if it said so. */
  onConnected(address: string | undefined): void
  /** Answers to a resolve request: at least one. */
  onAnswers(answers: readonly ResolvedAnswer[]): void
  /** Nothing came of it. `reason`: tor-spec §6.3, or one of our own above 255. */
  onFailed(reason: number): void
  /** False: stop until `resume`. */
  onData(chunk: Uint8Array): boolean
  /** Room again after `write` returned false. */
  onDrain(): void
  /** The stream is over after it was connected. */
  onClosed(reason: number): void
}

export interface ApplicationStreamParts {
  readonly runtime: Runtime
  readonly circuits: ClientCircuits
  readonly socksTimeoutMs: number
  /** CircuitStreamTimeout; 0 for the built-in schedule. */
  readonly attemptTimeoutMs: number
  /** ClientDNSRejectInternalAddresses. */
  readonly rejectPrivateAnswers: boolean
}

type State =
  | { readonly kind: 'new' }
  | { readonly kind: 'waiting'; readonly waiter: CircuitWaiter }
  | { readonly kind: 'connecting'; readonly circuit: ClientCircuit; readonly stream: CircuitStream }
  /** A question cannot be taken back: `leave` stops waiting for its answer. */
  | { readonly kind: 'resolving'; readonly circuit: ClientCircuit; readonly leave: () => void }
  | { readonly kind: 'open'; readonly circuit: ClientCircuit; readonly stream: CircuitStream }
  | { readonly kind: 'closed' }

export class ApplicationStream {
  readonly request: ApplicationRequest
  readonly #parts: ApplicationStreamParts
  readonly #side: ApplicationSide
  /** What the exit is asked for; becomes an address once an exit has told what a name resolves to. */
  #host: string
  readonly #refusedBy = new Set<string>()
  #state: State = { kind: 'new' }
  #attempts = 0
  #resolveFailures = 0
  /** What was sent before the stream was connected, for another attempt (optimistic data). */
  #optimistic: Uint8Array[] = []
  #optimisticBytes = 0
  #blocked = false
  #giveUpTimer: Timer | undefined
  #attemptTimer: Timer | undefined

  constructor(parts: ApplicationStreamParts, request: ApplicationRequest, side: ApplicationSide) {
    this.#parts = parts
    this.request = request
    this.#side = side
    this.#host = request.host
  }

  start(): void {
    this.#giveUpTimer = this.#parts.runtime.setTimer(durationMs(this.#parts.socksTimeoutMs), () => this.#giveUp())
    this.#wait()
  }

  /** Bytes of the application, which are copied. False: stop until `onDrain`. Before the stream is connected they are sent ahead, up to a limit. */
  write(chunk: Uint8Array): boolean {
    switch (this.#state.kind) {
      case 'open':
        return this.#state.stream.write(chunk)
      case 'new':
      case 'waiting':
      case 'connecting': {
        const room = optimisticBytesMax - this.#optimisticBytes
        this.#optimistic.push(copyBytes(chunk))
        this.#optimisticBytes += chunk.length
        if (this.#state.kind === 'connecting') this.#state.stream.write(chunk)
        this.#blocked = chunk.length >= room
        return !this.#blocked
      }
      case 'resolving':
      case 'closed':
        return true
    }
  }

  /** The application sends no more. A stream of Tor cannot be half closed: it ends (tor-spec §6.3). */
  end(): void {
    const state = this.#state
    if (state.kind === 'open') state.stream.end()
    else this.destroy()
  }

  /** The application is gone. Nothing is reported any more. */
  destroy(): void {
    const state = this.#state
    this.#finish()
    if (state.kind === 'waiting') this.#parts.circuits.forget(state.waiter)
    if (state.kind === 'connecting' || state.kind === 'open') state.stream.destroy(EndReason.DONE)
    if (state.kind === 'resolving') state.leave()
  }

  /** The application can take more after `onData` returned false. */
  resume(): void {
    if (this.#state.kind === 'open') this.#state.stream.resumeReading()
  }

  #wait(): void {
    const { request } = this
    const address = canonicalIp(this.#host)
    const need: ExitNeed = {
      kind: request.kind === 'connect' ? 'connect' : 'resolve',
      address: request.kind === 'connect' ? address : undefined,
      port: request.port,
      exitFingerprint: request.exitFingerprint,
      refusedBy: this.#refusedBy,
    }
    const waiter: CircuitWaiter = {
      need,
      stable: request.stable,
      isolation: request.isolation,
      attach: (circuit) => this.#attach(circuit),
      refuse: () => this.#fail(this.#refusedBy.size > 0 ? EndReason.EXITPOLICY : LocalReason.CANT_ATTACH),
    }
    this.#state = { kind: 'waiting', waiter }
    this.#parts.circuits.want(waiter)
  }

  #attach(circuit: ClientCircuit): void {
    this.#attempts++
    this.#parts.circuits.noteAttached(circuit, this.request.isolation, this.request.keepAlive)
    // C tor's schedule: ten seconds for the first two attempts, fifteen for the others.
    const timeoutMs = this.#parts.attemptTimeoutMs > 0 ? this.#parts.attemptTimeoutMs : this.#attempts <= 2 ? 10_000 : 15_000
    this.#attemptTimer = this.#parts.runtime.setTimer(durationMs(timeoutMs), () => this.#attemptTimedOut())
    if (this.request.kind === 'connect') this.#open(circuit)
    else this.#resolve(circuit)
  }

  #open(circuit: ClientCircuit): void {
    let over = false
    const isCurrent = (): boolean => !over && (this.#state.kind === 'connecting' || this.#state.kind === 'open') && this.#state.stream === stream
    const stream: CircuitStream = circuit.origin.openStream(
      { kind: 'connect', host: this.#host, port: this.request.port, flags: this.#beginFlags(circuit) },
      {
        onConnected: (address) => {
          if (isCurrent()) this.#connected(circuit, stream, address)
        },
        onData: (chunk) => {
          if (isCurrent() && !this.#side.onData(chunk)) stream.pauseReading()
        },
        onEnd: () => undefined,
        onDrain: () => {
          if (isCurrent() && this.#state.kind === 'open') this.#drained()
        },
        onClose: (closed) => {
          const wasCurrent = isCurrent()
          over = true
          this.#parts.circuits.noteDetached(circuit)
          if (wasCurrent) this.#streamClosed(circuit, closed)
        },
      },
    )
    this.#state = { kind: 'connecting', circuit, stream }
    for (const chunk of this.#optimistic) stream.write(chunk)
  }

  /** tor-spec §6.2. An address needs no flags: its family is plain. */
  #beginFlags(circuit: ClientCircuit): number {
    const { ipv4Traffic, ipv6Traffic, preferIpv6, port } = this.request
    if (canonicalIp(this.#host) !== undefined || !ipv6Traffic) return 0
    const policy = circuit.exit?.descriptor?.exitPolicy
    const verdict = policy?.compare('2001:db8::1', port)
    const exitTakesIpv6 = verdict === 'accepted' || verdict === 'probably-accepted'
    let flags = exitTakesIpv6 ? BeginFlags.IPV6_OKAY : 0
    if (!ipv4Traffic) flags |= BeginFlags.IPV4_NOT_OKAY
    else if (exitTakesIpv6 && preferIpv6) flags |= BeginFlags.IPV6_PREFERRED
    return flags
  }

  #connected(circuit: ClientCircuit, stream: CircuitStream, address: string | undefined): void {
    if (this.#state.kind !== 'connecting') return
    if (address !== undefined && canonicalIp(this.request.host) === undefined && this.#parts.rejectPrivateAnswers && isPrivateIp(address)) {
      stream.destroy(EndReason.TORPROTOCOL)
      this.#fail(EndReason.TORPROTOCOL)
      return
    }
    this.#stopTimers()
    this.#state = { kind: 'open', circuit, stream }
    this.#optimistic = []
    this.#side.onConnected(address)
    this.#drained()
  }

  #drained(): void {
    this.#blocked = false
    this.#side.onDrain()
  }

  #streamClosed(circuit: ClientCircuit, closed: StreamClosed): void {
    if (this.#state.kind === 'open') {
      this.#finish()
      this.#side.onClosed(closed.reason)
      return
    }
    this.#attemptTimer?.cancel()
    const { circuits } = this.#parts
    // tor-spec §6.3: DESTROY says that the circuit died under the stream, whoever closed it.
    // SPEC-DIFF: C tor gives the stream up. Here nothing was sent that cannot be sent again, and another circuit may live.
    if (!closed.remote || closed.reason === EndReason.DESTROY) {
      // The circuit may not have said so itself yet.
      circuit.retired = true
      this.#retry(closed.reason)
      return
    }
    switch (closed.reason) {
      case EndReason.EXITPOLICY:
        this.#exitRefused(circuit, closed.address)
        return
      case EndReason.RESOLVEFAILED:
      case EndReason.MISC:
      case EndReason.NOROUTE:
        this.#resolveFailures++
        circuits.retire(circuit)
        if (this.#resolveFailures < resolveFailuresMax) this.#retry(closed.reason)
        else this.#fail(closed.reason)
        return
      case EndReason.HIBERNATING:
      case EndReason.RESOURCELIMIT:
        if (circuit.exit !== undefined) circuits.distrustExit(circuit.exit)
        this.#retry(closed.reason)
        return
      default:
        this.#fail(closed.reason)
    }
  }

  /** path-spec §2.5. The exit may have told which address it would not connect to. */
  #exitRefused(circuit: ClientCircuit, address: string | undefined): void {
    const { exit } = circuit
    const wasAddress = canonicalIp(this.#host) !== undefined
    if (address !== undefined) {
      const ipv6 = isIpv6(address)
      const unwanted = (ipv6 && !this.request.ipv6Traffic) || (!ipv6 && !this.request.ipv4Traffic)
      if (address === '0.0.0.0' || address === '::' || unwanted || (this.#parts.rejectPrivateAnswers && isPrivateIp(address))) {
        this.#fail(EndReason.TORPROTOCOL)
        return
      }
      circuit.refuse(address)
      // From now on an exit that takes this very address is looked for.
      this.#host = address
    }
    if (exit !== undefined) {
      if (address === undefined || (wasAddress && exit.descriptor?.exitPolicy.compare(address, this.request.port) === 'accepted')) this.#parts.circuits.distrustExit(exit)
      this.#refusedBy.add(exit.fingerprint)
    }
    this.#retry(EndReason.EXITPOLICY)
  }

  #resolve(circuit: ClientCircuit): void {
    let left = false
    const leave = (): void => {
      if (left) return
      left = true
      this.#parts.circuits.noteDetached(circuit)
    }
    this.#state = { kind: 'resolving', circuit, leave }
    circuit.origin.resolve(this.#host, (answers) => {
      if (left) return
      leave()
      this.#answered(circuit, answers)
    })
  }

  #answered(circuit: ClientCircuit, answers: readonly ResolvedAnswer[]): void {
    this.#attemptTimer?.cancel()
    if (answers.length === 0) {
      circuit.retired = true
      this.#retry(EndReason.DESTROY)
      return
    }
    const good = answers.filter((answer) => answer.kind !== 'error' && !(answer.kind === 'address' && this.#parts.rejectPrivateAnswers && isPrivateIp(answer.address)))
    if (good.length > 0) {
      this.#finish()
      this.#side.onAnswers(good)
      return
    }
    this.#resolveFailures++
    const isTransient = answers.some((answer) => answer.kind === 'error' && answer.transient)
    if (isTransient && this.#resolveFailures < resolveFailuresMax) {
      this.#parts.circuits.retire(circuit)
      this.#retry(EndReason.RESOLVEFAILED)
    } else this.#fail(EndReason.RESOLVEFAILED)
  }

  #attemptTimedOut(): void {
    const state = this.#state
    if (state.kind !== 'connecting' && state.kind !== 'resolving') return
    this.#parts.runtime.log.write('info', 'app', `No answer for ${this.request.kind} on circuit ${state.circuit.origin.id}. Retrying on a new circuit.`)
    // The old stream is not current any more by the time its end is reported.
    this.#state = { kind: 'closed' }
    state.circuit.retired = true
    if (state.kind === 'connecting') state.stream.destroy(EndReason.TIMEOUT)
    else state.leave()
    this.#retry(EndReason.TIMEOUT)
  }

  #retry(reason: number): void {
    this.#attemptTimer?.cancel()
    if (this.#attempts >= streamAttemptsMax || (reason !== EndReason.TIMEOUT && reason !== EndReason.DESTROY && !isRetriable(reason))) {
      this.#fail(reason)
      return
    }
    this.#wait()
  }

  #giveUp(): void {
    const state = this.#state
    this.#parts.runtime.log.write('notice', 'app', `Tried for ${Math.round(this.#parts.socksTimeoutMs / 1000)} seconds to get a connection to [scrubbed]:${this.request.port}. Giving up.`)
    if (state.kind === 'waiting') this.#parts.circuits.forget(state.waiter)
    this.#fail(EndReason.TIMEOUT)
    if (state.kind === 'connecting') state.stream.destroy(EndReason.TIMEOUT)
    if (state.kind === 'resolving') state.leave()
  }

  #fail(reason: number): void {
    if (this.#state.kind === 'closed' && this.#giveUpTimer === undefined) return
    this.#finish()
    this.#side.onFailed(reason)
  }

  #finish(): void {
    this.#stopTimers()
    this.#state = { kind: 'closed' }
    this.#optimistic = []
  }

  #stopTimers(): void {
    this.#giveUpTimer?.cancel()
    this.#giveUpTimer = undefined
    this.#attemptTimer?.cancel()
    this.#attemptTimer = undefined
  }
}
