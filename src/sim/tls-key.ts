/** P-256 keys and signatures that follow from an Rng: OpenSSL draws both a key and a signature's nonce for itself. */

import { createPrivateKey, createPublicKey } from 'node:crypto'
import { p256 } from '@noble/curves/nist.js'
import { concatBytes } from '../core/base/encoding.ts'
import type { Rng } from '../core/base/rng.ts'
import type { TlsKey } from '../runtime/index.ts'

// PKCS #8 around an EC private key (RFC 5958, RFC 5915) for prime256v1, up to the 32 bytes of the key.
const pkcs8Header = Uint8Array.from(Buffer.from('304102010030 1306072a8648ce3d020106082a8648ce3d030107 0427302502010104 20'.replaceAll(' ', ''), 'hex'))

export function tlsKeyFromRng(rng: Rng): TlsKey {
  const secret = p256.utils.randomSecretKey(rng.bytes(48))
  const privateKeyDer = concatBytes([pkcs8Header, secret])
  const key = createPrivateKey({ key: Buffer.from(privateKeyDer), format: 'der', type: 'pkcs8' })
  return {
    privateKeyDer,
    publicKeyDer: new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' })),
    // Deterministic nonce (RFC 6979).
    sign: (data) => p256.sign(data, secret, { format: 'der', prehash: true, lowS: false }),
  }
}
