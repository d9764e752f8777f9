/**
 * Flow control of a stream on a circuit with congestion control (prop324 §4): no window, but XOFF when bytes pile up for a
 * slow reader, XON with the rate at which it reads when they are gone, and further XONs as that rate changes.
 *
 * How much may pile up after an XOFF is a limit of the edge (`proto/stream/limits.ts`), since the peer cannot be held to it here.
 */

import { protocolError } from '../../base/errors.ts'
import { between, type MonotonicMs } from '../../base/time.ts'
import { RelayCommand } from '../../cell/commands.ts'
import { RELAY_DATA_BYTES_MAX } from '../../cell/limits.ts'
import { decodeXoff, decodeXon, encodeXoff, encodeXon } from '../../cell/stream-messages.ts'
import type { StreamFlowParameters } from './congestion-parameters.ts'
import { RELAY_DATA_BYTES_LEAST, STREAM_BURST_CELLS, STREAM_RATE_MAX, XOFF_GRACE_MS, XON_XOFF_HALVE_AT_BYTES, XON_XOFF_HALVE_AT_MESSAGES } from './limits.ts'
import { movingAverage, type ClockHealth } from './round-trip.ts'
import { noMessages, type FlowMessage, type StreamFlow } from './stream-flow.ts'
import { StreamPace } from './stream-pace.ts'

/** Which end of a stream this is. Clients and onion services check what they are told; exits need not. */
export type StreamEnd = 'client-of-exit' | 'exit' | 'onion'

export class XonXoff implements StreamFlow {
  readonly #parameters: StreamFlowParameters
  readonly #end: StreamEnd
  readonly #clock: ClockHealth
  #answered = false
  // What the peer sends.
  /** Bytes that came and have not left to the application. */
  #buffered = 0
  #xoffSent = false
  #graceSince: MonotonicMs | undefined
  /** Bytes that left since the present measurement began, which it does as bytes begin to pile up. */
  #drained = 0
  #drainSince: MonotonicMs | undefined
  /** Kilobytes a second; 0 when unknown. */
  #drainRate = 0
  #rateSent = 0
  // What we send.
  #xoffReceived = false
  readonly #pace = new StreamPace()
  readonly #received = { bytesSent: 0, xons: 0, xoffs: 0 }

  constructor(parameters: StreamFlowParameters, end: StreamEnd, clock: ClockHealth) {
    this.#parameters = parameters
    this.#end = end
    this.#clock = clock
  }

  available(now: MonotonicMs): number {
    return this.#xoffReceived ? 0 : this.#pace.available(now)
  }

  get pacedUntil(): MonotonicMs | undefined {
    return this.#xoffReceived ? undefined : this.#pace.until
  }

