/**
 * The CREATE_FAST handshake (tor-spec §5.1.5): two random halves, protected by nothing but the link's TLS. For the first
 * hop of clients that do not know an onion key yet.
 */

import { concatBytes } from '../../base/encoding.ts'
import { protocolError } from '../../base/errors.ts'
import type { Rng } from '../../base/rng.ts'
import type { CreateFast, CreatedFast } from '../../cell/circuit-messages.ts'
import { constantTimeEqual } from '../../crypto/hashes.ts'
import { kdfTor } from '../../crypto/kdf.ts'

const HALF_BYTES = 20

export interface CreateFastState {
  readonly keyMaterial: Uint8Array
}

export function createFastClientStart(rng: Rng): { readonly state: CreateFastState; readonly message: CreateFast } {
  const keyMaterial = rng.bytes(HALF_BYTES)
  return { state: { keyMaterial }, message: { keyMaterial } }
}

/** The relay's answer, and `keyBytes` of key material for the circuit. */
export function createFastServer(request: CreateFast, keyBytes: number, rng: Rng): { readonly reply: CreatedFast; readonly keys: Uint8Array } {
  const keyMaterial = rng.bytes(HALF_BYTES)
  const { derivativeKeyData, keys } = derive(request.keyMaterial, keyMaterial, keyBytes)
  return { reply: { keyMaterial, derivativeKeyData }, keys }
}

/** `keyBytes` of key material. Throws `protocol` when the relay did not derive the same. */
export function createFastClientFinish(state: CreateFastState, reply: CreatedFast, keyBytes: number): Uint8Array {
  const { derivativeKeyData, keys } = derive(state.keyMaterial, reply.keyMaterial, keyBytes)
  if (!constantTimeEqual(derivativeKeyData, reply.derivativeKeyData)) throw protocolError('CREATED_FAST does not prove the derived keys')
  return keys
}

/** tor-spec §5.2.1: K0 = X|Y; the first 20 bytes of KDF-TOR are KH, the keys follow. */
function derive(x: Uint8Array, y: Uint8Array, keyBytes: number): { derivativeKeyData: Uint8Array; keys: Uint8Array } {
  const material = kdfTor(concatBytes([x, y]), HALF_BYTES + keyBytes)
  return { derivativeKeyData: material.subarray(0, HALF_BYTES), keys: material.subarray(HALF_BYTES) }
}
