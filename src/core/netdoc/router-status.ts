/** One relay's entry in a consensus or vote (dir-spec §3.4.1, §3.5). */

import type { WallMs } from '../base/time.ts'
import type { PortPolicy } from './port-policy.ts'
import type { ProtocolList } from './protocol-list.ts'
import type { OrAddress } from './server-descriptor.ts'

export interface RouterStatus {
  readonly nickname: string
  /** 20 bytes, and upper-case hex. */
  readonly rsaIdentity: Uint8Array
  readonly fingerprint: string
  /** SHA-1 of the server descriptor. Votes and the ns flavour; absent in the microdesc flavour. */
  readonly descriptorDigest?: Uint8Array
  /** SHA-256 of the microdescriptor, unpadded base64, as in its `m` line. Microdesc flavour only. */
  readonly microdescriptorDigest?: string
  /** 2038-01-01 00:00:00 in the microdesc flavour, from method 33 on. */
  readonly published: WallMs
  /** IPv4. */
  readonly address: string
  readonly orPort: number
  readonly dirPort: number
  readonly orAddresses: readonly OrAddress[]
  readonly flags: ReadonlySet<string>
  /** `Tor 0.4.9.11`. */
  readonly version?: string
  readonly protocols?: ProtocolList
  /** Kilobytes a second, from `w Bandwidth=`. */
  readonly bandwidth?: number
  /** `w Unmeasured=1`. */
  readonly unmeasured: boolean
  readonly guardFraction?: number
  /** ns flavour and votes. */
  readonly exitPolicy?: PortPolicy
}

/** What only votes say of a relay. */
export interface VoteRouterStatus extends RouterStatus {
  readonly descriptorDigest: Uint8Array
  /** `w Measured=`, kilobytes a second. */
  readonly measured?: number
  /** `w MeasuredButAuthority=`. */
  readonly measuredButAuthority?: number
  /** `m` lines: for each list of methods, the microdescriptor's digest (unpadded base64). */
  readonly microdescriptors: readonly { readonly methods: readonly number[]; readonly digest: string }[]
  /** `id ed25519` line: 32 bytes; `none` when the authority says the relay has no such key; undefined without the line. */
  readonly ed25519Identity?: Uint8Array | 'none'
  /** `stats wfu=… tk=… mtbf=…`, as written. */
  readonly stats?: string
}
