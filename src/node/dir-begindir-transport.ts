/**
 * Asking a directory through a circuit of one hop (tor-spec §6.2.1, BEGIN_DIR): what clients do, and all who reach a
 * directory only at its OR port. Circuits are kept a while for the next request.
 */

import { RelishError } from '../core/base/errors.ts'
import type { DurationMs, MonotonicMs } from '../core/base/time.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import { DIR_CIRCUIT_IDLE, DIR_CIRCUITS_MAX } from './dir-limits.ts'
import { HttpExchange, requestBytes, type DirExchangeHandlers, type DirRequest, type DirTarget, type DirTransport } from './dir-transport.ts'
import type { CircuitStream, HopTarget, OriginCircuit, OriginCircuits } from './origin-circuit.ts'

interface Waiting {
  readonly request: DirRequest
  readonly exchange: HttpExchange
  /** So that a cancelled exchange takes its stream with it. */
  readonly holder: { stream: CircuitStream | undefined }
}

interface DirCircuit {
  circuit: OriginCircuit
  isOpen: boolean
  streams: number
  idleSince: MonotonicMs
  readonly waiting: Waiting[]
}

/** How far a request has come, for those who tell of the first one. */
export type BeginDirStep =
  /** A circuit to a directory is open. */
  | { readonly kind: 'open' }
  /** The first bytes of an answer have come. */
  | { readonly kind: 'answer'; readonly target: string }

export class BeginDirTransport implements DirTransport {
  readonly #runtime: Runtime
  readonly #circuits: OriginCircuits
  readonly #onStep: (step: BeginDirStep) => void
  /** By fingerprint of the directory. */
  readonly #open = new Map<string, DirCircuit>()
  #timer: Timer | undefined

  constructor(runtime: Runtime, circuits: OriginCircuits, onStep: (step: BeginDirStep) => void = () => {}) {
    this.#runtime = runtime
    this.#circuits = circuits
    this.#onStep = onStep
  }

  send(directory: DirTarget, request: DirRequest, handlers: DirExchangeHandlers): { cancel(): void } {
    const holder: { stream: CircuitStream | undefined } = { stream: undefined }
    const exchange = new HttpExchange(this.#runtime, directory, request, handlers, () => holder.stream?.destroy())
    const waiting = { request, exchange, holder }
    const { hop } = directory
    if (hop === undefined) {
      const timer = this.#runtime.setTimer(0 as DurationMs, () => exchange.fail(new RelishError('unavailable', `${directory.name} has no OR address`)))
      return {
        cancel: () => {
          timer.cancel()
          exchange.cancel()
        },
      }
    }
    const known = this.#open.get(directory.fingerprint)
    if (known === undefined) this.#build(directory.fingerprint, hop, waiting)
    else if (known.isOpen) this.#start(known, waiting)
    else known.waiting.push(waiting)
    return { cancel: () => exchange.cancel() }
  }

  /** Closes all circuits; requests under way fail. */
  closeAll(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const { circuit } of [...this.#open.values()]) circuit.close('finished')
    this.#open.clear()
  }

  #build(fingerprint: string, hop: HopTarget, first: Waiting): void {
    this.#makeRoom()
    const waiting = [first]
    // tor-spec §5.1.5: CREATE_FAST will do for one hop, whose identity the link has proven.
    const { ntorOnionKey: _unused, ...onlyHop } = hop
    const circuit = this.#circuits.build([onlyHop], { purpose: 'directory' }, {
      onOpen: () => {
        entry.isOpen = true
        this.#onStep({ kind: 'open' })
        entry.idleSince = this.#runtime.monotonicNow()
        for (const one of entry.waiting.splice(0)) if (!one.exchange.isOver) this.#start(entry, one)
        this.#watch()
      },
      onFailed: (error) => {
        if (this.#open.get(fingerprint) === entry) this.#open.delete(fingerprint)
        for (const one of entry.waiting.splice(0)) one.exchange.fail(error.within('circuit to the directory'))
      },
    })
    const entry: DirCircuit = { circuit, isOpen: false, streams: 0, idleSince: this.#runtime.monotonicNow(), waiting }
    this.#open.set(fingerprint, entry)
    circuit.onClosed = () => {
      if (this.#open.get(fingerprint) === entry) this.#open.delete(fingerprint)
    }
  }

  #start(entry: DirCircuit, waiting: Waiting): void {
    const { exchange, request, holder } = waiting
    entry.streams++
    let answered = false
    const stream = entry.circuit.openStream(
      { kind: 'directory' },
      {
        onConnected: () => {},
        onData: (chunk) => {
          if (!answered) this.#onStep({ kind: 'answer', target: request.target })
          answered = true
          exchange.onData(chunk)
        },
        onEnd: () => exchange.onEnd(),
        onDrain: () => {},
        onClose: (closed) => {
          holder.stream = undefined
          entry.streams--
          entry.idleSince = this.#runtime.monotonicNow()
          exchange.fail(closed.error ?? new RelishError('unavailable', `the directory ended the stream with reason ${closed.reason}`))
        },
      },
    )
    if (exchange.isOver) stream.destroy()
    else {
      holder.stream = stream
      const address = entry.circuit.path[0]?.addresses[0]
      stream.write(requestBytes(this.#runtime, request, address === undefined ? 'localhost' : address.host))
    }
  }

  /** Looks for circuits that were idle too long, while there are any. */
  #watch(): void {
    if (this.#timer !== undefined || this.#open.size === 0) return
    this.#timer = this.#runtime.setTimer(DIR_CIRCUIT_IDLE, () => {
      this.#timer = undefined
      const now = this.#runtime.monotonicNow()
      for (const entry of [...this.#open.values()]) {
        if (entry.isOpen && entry.streams === 0 && now - entry.idleSince >= DIR_CIRCUIT_IDLE) entry.circuit.close('idle')
      }
      this.#watch()
    })
  }

  #makeRoom(): void {
    if (this.#open.size < DIR_CIRCUITS_MAX) return
    let oldest: DirCircuit | undefined
    for (const entry of this.#open.values()) {
      if (entry.streams === 0 && (oldest === undefined || entry.idleSince < oldest.idleSince)) oldest = entry
    }
    oldest?.circuit.close('too many directory circuits')
  }
}
