/**
 * The keys that must exist before torrcs can be written, since they are in other nodes' torrcs: an authority's identity
 * and relay identity (its DirAuthority line), and the relay identities of families (MyFamily). Nodes make all their other
 * keys themselves. A key that is on disk is used as it is: the same directory gives the same network again.
 *
 * RSA keys are made by the thread pool, all at the same time: they are most of a cold start.
 */

import { generateKeyPair } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { utf8Decode } from '../core/base/encoding.ts'
import { RelishError, asRelishError } from '../core/base/errors.ts'
import { hours, later, wallMs, type WallMs } from '../core/base/time.ts'
import { AUTHORITY_IDENTITY_KEY_BITS, AUTHORITY_SIGNING_KEY_BITS, emitAuthorityIdentityKey } from '../core/cert/authority-keys.ts'
import { RsaPrivateKey } from '../core/crypto/rsa.ts'
import { formatFingerprint } from '../core/ident/fingerprint.ts'
import { emitRsaKeyFile, keyFilePaths, parseRsaKeyFile } from '../core/ident/key-files.ts'
import { parseAuthorityCertificate, signAuthorityCertificate } from '../core/netdoc/authority-certificate.ts'
import { isRelay } from './network-types.ts'
import type { AuthorityIdentity, NodePlacement } from './placement.ts'

/** An authority never reads its identity key; the passphrase keeps the file in the form that gencert programs expect. */
export const identityKeyPassphrase = 'relish'

const relayIdentityBits = 1024
const certificateLifetime = hours(365 * 24)

export interface PreparedKeys {
  readonly authorities: ReadonlyMap<string, AuthorityIdentity>
  /** RSA fingerprints of the nodes that others name in their torrcs, by node name. */
  readonly fingerprints: ReadonlyMap<string, string>
}

export async function prepareKeys(nodes: readonly NodePlacement[], now: WallMs = wallMs(Date.now())): Promise<PreparedKeys> {
  const authorities = new Map<string, AuthorityIdentity>()
  const fingerprints = new Map<string, string>()
  await Promise.all(
    nodes
      .filter((placed) => placed.node.role === 'authority' || (isRelay(placed.node) && placed.node.family !== undefined))
      .map(async (placed) => {
        const [fingerprint, v3Identity] = await Promise.all([
          relayFingerprint(placed.dataDirectory),
          placed.node.role === 'authority' ? authorityIdentity(placed.dataDirectory, now) : undefined,
        ])
        fingerprints.set(placed.node.name, fingerprint)
        if (v3Identity !== undefined) authorities.set(placed.node.name, { nickname: placed.node.name, v3Identity, fingerprint })
      }),
  )
  return { authorities, fingerprints }
}

async function relayFingerprint(dataDirectory: string): Promise<string> {
  const path = join(dataDirectory, keyFilePaths.rsaIdentity)
  const key = readIfThere(path, parseRsaKeyFile) ?? (await makeKey(relayIdentityBits, path))
  return formatFingerprint(key.publicKey.fingerprint())
}

/** The v3 identity (hex) of the authority in this directory, whose keys and certificate exist afterwards. */
async function authorityIdentity(dataDirectory: string, now: WallMs): Promise<string> {
  const certificatePath = join(dataDirectory, keyFilePaths.authorityCertificate)
  const signingPath = join(dataDirectory, keyFilePaths.authoritySigning)
  const known = existsSync(signingPath) ? readIfThere(certificatePath, (bytes) => parseAuthorityCertificate(utf8Decode(bytes))) : undefined
  if (known !== undefined && known.expires > now) return known.identityFingerprint
  const [identityKey, signingKey] = await Promise.all([generate(AUTHORITY_IDENTITY_KEY_BITS), generate(AUTHORITY_SIGNING_KEY_BITS)])
  const certificate = signAuthorityCertificate({ published: now, expires: later(now, certificateLifetime) }, identityKey, signingKey)
  writeKey(join(dataDirectory, keyFilePaths.authorityIdentity), emitAuthorityIdentityKey(identityKey, identityKeyPassphrase))
  writeKey(signingPath, emitRsaKeyFile(signingKey))
  writeKey(certificatePath, Buffer.from(certificate.text, 'latin1'))
  return certificate.identityFingerprint
}

async function makeKey(bits: number, path: string): Promise<RsaPrivateKey> {
  const key = await generate(bits)
  writeKey(path, emitRsaKeyFile(key))
  return key
}

function generate(bits: number): Promise<RsaPrivateKey> {
  return new Promise((resolve, reject) => {
    generateKeyPair('rsa', { modulusLength: bits, publicExponent: 0x10001 }, (error, _publicKey, privateKey) => {
      if (error === null) resolve(new RsaPrivateKey(privateKey))
      else reject(new RelishError('bug', `OpenSSL makes no RSA key of ${bits} bits`, { cause: error }))
    })
  })
}

function readIfThere<T>(path: string, parse: (bytes: Uint8Array) => T): T | undefined {
  if (!existsSync(path)) return undefined
  try {
    return parse(readFileSync(path))
  } catch (error) {
    throw asRelishError(error).within(path)
  }
}

function writeKey(path: string, content: Uint8Array): void {
  // C tor insists that nobody else may enter the folders above its keys.
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(path, content, { mode: 0o600 })
}
