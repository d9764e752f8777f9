/** What votes and consensuses share (dir-spec §3.4.1). */

import type { WallMs } from '../base/time.ts'
import type { ProtocolList } from './protocol-list.ts'

export interface NetworkStatusHeader {
  readonly validAfter: WallMs
  readonly freshUntil: WallMs
  readonly validUntil: WallMs
  readonly votingDelay: { readonly voteSec: number; readonly distSec: number }
  /** Undefined when the line is absent, which differs from an empty list. */
  readonly clientVersions?: readonly string[]
  readonly serverVersions?: readonly string[]
  readonly knownFlags: readonly string[]
  readonly recommendedClientProtocols?: ProtocolList
  readonly recommendedRelayProtocols?: ProtocolList
  readonly requiredClientProtocols?: ProtocolList
  readonly requiredRelayProtocols?: ProtocolList
  /** In the order of the document, which is ascending by keyword. */
  readonly params: ReadonlyMap<string, number>
  readonly sharedRandomPrevious?: SharedRandomValue
  readonly sharedRandomCurrent?: SharedRandomValue
}

export interface SharedRandomValue {
  /** How many authorities revealed for it. */
  readonly reveals: number
  /** 32 bytes. */
  readonly value: Uint8Array
}

/** `dir-source` and the lines that belong to it. */
export interface DirectorySource {
  readonly nickname: string
  /** The authority's v3 identity: 20 bytes, and upper-case hex. */
  readonly identity: Uint8Array
  readonly identityFingerprint: string
  readonly hostname: string
  readonly address: string
  readonly dirPort: number
  readonly orPort: number
  readonly contact: string
}

/** `directory-signature`. */
export interface DirectorySignature {
  readonly algorithm: 'sha1' | 'sha256'
  readonly identityFingerprint: string
  readonly signingKeyFingerprint: string
  readonly signature: Uint8Array
}
