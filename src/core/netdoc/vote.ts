/** Votes (dir-spec §3.4): one authority's view of the network. */

import type { WallMs } from '../base/time.ts'
import type { AuthorityCertificateUnverified } from './authority-certificate.ts'
import type { DirectorySignature, DirectorySource, NetworkStatusHeader } from './network-status.ts'
import type { VoteRouterStatus } from './router-status.ts'
import type { Verified } from './trust.ts'

/** `shared-rand-commit 1 sha3-256 IDENTITY COMMIT [REVEAL]` (srv-spec §4.1.1). */
export interface SharedRandomCommit {
  readonly version: number
  readonly algorithm: string
  /** Upper-case hex of the authority's v3 identity. */
  readonly identityFingerprint: string
  /** Base64, as written. */
  readonly commit: string
  readonly reveal?: string
}

/** What a vote says, apart from its certificate and signature. */
export interface VoteContent extends NetworkStatusHeader {
  readonly consensusMethods: readonly number[]
  readonly published: WallMs
  /** `flag-thresholds`: `stable-uptime=…` …, as written. */
  readonly flagThresholds?: string
  /** `key=value` words of `bandwidth-file-headers`. */
  readonly bandwidthFileHeaders?: string
  /** `sha256=…` words of `bandwidth-file-digest`. */
  readonly bandwidthFileDigest?: string
  readonly source: DirectorySource
  /** Upper-case hex of `legacy-dir-key`. */
  readonly legacyKeyFingerprint?: string
  readonly sharedRandomParticipates: boolean
  readonly sharedRandomCommits: readonly SharedRandomCommit[]
  /** Ascending by RSA identity. */
  readonly relays: readonly VoteRouterStatus[]
}

export interface VoteUnverified extends VoteContent {
  readonly text: string
  readonly certificate: AuthorityCertificateUnverified
  /** SHA-1 of the signed part: the `vote-digest` of consensuses. */
  readonly digest: Uint8Array
  readonly signature: DirectorySignature
}

/** Its certificate is good and its signature made with the key it certifies. */
export type Vote = Verified<VoteUnverified, 'Vote'>
