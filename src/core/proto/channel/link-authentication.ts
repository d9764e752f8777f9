/**
 * Link authentication type 3, Ed25519-SHA256-RFC5705 (tor-spec §4.4.2): the initiator signs what both sides know of the
 * link. The content of an AUTHENTICATE cell:
 *
 *     "AUTH0003" 8 | CID 32 | SID 32 | CID_ED 32 | SID_ED 32 | SLOG 32 | CLOG 32 | SCERT 32 | TLSSECRETS 32 | RAND 24 | SIG 64
 */

import { assert } from '../../base/assert.ts'
import { concatBytes, utf8Encode } from '../../base/encoding.ts'
import { protocolError } from '../../base/errors.ts'
import type { Rng } from '../../base/rng.ts'
import type { Ed25519KeyPair } from '../../crypto/ed25519.ts'
import { ed25519Verify } from '../../crypto/ed25519.ts'
import { constantTimeEqual } from '../../crypto/hashes.ts'

const typeTag = utf8Encode('AUTH0003')
const exporterLabel = 'EXPORTER FOR TOR TLS CLIENT BINDING AUTH0003'
const EXPORTER_BYTES = 32
const RANDOM_BYTES = 24
const SIGNATURE_BYTES = 64
const KNOWN_BYTES = 8 + 8 * 32

/** What both sides know; each value has 32 bytes. */
export interface LinkBinding {
  /** SHA-256 of the initiator's RSA identity key (CID). */
  readonly initiatorRsaSha256: Uint8Array
  /** SHA-256 of the responder's RSA identity key (SID). */
  readonly responderRsaSha256: Uint8Array
  readonly initiatorEd25519: Uint8Array
  readonly responderEd25519: Uint8Array
  /** SHA-256 of what the responder sent, up to AUTH_CHALLENGE (SLOG). */
  readonly responderLog: Uint8Array
  /** SHA-256 of what the initiator sent before AUTHENTICATE (CLOG). */
  readonly initiatorLog: Uint8Array
  /** SHA-256 of the responder's TLS certificate (SCERT). */
  readonly tlsCertificateSha256: Uint8Array
}

export type KeyingMaterialExporter = (length: number, label: string, context: Uint8Array) => Uint8Array

/** The authentication of an initiator, signed with the key of its type 6 certificate. */
export function signLinkAuthentication(binding: LinkBinding, exporter: KeyingMaterialExporter, authKey: Ed25519KeyPair, rng: Rng): Uint8Array {
  const signed = concatBytes([knownPart(binding, exporter), rng.bytes(RANDOM_BYTES)])
  return concatBytes([signed, authKey.sign(signed)])
}

/** Throws `protocol` unless `authentication` is for exactly this link and signed with `authKey`. */
export function checkLinkAuthentication(
  authentication: Uint8Array,
  binding: LinkBinding,
  exporter: KeyingMaterialExporter,
  authKey: Uint8Array,
): void {
  const signedLength = KNOWN_BYTES + RANDOM_BYTES
  if (authentication.length !== signedLength + SIGNATURE_BYTES) throw protocolError(`link authentication of ${authentication.length} bytes`)
  if (!constantTimeEqual(authentication.subarray(0, KNOWN_BYTES), knownPart(binding, exporter))) {
    throw protocolError('link authentication is for another link')
  }
  if (!ed25519Verify(authKey, authentication.subarray(0, signedLength), authentication.subarray(signedLength))) {
    throw protocolError('signature of the link authentication does not match')
  }
}

function knownPart(binding: LinkBinding, exporter: KeyingMaterialExporter): Uint8Array {
  // SPEC-DIFF: tor-spec §4.4.2 says that the exporter's context is the initiator's Ed25519 identity; C tor uses CID, and so does everybody.
  const tlsSecrets = exporter(EXPORTER_BYTES, exporterLabel, binding.initiatorRsaSha256)
  const known = concatBytes([
    typeTag,
    binding.initiatorRsaSha256,
    binding.responderRsaSha256,
    binding.initiatorEd25519,
    binding.responderEd25519,
    binding.responderLog,
    binding.initiatorLog,
    binding.tlsCertificateSha256,
    tlsSecrets,
  ])
  assert(known.length === KNOWN_BYTES, 'every part of a link binding has 32 bytes')
  return known
}
