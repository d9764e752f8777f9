/**
 * What an authority adds to a directory: documents of the vote under way, and uploads. The directory server asks for
 * them through this interface, which the authority driver implements.
 */

import type { SocketAddress } from '../runtime/index.ts'

/** Answer to an upload: 200, or 400 with the reason. */
export interface UploadResult {
  readonly status: number
  readonly reason: string
}

/** dir-spec §3.4, §3.10, §4.3, appendix B. Texts are latin1. Undefined means 404. */
export interface AuthorityDocuments {
  /** `/tor/status-vote/{next,current}/authority`. */
  ownVote(period: 'next' | 'current'): string | undefined
  /** `/tor/status-vote/{next,current}/FINGERPRINT`, upper-case hex of a v3 identity. */
  voteByIdentity(period: 'next' | 'current', identityFingerprint: string): string | undefined
  /** `/tor/status-vote/{next,current}/d/DIGEST`, upper-case hex. */
  voteByDigest(period: 'next' | 'current', digest: string): string | undefined
  /** `/tor/status-vote/next/consensus` and `consensus-microdesc`: computed, and not yet signed by enough. */
  pendingConsensus(flavour: 'ns' | 'microdesc'): string | undefined
  /** `/tor/status-vote/next/consensus-signatures`: detached signatures of the pending consensus. */
  detachedSignatures(): string | undefined
  /** `/tor/status-vote/{next,current}/bandwidth`. */
  bandwidthFile(period: 'next' | 'current'): string | undefined
  /** POST `/tor/`: one or more server descriptors and extra-info documents. */
  receiveDescriptors(text: string, from: SocketAddress | undefined): UploadResult
  /** POST `/tor/post/vote`. */
  receiveVote(text: string, from: SocketAddress | undefined): UploadResult
  /** POST `/tor/post/consensus-signature`. */
  receiveSignatures(text: string, from: SocketAddress | undefined): UploadResult
}
