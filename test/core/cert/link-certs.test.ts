import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { RelishError } from '../../../src/core/base/errors.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { hours, later, wallFromSec } from '../../../src/core/base/time.ts'
import {
  buildInitiatorCerts, buildResponderCerts, CertsEntryType, makeLinkCredentials, validateInitiatorCerts, validateResponderCerts,
  type CertsEntry, type LinkCredentials,
} from '../../../src/core/cert/link-certs.ts'
import { parseRsaCrossCert, signRsaCrossCert, verifyRsaCrossCert } from '../../../src/core/cert/rsa-cross-cert.ts'
import { loadOrCreateRelayKeys, type RelayKeys } from '../../../src/core/cert/relay-keys.ts'
import { signX509 } from '../../../src/core/cert/x509.ts'
import { parseX509 } from '../../../src/core/crypto/x509.ts'
import { rsaKeyFromRng } from '../../../src/core/crypto/rsa-seeded.ts'
import { expectRefused } from '../../support/codec-drill.ts'
import { MemoryKeyStore } from '../../support/memory-key-store.ts'

const now = wallFromSec(1_790_000_000)

function makeRelay(seed: string): { keys: RelayKeys; credentials: LinkCredentials } {
  const rng = new SeededRng(seed)
  let keys: RelayKeys | undefined
  loadOrCreateRelayKeys(new MemoryKeyStore(), { nickname: 'test', now, rng, generateRsaKey: (bits, onKey) => onKey(rsaKeyFromRng(rng, bits)) }, (result) => {
    if (result instanceof RelishError) throw result
    keys = result
  })
  if (keys === undefined) throw new Error('no keys')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const tlsKey = { privateKeyDer: privateKey.export({ format: 'der', type: 'pkcs8' }), publicKeyDer: publicKey.export({ format: 'der', type: 'spki' }) }
  return { keys, credentials: makeLinkCredentials(keys, tlsKey, { now, rng }) }
}

const alice = makeRelay('alice')
const mallory = makeRelay('mallory')
const tlsCertificate = alice.credentials.tls.certificateDer
const responder = buildResponderCerts(alice.credentials)
const initiator = buildInitiatorCerts(alice.credentials)
const foreign = buildResponderCerts(mallory.credentials)
const foreignInitiator = buildInitiatorCerts(mallory.credentials)

const refused = (action: () => unknown, words: RegExp): void => {
  expect(action).toThrow(words)
  try {
    action()
  } catch (error) {
    expect((error as RelishError).kind).toBe('protocol')
  }
}
const swap = (entries: CertsEntry[], from: CertsEntry[], type: number): CertsEntry[] =>
  entries.map((entry) => (entry.type === type ? (from.find((other) => other.type === type) ?? entry) : entry))

