/** Bandwidth files (bandwidth-file-spec §2): what a bandwidth scanner measured, for an authority to vote. */

export interface BandwidthFile {
  readonly text: string
  /** Seconds since the epoch, from the first line. */
  readonly timestampSec: number
  /** `version` header; `1.0.0` for files without headers. */
  readonly version: string
  /** Headers in order, `version` included. */
  readonly headers: ReadonlyMap<string, string>
  readonly relays: readonly BandwidthLine[]
}

export interface BandwidthLine {
  /** Upper-case hex. */
  readonly fingerprint?: string
  readonly ed25519?: string
  /** Kilobytes a second, at least 1. */
  readonly bandwidth: number
  /** `vote=0`: measured, and not to be voted. */
  readonly vote: boolean
  readonly values: ReadonlyMap<string, string>
}
