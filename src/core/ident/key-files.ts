/**
 * C tor's key files as bytes: names, headers and contents, so that either program starts from the other's data
 * directory. Reading and writing files, and deciding when keys are made anew, is `core/cert/relay-keys.ts`.
 *
 * Ed25519 and Curve25519 keys live in tagged files: a 32-byte header `== TYPE: TAG ==` padded with zeros, then raw
 * bytes. RSA keys are PEM. The formats have no specification; they are those of C tor 0.4.9.11.
 */

import { bytesEqual, concatBytes, latin1Decode, latin1Encode, utf8Decode, utf8Encode } from '../base/encoding.ts'
import { RelishError } from '../base/errors.ts'
import { ed25519FromExpanded, type Ed25519KeyPair } from '../crypto/ed25519.ts'
import { RsaPrivateKey } from '../crypto/rsa.ts'
import { x25519KeyPair, type X25519KeyPair } from '../crypto/x25519.ts'
import { formatEd25519Identity, formatFingerprint } from './fingerprint.ts'

/** Paths below the data directory. */
export const keyFilePaths = Object.freeze({
  rsaIdentity: 'keys/secret_id_key',
  masterSecret: 'keys/ed25519_master_id_secret_key',
  masterPublic: 'keys/ed25519_master_id_public_key',
  signingSecret: 'keys/ed25519_signing_secret_key',
  signingCertificate: 'keys/ed25519_signing_cert',
  tapOnion: 'keys/secret_onion_key',
  tapOnionOld: 'keys/secret_onion_key.old',
  ntorOnion: 'keys/secret_onion_key_ntor',
  ntorOnionOld: 'keys/secret_onion_key_ntor.old',
  authorityIdentity: 'keys/authority_identity_key',
  authoritySigning: 'keys/authority_signing_key',
  authorityCertificate: 'keys/authority_certificate',
  fingerprint: 'fingerprint',
  fingerprintEd25519: 'fingerprint-ed25519',
})

/** The name ending of family keys in the key directory (proposal 321). */
export const familyKeySuffix = '.secret_family_key'

const HEADER_BYTES = 32

/** A tagged file: what its header says, and the bytes behind it. */
export interface TaggedFile {
  readonly type: string
  readonly tag: string
  readonly content: Uint8Array
}

/** Throws `bad-document` when the header is malformed. */
export function parseTaggedFile(bytes: Uint8Array): TaggedFile {
  const header = latin1Decode(bytes.subarray(0, HEADER_BYTES))
  const match = /^== ([^:]+): (.*) ==\0*$/s.exec(header)
  if (bytes.length < HEADER_BYTES || match === null) {
    throw new RelishError('bad-document', 'key file does not begin with a 32-byte header `== TYPE: TAG ==`')
  }
  return { type: match[1] as string, tag: match[2] as string, content: bytes.slice(HEADER_BYTES) }
}

export function emitTaggedFile(file: TaggedFile): Uint8Array {
  const header = latin1Encode(`== ${file.type}: ${file.tag} ==`)
  if (header.length >= HEADER_BYTES) throw new RelishError('bug', 'type and tag of a key file do not fit its header')
  const padded = new Uint8Array(HEADER_BYTES)
  padded.set(header)
  return concatBytes([padded, file.content])
}

/** What a key file with an Ed25519 secret is for: `type0` master identity, `type4` signing key, `fmly-id` family key. */
export type Ed25519KeyTag = 'type0' | 'type4' | 'fmly-id'

function contentOf(bytes: Uint8Array, type: string, tag: string, lengthBytes: number): Uint8Array {
  const file = parseTaggedFile(bytes)
  if (file.type !== type || file.tag !== tag) {
    throw new RelishError('bad-document', `key file is marked \`${file.type}: ${file.tag}\`, expected \`${type}: ${tag}\``)
  }
  if (file.content.length !== lengthBytes) {
    throw new RelishError('bad-document', `key file holds ${file.content.length} bytes behind its header, expected ${lengthBytes}`)
  }
  return file.content
}

export const parseEd25519SecretFile = (bytes: Uint8Array, tag: Ed25519KeyTag): Ed25519KeyPair =>
  ed25519FromExpanded(contentOf(bytes, 'ed25519v1-secret', tag, 64))
export const emitEd25519SecretFile = (key: Ed25519KeyPair, tag: Ed25519KeyTag): Uint8Array =>
  emitTaggedFile({ type: 'ed25519v1-secret', tag, content: key.expandedSecret })

export const parseEd25519PublicFile = (bytes: Uint8Array, tag: Ed25519KeyTag): Uint8Array =>
  contentOf(bytes, 'ed25519v1-public', tag, 32)
export const emitEd25519PublicFile = (publicKey: Uint8Array, tag: Ed25519KeyTag): Uint8Array =>
  emitTaggedFile({ type: 'ed25519v1-public', tag, content: publicKey })

/** The encoded certificate; its length is its own affair. */
export function parseEd25519CertFile(bytes: Uint8Array, tag: Ed25519KeyTag): Uint8Array {
  const file = parseTaggedFile(bytes)
  if (file.type !== 'ed25519v1-cert' || file.tag !== tag) {
    throw new RelishError('bad-document', `certificate file is marked \`${file.type}: ${file.tag}\``)
  }
  return file.content
}
export const emitEd25519CertFile = (certificate: Uint8Array, tag: Ed25519KeyTag): Uint8Array =>
  emitTaggedFile({ type: 'ed25519v1-cert', tag, content: certificate })

/** Secret key, then public key; they must match. */
export function parseNtorKeyFile(bytes: Uint8Array): X25519KeyPair {
  const content = contentOf(bytes, 'c25519v1', 'onion', 64)
  const key = x25519KeyPair(content.subarray(0, 32))
  if (!bytesEqual(key.publicKey, content.subarray(32))) {
    throw new RelishError('bad-document', 'the two halves of the ntor key file do not belong together')
  }
  return key
}
export const emitNtorKeyFile = (key: X25519KeyPair): Uint8Array =>
  emitTaggedFile({ type: 'c25519v1', tag: 'onion', content: concatBytes([key.secretKey, key.publicKey]) })

export const parseRsaKeyFile = (bytes: Uint8Array): RsaPrivateKey => RsaPrivateKey.fromPem(utf8Decode(bytes))
export const emitRsaKeyFile = (key: RsaPrivateKey): Uint8Array => utf8Encode(key.toPem())

/** Content of `fingerprint`: the nickname and forty hexadecimal digits. */
export const emitFingerprintFile = (nickname: string, rsaIdentity: Uint8Array): Uint8Array =>
  utf8Encode(`${nickname} ${formatFingerprint(rsaIdentity)}\n`)
/** Content of `fingerprint-ed25519`: the nickname and 43 characters of base64. */
export const emitEd25519FingerprintFile = (nickname: string, ed25519Identity: Uint8Array): Uint8Array =>
  utf8Encode(`${nickname} ${formatEd25519Identity(ed25519Identity)}\n`)
