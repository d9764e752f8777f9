/** Exit policies reduced to ports (`accept 80,443`): the `p`, `p6` and `ipv6-policy` lines (dir-spec §3.4.1, §3.3). */

import { decimal } from './fields.ts'
import { maxPortRanges } from './limits.ts'

/** Inclusive. */
export interface PortRange {
  readonly low: number
  readonly high: number
}

/** Immutable. */
export class PortPolicy {
  /** Whether the ranges are the ports accepted or the ports rejected. */
  readonly accepts: boolean
  /** In the order of the text. */
  readonly ranges: readonly PortRange[]
  /** `accept 80,443`. */
  readonly text: string

  constructor(accepts: boolean, ranges: readonly PortRange[], text?: string) {
    this.accepts = accepts
    this.ranges = ranges
    this.text = text ?? `${accepts ? 'accept' : 'reject'} ${formatPortRanges(ranges)}`
  }

  static readonly rejectAll: PortPolicy = new PortPolicy(false, [{ low: 1, high: 65535 }])
  static readonly acceptAll: PortPolicy = new PortPolicy(true, [{ low: 1, high: 65535 }])

  /**
   * Undefined when malformed or without a range. Like C tor, skips entries that do not start with a digit, to leave
   * room for extension.
   */
  static parse(text: string): PortPolicy | undefined {
    const accepts = text.startsWith('accept ')
    if (!accepts && !text.startsWith('reject ')) return undefined
    const ranges: PortRange[] = []
    for (const entry of text.slice(7).split(',')) {
      const first = entry.charCodeAt(0)
      if (!(first >= 48 && first <= 57)) continue
      const range = parsePortRange(entry)
      if (range === undefined || ranges.length === maxPortRanges) return undefined
      ranges.push(range)
    }
    return ranges.length === 0 ? undefined : new PortPolicy(accepts, ranges, text)
  }

  allows(port: number): boolean {
    for (const range of this.ranges) if (port >= range.low && port <= range.high) return this.accepts
    return !this.accepts
  }

  /** Rejects every port. */
  get rejectsAll(): boolean {
    const first = this.ranges[0]
    return !this.accepts && this.ranges.length === 1 && first !== undefined && first.low <= 1 && first.high === 65535
  }
}

/** `80` or `80-90`, ports from 1; undefined for anything else. */
export function parsePortRange(text: string): PortRange | undefined {
  const dash = text.indexOf('-')
  const low = decimal(dash < 0 ? text : text.slice(0, dash))
  const high = dash < 0 ? low : decimal(text.slice(dash + 1))
  if (low === undefined || high === undefined || low < 1 || high > 65535 || low > high) return undefined
  return { low, high }
}

export function formatPortRange(range: PortRange): string {
  return range.low === range.high ? `${range.low}` : `${range.low}-${range.high}`
}

function formatPortRanges(ranges: readonly PortRange[]): string {
  return ranges.map(formatPortRange).join(',')
}
