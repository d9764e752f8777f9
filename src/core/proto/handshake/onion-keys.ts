/** The onion keys a relay answers handshakes with: today's and, for a while after a rotation, the one before. */

import { constantTimeEqual } from '../../crypto/hashes.ts'
import type { X25519KeyPair } from '../../crypto/x25519.ts'

export interface OnionKeySet {
  readonly current: X25519KeyPair
  /** Clients with an older descriptor still use it (dir-spec §2.1.1, `ntor-onion-key`). */
  readonly previous: X25519KeyPair | undefined
}

/** The key pair a client means; undefined when it is none of ours. */
export function findOnionKey(keys: OnionKeySet, publicKey: Uint8Array): X25519KeyPair | undefined {
  if (constantTimeEqual(keys.current.publicKey, publicKey)) return keys.current
  if (keys.previous !== undefined && constantTimeEqual(keys.previous.publicKey, publicKey)) return keys.previous
  return undefined
}
