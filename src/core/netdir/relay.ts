/**
 * One relay as this node sees it: its line of the consensus, joined with its descriptor once that is held.
 *
 * Not a document: a Relay is made only from a verified consensus, and from a microdescriptor or server descriptor whose
 * digest the consensus names. All fields are read-only and shared between successive views of the network.
 */

import type { AddressPort } from '../ident/address.ts'
import type { PolicyVerdict } from '../netdoc/exit-policy.ts'
import type { ProtocolList } from '../netdoc/protocol-list.ts'

/** An exit policy as path selection needs it, whichever document it came from. */
export interface ExitPolicyView {
  /** True when no target at all is accepted: `reject *:*`. */
  readonly rejectsAll: boolean
  /**
   * `address`: IPv4 or IPv6 text; undefined when only a host name is known. `probably-…`: that, or the policy at hand is a
   * summary (path-spec §2.2.1, "might support").
   */
  compare(address: string | undefined, port: number): PolicyVerdict
}

/** What only a relay's descriptor tells. */
export interface RelayDescriptor {
  /** 32 bytes; absent in very old descriptors only. */
  readonly ed25519Identity: Uint8Array | undefined
  /** 32 bytes. */
  readonly ntorOnionKey: Uint8Array
  /** MyFamily as declared, normalised: `$` and 40 upper-case hex digits, or a lower-case nickname. */
  readonly family: readonly string[]
  /** Family ids proven by family certificates (prop321), as text. */
  readonly familyIds: readonly string[]
  readonly exitPolicy: ExitPolicyView
}

/** What the consensus alone tells of a relay. */
export interface RelayStatus {
  readonly nickname: string
  /** 40 upper-case hex digits: the key by which relays are found. */
  readonly fingerprint: string
  /** 20 bytes: SHA-1 of the RSA identity key. */
  readonly rsaIdentity: Uint8Array
  /** OR addresses: that of the `r` line first, then those of `a` lines. */
  readonly addresses: readonly AddressPort[]
  /** What `subnetKeys` makes of the addresses: relays with one in common are neighbours. */
  readonly subnets: readonly string[]
  /** 0 when it has none. */
  readonly dirPort: number
  readonly flags: ReadonlySet<string>
  /** `w Bandwidth=`, kilobytes a second; undefined when absent. */
  readonly bandwidthKilobytes: number | undefined
  /** `w GuardFraction=`, percent (prop236). */
  readonly guardFractionPercent: number | undefined
  /** The `pr` line. */
  readonly protocols: ProtocolList
  /** What names its descriptor in the consensus: unpadded base64 of a microdescriptor's SHA-256, or upper-case hex of a server descriptor's SHA-1. */
  readonly descriptorDigest: string
}

export interface Relay extends RelayStatus {
  /** Undefined until it is held; without it the relay serves only as a directory, one hop away. */
  readonly descriptor: RelayDescriptor | undefined
}

export const hasFlag = (relay: RelayStatus, flag: string): boolean => relay.flags.has(flag)

/** More than half of the authorities that list bad exits call it one (path-spec §2.2.1). */
export const isBadExit = (relay: RelayStatus): boolean => relay.flags.has('BadExit')

/** `nickname` and `fingerprint`, the form of C tor's logs: `$FINGERPRINT~nickname`. */
export const describeRelay = (relay: RelayStatus): string => `$${relay.fingerprint}~${relay.nickname}`
