/**
 * Where the nodes of a network are: addresses, ports and data directories. A backend makes a placement; the torrc
 * templates, the checks and `join` read it.
 */

import type { SocketAddress } from '../runtime/index.ts'
import type { ResolvedNetwork, ResolvedNode } from './network-types.ts'

export interface NodePlacement {
  readonly node: ResolvedNode
  /** IPv4 address that all its listeners use and its connections leave from. */
  readonly host: string
  /** IPv6 address of its second OR listener. */
  readonly host6: string | undefined
  /** Absent where the role has no such listener. */
  readonly orPort: number | undefined
  readonly orPort6: number | undefined
  readonly dirPort: number | undefined
  readonly socksPort: number | undefined
  readonly controlPort: number | undefined
  /** Absolute in the process world; a name in the others. */
  readonly dataDirectory: string
}

export interface NetworkPlacement {
  readonly network: ResolvedNetwork
  readonly nodes: readonly NodePlacement[]
  /** Address of whoever watches and tests the network: sinks listen here, checks connect from here. */
  readonly observerHost: string
  /** The observer's IPv6 address, if it has one that exits can reach. */
  readonly observerHost6: string | undefined
  /** The name server that exits ask. */
  readonly nameServer: SocketAddress | undefined
  /** Whether every node has an address of its own, in a /16 of its own. */
  readonly distinctAddresses: boolean
}

/** What other nodes must know of an authority before they can start: its DirAuthority line. Fingerprints are upper-case hex. */
export interface AuthorityIdentity {
  readonly nickname: string
  /** SHA-1 of the authority identity key (v3ident). */
  readonly v3Identity: string
  /** RSA fingerprint of the relay. */
  readonly fingerprint: string
}
