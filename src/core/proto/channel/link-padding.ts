/**
 * When to send a PADDING cell on an idle link, so that flow records of routers say less (padding-spec §2). A pure clock:
 * it is told when cells were sent and answers when one is due. Which links are padded is for the driver: those between a
 * client and the relay it dialled (padding-spec §2.2).
 */

import { randomBelow, type Rng } from '../../base/rng.ts'
import { durationMs, later, type MonotonicMs } from '../../base/time.ts'
import type { PaddingNegotiate } from '../../cell/link-messages.ts'

/** Times between which an idle link is padded, in milliseconds; both 0 turn padding off (padding-spec §2.6). */
export interface LinkPaddingRange {
  readonly lowMs: number
  readonly highMs: number
}

/** How a node pads its links: its network's parameters and its own choice. */
export interface LinkPaddingRules {
  /** `nf_ito_low` and `nf_ito_high`. */
  readonly range: LinkPaddingRange
  /** `nf_ito_low_reduced` and `nf_ito_high_reduced`. */
  readonly reduced: LinkPaddingRange
  /** `nf_pad_relays`: links between relays are padded, too. */
  readonly padsRelays: boolean
  /** `nf_pad_before_usage`: a link is padded once it has a circuit of several hops, not only once that carries data. */
  readonly padsBeforeUsage: boolean
  /** A client's choice (padding-spec §2.5). `always`: also where the link protocol is too old to negotiate. Relays have `auto`. */
  readonly choice: 'auto' | 'always' | 'reduced' | 'never'
}

export class LinkPadding {
  readonly #rng: Rng
  readonly #consensus: () => LinkPaddingRange
  /** What was negotiated: never less than the consensus' values. */
  #negotiated: LinkPaddingRange
  #enabled = true
  #lastSent: MonotonicMs
  /** Undefined while the consensus turns padding off. */
  #timeoutMs: number | undefined

  /** `consensus`: as it is at the time. `own`: what this end wants of itself. */
  constructor(consensus: () => LinkPaddingRange, rng: Rng, now: MonotonicMs, own: LinkPaddingRange = { lowMs: 0, highMs: 0 }) {
    this.#consensus = consensus
    this.#negotiated = own
    this.#rng = rng
    this.#lastSent = now
    this.#timeoutMs = this.#draw()
  }

  /** What the client at the other end wants (padding-spec §2.5); zeros mean the consensus' values. */
  handleNegotiate(wanted: PaddingNegotiate): void {
    this.#enabled = wanted.command === 'start'
    if (wanted.command === 'start') this.#negotiated = wanted
    this.#timeoutMs = this.#draw()
  }

  /** A cell of any kind was sent: the time runs anew (padding-spec §2.2). */
  handleSent(now: MonotonicMs): void {
    this.#lastSent = now
  }

  /** When `handleTimeout` is to be called; undefined while padding is off. */
  nextTimeout(): MonotonicMs | undefined {
    if (!this.#enabled) return undefined
    this.#timeoutMs ??= this.#draw()
    return this.#timeoutMs === undefined ? undefined : later(this.#lastSent, durationMs(this.#timeoutMs))
  }

  /** Whether a PADDING cell is due; the driver sends it and says so with `handleSent`. Too early is harmless. */
  handleTimeout(now: MonotonicMs): boolean {
    const due = this.nextTimeout()
    if (due === undefined) return false
    // The next time is random anew whether or not something else was sent meanwhile (padding-spec §2.2).
    this.#timeoutMs = this.#draw()
    return now >= due
  }

  /** padding-spec §2.3: the larger of two uniform draws. tor-spec §7.2: values below those of the consensus are clamped to them. */
  #draw(): number | undefined {
    const consensus = this.#consensus()
    if (consensus.lowMs === 0 && consensus.highMs === 0) return undefined
    const lowMs = Math.max(consensus.lowMs, this.#negotiated.lowMs)
    const span = Math.max(consensus.highMs, this.#negotiated.highMs) - lowMs
    return span <= 0 ? lowMs : lowMs + Math.max(randomBelow(this.#rng, span), randomBelow(this.#rng, span))
  }
}
