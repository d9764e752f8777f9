/** Authority key certificates (dir-spec §3.1): an authority's identity key vouches for a signing key. */

import type { WallMs } from '../base/time.ts'
import type { RsaPublicKey } from '../crypto/rsa.ts'
import type { Verified } from './trust.ts'

export interface AuthorityCertificateUnverified {
  /** As received, up to and with the newline after its last signature. */
  readonly text: string
  readonly address?: { readonly host: string; readonly port: number }
  /** SHA-1 of the identity key: the authority's v3 identity. 20 bytes, and upper-case hex. */
  readonly identity: Uint8Array
  readonly identityFingerprint: string
  readonly identityKey: RsaPublicKey
  readonly published: WallMs
  readonly expires: WallMs
  readonly signingKey: RsaPublicKey
  /** SHA-1 of the signing key. */
  readonly signingKeyDigest: Uint8Array
  readonly signingKeyFingerprint: string
  readonly crosscert: Uint8Array
  readonly certification: Uint8Array
}

/** Both signatures hold. Whether it is an authority one trusts is for the holder of the list of authorities. */
export type AuthorityCertificate = Verified<AuthorityCertificateUnverified, 'AuthorityCertificate'>