  handleSent(_cells: number, bytes: number): void {
    this.#pace.handleSent(bytes)
    this.#received.bytesSent += bytes
    if (this.#received.bytesSent >= XON_XOFF_HALVE_AT_BYTES) this.#halveCounts()
  }

  handleAnswered(): void {
    this.#answered = true
  }

  handleReceived(now: MonotonicMs, _cells: number, bytes: number): readonly FlowMessage[] {
    this.#buffered += bytes
    if (this.#buffered <= this.#xoffLimit) {
      this.#graceSince = undefined
    } else if (!this.#xoffSent && this.#answered) {
      this.#graceSince ??= now
      if (between(this.#graceSince, now) > XOFF_GRACE_MS) return [this.#sendXoff()]
    }
    // The application takes nothing, so that only what comes in can tell that its rate has fallen.
    return this.#buffered > STREAM_BURST_CELLS * RELAY_DATA_BYTES_LEAST ? this.#considerXon(now, 0) : noMessages
  }

  handleDelivered(now: MonotonicMs, _cells: number, bytes: number): readonly FlowMessage[] {
    this.#buffered -= bytes
    if (this.#buffered <= this.#xoffLimit) this.#graceSince = undefined
    return this.#considerXon(now, bytes)
  }

  handlePassed(now: MonotonicMs, cells: number, bytes: number): readonly FlowMessage[] {
    // However many bytes, no rate is to be taken of them from now on, as if they had to wait.
    this.#buffered += bytes
    return this.handleDelivered(now, cells, bytes)
  }

  handleMessage(now: MonotonicMs, command: RelayCommand, body: Uint8Array): void {
    switch (command) {
      case RelayCommand.XOFF:
        decodeXoff(body)
        if (this.#xoffReceived) throw protocolError('XOFF after XOFF')
        this.#countMessage('xoffs')
        this.#xoffReceived = true
        return
      case RelayCommand.XON: {
        const { kilobytesPerSec } = decodeXon(body)
        this.#countMessage('xons')
        this.#xoffReceived = false
        const rate = kilobytesPerSec * 1000
        this.#pace.setRate(now, rate === 0 || rate > STREAM_RATE_MAX ? undefined : rate)
        return
      }
      default:
        // prop324 §2.2: there are no SENDMEs of streams any more.
        throw protocolError(`${RelayCommand.nameOf(command)} on a stream with XON and XOFF`)
    }
  }

  /** prop324 §4.1.4: there is no window that would say how much is under way. */
  leftovers(): undefined {
    return undefined
  }

  /** Bytes that may pile up here. C tor 0.4.8 counts cells of 498 bytes when it checks what it gets, and others fewer. */
  get #xoffLimit(): number {
    const { xoffExitCells, xoffClientCells } = this.#parameters
    return RELAY_DATA_BYTES_MAX * (this.#end === 'exit' ? xoffExitCells : xoffClientCells)
  }

  #sendXoff(): FlowMessage {
    this.#xoffSent = true
    this.#graceSince = undefined
    this.#drainRate = 0
    return { command: RelayCommand.XOFF, body: encodeXoff() }
  }

  /** prop324 §4.1.2: takes rates while bytes are piled up, and tells them when that is due. */
  #considerXon(now: MonotonicMs, delivered: number): readonly FlowMessage[] {
    this.#drained += delivered
    this.#measure(now)
    const due = this.#answered && (this.#xoffSent ? this.#buffered === 0 : this.#rateChanged)
    const messages = due ? [this.#sendXon()] : noMessages
    if (this.#buffered === 0) this.#noteEmpty()
    return messages
  }

  #sendXon(): FlowMessage {
    this.#xoffSent = false
    this.#rateSent = this.#drainRate
    return { command: RelayCommand.XON, body: encodeXon({ kilobytesPerSec: this.#drainRate }) }
  }

  #measure(now: MonotonicMs): void {
    if (this.#clock.isStalled) {
      this.#drainSince = undefined
      this.#drained = 0
      return
    }
    if (this.#drainSince === undefined) {
      if (this.#buffered === 0) return
      this.#drainSince = now
      this.#drained = 0
    }
    const elapsedMs = between(this.#drainSince, now)
    if (this.#drained <= this.#rateBytes || elapsedMs <= 0) return
    const rate = Math.min(STREAM_RATE_MAX, Math.max(1, Math.floor(this.#drained / elapsedMs)))
    this.#drainRate = movingAverage(rate, this.#drainRate, this.#parameters.xonEwmaCount)
    this.#drained = 0
    this.#drainSince = undefined
  }

  /** The reader keeps up: what it was said to take is too little, as long as this goes on. */
  #noteEmpty(): void {
    this.#drainSince = undefined
    if (this.#drained < this.#rateBytes || this.#rateSent === 0) return
    this.#drainRate = Math.min(STREAM_RATE_MAX, 2 * this.#drainRate)
    this.#drained = 0
  }

  get #rateBytes(): number {
    return RELAY_DATA_BYTES_MAX * this.#parameters.xonRateCells
  }

  get #rateChanged(): boolean {
    if (this.#rateSent === 0 || this.#clock.isStalled) return false
    const change = (this.#rateSent * this.#parameters.xonChangePercent) / 100
    return Math.abs(this.#drainRate - this.#rateSent) > change
  }

  /**
   * prop324 §4.1.4: no more messages than the bytes that we have sent can have caused, or they are a signal from somebody
   * who wants to be seen elsewhere. SPEC-DIFF: twice as many XONs are let through. C tor sends one as bytes are gone, and
   * may count the same bytes again for a change of rate; itself it warns of the excess and goes on.
   */
  #countMessage(kind: 'xons' | 'xoffs'): void {
    if (this.#received[kind] >= XON_XOFF_HALVE_AT_MESSAGES) this.#halveCounts()
    this.#received[kind]++
    if (this.#end === 'exit') return
    const { xoffExitCells, xoffClientCells, xonRateCells } = this.#parameters
    const xoffCells = this.#end === 'onion' ? xoffClientCells : xoffExitCells
    const cells = kind === 'xoffs' ? xoffCells : Math.min(xoffCells, xonRateCells) / 2
    if (this.#received.bytesSent < cells * RELAY_DATA_BYTES_LEAST * this.#received[kind]) {
      throw protocolError(`${this.#received[kind]} ${kind === 'xons' ? 'XONs' : 'XOFFs'} for ${this.#received.bytesSent} bytes`)
    }
  }

  #halveCounts(): void {
    const counts = this.#received
    counts.bytesSent = Math.floor(counts.bytesSent / 2)
    counts.xons = Math.floor(counts.xons / 2)
    counts.xoffs = Math.floor(counts.xoffs / 2)
  }
}
