/** What goes into a channel machine and what comes out of it. */

import type { RelishError } from '../../base/errors.ts'
import type { Rng } from '../../base/rng.ts'
import type { MonotonicMs, WallMs } from '../../base/time.ts'
import type { Cell, RelayCellBatch } from '../../cell/cell.ts'
import type { LentSpace } from '../../cell/cell-space.ts'
import type { PaddingNegotiate } from '../../cell/link-messages.ts'
import type { CertsChecks, LinkCredentials } from '../../cert/link-certs.ts'
import type { KeyingMaterialExporter } from './link-authentication.ts'

/** Both clocks: deadlines go by the first, certificates and NETINFO by the second. */
export interface ChannelNow {
  readonly monotonic: MonotonicMs
  readonly wall: WallMs
}

/** Who the other end must prove to be. Nothing given: whoever it is. */
export interface ExpectedPeer {
  readonly rsaIdentity?: Uint8Array
  readonly ed25519Identity?: Uint8Array
}

export interface ChannelOptions {
  /** The peer's IP address as we see it: told to it in NETINFO. */
  readonly peerAddress: string
  /** Our public addresses, for NETINFO; a client has none. */
  readonly myAddresses: readonly string[]
  /** Clients hide their clock (tor-spec §4.5). */
  readonly sendTimestamp: boolean
  readonly exportKeyingMaterial: KeyingMaterialExporter
  readonly rng: Rng
  /** For batches of relay cells, which are lent then: until any machine that shares it gets bytes. */
  readonly space?: LentSpace
  /** How CERTS cells are checked, unless in the ordinary way. */
  readonly certsChecks?: CertsChecks
  /** For traces: cells that the channel itself sends and handles. */
  readonly onOwnCell?: (direction: 'sent' | 'received', cell: Cell) => void
  readonly role:
    | {
        readonly kind: 'initiator'
        readonly expected: ExpectedPeer
        /** DER of the certificate that TLS saw; undefined if it saw none, which no responder gets away with. */
        readonly tlsCertificate: Uint8Array | undefined
        /** Present when we are a relay and authenticate. */
        readonly credentials: LinkCredentials | undefined
      }
    | { readonly kind: 'responder'; readonly credentials: LinkCredentials }
}

/** Identities the peer has proven; none for a client. */
export interface PeerIdentities {
  /** 20 bytes. */
  readonly rsaIdentity: Uint8Array
  /** 32 bytes. */
  readonly ed25519Identity: Uint8Array
}

export type ChannelCloseReason =
  /** The peer broke the protocol. */
  | 'protocol'
  /** The peer is not who was asked for. */
  | 'identity'
  /** The handshake took too long. */
  | 'timeout'

export interface ChannelOpen {
  readonly linkProtocol: number
  /** Undefined: the peer did not authenticate, so it is a client or wants to look like one. */
  readonly peer: PeerIdentities | undefined
  /** The peer's clock less ours, in seconds; undefined when it did not tell or the handshake was slow. */
  readonly clockSkewSec: number | undefined
  /** Our address as the peer says it sees it. */
  readonly apparentAddress: string | undefined
  /** tor-spec §5.3.1: the peer lists the address we see among its own. */
  readonly canonical: boolean
}

export type ChannelOutput =
  | { readonly kind: 'write'; readonly bytes: Uint8Array }
  | { readonly kind: 'open'; readonly open: ChannelOpen }
  /** A cell of a circuit. */
  | { readonly kind: 'cell'; readonly cell: Cell }
  | { readonly kind: 'relay-batch'; readonly batch: RelayCellBatch }
  /** The peer, an initiator, says how it wants the link padded. */
  | { readonly kind: 'padding'; readonly wanted: PaddingNegotiate }
  /** Last: the connection is to be dropped. */
  | { readonly kind: 'close'; readonly reason: ChannelCloseReason; readonly error: RelishError }
