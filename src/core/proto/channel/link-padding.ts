/**
 * When to send a PADDING cell on an idle link, so that flow records of routers say less (padding-spec §2). A pure clock:
 * it is told when cells were sent and answers when one is due. Which links are padded is for the driver: those between a
 * client and the relay it dialled (padding-spec §2.2).
 */

import { randomBelow, type Rng } from '../../base/rng.ts'
import { durationMs, later, type MonotonicMs } from '../../base/time.ts'
import type { PaddingNegotiate } from '../../cell/link-messages.ts'

/** Consensus parameters `nf_ito_low` and `nf_ito_high`, in milliseconds; both 0 turn padding off (padding-spec §2.6). */
export interface LinkPaddingRange {
  readonly lowMs: number
  readonly highMs: number
}

/** Of a network whose consensus does not say (padding-spec §2.6). */
export const defaultLinkPadding: LinkPaddingRange = Object.freeze({ lowMs: 1500, highMs: 9500 })

export class LinkPadding {
  readonly #rng: Rng
  readonly #consensus: LinkPaddingRange
  #range: LinkPaddingRange
  #enabled = true
  #lastSent: MonotonicMs
  #timeoutMs: number

  constructor(consensus: LinkPaddingRange, rng: Rng, now: MonotonicMs) {
    this.#consensus = consensus
    this.#range = consensus
    this.#rng = rng
    this.#lastSent = now
    this.#timeoutMs = this.#draw()
  }

  /** What the client at the other end wants (padding-spec §2.5). */
  handleNegotiate(wanted: PaddingNegotiate): void {
    this.#enabled = wanted.command === 'start'
    if (wanted.command === 'start') {
      // tor-spec §7.2: values out of range are clamped; zeros thus mean the consensus' own.
      const lowMs = Math.max(this.#consensus.lowMs, wanted.lowMs)
      this.#range = { lowMs, highMs: Math.max(lowMs, wanted.highMs === 0 ? this.#consensus.highMs : wanted.highMs) }
    }
    this.#timeoutMs = this.#draw()
  }

  /** A cell of any kind was sent: the time runs anew (padding-spec §2.2). */
  handleSent(now: MonotonicMs): void {
    this.#lastSent = now
  }

  /** When `handleTimeout` is to be called; undefined while padding is off. */
  nextTimeout(): MonotonicMs | undefined {
    if (!this.#enabled || (this.#consensus.lowMs === 0 && this.#consensus.highMs === 0)) return undefined
    return later(this.#lastSent, durationMs(this.#timeoutMs))
  }

  /** Whether a PADDING cell is due; the driver sends it and says so with `handleSent`. Too early is harmless. */
  handleTimeout(now: MonotonicMs): boolean {
    const due = this.nextTimeout()
    if (due === undefined) return false
    // The next time is random anew whether or not something else was sent meanwhile (padding-spec §2.2).
    this.#timeoutMs = this.#draw()
    return now >= due
  }

  /** padding-spec §2.3: the larger of two uniform draws. */
  #draw(): number {
    const { lowMs, highMs } = this.#range
    const span = highMs - lowMs
    return span <= 0 ? lowMs : lowMs + Math.max(randomBelow(this.#rng, span), randomBelow(this.#rng, span))
  }
}
