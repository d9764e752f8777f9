/**
 * The keys that must exist before torrcs can be written, since they are in other nodes' torrcs: an authority's identity
 * and relay identity (its DirAuthority line), and the relay identities of families (MyFamily). Nodes make all their other
 * keys themselves. A key that is on disk is used as it is: the same directory gives the same network again.
 *
 * RSA keys are made side by side, by all cores: they are much of a cold start.
 */

import { existsSync } from 'node:fs'
import { utf8Decode } from '../core/base/encoding.ts'
import { asRelishError } from '../core/base/errors.ts'
import type { Rng } from '../core/base/rng.ts'
import { hours, later, wallMs, type WallMs } from '../core/base/time.ts'
import { emitAuthorityIdentityKey } from '../core/cert/authority-keys.ts'
import type { RsaPrivateKey } from '../core/crypto/rsa.ts'
import { formatFingerprint } from '../core/ident/fingerprint.ts'
import { emitRsaKeyFile, keyFilePaths, parseRsaKeyFile } from '../core/ident/key-files.ts'
import { parseAuthorityCertificate, signAuthorityCertificate } from '../core/netdoc/authority-certificate.ts'
import { HostFiles } from '../host/host-files.ts'
import { SystemRng } from '../host/host-runtime.ts'
import { RsaKeyMaker } from '../host/rsa-key.ts'
import type { FileStore } from '../runtime/index.ts'
import { isRelay, type Genesis, type ResolvedNode } from './network-types.ts'
import type { AuthorityIdentity, NodePlacement } from './placement.ts'
import type { RunDirectory } from './run-directory.ts'

/** An authority never reads its identity key; the passphrase keeps the file in the form that gencert programs expect. */
export const identityKeyPassphrase = 'relish'

const relayKeyBits = 1024
/**
 * Gencert programs make 3072 and 2048 bits. All sizes from 1024 on are read by everybody (dir-spec §3.1), and prime search is
 * the largest part of a cold start: so the identity has what the specification recommends, and the signing key, which
 * is there for a year at most, what it demands.
 */
const authorityIdentityBits = 2048
const authoritySigningBits = 1024
const certificateLifetime = hours(365 * 24)

export interface PreparedKeys {
  readonly authorities: ReadonlyMap<string, AuthorityIdentity>
  /** RSA fingerprints of the nodes that others name in their torrcs, by node name. */
  readonly fingerprints: ReadonlyMap<string, string>
}

/** Where the keys of a world come from and go to. */
export interface KeyWorkshop {
  readonly now: WallMs
  /** The data directory of a node. */
  files(placed: NodePlacement): FileStore
  /** For what is drawn for a node before it starts. */
  rng(placed: NodePlacement): Rng
  /** `purpose` tells keys of one node apart. */
  generate(placed: NodePlacement, purpose: string, bits: number): Promise<RsaPrivateKey>
  /** Whether authorities' identity keys are kept. Their files are encrypted, hence different each time they are written. */
  readonly keepsAuthorityIdentityKeys: boolean
}

/** `soon`: the sizes of keys that will be asked for, in that order among those of one size; they are made from now on. */
export function hostWorkshop({ now = wallMs(Date.now()), soon = [] }: { readonly now?: WallMs; readonly soon?: readonly number[] } = {}): KeyWorkshop {
  const rng = new SystemRng()
  const maker = new RsaKeyMaker(rng)
  const coming = soon.map((bits) => ({ bits, key: maker.make(bits) }))
  // Who asks for it hears of a failure.
  for (const { key } of coming) key.catch(() => undefined)
  return {
    now,
    files: (placed) => new HostFiles(placed.dataDirectory),
    rng: () => rng,
    generate: (_placed, _purpose, bits) => {
      const place = coming.findIndex((one) => one.bits === bits)
      const [begun] = place < 0 ? [] : coming.splice(place, 1)
      return begun?.key ?? maker.make(bits)
    },
    keepsAuthorityIdentityKeys: true,
  }
}

