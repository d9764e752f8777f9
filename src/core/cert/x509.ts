/**
 * The two X.509 certificates of a link: the relay's self-signed RSA identity certificate (CERTS type 2) and the
 * certificate TLS is negotiated with (tor-spec §2, §4.2). They carry keys only; nothing is concluded from their names.
 */

import { base32Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { randomBelow, type Rng } from '../base/rng.ts'
import { wallMs, type WallMs } from '../base/time.ts'
import type { RsaPrivateKey, RsaPublicKey } from '../crypto/rsa.ts'
import type { X509Unverified } from '../crypto/x509.ts'
import {
  derBitString, derExplicit, derInteger, derNull, derObjectIdentifier, derSequence, derSet, derTime, derUtf8String,
} from '../crypto/der.ts'

export interface X509Content {
  readonly subject: string
  readonly issuer: string
  /** SubjectPublicKeyInfo of the certified key. */
  readonly publicKeyDer: Uint8Array
  readonly notBefore: WallMs
  readonly notAfter: WallMs
  /** Big-endian magnitude. */
  readonly serial: Uint8Array
}

/** DER of a version 3 certificate without extensions, signed with SHA-256 and RSA. */
export function signX509(signer: RsaPrivateKey, content: X509Content): Uint8Array {
  const algorithm = derSequence(derObjectIdentifier('1.2.840.113549.1.1.11'), derNull())
  const name = (commonName: string): Uint8Array =>
    derSequence(derSet(derSequence(derObjectIdentifier('2.5.4.3'), derUtf8String(commonName))))
  const toSign = derSequence(
    derExplicit(0, derInteger(Uint8Array.of(2))),
    derInteger(content.serial),
    algorithm,
    name(content.issuer),
    derSequence(derTime(content.notBefore), derTime(content.notAfter)),
    name(content.subject),
    content.publicKeyDer,
  )
  return derSequence(toSign, algorithm, derBitString(signer.signSha256(toSign)))
}

/** A host name that means nothing, of the shape C tor puts into link certificates: `www.` and 8 to 20 characters of base32. */
export function randomHostName(rng: Rng, suffix: '.com' | '.net'): string {
  const length = 8 + randomBelow(rng, 13)
  return `www.${base32Encode(rng.bytes(13)).slice(0, length)}${suffix}`
}

// Clocks of peers are off; these are C tor's allowances for X.509 certificates.
const PAST_SLOP_MS = 2 * 86_400_000
const FUTURE_SLOP_MS = 30 * 86_400_000

/** When a certificate is good, with what is allowed for clocks that are off. */
export const liveTimes = (cert: X509Unverified): { readonly from: WallMs; readonly until: WallMs } => ({
  from: wallMs(cert.notBefore - FUTURE_SLOP_MS),
  until: wallMs(cert.notAfter + PAST_SLOP_MS),
})

/**
 * Checks the self-signed RSA identity certificate of tor-spec §4.2 and returns its key. Throws `bad-document` when the
 * key is not RSA of 1024 bits or the certificate is not live, `bad-signature` when it is not signed by itself.
 */
export function verifyIdentityX509(cert: X509Unverified, now: WallMs): RsaPublicKey {
  const key = cert.rsaKey
  if (key === undefined || key.bits !== 1024) throw new RelishError('bad-document', 'identity certificate does not certify an RSA key of 1024 bits')
  const { from, until } = liveTimes(cert)
  if (now < from) throw new RelishError('bad-document', 'identity certificate is not valid yet')
  if (now > until) throw new RelishError('bad-document', 'identity certificate has expired')
  if (!cert.isSelfSigned()) throw new RelishError('bad-signature', 'identity certificate is not signed with its own key')
  return key
}
