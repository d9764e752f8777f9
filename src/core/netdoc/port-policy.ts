/** Exit policies reduced to ports (`accept 80,443`): the `p`, `p6` and `ipv6-policy` lines (dir-spec §3.4.1, §3.3). */

/** Inclusive. */
export interface PortRange {
  readonly low: number
  readonly high: number
}

/** Immutable. */
export interface PortPolicy {
  /** Whether the ranges are the ports accepted or the ports rejected. */
  readonly accepts: boolean
  /** Ascending, not touching. */
  readonly ranges: readonly PortRange[]
  /** `accept 80,443`. */
  readonly text: string
  allows(port: number): boolean
  /** Rejects every port. */
  readonly rejectsAll: boolean
}
