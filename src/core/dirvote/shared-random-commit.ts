/**
 * Commits and reveals of the shared-random protocol (srv-spec §4.1.1), and the value computed from them (srv-spec §3.3.1).
 *
 *     REVEAL = base64( TIMESTAMP [8] | random number [32] )
 *     COMMIT = base64( TIMESTAMP [8] | SHA3-256(REVEAL as text) [32] )
 */

import { base64Encode, bytesCompare, bytesEqual, latin1Encode } from '../base/encoding.ts'
import type { Rng } from '../base/rng.ts'
import { wallToSec, type WallMs } from '../base/time.ts'
import { Reader } from '../bytes/reader.ts'
import { Writer } from '../bytes/writer.ts'
import { sha3_256 } from '../crypto/hashes.ts'
import { decodeBase64Fixed } from '../netdoc/base64.ts'
import type { SharedRandomValue } from '../netdoc/network-status.ts'
import type { SharedRandomCommit } from '../netdoc/vote.ts'

/** The only version of the protocol, and the only algorithm. */
export const SHARED_RANDOM_VERSION = 1
export const SHARED_RANDOM_ALGORITHM = 'sha3-256'

const ENCODED_BYTES = 40

/** A fresh commit with its reveal, for the protocol run that starts at `validAfter`. */
export function makeCommit(identityFingerprint: string, validAfter: WallMs, rng: Rng): Required<SharedRandomCommit> {
  const timestamp = BigInt(wallToSec(validAfter))
  // srv-spec §4.1.1: the random number is hashed, so that raw output of the generator is never published.
  const random = sha3_256(rng.bytes(32))
  const reveal = base64Encode(new Writer(ENCODED_BYTES).u64(timestamp).bytes(random).finish())
  const commit = base64Encode(new Writer(ENCODED_BYTES).u64(timestamp).bytes(sha3_256(latin1Encode(reveal))).finish())
  return { version: SHARED_RANDOM_VERSION, algorithm: SHARED_RANDOM_ALGORITHM, identityFingerprint, commit, reveal }
}

/** The parts of an encoded commit or reveal; undefined when malformed. */
function decode(encoded: string): { readonly timestamp: bigint; readonly value: Uint8Array } | undefined {
  const bytes = decodeBase64Fixed(encoded, ENCODED_BYTES)
  if (bytes === undefined) return undefined
  const reader = new Reader(bytes)
  return { timestamp: reader.u64(), value: reader.take(32) }
}

/** Whether a commit from a vote or a state file is one that this version can use. */
export function isWellFormedCommit(commit: SharedRandomCommit): boolean {
  return (
    commit.version >= 1 &&
    commit.version <= SHARED_RANDOM_VERSION &&
    commit.algorithm === SHARED_RANDOM_ALGORITHM &&
    decode(commit.commit) !== undefined &&
    (commit.reveal === undefined || commit.reveal === '' || decode(commit.reveal) !== undefined)
  )
}

export const hasReveal = (commit: SharedRandomCommit): boolean => commit.reveal !== undefined && commit.reveal !== ''

/** srv-spec §4.1.2: whether the reveal is the one that was committed to. */
export function revealMatches(commit: SharedRandomCommit): boolean {
  const committed = decode(commit.commit)
  const revealed = decode(commit.reveal ?? '')
  if (committed === undefined || revealed === undefined || committed.timestamp !== revealed.timestamp) return false
  return bytesEqual(committed.value, sha3_256(latin1Encode(commit.reveal ?? '')))
}

/** The shared random value of a finished run (srv-spec §3.3.1). */
export function computeSharedRandom(commits: readonly SharedRandomCommit[], previous: SharedRandomValue | undefined): SharedRandomValue {
  // SPEC-DIFF: the specification sorts reveals by authority; C tor sorts by the hashes that were committed to.
  const revealed = commits
    .filter(hasReveal)
    .map((commit) => ({ commit, hash: decode(commit.commit)?.value ?? new Uint8Array(32) }))
    .sort((a, b) => bytesCompare(a.hash, b.hash))
  const reveals = revealed.map(({ commit }) => `${commit.identityFingerprint}${commit.reveal ?? ''}`).join('')
  const message = new Writer(128)
    .bytes(latin1Encode('shared-random'))
    .u64(BigInt(revealed.length))
    .u32(SHARED_RANDOM_VERSION)
    .bytes(sha3_256(latin1Encode(reveals)))
    .bytes(previous?.value ?? new Uint8Array(32))
    .finish()
  return { reveals: revealed.length, value: new Uint8Array(sha3_256(message)) }
}
