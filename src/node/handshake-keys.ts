/** The keys of a relay as its circuits need them. */

import type { RelayKeys } from '../core/cert/relay-keys.ts'
import type { HandshakeKeys } from '../core/proto/circuit/server-handshake.ts'

export function handshakeKeysOf(keys: RelayKeys): HandshakeKeys {
  return {
    rsaIdentity: keys.rsaFingerprint,
    ed25519Identity: keys.ed25519Identity,
    onionKeys: { current: keys.ntorOnionKey, previous: keys.ntorOnionKeyOld },
  }
}
