/** Detached signatures (dir-spec §3.10): how authorities hand each other signatures of a consensus all have computed. */

import type { WallMs } from '../base/time.ts'
import type { ConsensusFlavour } from './consensus.ts'
import type { DirectorySignature } from './network-status.ts'

export interface DetachedSignatures {
  /** SHA-1 of the signed part of the ns consensus. */
  readonly consensusDigest: Uint8Array
  readonly validAfter: WallMs
  readonly freshUntil: WallMs
  readonly validUntil: WallMs
  /** `additional-digest`: SHA-256 of the microdesc consensus, as a rule. */
  readonly additionalDigests: readonly { readonly flavour: string; readonly algorithm: string; readonly digest: Uint8Array }[]
  /** Signatures of the ns flavour, and of the flavours named. */
  readonly signatures: readonly (DirectorySignature & { readonly flavour: ConsensusFlavour })[]
}