describe('CERTS of a link', () => {
  test('a responder proves both identities', () => {
    const proven = validateResponderCerts(responder, tlsCertificate, now)
    expect(proven).toEqual({
      rsaIdentity: alice.keys.rsaFingerprint,
      rsaIdentityKeySha256: alice.credentials.rsaIdentityKeySha256,
      ed25519Identity: alice.keys.ed25519Identity,
    })
  })

  test('an initiator claims both identities and a key to prove them with', () => {
    const claimed = validateInitiatorCerts(initiator, now)
    expect(claimed.ed25519Identity).toEqual(alice.keys.ed25519Identity)
    expect(claimed.authKey).toEqual(alice.credentials.authKey.publicKey)
  })

  test('a missing, repeated or foreign certificate is refused', () => {
    for (const type of [CertsEntryType.RSA_IDENTITY, CertsEntryType.ED25519_IDENTITY_SIGNING, CertsEntryType.ED25519_SIGNING_LINK, CertsEntryType.RSA_ED25519_CROSS]) {
      refused(() => validateResponderCerts(responder.filter((entry) => entry.type !== type), tlsCertificate, now), /no certificate of type/)
      refused(() => validateResponderCerts([...responder, ...responder.filter((entry) => entry.type === type)], tlsCertificate, now), /two certificates/)
      refused(() => validateResponderCerts(swap(responder, foreign, type), tlsCertificate, now), /CERTS of the responder/)
    }
    for (const type of [CertsEntryType.RSA_IDENTITY, CertsEntryType.ED25519_IDENTITY_SIGNING, CertsEntryType.ED25519_SIGNING_AUTH, CertsEntryType.RSA_ED25519_CROSS]) {
      refused(() => validateInitiatorCerts(initiator.filter((entry) => entry.type !== type), now), /no certificate of type/)
      refused(() => validateInitiatorCerts(swap(initiator, foreignInitiator, type), now), /CERTS of the initiator/)
    }
  })

  test('unknown certificates are passed over, also when repeated', () => {
    const unknown = { type: 99, body: Uint8Array.of(1) }
    validateResponderCerts([unknown, ...responder, unknown], tlsCertificate, now)
  })

  test('another TLS certificate is refused', () => {
    refused(() => validateResponderCerts(responder, mallory.credentials.tls.certificateDer, now), /another TLS certificate/)
  })

  test('certificates end', () => {
    refused(() => validateResponderCerts(responder, tlsCertificate, later(now, hours(50))), /expired/)
    expect(alice.credentials.renewAt).toBe(later(now, hours(45)))
  })

  test('an identity certificate must be RSA of 1024 bits, self-signed and live', () => {
    const keys = rsaKeyFromRng(new SeededRng('large'), 2048)
    const spki = new Uint8Array(keys.publicKey.keyObject().export({ format: 'der', type: 'spki' }))
    const make = (signer: typeof keys, der: Uint8Array, start = now): CertsEntry[] => {
      const body = signX509(signer, { subject: 'a', issuer: 'a', publicKeyDer: der, notBefore: start, notAfter: later(start, hours(1)), serial: Uint8Array.of(0x80) })
      return responder.map((entry) => (entry.type === CertsEntryType.RSA_IDENTITY ? { ...entry, body } : entry))
    }
    refused(() => validateResponderCerts(make(keys, spki), tlsCertificate, now), /1024 bits/)
    const aliceSpki = new Uint8Array(alice.keys.rsaIdentity.publicKey.keyObject().export({ format: 'der', type: 'spki' }))
    refused(() => validateResponderCerts(make(keys, aliceSpki), tlsCertificate, now), /not signed with its own key/)
    refused(() => validateResponderCerts(make(alice.keys.rsaIdentity, aliceSpki, later(now, hours(31 * 24))), tlsCertificate, now), /not valid yet/)
    refused(() => validateResponderCerts(make(alice.keys.rsaIdentity, aliceSpki, later(now, hours(-50))), tlsCertificate, now), /expired/)
    validateResponderCerts(make(alice.keys.rsaIdentity, aliceSpki, later(now, hours(-48))), tlsCertificate, now)
  })
})

describe('X.509', () => {
  test('the TLS certificate is what OpenSSL reads', () => {
    const parsed = new X509Certificate(tlsCertificate)
    expect(parsed.subject).toMatch(/^CN=www\.[a-z2-7]{8,20}\.net$/)
    expect(parsed.issuer).toMatch(/^CN=www\.[a-z2-7]{8,20}\.com$/)
    expect(parsed.publicKey.asymmetricKeyType).toBe('ec')
    expect(parsed.verify(alice.keys.rsaIdentity.publicKey.keyObject())).toBe(true)
  })

  test('prefixes, trailing bytes and PEM are refused', () => {
    const der = alice.credentials.rsaIdentityX509
    for (let length = 0; length < der.length; length += 7) expectRefused(parseX509, der.slice(0, length), 'bad-document')
    expectRefused(parseX509, new Uint8Array([...der, 0]), 'bad-document')
    expectRefused(parseX509, new Uint8Array(Buffer.from(new X509Certificate(der).toString())), 'bad-document')
  })
})

describe('RSA to Ed25519 cross-certificate', () => {
  const cert = signRsaCrossCert(alice.keys.rsaIdentity, alice.keys.ed25519Identity, now)
  test('round trip', () => {
    const read = verifyRsaCrossCert(parseRsaCrossCert(cert.encoded), alice.keys.rsaIdentity.publicKey, now)
    expect(read).toEqual(cert)
  })
  test('prefixes, trailing bytes, changed bits and foreign keys are refused', () => {
    for (let length = 0; length < cert.encoded.length; length++) expectRefused(parseRsaCrossCert, cert.encoded.slice(0, length), 'bad-document')
    expectRefused(parseRsaCrossCert, new Uint8Array([...cert.encoded, 0]), 'bad-document')
    const verify = (bytes: Uint8Array): unknown => verifyRsaCrossCert(parseRsaCrossCert(bytes), alice.keys.rsaIdentity.publicKey, now)
    for (let at = 0; at < cert.encoded.length; at++) {
      const changed = cert.encoded.slice()
      changed[at] = (changed[at] ?? 0) ^ 0x80
      expectRefused(verify, changed, 'bad-document', 'bad-signature')
    }
    expect(() => verifyRsaCrossCert(parseRsaCrossCert(cert.encoded), mallory.keys.rsaIdentity.publicKey, now)).toThrow()
  })
})
