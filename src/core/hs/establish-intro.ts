/**
 * Proofs in ESTABLISH_INTRO (rend-spec-v3 §3.1.1): a MAC with the circuit's own secret, so that the message cannot be
 * used on another circuit, and a signature with the introduction key. The message itself is `core/cell/hs-messages.ts`.
 */

import { concatBytes, utf8Encode } from '../base/encoding.ts'
import { protocolError } from '../base/errors.ts'
import { Writer } from '../bytes/writer.ts'
import { establishIntroContentBytes, type EstablishIntro, type HsExtension } from '../cell/hs-messages.ts'
import { ed25519Verify, type Ed25519KeyPair } from '../crypto/ed25519.ts'
import { constantTimeEqual, sha3_256 } from '../crypto/hashes.ts'

const signaturePrefix = utf8Encode('Tor establish-intro cell v1')

/** MAC(key, message) of rend-spec-v3 §0.3: SHA3-256(key length 8 | key | message). */
export const hsMac = (key: Uint8Array, message: Uint8Array): Uint8Array => sha3_256(new Writer(8).u64(BigInt(key.length)).finish(), key, message)

/** The message by which a service makes a relay its introduction point. `circuitNonce`: KH of the circuit, 20 bytes (tor-spec §5.2). */
export function signEstablishIntro(authKey: Ed25519KeyPair, circuitNonce: Uint8Array, extensions: readonly HsExtension[] = []): EstablishIntro {
  const content = { authKey: authKey.publicKey, extensions }
  const contentBytes = establishIntroContentBytes(content)
  const handshakeAuth = hsMac(circuitNonce, contentBytes)
  return { ...content, handshakeAuth, signature: authKey.sign(concatBytes([signaturePrefix, contentBytes, handshakeAuth])) }
}

/** Throws `protocol` unless the message was made by the holder of its key, for this very circuit. */
export function verifyEstablishIntro(message: EstablishIntro, circuitNonce: Uint8Array): void {
  const contentBytes = establishIntroContentBytes(message)
  if (!constantTimeEqual(hsMac(circuitNonce, contentBytes), message.handshakeAuth)) throw protocolError('ESTABLISH_INTRO was not made for this circuit')
  if (!ed25519Verify(message.authKey, concatBytes([signaturePrefix, contentBytes, message.handshakeAuth]), message.signature)) {
    throw protocolError('signature of ESTABLISH_INTRO does not match')
  }
}
