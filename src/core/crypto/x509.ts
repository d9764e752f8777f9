/**
 * What Tor's links need of X.509, over `node:crypto`: reading a certificate's key and validity, and whether it is signed
 * with its own key. What that means for a link is `core/cert`'s.
 */

import { X509Certificate, type KeyObject } from 'node:crypto'
import { bytesEqual } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { wallMs, type WallMs } from '../base/time.ts'
import { RsaPublicKey } from './rsa.ts'

/** A certificate that parsed. Nothing about its signature or validity is known yet. */
export interface X509Unverified {
  readonly der: Uint8Array
  readonly notBefore: WallMs
  readonly notAfter: WallMs
  /** Undefined unless it certifies an RSA key. */
  readonly rsaKey: RsaPublicKey | undefined
  /** Whether it is signed with the key it certifies. */
  isSelfSigned(): boolean
}

/** Throws `bad-document` unless `der` is exactly one certificate. */
export function parseX509(der: Uint8Array): X509Unverified {
  try {
    const certificate = new X509Certificate(der)
    // node:crypto also takes PEM and ignores what follows a certificate.
    if (!bytesEqual(certificate.raw, der)) throw new RelishError('bad-document', 'X.509 certificate is not in DER, or is followed by something')
    // OpenSSL decodes the key only when asked for it, and throws then.
    const { publicKey } = certificate
    return {
      der,
      notBefore: parseTime(certificate.validFrom),
      notAfter: parseTime(certificate.validTo),
      rsaKey: publicKey.asymmetricKeyType === 'rsa' ? RsaPublicKey.fromKeyObject(publicKey) : undefined,
      isSelfSigned: () => isSignedWith(certificate, publicKey),
    }
  } catch (cause) {
    if (cause instanceof RelishError) throw cause
    throw new RelishError('bad-document', 'malformed X.509 certificate', { cause })
  }
}

function isSignedWith(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.verify(key)
  } catch {
    // Algorithms that do not fit together are one more bad signature.
    return false
  }
}

const months: readonly string[] = Object.freeze(['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'])

/** OpenSSL's rendering, `Nov  2 09:00:00 2026 GMT`. */
function parseTime(text: string): WallMs {
  const match = /^(\w{3}) +(\d+) (\d\d):(\d\d):(\d\d) (\d+) GMT$/.exec(text)
  const month = months.indexOf(match?.[1] ?? '')
  if (match === null || month < 0) throw new RelishError('bad-document', `malformed time in an X.509 certificate: ${text}`)
  const [day, hour, minute, second, year] = match.slice(2).map(Number) as [number, number, number, number, number]
  return wallMs(Date.UTC(year, month, day, hour, minute, second))
}
