/** Server descriptors (dir-spec §2.1): what a relay says of itself. */

import type { WallMs } from '../base/time.ts'
import type { RsaPublicKey } from '../crypto/rsa.ts'
import type { ExitPolicy } from './exit-policy.ts'
import type { PortPolicy } from './port-policy.ts'
import type { ProtocolList } from './protocol-list.ts'
import type { Verified } from './trust.ts'

/** `or-address` and `a` lines: IPv6 hosts are without brackets. */
export interface OrAddress {
  readonly host: string
  readonly port: number
}

/** What a server descriptor says, apart from keys and signatures. */
export interface ServerDescriptorContent {
  readonly nickname: string
  /** IPv4. */
  readonly address: string
  readonly orPort: number
  readonly dirPort: number
  readonly orAddresses: readonly OrAddress[]
  readonly platform?: string
  readonly protocols: ProtocolList
  readonly published: WallMs
  readonly uptimeSec?: number
  /** Bytes a second. */
  readonly bandwidth: { readonly rate: number; readonly burst: number; readonly observed: number }
  readonly extraInfoDigest?: { readonly sha1: Uint8Array; readonly sha256?: Uint8Array }
  readonly cachesExtraInfo: boolean
  readonly hibernating: boolean
  readonly hiddenServiceDir: boolean
  /** As written: nicknames and `$fingerprints`. */
  readonly family: readonly string[]
  readonly contact?: string
  readonly bridgeDistributionRequest?: string
  readonly exitPolicy: ExitPolicy
  readonly ipv6Policy?: PortPolicy
  readonly tunnelledDirServer: boolean
  readonly overloadGeneral?: { readonly version: number; readonly at: WallMs }
}

export interface ServerDescriptorUnverified extends ServerDescriptorContent {
  /** The whole document as received (latin1), from `router` to the end of its signature. */
  readonly text: string
  /** SHA-1 and SHA-256 of the signed part (dir-spec §1.3); the first is the descriptor digest of consensuses. */
  readonly digest: Uint8Array
  readonly digestSha256: Uint8Array
  /** SHA-1 of `signingKey`, 20 bytes, and the same in upper-case hex. */
  readonly rsaIdentity: Uint8Array
  readonly fingerprint: string
  /** The RSA identity key: `signing-key` is its historical name. */
  readonly signingKey: RsaPublicKey
  /** `master-key-ed25519`, 32 bytes. Absent in descriptors from before 2015, which authorities refuse. */
  readonly ed25519Identity?: Uint8Array
  /** The encoded `identity-ed25519` certificate. */
  readonly ed25519SigningCertificate?: Uint8Array
  /** The TAP onion key, PKCS #1 DER. C tor 0.4.9 still publishes it, unless `publish-dummy-tap-key=0`. */
  readonly onionKeyDer?: Uint8Array
  readonly onionKeyCrosscert?: Uint8Array
  /** 32 bytes. */
  readonly ntorOnionKey: Uint8Array
  readonly ntorOnionKeyCrosscert?: { readonly signBit: 0 | 1; readonly certificate: Uint8Array }
  /** Encoded `family-cert` certificates (prop321). */
  readonly familyCertificates: readonly Uint8Array[]
  /** `ed25519:BASE64` of each family that certified this relay, sorted, without repeats. */
  readonly familyIds: readonly string[]
}

/** All signatures and cross-certificates hold. */
export type ServerDescriptor = Verified<ServerDescriptorUnverified, 'ServerDescriptor'>
