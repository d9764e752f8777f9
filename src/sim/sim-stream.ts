/**
 * A connection in the simulation: two ends, each a SecureByteStream (a plain stream is one whose secure part nobody
 * sees). Behaves as TCP does where a program can tell: order, half close, windows that fill, FIN after a close, RST to
 * whoever writes to a closed end.
 */

import { assert } from '../core/base/assert.ts'
import { concatBytes, copyBytes, utf8Encode } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import { hkdfExpand } from '../core/crypto/kdf.ts'
import { sha256 } from '../core/crypto/hashes.ts'
import { formatAddressPort } from '../core/ident/address.ts'
import type { ByteStreamHandlers, SecureByteStream, SocketAddress } from '../runtime/index.ts'
import type { EventQueue } from './event-queue.ts'
import { simLimits } from './limits.ts'
import type { SimLink } from './sim-link.ts'

/** The life of a program on a machine: what it is called back through. Silent once the program has ended. */
export interface ProgramGuard {
  run(work: () => void): void
}

export interface SimStreamOptions {
  readonly queue: EventQueue
  readonly guard: ProgramGuard
  /** Towards the peer. */
  readonly link: SimLink
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly peerCertificate: Uint8Array | undefined
  readonly localCertificate: Uint8Array | undefined
  /** Shared by both ends; what TLS would have agreed on. Undefined for plain streams. */
  readonly exporterSecret: Uint8Array | undefined
  readonly segmentBytesMax: number
  /** Told of every chunk that leaves, of the end, and of resets, for the trace. */
  readonly onTraffic: (what: 'segment' | 'end' | 'reset', bytes: Uint8Array | undefined) => void
  readonly onClosed: (stream: SimStream) => void
}

export class SimStream implements SecureByteStream {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly peerCertificate: Uint8Array | undefined
  readonly localCertificate: Uint8Array | undefined
  /** Its program knows of it. One that a listener has not been given yet is the kernel's to close. */
  isHeld = false
  readonly #options: SimStreamOptions
  readonly #arrivalWords: string
  #peer: SimStream | undefined
  #handlers: ByteStreamHandlers | undefined
  /** `open`: in use. `gone`: destroyed or reset, `onClose` is due. `closed`: `onClose` was called. */
  #state: 'open' | 'gone' | 'closed' = 'open'
  #error: RelishError | undefined

  // Sending.
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #underWayBytes = 0
  #lastArrivalUs = 0
  #flushPlanned = false
  /** A chunk is in the rate's queue, or the link is down: more would not leave sooner. */
  #held = false
  #blocked = false
  #ended = false
  #finSent = false

  // Receiving.
  #inbox: Uint8Array[] = []
  #paused = false
  #delivering = false
  #finArrived = false
  #endDelivered = false

  constructor(options: SimStreamOptions) {
    this.#options = options
    this.#arrivalWords = `arrival at ${formatAddressPort(options.remote)}`
    this.local = options.local
    this.remote = options.remote
    this.peerCertificate = options.peerCertificate
    this.localCertificate = options.localCertificate
  }

  /** Makes two streams the ends of one connection. */
  static join(a: SimStream, b: SimStream): void {
    a.#peer = b
    b.#peer = a
  }

  get bufferedBytes(): number {
    return this.#waitingBytes
  }

  start(handlers: ByteStreamHandlers): void {
    assert(this.#handlers === undefined, 'a stream is started once')
    this.#handlers = handlers
    this.#options.queue.atEndOfTurn(() => {
      this.#deliver()
      this.#finishIfGone()
    })
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended || this.#state !== 'open') return false
    if (chunk.length > 0) {
      this.#waiting.push(copyBytes(chunk))
      this.#waitingBytes += chunk.length
      this.#planFlush()
    }
    if (this.#waitingBytes > simLimits.streamHighMarkBytes) this.#blocked = true
    return !this.#blocked
  }

