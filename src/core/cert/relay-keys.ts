/**
 * The long-lived keys of a relay: loaded from its data directory, made and written where missing, and the medium-term
 * signing key certified anew when its certificate runs out. Files and rules are C tor's (`load_ed_keys`, `init_keys`):
 * a master secret key that was taken off-line is not missed until a new signing key is due.
 */

import { bytesEqual } from '../base/encoding.ts'
import { RelishError, asRelishError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'
import { hours, later, type DurationMs, type WallMs } from '../base/time.ts'
import { ed25519Generate, type Ed25519KeyPair } from '../crypto/ed25519.ts'
import type { RsaPrivateKey } from '../crypto/rsa.ts'
import { x25519Generate, type X25519KeyPair } from '../crypto/x25519.ts'
import {
  emitEd25519CertFile, emitEd25519FingerprintFile, emitEd25519PublicFile, emitEd25519SecretFile, emitFingerprintFile,
  emitNtorKeyFile, emitRsaKeyFile, familyKeySuffix, keyFilePaths, parseEd25519CertFile, parseEd25519PublicFile,
  parseEd25519SecretFile, parseNtorKeyFile, parseRsaKeyFile,
} from '../ident/key-files.ts'
import { CertType, expiresWithin, parseEd25519Cert, signEd25519Cert, verifyEd25519Cert, type Ed25519Cert } from './ed25519-cert.ts'
import { signRsaCrossCert, type RsaCrossCert } from './rsa-cross-cert.ts'

/** What key loading needs of the Runtime's `FileStore`. Paths are relative to the data directory. */
export interface KeyStore {
  read(path: string): Uint8Array | undefined
  write(path: string, content: Uint8Array, mode?: number): void
  list(path: string): readonly string[]
}

export interface RelayKeys {
  readonly rsaIdentity: RsaPrivateKey
  /** SHA-1 of the RSA identity key: 20 bytes. */
  readonly rsaFingerprint: Uint8Array
  /** The master identity's public key: 32 bytes. */
  readonly ed25519Identity: Uint8Array
  readonly signingKey: Ed25519KeyPair
  /** Type 4: signing key by master identity, which it carries. */
  readonly signingCert: Ed25519Cert
  /** The TAP key: nobody uses it, but C tor's directory has it and descriptors may have to list it. */
  readonly tapOnionKey: RsaPrivateKey
  readonly ntorOnionKey: X25519KeyPair
  /** The key before the last rotation, still accepted in CREATE2. */
  readonly ntorOnionKeyOld: X25519KeyPair | undefined
  /** CERTS type 7. */
  readonly rsaCrossCert: RsaCrossCert
  /** Family keys found in the key directory (proposal 321). */
  readonly familyKeys: readonly Ed25519KeyPair[]
}

export interface RelayKeyOptions {
  readonly nickname: string
  readonly now: WallMs
  readonly rng: Rng
  /** The Runtime's RSA generator. */
  readonly generateRsaKey: (bits: number, onKey: (key: RsaPrivateKey) => void) => void
  /** `SigningKeyLifetime`; 30 days unless given. */
  readonly signingKeyLifetime?: DurationMs
  /** `TestingSigningKeySlop`: how long before its expiry a certificate is replaced; one day unless given. */
  readonly signingKeySlop?: DurationMs
}

/** C tor makes cross-certificates for half a year. */
const CROSS_CERT_LIFETIME = hours(6 * 30 * 24)

/**
 * Loads or makes all keys and writes what is new, `fingerprint` and `fingerprint-ed25519` among it. Calls back once,
 * possibly before it returns, with the keys or with what is wrong (`bad-document` names the file; `local-io`).
 */
export function loadOrCreateRelayKeys(store: KeyStore, options: RelayKeyOptions, onDone: (result: RelayKeys | RelishError) => void): void {
  let finished = false
  let rsaIdentity: RsaPrivateKey | undefined
  let tapOnionKey: RsaPrivateKey | undefined
  /** Runs a step; an error of any step is the result, once. */
  const step = (action: () => void): void => {
    if (finished) return
    let result: RelayKeys | RelishError
    try {
      action()
      if (rsaIdentity === undefined || tapOnionKey === undefined) return
      result = assemble(store, options, rsaIdentity, tapOnionKey)
    } catch (error) {
      result = asRelishError(error)
    }
    finished = true
    onDone(result)
  }
  const generate = (path: string, keep: (key: RsaPrivateKey) => void): void =>
    options.generateRsaKey(1024, (key) =>
      step(() => {
        store.write(path, emitRsaKeyFile(key))
        keep(key)
      }),
    )
  step(() => {
    rsaIdentity = readKey(store, keyFilePaths.rsaIdentity, parseRsaKeyFile)
    tapOnionKey = readKey(store, keyFilePaths.tapOnion, parseRsaKeyFile)
  })
  if (!finished && rsaIdentity === undefined) generate(keyFilePaths.rsaIdentity, (key) => (rsaIdentity = key))
  if (!finished && tapOnionKey === undefined) generate(keyFilePaths.tapOnion, (key) => (tapOnionKey = key))
}

function assemble(store: KeyStore, options: RelayKeyOptions, rsaIdentity: RsaPrivateKey, tapOnionKey: RsaPrivateKey): RelayKeys {
  const { ed25519Identity, signingKey, signingCert } = loadEd25519Keys(store, options)
  const rsaFingerprint = rsaIdentity.publicKey.fingerprint()
  writeIfOther(store, keyFilePaths.fingerprint, emitFingerprintFile(options.nickname, rsaFingerprint))
  writeIfOther(store, keyFilePaths.fingerprintEd25519, emitEd25519FingerprintFile(options.nickname, ed25519Identity))
  return {
    rsaIdentity,
    rsaFingerprint,
    ed25519Identity,
    signingKey,
    signingCert,
    tapOnionKey,
    ntorOnionKey: loadOrCreateNtorKey(store, options.rng),
    ntorOnionKeyOld: readKey(store, keyFilePaths.ntorOnionOld, parseNtorKeyFile),
    rsaCrossCert: signRsaCrossCert(rsaIdentity, ed25519Identity, later(options.now, CROSS_CERT_LIFETIME)),
    familyKeys: loadFamilyKeys(store),
  }
}

/** Reading costs a tenth of making a file, and these change with the nickname only. */
function writeIfOther(store: KeyStore, path: string, content: Uint8Array): void {
  const stored = store.read(path)
  if (stored === undefined || !bytesEqual(stored, content)) store.write(path, content)
}

function loadEd25519Keys(
  store: KeyStore,
  options: RelayKeyOptions,
): { ed25519Identity: Uint8Array; signingKey: Ed25519KeyPair; signingCert: Ed25519Cert } {
  const published = readKey(store, keyFilePaths.masterPublic, (bytes) => parseEd25519PublicFile(bytes, 'type0'))
  const signing = loadSigningKey(store, published)
  const slop = options.signingKeySlop ?? hours(24)
  if (signing !== undefined && !expiresWithin(signing.signingCert, options.now, slop)) {
    if (published === undefined) writeMasterPublic(store, signing.signingCert.signedBy)
    return { ...signing, ed25519Identity: signing.signingCert.signedBy }
  }

  const master = loadOrCreateMaster(store, options.rng, published, signing?.signingCert.signedBy)
  if (master === undefined) {
    // The master key is off-line: go on while the certificate lasts.
    if (signing !== undefined && signing.signingCert.expires >= options.now) {
      return { ...signing, ed25519Identity: signing.signingCert.signedBy }
    }
    throw new RelishError('config', `a new signing key is due, but ${keyFilePaths.masterSecret} is missing`, {
      hint: 'put the master identity key back, or make a new signing key with `tor --keygen` where it is',
    })
  }
  const signingKey = ed25519Generate(options.rng)
  const signingCert = signEd25519Cert(master, {
    type: CertType.IDENTITY_SIGNING,
    certifiedKey: signingKey.publicKey,
    expires: later(options.now, options.signingKeyLifetime ?? hours(30 * 24)),
    includeSigningKey: true,
  })
  store.write(keyFilePaths.signingSecret, emitEd25519SecretFile(signingKey, 'type4'))
  store.write(keyFilePaths.signingCertificate, emitEd25519CertFile(signingCert.encoded, 'type4'))
  return { ed25519Identity: master.publicKey, signingKey, signingCert }
}

/** The signing key with its certificate, however old; undefined unless both files are there. */
function loadSigningKey(store: KeyStore, master: Uint8Array | undefined): { signingKey: Ed25519KeyPair; signingCert: Ed25519Cert } | undefined {
  const signingKey = readKey(store, keyFilePaths.signingSecret, (bytes) => parseEd25519SecretFile(bytes, 'type4'))
  if (signingKey === undefined) return undefined
  const signingCert = readKey(store, keyFilePaths.signingCertificate, (bytes) => {
    const unverified = parseEd25519Cert(parseEd25519CertFile(bytes, 'type4'))
    const expectation = { type: CertType.IDENTITY_SIGNING, now: 'any-time' } as const
    const cert = verifyEd25519Cert(unverified, master === undefined ? expectation : { ...expectation, signedBy: master })
    if (!bytesEqual(cert.certifiedKey, signingKey.publicKey)) throw new RelishError('bad-document', 'certifies another key than the signing key')
    if (cert.signingKey === undefined) throw new RelishError('bad-document', 'does not carry the master identity key')
    return cert
  })
  return signingCert === undefined ? undefined : { signingKey, signingCert }
}

function loadOrCreateMaster(
  store: KeyStore,
  rng: Rng,
  published: Uint8Array | undefined,
  signer: Uint8Array | undefined,
): Ed25519KeyPair | undefined {
  const known = published ?? signer
  const stored = readKey(store, keyFilePaths.masterSecret, (bytes) => {
    const key = parseEd25519SecretFile(bytes, 'type0')
    if (known !== undefined && !bytesEqual(key.publicKey, known)) {
      throw new RelishError('bad-document', `does not belong to ${keyFilePaths.masterPublic}`)
    }
    return key
  })
  if (stored !== undefined) {
    if (published === undefined) writeMasterPublic(store, stored.publicKey)
    return stored
  }
  // An identity that is known must never be replaced by a new one.
  if (known !== undefined) return undefined
  const made = ed25519Generate(rng)
  store.write(keyFilePaths.masterSecret, emitEd25519SecretFile(made, 'type0'))
  writeMasterPublic(store, made.publicKey)
  return made
}

function writeMasterPublic(store: KeyStore, publicKey: Uint8Array): void {
  store.write(keyFilePaths.masterPublic, emitEd25519PublicFile(publicKey, 'type0'))
}

function loadOrCreateNtorKey(store: KeyStore, rng: Rng): X25519KeyPair {
  const stored = readKey(store, keyFilePaths.ntorOnion, parseNtorKeyFile)
  if (stored !== undefined) return stored
  const made = x25519Generate(rng)
  store.write(keyFilePaths.ntorOnion, emitNtorKeyFile(made))
  return made
}

/** Files whose names end in `.secret_family_key`, in the order of their names. */
function loadFamilyKeys(store: KeyStore): Ed25519KeyPair[] {
  const names = store.list('keys').filter((name) => name.endsWith(familyKeySuffix))
  const keys: Ed25519KeyPair[] = []
  for (const name of [...names].sort()) {
    const key = readKey(store, `keys/${name}`, (bytes) => parseEd25519SecretFile(bytes, 'fmly-id'))
    if (key !== undefined) keys.push(key)
  }
  return keys
}

/** Puts a fresh ntor key in place and keeps the one before it, as C tor does every `onion-key-rotation-days`. */
export function rotateNtorKey(store: KeyStore, keys: RelayKeys, rng: Rng): RelayKeys {
  const ntorOnionKey = x25519Generate(rng)
  store.write(keyFilePaths.ntorOnionOld, emitNtorKeyFile(keys.ntorOnionKey))
  store.write(keyFilePaths.ntorOnion, emitNtorKeyFile(ntorOnionKey))
  return { ...keys, ntorOnionKey, ntorOnionKeyOld: keys.ntorOnionKey }
}

/** When the signing key's certificate should next be replaced by loading the keys again. */
export const signingKeyDue = (keys: RelayKeys, slop: DurationMs = hours(24)): WallMs =>
  later(keys.signingCert.expires, -slop as DurationMs)

/** Reads and parses a key file; errors name it. */
function readKey<T>(store: KeyStore, path: string, parse: (bytes: Uint8Array) => T): T | undefined {
  const bytes = store.read(path)
  // C tor takes an empty key file for a missing one.
  if (bytes === undefined || bytes.length === 0) return undefined
  try {
    return parse(bytes)
  } catch (error) {
    throw asRelishError(error).within(path)
  }
}
