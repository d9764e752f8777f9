/**
 * The keys of a directory authority: the long-term identity key, which certifies, and the medium-term signing key, which
 * signs votes and consensuses (dir-spec §1, §3.1). Making them for `relish-gencert` and reading them at start-up. The
 * certificate's text is `core/netdoc`'s.
 */

import { utf8Decode, utf8Encode } from '../base/encoding.ts'
import { RelishError, asRelishError } from '../base/errors.ts'
import { RsaPrivateKey } from '../crypto/rsa.ts'
import { keyFilePaths } from '../ident/key-files.ts'
import type { KeyStore } from './relay-keys.ts'

/** Sizes that C tor's gencert makes. */
export const AUTHORITY_IDENTITY_KEY_BITS = 3072
export const AUTHORITY_SIGNING_KEY_BITS = 2048

/** C tor's gencert refuses shorter ones. */
export const MIN_PASSPHRASE_LENGTH = 4

/** What a running authority has: the identity key stays off-line. */
export interface AuthorityKeyFiles {
  readonly signingKey: RsaPrivateKey
  /** Text of the authority certificate, to be parsed and matched with the signing key by the caller. */
  readonly certificate: string
}

/** Throws `config` when a file is missing, `bad-document` when one is malformed. */
export function loadAuthorityKeys(store: KeyStore): AuthorityKeyFiles {
  const read = (path: string): Uint8Array => {
    const bytes = store.read(path)
    if (bytes === undefined) {
      throw new RelishError('config', `a directory authority needs ${path}`, { hint: 'make its keys with relish-gencert' })
    }
    return bytes
  }
  const signingPem = read(keyFilePaths.authoritySigning)
  const certificate = utf8Decode(read(keyFilePaths.authorityCertificate))
  try {
    return { signingKey: RsaPrivateKey.fromPem(utf8Decode(signingPem)), certificate }
  } catch (error) {
    throw asRelishError(error).within(keyFilePaths.authoritySigning)
  }
}

export interface AuthorityKeyPair {
  readonly identityKey: RsaPrivateKey
  readonly signingKey: RsaPrivateKey
}

/** Makes an identity and a signing key; the generator is the Runtime's. */
export function generateAuthorityKeys(
  generateRsaKey: (bits: number, onKey: (key: RsaPrivateKey) => void) => void,
  onKeys: (keys: AuthorityKeyPair) => void,
): void {
  let identityKey: RsaPrivateKey | undefined
  let signingKey: RsaPrivateKey | undefined
  const finishWhenComplete = (): void => {
    if (identityKey !== undefined && signingKey !== undefined) onKeys({ identityKey, signingKey })
  }
  generateRsaKey(AUTHORITY_IDENTITY_KEY_BITS, (key) => {
    identityKey = key
    finishWhenComplete()
  })
  generateRsaKey(AUTHORITY_SIGNING_KEY_BITS, (key) => {
    signingKey = key
    finishWhenComplete()
  })
}

/**
 * PEM of an identity key, encrypted with `passphrase`. C tor writes triple DES where this writes AES-256; each reads both.
 * The salt is OpenSSL's: the one place whose bytes do not come from an `Rng`.
 */
export function emitAuthorityIdentityKey(key: RsaPrivateKey, passphrase: string): Uint8Array {
  if (passphrase.length < MIN_PASSPHRASE_LENGTH) {
    throw new RelishError('config', `the passphrase needs at least ${MIN_PASSPHRASE_LENGTH} characters`)
  }
  return utf8Encode(key.keyObject().export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase }).toString())
}

/** Throws `bad-document` for a malformed key or a wrong passphrase. */
export const parseAuthorityIdentityKey = (pem: Uint8Array, passphrase: string): RsaPrivateKey =>
  RsaPrivateKey.fromPem(utf8Decode(pem), passphrase)
