/** The key that a relay's TLS certificate is for: of which kind, and how it is made. */

import { linkKeyOfRsa, type LinkTlsKey } from '../core/cert/link-certs.ts'
import type { Runtime } from '../runtime/index.ts'

export type LinkKeyType = 'rsa' | 'p256'

/** Bits of C tor's link keys (`RSA_LINK_KEY_BITS` in tortls.c). */
const linkRsaBits = 2048

/**
 * SPEC-DIFF: a link certificate may have a key of any kind (tor-spec §4.2 asks of it no more than a signature by the
 * identity key), and C tor takes others; but it looks for an RSA key in every certificate (`tor_tls_cert_get_key`) and
 * warns of OpenSSL's error when there is none. An RSA key takes a thousand times as long to make.
 */
export function makeLinkKey(runtime: Runtime, type: LinkKeyType, onKey: (key: LinkTlsKey) => void): void {
  if (type === 'p256') onKey(runtime.generateTlsKey())
  else runtime.generateRsaKey(linkRsaBits, (key) => onKey(linkKeyOfRsa(key)))
}
