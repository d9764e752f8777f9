/**
 * The RSA→Ed25519 cross-certificate (cert-spec §2.3, CERTS type 7): "this Ed25519 identity acts with the authority of
 * the RSA key that signed".
 *
 *     ED25519_KEY [32], EXPIRATION_DATE [4] hours, SIGLEN [1], SIGNATURE [SIGLEN]
 */

import { concatBytes, utf8Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { wallFromSec, wallToSec, type WallMs } from '../base/time.ts'
import { Reader } from '../bytes/reader.ts'
import { Writer } from '../bytes/writer.ts'
import { sha256 } from '../crypto/hashes.ts'
import type { RsaPrivateKey, RsaPublicKey } from '../crypto/rsa.ts'

const prefix = 'Tor TLS RSA/Ed25519 cross-certificate'

export interface RsaCrossCertUnverified {
  readonly trust: 'unverified'
  readonly ed25519Identity: Uint8Array
  readonly expires: WallMs
  readonly signature: Uint8Array
  readonly encoded: Uint8Array
}

export interface RsaCrossCert {
  readonly trust: 'verified'
  readonly ed25519Identity: Uint8Array
  readonly expires: WallMs
  readonly encoded: Uint8Array
}

const digestOf = (signedPart: Uint8Array): Uint8Array => sha256(utf8Encode(prefix), signedPart)

/** Throws `bad-document` when truncated or followed by anything. */
export function parseRsaCrossCert(encoded: Uint8Array): RsaCrossCertUnverified {
  if (encoded.length < 37 || encoded.length !== 37 + (encoded[36] as number)) {
    throw new RelishError('bad-document', 'RSA to Ed25519 cross-certificate is truncated or too long')
  }
  const reader = new Reader(encoded)
  const ed25519Identity = reader.take(32)
  const expires = wallFromSec(reader.u32() * 3600)
  const signature = reader.take(reader.u8())
  return { trust: 'unverified', ed25519Identity, expires, signature, encoded: encoded.slice() }
}

/** Throws `bad-document` when expired, `bad-signature` when `rsaIdentity` did not sign it. */
export function verifyRsaCrossCert(cert: RsaCrossCertUnverified, rsaIdentity: RsaPublicKey, now: WallMs): RsaCrossCert {
  if (cert.expires < now) throw new RelishError('bad-document', 'RSA to Ed25519 cross-certificate has expired')
  if (!rsaIdentity.verifyDigest(digestOf(cert.encoded.subarray(0, 36)), cert.signature)) {
    throw new RelishError('bad-signature', 'signature of the RSA to Ed25519 cross-certificate does not match')
  }
  return { trust: 'verified', ed25519Identity: cert.ed25519Identity, expires: cert.expires, encoded: cert.encoded }
}

/** Makes and signs the cross-certificate; the expiry is rounded up to a whole hour. */
export function signRsaCrossCert(rsaIdentity: RsaPrivateKey, ed25519Identity: Uint8Array, expires: WallMs): RsaCrossCert {
  const hours = Math.ceil(wallToSec(expires) / 3600)
  const signed = new Writer(36).bytes(ed25519Identity).u32(hours).finish()
  const signature = rsaIdentity.signDigest(digestOf(signed))
  const encoded = concatBytes([signed, Uint8Array.of(signature.length), signature])
  return { trust: 'verified', ed25519Identity: ed25519Identity.slice(), expires: wallFromSec(hours * 3600), encoded }
}
