/**
 * How the simulated network behaves between two machines. A model answers for an ordered pair; the simulation asks once
 * per pair and keeps the answer.
 */

export interface LinkSettings {
  /** One way. */
  readonly latencyMs: number
  /** Each chunk takes up to this much longer, drawn evenly; chunks of one stream never overtake each other. */
  readonly jitterMs: number
  /** Of the pair in this direction. `Infinity`: no limit. */
  readonly bytesPerSecond: number
  /** Bytes that may wait where the rate is limited before senders do. Without it one chunk at a time, so that streams take turns. */
  readonly queueBytes?: number
  /** Share of connection attempts that get no answer, 0 to 1. */
  readonly dialLoss: number
}

/** What a model may look at. */
export interface LinkEnd {
  readonly name: string
  readonly region: string
}

export type LinkModel = (from: LinkEnd, to: LinkEnd) => LinkSettings

/** Processes on one machine: 50 µs one way, as fast as one likes. */
export const loopbackLinks: LinkModel = () => loopback

const loopback: LinkSettings = Object.freeze({ latencyMs: 0.05, jitterMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, dialLoss: 0 })

/** One-way latencies between regions of the Internet, in milliseconds: half of typical round trips between data centres. */
const internetLatencyMs: Readonly<Record<string, Readonly<Record<string, number>>>> = Object.freeze({
  eu: { eu: 10, us: 45, asia: 90 },
  us: { eu: 45, us: 18, asia: 75 },
  asia: { eu: 90, us: 75, asia: 30 },
})

export const internetRegions: readonly string[] = Object.freeze(['eu', 'us', 'asia'])

/** Three regions, jitter of a tenth of the latency, 100 Mbit/s a pair with a queue of 20 ms, one connection attempt in a thousand lost. Unknown regions count as `eu`. */
export const internetLinks: LinkModel = (from, to) => {
  const row = internetLatencyMs[from.region] ?? internetLatencyMs['eu']
  const latencyMs = row?.[to.region] ?? row?.['eu'] ?? 10
  return { latencyMs, jitterMs: latencyMs / 10, bytesPerSecond: 12_500_000, queueBytes: 250_000, dialLoss: 0.001 }
}
