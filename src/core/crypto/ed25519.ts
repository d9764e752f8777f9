/**
 * Ed25519 signatures (RFC 8032). Keys made from a seed are used through `node:crypto`; keys that exist only in expanded
 * form (C tor's key files, blinded keys) need the base point's multiples (`ed25519-base.ts`).
 */

import { sign, verify, type KeyObject } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import { assert } from '../base/assert.ts'
import { concatBytes } from '../base/encoding.ts'
import type { Rng } from '../base/rng.ts'
import { multiplyEd25519Base } from './ed25519-base.ts'
import { sha512 } from './hashes.ts'
import { bigIntToLittleEndian, littleEndianToBigInt } from './little-endian.ts'
import { exportRawPublicKey, importRawPrivateKey, importRawPublicKey } from './raw-keys.ts'

export interface Ed25519KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes: the clamped scalar, then the prefix that makes nonces. The form C tor keeps on disk. */
  readonly expandedSecret: Uint8Array
  /** 32 bytes; absent where only the expanded form is known. */
  readonly seed: Uint8Array | undefined
  /** Signs `message`: 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}

const groupOrder = ed25519.Point.Fn.ORDER

/** `scalar` times the base point, encoded: 32 bytes. */
const multiplyBase = (scalar: bigint): Uint8Array => multiplyEd25519Base(scalar) ?? ed25519.Point.BASE.multiply(scalar).toBytes()

export function ed25519FromSeed(seed: Uint8Array): Ed25519KeyPair {
  assert(seed.length === 32, 'an Ed25519 seed has 32 bytes')
  const key = importRawPrivateKey('Ed25519', seed)
  const publicKey = exportRawPublicKey(key)
  const expandedSecret = new Uint8Array(sha512(seed))
  expandedSecret[0] = (expandedSecret[0] as number) & 248
  expandedSecret[31] = ((expandedSecret[31] as number) & 127) | 64
  return { publicKey, expandedSecret, seed: seed.slice(), sign: (message) => new Uint8Array(sign(null, message, key)) }
}

export const ed25519Generate = (rng: Rng): Ed25519KeyPair => ed25519FromSeed(rng.bytes(32))

/** A key pair of which only the expanded secret is known. */
export function ed25519FromExpanded(expandedSecret: Uint8Array): Ed25519KeyPair {
  assert(expandedSecret.length === 64, 'an expanded Ed25519 secret has 64 bytes')
  const scalar = littleEndianToBigInt(expandedSecret.subarray(0, 32)) % groupOrder
  const prefix = expandedSecret.slice(32)
  const publicKey = multiplyBase(scalar)
  const signMessage = (message: Uint8Array): Uint8Array => {
    // RFC 8032 §5.1.6, from step 2 on: the seed is not needed once the scalar and prefix are known.
    const nonce = littleEndianToBigInt(sha512(prefix, message)) % groupOrder
    const commitment = multiplyBase(nonce)
    const challenge = littleEndianToBigInt(sha512(commitment, publicKey, message)) % groupOrder
    return concatBytes([commitment, bigIntToLittleEndian((nonce + challenge * scalar) % groupOrder)])
  }
  return { publicKey, expandedSecret: expandedSecret.slice(), seed: undefined, sign: signMessage }
}

/** Whether `signature` (64 bytes) is `publicKey`'s (32 bytes) over `message`. False for malformed keys and signatures. */
export function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  let key: KeyObject
  try {
    key = importRawPublicKey('Ed25519', publicKey)
    return verify(null, message, key, signature)
  } catch {
    // OpenSSL refuses encodings that are not a point; for the caller that is one more bad signature.
    return false
  }
}

/**
 * The Ed25519 key with the same secret as a Curve25519 key, and the sign bit of its x coordinate, as the
 * ntor-onion-key-crosscert needs it (prop228 appendix A).
 */
export function ed25519FromX25519(secretKey: Uint8Array): { keyPair: Ed25519KeyPair; signBit: 0 | 1 } {
  const prefix = sha512(secretKey, new TextEncoder().encode('Derive high part of ed25519 key from curve25519 key\0')).subarray(0, 32)
  const keyPair = ed25519FromExpanded(concatBytes([secretKey, prefix]))
  return { keyPair, signBit: ((keyPair.publicKey[31] as number) >> 7) as 0 | 1 }
}

/** The Ed25519 public key for a Curve25519 public key and a sign bit; undefined if there is none. */
export function ed25519PublicFromX25519(publicKey: Uint8Array, signBit: 0 | 1): Uint8Array | undefined {
  // Birational map: y = (u - 1) / (u + 1).
  const field = ed25519.Point.Fp
  const u = littleEndianToBigInt(publicKey) & ((1n << 255n) - 1n)
  const denominator = field.create(u + 1n)
  if (denominator === 0n) return undefined
  const out = bigIntToLittleEndian(field.mul(field.create(u - 1n), field.inv(denominator)))
  out[31] = (out[31] as number) | (signBit << 7)
  return out
}
