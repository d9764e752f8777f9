/**
 * Keys of Curve25519 and Ed25519 between their 32 bytes and `node:crypto`. They go through JSON Web Keys (RFC 8037), which
 * Node.js hands to OpenSSL as raw bytes: ten times as fast as DER, which OpenSSL 3.0 sends through its search for decoders,
 * and most of the cost of a handshake otherwise.
 *
 * A JSON Web Key of a secret names the public key too. Until Node.js 24 that is not looked at; Node.js 26 refuses one that does not
 * fit. So with OpenSSL 3.5, which reads DER nearly as fast, secrets go through that; Node.js 20, with its OpenSSL 3.0, does not care.
 */

import { constants, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { must } from '../base/assert.ts'
import { hexDecode } from '../base/encoding.ts'

type Curve = 'X25519' | 'Ed25519'

const base64Url = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')

const anyPublicKey = 'A'.repeat(43)
const opensslReadsDerQuickly = constants.OPENSSL_VERSION_NUMBER >= 0x30500000

/** PKCS #8 (RFC 8410) up to the secret. */
const pkcs8Start: Readonly<Record<Curve, Uint8Array>> = {
  X25519: hexDecode('302e020100300506032b656e04220420'),
  Ed25519: hexDecode('302e020100300506032b657004220420'),
}

export const importRawPrivateKey = (curve: Curve, secret: Uint8Array): KeyObject =>
  opensslReadsDerQuickly
    ? createPrivateKey({ format: 'der', type: 'pkcs8', key: Buffer.concat([pkcs8Start[curve], secret]) })
    : createPrivateKey({ format: 'jwk', key: { kty: 'OKP', crv: curve, d: base64Url(secret), x: anyPublicKey } })

/** Whether the bytes are a point of the curve shows when the key is used. */
export const importRawPublicKey = (curve: Curve, publicKey: Uint8Array): KeyObject =>
  createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: curve, x: base64Url(publicKey) } })

/** The 32 bytes of a private or public key's public half. */
export function exportRawPublicKey(key: KeyObject): Uint8Array {
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' })
  return new Uint8Array(Buffer.from(must(x, 'a JSON Web Key of these curves has its x'), 'base64url'))
}
