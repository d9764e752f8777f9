/**
 * Keys of Curve25519 and Ed25519 between their 32 bytes and `node:crypto`. They go through JSON Web Keys (RFC 8037), which
 * Node.js hands to OpenSSL as raw bytes: ten times as fast as DER, which OpenSSL 3 sends through its search for decoders,
 * and most of the cost of a handshake otherwise.
 */

import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { must } from '../base/assert.ts'

type Curve = 'X25519' | 'Ed25519'

const base64Url = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')

/** A JSON Web Key names the public key too; OpenSSL computes it from the secret, and this one is not looked at. */
const anyPublicKey = 'A'.repeat(43)

export const importRawPrivateKey = (curve: Curve, secret: Uint8Array): KeyObject =>
  createPrivateKey({ format: 'jwk', key: { kty: 'OKP', crv: curve, d: base64Url(secret), x: anyPublicKey } })

/** Whether the bytes are a point of the curve shows when the key is used. */
export const importRawPublicKey = (curve: Curve, publicKey: Uint8Array): KeyObject =>
  createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: curve, x: base64Url(publicKey) } })

/** The 32 bytes of a private or public key's public half. */
export function exportRawPublicKey(key: KeyObject): Uint8Array {
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' })
  return new Uint8Array(Buffer.from(must(x, 'a JSON Web Key of these curves has its x'), 'base64url'))
}
