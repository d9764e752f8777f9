/** Consensuses in both flavours (dir-spec §3.4, §3.9): what the authorities agreed on, signed by them. */

import type { DirectorySignature, DirectorySource, NetworkStatusHeader } from './network-status.ts'
import type { RouterStatus } from './router-status.ts'
import type { Verified } from './trust.ts'

export type ConsensusFlavour = 'ns' | 'microdesc'

export interface ConsensusSource extends DirectorySource {
  /** SHA-1 of that authority's vote, 20 bytes. */
  readonly voteDigest: Uint8Array
}

/** What a consensus says, apart from its signatures. */
export interface ConsensusContent extends NetworkStatusHeader {
  readonly flavour: ConsensusFlavour
  readonly consensusMethod: number
  /** Ascending by identity, legacy entries included. */
  readonly sources: readonly ConsensusSource[]
  /** Ascending by RSA identity. */
  readonly relays: readonly RouterStatus[]
  /** `Wgg=5869` …, in the order of the document. */
  readonly bandwidthWeights: ReadonlyMap<string, number>
}

export interface ConsensusUnverified extends ConsensusContent {
  /** The document as received (latin1). */
  readonly text: string
  /** Digests of the signed part: `network-status-version` to the space after the first `directory-signature`. */
  readonly sha1: Uint8Array
  readonly sha256: Uint8Array
  readonly signatures: readonly DirectorySignature[]
}

/** More than half of the trusted authorities signed it. */
export type Consensus = Verified<ConsensusUnverified, 'Consensus'>
