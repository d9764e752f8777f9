/**
 * The certificates of a link handshake: what a relay shows in its CERTS cells, and what a CERTS cell proves
 * (tor-spec §4.2). Pure functions over certificate entries; framing CERTS cells is `core/cell`, when to send them is
 * the channel machine's affair.
 */

import { bytesEqual } from '../base/encoding.ts'
import { RelishError, asRelishError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'
import { hours, later, wallMs, wallToSec, type DurationMs, type WallMs } from '../base/time.ts'
import { wireCodes, type WireCode } from '../base/wire-code.ts'
import { ed25519Generate, type Ed25519KeyPair } from '../crypto/ed25519.ts'
import { sha256 } from '../crypto/hashes.ts'
import type { RsaPrivateKey, RsaPublicKey } from '../crypto/rsa.ts'
import { parseX509 } from '../crypto/x509.ts'
import {
  CertType, CertifiedKeyType, parseEd25519Cert, signEd25519Cert, verifyEd25519Cert, type Ed25519Cert, type Ed25519CertUnverified,
} from './ed25519-cert.ts'
import type { RelayKeys } from './relay-keys.ts'
import { parseRsaCrossCert, verifyRsaCrossCert } from './rsa-cross-cert.ts'
import { liveTimes, randomHostName, signX509, verifyIdentityX509 } from './x509.ts'

export type CertsEntryType = WireCode<'CertsEntryType'>
/** CertType of an entry of a CERTS cell (tor-spec §4.2). */
export const CertsEntryType = wireCodes('CertsEntryType')({
  RSA_LINK: 1,
  RSA_IDENTITY: 2,
  RSA_AUTHENTICATE: 3,
  ED25519_IDENTITY_SIGNING: 4,
  ED25519_SIGNING_LINK: 5,
  ED25519_SIGNING_AUTH: 6,
  RSA_ED25519_CROSS: 7,
})

/** One entry of a CERTS cell. */
export interface CertsEntry {
  readonly type: CertsEntryType
  readonly body: Uint8Array
}

/** What certificate making needs of the Runtime's `TlsKey`. */
export interface LinkTlsKey {
  /** PKCS #8 DER. */
  readonly privateKeyDer: Uint8Array
  /** SPKI DER. */
  readonly publicKeyDer: Uint8Array
}

/** An RSA key in the form that TLS takes. */
export function linkKeyOfRsa(key: RsaPrivateKey): LinkTlsKey {
  return {
    privateKeyDer: new Uint8Array(key.keyObject().export({ format: 'der', type: 'pkcs8' })),
    publicKeyDer: new Uint8Array(key.publicKey.keyObject().export({ format: 'der', type: 'spki' })),
  }
}

/** All that a relay shows and signs with on its links, good until `renewAt`. */
export interface LinkCredentials {
  /** What TLS listens with; structurally the Runtime's `TlsIdentity`. */
  readonly tls: { readonly certificateDer: Uint8Array; readonly privateKeyDer: Uint8Array }
  /** SHA-256 of the TLS certificate: SCERT of AUTHENTICATE (tor-spec §4.4.2). */
  readonly tlsCertificateSha256: Uint8Array
  /** DER of the self-signed RSA identity certificate. */
  readonly rsaIdentityX509: Uint8Array
  /** 20 bytes. */
  readonly rsaIdentity: Uint8Array
  /** SHA-256 of the RSA identity key's DER: CID or SID of AUTHENTICATE. */
  readonly rsaIdentityKeySha256: Uint8Array
  readonly ed25519Identity: Uint8Array
  /** The key that AUTHENTICATE cells are signed with. */
  readonly authKey: Ed25519KeyPair
  readonly signingCert: Ed25519Cert
  readonly linkCert: Ed25519Cert
  readonly authCert: Ed25519Cert
  readonly rsaCrossCert: Uint8Array
  readonly renewAt: WallMs
}

export interface LinkCredentialOptions {
  readonly now: WallMs
  readonly rng: Rng
  /** `TestingLinkCertLifetime` and `TestingAuthKeyLifetime`; two days unless given. */
  readonly lifetime?: DurationMs
}

/** Makes the short-lived keys and certificates of a relay's links. */
export function makeLinkCredentials(keys: RelayKeys, tlsKey: LinkTlsKey, options: LinkCredentialOptions): LinkCredentials {
  const { now, rng } = options
  const lifetime = options.lifetime ?? hours(48)
  const linkName = randomHostName(rng, '.net')
  const identityName = randomHostName(rng, '.com')
  // Validity begins on a day boundary in the past, which says less about when the relay started.
  const today = wallMs((wallToSec(now) - (wallToSec(now) % 86_400)) * 1000)
  const certificateDer = signX509(keys.rsaIdentity, {
    subject: linkName,
    issuer: identityName,
    publicKeyDer: tlsKey.publicKeyDer,
    notBefore: today,
    notAfter: later(today, hours(365 * 24)),
    serial: rng.bytes(8),
  })
  const rsaIdentityX509 = signX509(keys.rsaIdentity, {
    subject: identityName,
    issuer: identityName,
    publicKeyDer: keys.rsaIdentity.publicKey.keyObject().export({ format: 'der', type: 'spki' }),
    notBefore: today,
    notAfter: later(today, hours(365 * 24)),
    serial: rng.bytes(8),
  })
  const authKey = ed25519Generate(rng)
  const tlsCertificateSha256 = sha256(certificateDer)
  const expires = later(now, lifetime)
  return {
    tls: { certificateDer, privateKeyDer: tlsKey.privateKeyDer },
    tlsCertificateSha256,
    rsaIdentityX509,
    rsaIdentity: keys.rsaFingerprint,
    rsaIdentityKeySha256: sha256(keys.rsaIdentity.publicKey.der),
    ed25519Identity: keys.ed25519Identity,
    authKey,
    signingCert: keys.signingCert,
    linkCert: signEd25519Cert(keys.signingKey, {
      type: CertType.SIGNING_TLS_LINK,
      keyType: CertifiedKeyType.SHA256_OF_X509,
      certifiedKey: tlsCertificateSha256,
      expires,
    }),
    authCert: signEd25519Cert(keys.signingKey, { type: CertType.SIGNING_LINK_AUTH, certifiedKey: authKey.publicKey, expires }),
    rsaCrossCert: keys.rsaCrossCert.encoded,
    // Three hours before the end is C tor's TestingLinkKeySlop and TestingAuthKeySlop.
    renewAt: later(expires, hours(-Math.min(3, lifetime / 7_200_000)) as DurationMs),
  }
}

/** The entries of the CERTS cell a responder sends, in C tor's order. */
export function buildResponderCerts(credentials: LinkCredentials): CertsEntry[] {
  return [
    { type: CertsEntryType.RSA_LINK, body: credentials.tls.certificateDer },
    { type: CertsEntryType.RSA_IDENTITY, body: credentials.rsaIdentityX509 },
    { type: CertsEntryType.ED25519_IDENTITY_SIGNING, body: credentials.signingCert.encoded },
    { type: CertsEntryType.ED25519_SIGNING_LINK, body: credentials.linkCert.encoded },
    { type: CertsEntryType.RSA_ED25519_CROSS, body: credentials.rsaCrossCert },
  ]
}

/**
 * The entries of the CERTS cell an initiator sends before it authenticates.
 * SPEC-DIFF: no type 3 certificate, which served only the RSA link authentication that no one accepts any more.
 */
export function buildInitiatorCerts(credentials: LinkCredentials): CertsEntry[] {
  return [
    { type: CertsEntryType.RSA_IDENTITY, body: credentials.rsaIdentityX509 },
    { type: CertsEntryType.ED25519_IDENTITY_SIGNING, body: credentials.signingCert.encoded },
    { type: CertsEntryType.ED25519_SIGNING_AUTH, body: credentials.authCert.encoded },
    { type: CertsEntryType.RSA_ED25519_CROSS, body: credentials.rsaCrossCert },
  ]
}

/** Who the peer is: both identities proven to belong together. */
export interface ProvenIdentities {
  /** SHA-1 of the RSA identity key: 20 bytes. */
  readonly rsaIdentity: Uint8Array
  /** SHA-256 of the RSA identity key's DER, for AUTHENTICATE. */
  readonly rsaIdentityKeySha256: Uint8Array
  readonly ed25519Identity: Uint8Array
}

/** An initiator's claim: proven once an AUTHENTICATE cell is signed with `authKey`. */
export interface ClaimedIdentities extends ProvenIdentities {
  readonly authKey: Uint8Array
}

/**
 * Checks the CERTS cell of a responder whose TLS certificate is `tlsCertificate` (tor-spec §4.2: "to authenticate the
 * responder as having a given Ed25519,RSA identity key combination"). Throws `protocol` naming what is wrong.
 * A peer without Ed25519 certificates is refused: relays have had them since 0.2.7.
 */
export function validateResponderCerts(entries: readonly CertsEntry[], tlsCertificate: Uint8Array, now: WallMs): ProvenIdentities {
  return checking('responder', () => {
    const { identities, signingKey } = checkIdentities(entries, now)
    const link = verifyEd25519Cert(parsedEntry(entries, CertsEntryType.ED25519_SIGNING_LINK), {
      type: CertType.SIGNING_TLS_LINK,
      signedBy: signingKey,
      now,
    })
    // The certified "key" is the digest of the TLS certificate; its key type is not relied on (cert-spec §A.4).
    if (!bytesEqual(link.certifiedKey, sha256(tlsCertificate))) {
      throw new RelishError('protocol', 'link certificate is for another TLS certificate')
    }
    return identities
  })
}

/** Checks the CERTS cell of an initiator. Throws `protocol`. The claim stands only with an AUTHENTICATE cell. */
export function validateInitiatorCerts(entries: readonly CertsEntry[], now: WallMs): ClaimedIdentities {
  return checking('initiator', () => {
    const { identities, signingKey } = checkIdentities(entries, now)
    const auth = verifyEd25519Cert(parsedEntry(entries, CertsEntryType.ED25519_SIGNING_AUTH), {
      type: CertType.SIGNING_LINK_AUTH,
      signedBy: signingKey,
      now,
    })
    return { ...identities, authKey: auth.certifiedKey }
  })
}

/** How CERTS cells are checked: `validateResponderCerts` and `validateInitiatorCerts`, or what remembers their results. */
export interface CertsChecks {
  readonly responder: typeof validateResponderCerts
  readonly initiator: typeof validateInitiatorCerts
}

export const certsChecks: CertsChecks = Object.freeze({ responder: validateResponderCerts, initiator: validateInitiatorCerts })

/** From when until when, both included, a CERTS cell that was found good stays good: as long as every certificate in it. */
export function certsLiveTimes(entries: readonly CertsEntry[]): { readonly from: WallMs; readonly until: WallMs } {
  const rsa = liveTimes(parseX509(entryBody(entries, CertsEntryType.RSA_IDENTITY)))
  const expiries: WallMs[] = [rsa.until, parseRsaCrossCert(entryBody(entries, CertsEntryType.RSA_ED25519_CROSS)).expires]
  for (const type of [CertsEntryType.ED25519_IDENTITY_SIGNING, CertsEntryType.ED25519_SIGNING_LINK, CertsEntryType.ED25519_SIGNING_AUTH]) {
    const entry = entries.find((candidate) => candidate.type === type)
    if (entry !== undefined) expiries.push(parseEd25519Cert(entry.body).expires)
  }
  return { from: rsa.from, until: wallMs(Math.min(...expiries)) }
}

/** The part both directions share: RSA identity, Ed25519 identity, and the proof that they are one relay's. */
function checkIdentities(entries: readonly CertsEntry[], now: WallMs): { identities: ProvenIdentities; signingKey: Uint8Array } {
  const seen = new Set<number>()
  for (const entry of entries) {
    // tor-spec §4.2: no more than one certificate of each CertType.
    if (CertsEntryType.isKnown(entry.type) && seen.has(entry.type)) {
      throw new RelishError('protocol', `two certificates of type ${CertsEntryType.nameOf(entry.type)}`)
    }
    seen.add(entry.type)
  }
  const rsaKey: RsaPublicKey = verifyIdentityX509(parseX509(entryBody(entries, CertsEntryType.RSA_IDENTITY)), now)
  const signing = verifyEd25519Cert(parsedEntry(entries, CertsEntryType.ED25519_IDENTITY_SIGNING), { type: CertType.IDENTITY_SIGNING, now })
  const cross = verifyRsaCrossCert(parseRsaCrossCert(entryBody(entries, CertsEntryType.RSA_ED25519_CROSS)), rsaKey, now)
  if (!bytesEqual(cross.ed25519Identity, signing.signedBy)) {
    throw new RelishError('protocol', 'RSA cross-certificate is for another Ed25519 identity')
  }
  return {
    identities: { rsaIdentity: rsaKey.fingerprint(), rsaIdentityKeySha256: sha256(rsaKey.der), ed25519Identity: signing.signedBy },
    signingKey: signing.certifiedKey,
  }
}

function entryBody(entries: readonly CertsEntry[], type: CertsEntryType): Uint8Array {
  const entry = entries.find((candidate) => candidate.type === type)
  if (entry === undefined) throw new RelishError('protocol', `no certificate of type ${CertsEntryType.nameOf(type)}`)
  return entry.body
}

const parsedEntry = (entries: readonly CertsEntry[], type: CertsEntryType): Ed25519CertUnverified =>
  parseEd25519Cert(entryBody(entries, type))

/** Whatever is wrong with a peer's certificates is a breach of protocol by the peer. */
function checking<T>(side: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    const problem = asRelishError(error)
    throw new RelishError('protocol', `CERTS of the ${side}: ${problem.message}`, { cause: problem })
  }
}
