/** Exit policies in full: lists of rules over addresses and ports (dir-spec §2.1.3). */

import type { PortPolicy, PortRange } from './port-policy.ts'

export interface PolicyRule {
  readonly accepts: boolean
  /** 4 or 6; undefined for `*`, which matches addresses of both families. */
  readonly family: 4 | 6 | undefined
  /** Network address, 4 or 16 bytes; all zero where `prefixBits` is 0. */
  readonly address: Uint8Array
  readonly prefixBits: number
  readonly ports: PortRange
}

export interface ExitPolicy {
  readonly rules: readonly PolicyRule[]
  /** Whether connections to this address (text form, either family) and port are allowed. The last resort is accept (dir-spec §2.1.3). */
  allows(address: string, port: number): boolean
  /** For a port at an address not known yet: is some address of that family allowed. */
  mightAllowPort(family: 4 | 6, port: number): boolean
  /** The `p` line's policy, as C tor computes it. */
  summary(family: 4 | 6): PortPolicy
  /** `accept 1.2.3.4:80` lines, without final newline. */
  toLines(): string[]
}
