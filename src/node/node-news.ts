/**
 * What happens to the circuits, streams and links of a node, for whoever follows it (the control port). Parts publish
 * only while somebody does.
 */

import type { MonotonicMs } from '../core/base/time.ts'
import type { SocketAddress } from '../runtime/index.ts'

export interface CircuitNews {
  readonly kind: 'circuit'
  /** control-spec §4.1.1. */
  readonly status: 'LAUNCHED' | 'EXTENDED' | 'BUILT' | 'FAILED' | 'CLOSED'
  readonly id: number
  readonly purpose: string
  /** Fingerprints of the hops that have answered. */
  readonly path: readonly string[]
  readonly createdAt: MonotonicMs
  /** Names of tor-spec §5.4: why it is over, and what the other end said. */
  readonly reason?: string
  readonly remoteReason?: string
}

export interface StreamNews {
  readonly kind: 'stream'
  /** control-spec §4.1.2. */
  readonly status: 'NEW' | 'NEWRESOLVE' | 'SENTCONNECT' | 'SENTRESOLVE' | 'SUCCEEDED' | 'FAILED' | 'CLOSED'
  readonly circuit: number
  readonly stream: number
  readonly target: string
  /** Names of tor-spec §6.3. */
  readonly reason?: string
  readonly remoteReason?: string
}

export interface LinkNews {
  readonly kind: 'link'
  /** control-spec §4.1.3. */
  readonly status: 'NEW' | 'LAUNCHED' | 'CONNECTED' | 'FAILED' | 'CLOSED'
  readonly id: number
  readonly remote: SocketAddress
  readonly fingerprint?: string
  readonly reason?: string
}

export type News = CircuitNews | StreamNews | LinkNews

export class NewsBoard {
  readonly #readers = new Set<(news: News) => void>()

  /** Ask before making news that costs something. */
  get isFollowed(): boolean {
    return this.#readers.size > 0
  }

  publish(news: News): void {
    for (const reader of this.#readers) reader(news)
  }

  follow(reader: (news: News) => void): { close(): void } {
    this.#readers.add(reader)
    return { close: () => void this.#readers.delete(reader) }
  }
}