/**
 * Sizes of the RSA keys that are made for nodes which have no directory yet: an authority's identities and signing key, and for the first
 * documents identity and TAP key of every relay.
 */
export function keySizesOfNew(nodes: readonly ResolvedNode[], directory: RunDirectory, genesis: Genesis): number[] {
  const ofRelay = genesis === 'warm' ? [relayKeyBits, relayKeyBits] : []
  const ofAuthority = [authorityIdentityBits, authoritySigningBits, relayKeyBits, ...ofRelay.slice(1)]
  return nodes.filter((node) => !existsSync(directory.nodeDirectory(node.name))).flatMap((node) => (node.role === 'authority' ? ofAuthority : isRelay(node) ? ofRelay : []))
}

export async function prepareKeys(nodes: readonly NodePlacement[], workshop: KeyWorkshop = hostWorkshop()): Promise<PreparedKeys> {
  const authorities = new Map<string, AuthorityIdentity>()
  const fingerprints = new Map<string, string>()
  await Promise.all(
    nodes
      .filter((placed) => placed.node.role === 'authority' || (isRelay(placed.node) && placed.node.family !== undefined))
      .map(async (placed) => {
        const [fingerprint, v3Identity] = await Promise.all([
          relayFingerprint(placed, workshop),
          placed.node.role === 'authority' ? authorityIdentity(placed, workshop) : undefined,
        ])
        fingerprints.set(placed.node.name, fingerprint)
        if (v3Identity !== undefined) authorities.set(placed.node.name, { nickname: placed.node.name, v3Identity, fingerprint })
      }),
  )
  return { authorities, fingerprints }
}

async function relayFingerprint(placed: NodePlacement, workshop: KeyWorkshop): Promise<string> {
  const files = workshop.files(placed)
  let key = readIfThere(files, keyFilePaths.rsaIdentity, parseRsaKeyFile, placed)
  if (key === undefined) {
    key = await workshop.generate(placed, 'relay identity', relayKeyBits)
    files.write(keyFilePaths.rsaIdentity, emitRsaKeyFile(key))
  }
  return formatFingerprint(key.publicKey.fingerprint())
}

/** The v3 identity (hex) of an authority, whose keys and certificate exist afterwards. */
async function authorityIdentity(placed: NodePlacement, workshop: KeyWorkshop): Promise<string> {
  const { now } = workshop
  const files = workshop.files(placed)
  const hasSigningKey = files.stat(keyFilePaths.authoritySigning) !== undefined
  const known = hasSigningKey ? readIfThere(files, keyFilePaths.authorityCertificate, (bytes) => parseAuthorityCertificate(utf8Decode(bytes)), placed) : undefined
  if (known !== undefined && known.expires > now) return known.identityFingerprint
  const [identityKey, signingKey] = await Promise.all([
    workshop.generate(placed, 'authority identity', authorityIdentityBits),
    workshop.generate(placed, 'authority signing', authoritySigningBits),
  ])
  const certificate = signAuthorityCertificate({ published: now, expires: later(now, certificateLifetime) }, identityKey, signingKey)
  if (workshop.keepsAuthorityIdentityKeys) files.write(keyFilePaths.authorityIdentity, emitAuthorityIdentityKey(identityKey, identityKeyPassphrase))
  files.write(keyFilePaths.authoritySigning, emitRsaKeyFile(signingKey))
  files.write(keyFilePaths.authorityCertificate, Buffer.from(certificate.text, 'latin1'))
  return certificate.identityFingerprint
}

function readIfThere<T>(files: FileStore, path: string, parse: (bytes: Uint8Array) => T, placed: NodePlacement): T | undefined {
  const bytes = files.read(path)
  if (bytes === undefined) return undefined
  try {
    return parse(bytes)
  } catch (error) {
    throw asRelishError(error).within(`${placed.dataDirectory}/${path}`)
  }
}
