/** Curve25519 Diffie-Hellman (RFC 7748), over `node:crypto`. */

import { diffieHellman, type KeyObject } from 'node:crypto'
import { assert } from '../base/assert.ts'
import { protocolError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'
import { exportRawPublicKey, importRawPrivateKey, importRawPublicKey } from './raw-keys.ts'

export interface X25519KeyPair {
  /** 32 bytes, clamped. */
  readonly secretKey: Uint8Array
  /** 32 bytes, the u coordinate. */
  readonly publicKey: Uint8Array
}

const importSecret = (raw: Uint8Array): KeyObject => importRawPrivateKey('X25519', raw)
const importPublic = (raw: Uint8Array): KeyObject => importRawPublicKey('X25519', raw)

export function x25519KeyPair(secret: Uint8Array): X25519KeyPair {
  assert(secret.length === 32, 'an X25519 secret has 32 bytes')
  const secretKey = secret.slice()
  secretKey[0] = (secretKey[0] as number) & 248
  secretKey[31] = ((secretKey[31] as number) & 127) | 64
  return { secretKey, publicKey: exportRawPublicKey(importSecret(secretKey)) }
}

export const x25519Generate = (rng: Rng): X25519KeyPair => x25519KeyPair(rng.bytes(32))

/**
 * The shared secret: 32 bytes. Throws `protocol` for a peer key that yields the all-zero point, which tor-spec §5.1.4
 * has both sides reject.
 */
export function x25519Shared(secretKey: Uint8Array, peerPublicKey: Uint8Array): Uint8Array {
  if (peerPublicKey.length !== 32) throw protocolError('a Curve25519 public key has 32 bytes')
  try {
    return new Uint8Array(diffieHellman({ privateKey: importSecret(secretKey), publicKey: importPublic(peerPublicKey) }))
  } catch (cause) {
    throw protocolError('Curve25519 public key of small order', cause)
  }
}