  end(): void {
    if (this.#ended || this.#state !== 'open') return
    this.#ended = true
    this.#planFlush()
  }

  destroy(): void {
    if (this.#state !== 'open') return
    // As a kernel does: unread data makes a close a reset; else the peer sees an ordinary end.
    const unread = this.#inbox.length > 0
    this.#leave(undefined)
    if (unread) this.#sendReset()
    else if (!this.#finSent) this.#sendFin()
    this.#options.queue.atEndOfTurn(() => this.#finishIfGone())
  }

  pauseReading(): void {
    this.#paused = true
  }

  resumeReading(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#options.queue.atEndOfTurn(() => this.#deliver())
  }

  exportKeyingMaterial(length: number, label: string, context: Uint8Array): Uint8Array {
    const secret = this.#options.exporterSecret
    if (secret === undefined || this.#state !== 'open') throw new RelishError('unavailable', 'this connection exports no keying material')
    const name = utf8Encode(label)
    return hkdfExpand(secret, sha256(Uint8Array.of(name.length), name, context), length)
  }

  /** The connection breaks, as when a fault resets it: both ends see an error. */
  break(): void {
    if (this.#state !== 'open') return
    this.#sendReset()
    this.#fail(new RelishError('local-io', 'connection reset'))
  }

  #planFlush(): void {
    if (this.#flushPlanned || this.#held) return
    this.#flushPlanned = true
    this.#options.queue.atEndOfTurn(() => {
      this.#flushPlanned = false
      this.#flush()
    })
  }

  /** Sends what the window and the link allow. */
  #flush(): void {
    const { queue, link, segmentBytesMax } = this.#options
    while (this.#state === 'open' && !this.#held && this.#waitingBytes > 0 && this.#underWayBytes < simLimits.streamWindowBytes) {
      if (link.isDown) {
        this.#hold((resume) => link.whenUp(() => queue.atEndOfTurn(resume)))
        break
      }
      const segment = this.#takeSegment(Math.min(segmentBytesMax, simLimits.streamWindowBytes - this.#underWayBytes))
      this.#underWayBytes += segment.length
      const departureUs = link.departureUs(queue.nowUs, segment.length)
      this.#options.onTraffic('segment', segment)
      this.#sendAt(departureUs, (peer) => peer.#arrive(segment))
      // A queue that is full lets one in as one leaves: streams that share a link take turns.
      const roomAtUs = link.roomAtUs(queue.nowUs)
      if (roomAtUs > queue.nowUs) this.#hold((resume) => queue.schedule(roomAtUs - queue.nowUs, resume))
    }
    if (this.#state !== 'open') return
    if (this.#ended && this.#waitingBytes === 0 && !this.#finSent && !this.#held) {
      this.#sendFin()
      this.#closeIfBothEnded()
    }
    if (this.#blocked && this.#waitingBytes <= simLimits.streamLowMarkBytes) {
      this.#blocked = false
      const handlers = this.#handlers
      if (handlers !== undefined && !this.#ended) this.#options.guard.run(() => handlers.onDrain())
    }
  }

  #hold(until: (resume: () => void) => void): void {
    this.#held = true
    until(() => {
      this.#held = false
      this.#flush()
    })
  }

  #takeSegment(bytesMax: number): Uint8Array {
    const parts: Uint8Array[] = []
    let bytes = 0
    let whole = 0
    for (const chunk of this.#waiting) {
      if (bytes + chunk.length > bytesMax) break
      parts.push(chunk)
      bytes += chunk.length
      whole++
    }
    if (whole > 0) this.#waiting = this.#waiting.slice(whole)
    const next = this.#waiting[0]
    if (bytes === 0 && next !== undefined) {
      parts.push(next.subarray(0, bytesMax))
      this.#waiting[0] = next.subarray(bytesMax)
      bytes = bytesMax
    }
    this.#waitingBytes -= bytes
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : concatBytes(parts)
  }

  /** Calls `receive` at the peer one journey after `departureUs`, never before what was sent earlier. */
  #sendAt(departureUs: number, receive: (peer: SimStream) => void): void {
    const { queue, link } = this.#options
    if (link.isDown) {
      link.whenUp(() => this.#sendAt(queue.nowUs, receive))
      return
    }
    this.#lastArrivalUs = Math.max(this.#lastArrivalUs, departureUs + link.travelUs())
    queue.schedule(this.#lastArrivalUs - queue.nowUs, () => {
      if (this.#peer !== undefined) receive(this.#peer)
    }, this.#arrivalWords)
  }

  #sendFin(): void {
    this.#finSent = true
    this.#options.onTraffic('end', undefined)
    this.#sendAt(this.#options.queue.nowUs, (peer) => peer.#arriveFin())
  }

  #sendReset(): void {
    this.#options.onTraffic('reset', undefined)
    this.#sendAt(this.#options.queue.nowUs, (peer) => peer.#fail(new RelishError('local-io', 'connection reset by peer')))
  }

  #arrive(segment: Uint8Array): void {
    if (this.#state !== 'open') {
      // Written to an end that is closed.
      this.#sendReset()
      return
    }
    this.#inbox.push(segment)
    this.#deliver()
  }

  #arriveFin(): void {
    if (this.#state !== 'open') return
    this.#finArrived = true
    this.#deliver()
  }

  #deliver(): void {
    const handlers = this.#handlers
    if (handlers === undefined || this.#delivering) return
    this.#delivering = true
    while (this.#state === 'open' && !this.#paused) {
      const segment = this.#inbox.shift()
      if (segment === undefined) break
      const peer = this.#peer
      if (peer !== undefined) peer.#windowOpened(segment.length)
      this.#options.guard.run(() => handlers.onData(segment))
    }
    this.#delivering = false
    if (this.#state === 'open' && !this.#paused && this.#finArrived && !this.#endDelivered && this.#inbox.length === 0) {
      this.#endDelivered = true
      this.#options.guard.run(() => handlers.onEnd())
      this.#closeIfBothEnded()
    }
  }

  /** The receiver has read `bytes` of ours. The news takes a journey; only a sender that waits for it can tell. */
  #windowOpened(bytes: number): void {
    this.#underWayBytes -= bytes
    if (this.#waitingBytes === 0 || this.#flushPlanned || this.#held) return
    this.#flushPlanned = true
    this.#options.queue.schedule(this.#options.link.travelUs(), () => {
      this.#flushPlanned = false
      this.#flush()
    })
  }

  #closeIfBothEnded(): void {
    if (this.#state !== 'open' || !this.#finSent || !this.#endDelivered) return
    this.#leave(undefined)
    this.#options.queue.atEndOfTurn(() => this.#finishIfGone())
  }

  #fail(error: RelishError): void {
    if (this.#state !== 'open') return
    this.#leave(error)
    this.#finishIfGone()
  }

  #leave(error: RelishError | undefined): void {
    this.#state = 'gone'
    this.#error = error
    this.#waiting = []
    this.#waitingBytes = 0
    this.#inbox = []
    this.#options.onClosed(this)
  }

  #finishIfGone(): void {
    const handlers = this.#handlers
    if (this.#state !== 'gone' || handlers === undefined) return
    this.#state = 'closed'
    this.#options.guard.run(() => handlers.onClose(this.#error))
  }
}
