/** Extra-info documents (dir-spec §2.1.2): statistics of a relay that clients do not need. */

import type { WallMs } from '../base/time.ts'
import type { Verified } from './trust.ts'

export interface ExtraInfoUnverified {
  readonly text: string
  /** SHA-1 of the signed part (its digest in URLs and descriptors), and SHA-256 of the whole document with its signatures. */
  readonly digest: Uint8Array
  readonly digestSha256: Uint8Array
  readonly nickname: string
  /** 20 bytes, and upper-case hex. */
  readonly rsaIdentity: Uint8Array
  readonly fingerprint: string
  readonly published: WallMs
  readonly ed25519SigningCertificate?: Uint8Array
  /** The certificate's master key, 32 bytes. */
  readonly ed25519Identity?: Uint8Array
  /** Statistics lines as written, in order: keyword and the rest of the line. */
  readonly statistics: readonly { readonly keyword: string; readonly text: string }[]
}

/** Both signatures hold, by the keys of the relay's server descriptor. */
export type ExtraInfo = Verified<ExtraInfoUnverified, 'ExtraInfo'>
