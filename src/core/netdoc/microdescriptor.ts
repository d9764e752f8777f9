/** Microdescriptors (dir-spec §3.3): the part of a server descriptor that clients need and that seldom changes. */

import type { OrAddress } from './server-descriptor.ts'
import type { PortPolicy } from './port-policy.ts'

/** What vouches for it is its digest in a consensus: looking it up by that digest is the check. */
export interface Microdescriptor {
  /** As received (latin1), without annotations. */
  readonly text: string
  /** SHA-256 of the text, 32 bytes; and base64 without padding, as in `m` lines and URLs. */
  readonly digest: Uint8Array
  readonly digestBase64: string
  /** PKCS #1 DER. */
  readonly onionKeyDer?: Uint8Array
  readonly ntorOnionKey: Uint8Array
  readonly orAddresses: readonly OrAddress[]
  /** As written: nicknames and `$FINGERPRINT`s. */
  readonly family: readonly string[]
  /** `ed25519:BASE64` (prop321). */
  readonly familyIds: readonly string[]
  /** Absent: rejects all. */
  readonly exitPolicy?: PortPolicy
  readonly ipv6ExitPolicy?: PortPolicy
  readonly ed25519Identity?: Uint8Array
  /** From an `id rsa1024` line. */
  readonly rsaIdentity?: Uint8Array
}
