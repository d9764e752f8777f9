/**
 * The ntor handshake (tor-spec §5.1.4): the client knows the relay's RSA identity and Curve25519 onion key; afterwards
 * both share `keyBytes` of key material that nobody else has.
 *
 *     client: NODEID 20 | KEYID 32 | X 32          relay: Y 32 | AUTH 32
 */

import { bytesEqual, concatBytes, utf8Encode } from '../../base/encoding.ts'
import { protocolError } from '../../base/errors.ts'
import type { Rng } from '../../base/rng.ts'
import { constantTimeEqual, hmacSha256 } from '../../crypto/hashes.ts'
import { hkdfExpand } from '../../crypto/kdf.ts'
import { x25519Generate, x25519Shared, type X25519KeyPair } from '../../crypto/x25519.ts'
import { findOnionKey, type OnionKeySet } from './onion-keys.ts'

const ID_BYTES = 20
const KEY_BYTES = 32
export const NTOR_CLIENT_BYTES = ID_BYTES + 2 * KEY_BYTES
export const NTOR_SERVER_BYTES = 2 * KEY_BYTES

const protocolId = utf8Encode('ntor-curve25519-sha256-1')
const tagged = (suffix: string): Uint8Array => concatBytes([protocolId, utf8Encode(suffix)])
const tMac = tagged(':mac')
const tKey = tagged(':key_extract')
const tVerify = tagged(':verify')
const mExpand = tagged(':key_expand')
const serverWord = utf8Encode('Server')

export interface NtorTarget {
  /** 20 bytes. */
  readonly rsaIdentity: Uint8Array
  /** 32 bytes. */
  readonly onionKey: Uint8Array
}

export interface NtorClientState {
  readonly target: NtorTarget
  readonly ephemeral: X25519KeyPair
}

export function ntorClientStart(target: NtorTarget, rng: Rng): { readonly state: NtorClientState; readonly handshake: Uint8Array } {
  const ephemeral = x25519Generate(rng)
  return { state: { target, ephemeral }, handshake: concatBytes([target.rsaIdentity, target.onionKey, ephemeral.publicKey]) }
}

/** The relay's side. Throws `protocol` for a handshake that is malformed, not for us, or degenerate. */
export function ntorServer(
  handshake: Uint8Array,
  self: { readonly rsaIdentity: Uint8Array; readonly onionKeys: OnionKeySet },
  keyBytes: number,
  rng: Rng,
): { readonly reply: Uint8Array; readonly keys: Uint8Array } {
  if (handshake.length !== NTOR_CLIENT_BYTES) throw protocolError(`ntor handshake of ${handshake.length} bytes`)
  const identity = handshake.subarray(0, ID_BYTES)
  const clientKey = handshake.subarray(ID_BYTES + KEY_BYTES)
  if (!bytesEqual(identity, self.rsaIdentity)) throw protocolError('ntor handshake for another relay')
  const onionKey = findOnionKey(self.onionKeys, handshake.subarray(ID_BYTES, ID_BYTES + KEY_BYTES))
  if (onionKey === undefined) throw protocolError('ntor handshake for an unknown onion key')
  const ephemeral = x25519Generate(rng)
  const { auth, keys } = derive(
    x25519Shared(ephemeral.secretKey, clientKey),
    x25519Shared(onionKey.secretKey, clientKey),
    { identity, onionKey: onionKey.publicKey, clientKey, serverKey: ephemeral.publicKey },
    keyBytes,
  )
  return { reply: concatBytes([ephemeral.publicKey, auth]), keys }
}

/** The shared key material. Throws `protocol` when the relay did not prove that it holds the onion key. */
export function ntorClientFinish(state: NtorClientState, reply: Uint8Array, keyBytes: number): Uint8Array {
  if (reply.length !== NTOR_SERVER_BYTES) throw protocolError(`ntor reply of ${reply.length} bytes`)
  const serverKey = reply.subarray(0, KEY_BYTES)
  const { target, ephemeral } = state
  const { auth, keys } = derive(
    x25519Shared(ephemeral.secretKey, serverKey),
    x25519Shared(ephemeral.secretKey, target.onionKey),
    { identity: target.rsaIdentity, onionKey: target.onionKey, clientKey: ephemeral.publicKey, serverKey },
    keyBytes,
  )
  if (!constantTimeEqual(auth, reply.subarray(KEY_BYTES))) throw protocolError('ntor reply is not authentic')
  return keys
}

interface PublicValues {
  readonly identity: Uint8Array
  readonly onionKey: Uint8Array
  readonly clientKey: Uint8Array
  readonly serverKey: Uint8Array
}

/** tor-spec §5.1.4 and §5.2.2. `x25519Shared` has refused the point at infinity already. */
function derive(ephemeralSecret: Uint8Array, onionSecret: Uint8Array, values: PublicValues, keyBytes: number): { auth: Uint8Array; keys: Uint8Array } {
  const { identity, onionKey, clientKey, serverKey } = values
  const secretInput = concatBytes([ephemeralSecret, onionSecret, identity, onionKey, clientKey, serverKey, protocolId])
  const verify = hmacSha256(tVerify, secretInput)
  const auth = hmacSha256(tMac, concatBytes([verify, identity, onionKey, serverKey, clientKey, protocolId, serverWord]))
  return { auth, keys: hkdfExpand(hmacSha256(tKey, secretInput), mExpand, keyBytes) }
}
