/**
 * What a node tells its owner, and what its owner may ask: types only. In one process these are calls; a node that is a
 * child process sends them as JSON lines over a pipe. All values are plain JSON: fingerprints are upper-case hex, times
 * are milliseconds, byte counts are numbers.
 */

import type { SocketAddress } from './index.ts'
import type { FlagExplanation, GuardExplanation, PlaceExplanation } from './trace.ts'

/** Steps of becoming useful, in order. Not every role passes through all of them. */
export type NodeStage =
  | 'starting'
  /** Keys are read or made. */
  | 'keys'
  /** All listeners are bound. */
  | 'listening'
  /** Relay: every authority has taken its descriptor. */
  | 'published'
  /** Authority: its vote for the next consensus is sent. */
  | 'voted'
  /** A consensus with enough signatures is held. */
  | 'consensus'
  /** Relay: the held consensus lists it as Running. */
  | 'listed'
  /** Enough descriptors are held to build paths. */
  | 'directory'
  /** Client: a three-hop circuit was built. Relay: its own reachability is shown or assumed. */
  | 'circuit'
  /** Everything its role needs is done. */
  | 'ready'

/** What a node tells of itself while it runs. */
export type NodeEvent =
  | { readonly kind: 'listening'; readonly listener: 'or' | 'dir' | 'socks' | 'control' | 'dns' | 'metrics'; readonly address: SocketAddress }
  /** `waitingFor` says, in words a person understands, what the next stage still needs. */
  | { readonly kind: 'stage'; readonly stage: NodeStage; readonly waitingFor?: string }
  /** Same stage, but what it waits for has changed. */
  | { readonly kind: 'waiting'; readonly waitingFor: string }
  /** Still waiting for the same: an attempt to get it came to nothing. `words` names whom it asked and what came of it. */
  | { readonly kind: 'setback'; readonly words: string }
  /** C tor's bootstrap phases: progress 0 to 100. */
  | { readonly kind: 'bootstrap'; readonly progress: number; readonly tag: string; readonly summary: string }
  /** `digest`: hex SHA-256 of the signed part of the microdescriptor flavour, SHA-1 of the ns flavour. */
  | { readonly kind: 'consensus'; readonly flavour: 'ns' | 'microdesc'; readonly validAfter: number; readonly digest: string; readonly relays: number; readonly signatures: number }
  | { readonly kind: 'warning'; readonly level: 'warn' | 'error'; readonly message: string }
  | { readonly kind: 'stopped'; readonly reason: string }

/** A link to another node. */
export interface ChannelInspection {
  readonly id: number
  readonly state: string
  readonly initiator: boolean
  readonly remote: SocketAddress
  /** Present once proven by the link handshake. */
  readonly fingerprint?: string
  readonly ed25519?: string
  readonly linkProtocol?: number
  readonly circuits: number
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly queuedCells: number
}

/** One side of a relay's or client's circuit: the channel it runs on and the circuit id there. */
export interface CircuitSideInspection {
  readonly channel: number
  readonly circuitId: number
  readonly remote: SocketAddress
  readonly fingerprint?: string
}

/** A stream on a circuit. */
export interface StreamInspection {
  readonly streamId: number
  readonly state: string
  /** As asked for: `host:port`, `dir`, or a name to resolve. */
  readonly target: string
  readonly bytesRead: number
  readonly bytesWritten: number
}

/** A circuit that a node has built, or that passes through it. */
export interface CircuitInspection {
  /** From 1 up for those built by this node, from -1 down for others. */
  readonly id: number
  /** `origin`: built by this node. `relay`: passing through or ending here. */
  readonly role: 'origin' | 'relay'
  readonly state: 'building' | 'open' | 'closing'
  readonly purpose?: string
  /** Origin only: fingerprints of the hops, first to last. */
  readonly path?: readonly string[]
  readonly previous?: CircuitSideInspection
  readonly next?: CircuitSideInspection
  readonly streams: readonly StreamInspection[]
  readonly ageMs: number
  readonly queuedCells: number
  /** Cells that may still be sent before a SENDME is needed. */
  readonly packageWindow?: number
}

/** A consensus that a node holds. */
export interface ConsensusInspection {
  readonly flavour: 'ns' | 'microdesc'
  readonly validAfter: number
  readonly freshUntil: number
  readonly validUntil: number
  readonly digest: string
  readonly method: number
  readonly relays: readonly { readonly nickname: string; readonly fingerprint: string; readonly address: string; readonly orPort: number; readonly flags: readonly string[] }[]
  readonly signers: readonly string[]
}

/** Everything a check or a person may want to know of a node at one moment. */
export interface NodeInspection {
  readonly nickname: string
  readonly version: string
  readonly roles: readonly ('authority' | 'relay' | 'exit' | 'client' | 'bridge')[]
  readonly fingerprint?: string
  readonly ed25519?: string
  readonly stage: NodeStage
  readonly waitingFor?: string
  readonly bootstrap: { readonly progress: number; readonly tag: string; readonly summary: string }
  readonly listeners: readonly { readonly listener: string; readonly address: SocketAddress }[]
  readonly consensus: readonly ConsensusInspection[]
  readonly descriptors: { readonly wanted: number; readonly held: number }
  readonly guards: readonly { readonly fingerprint: string; readonly nickname: string; readonly state: string }[]
  readonly channels: readonly ChannelInspection[]
  readonly circuits: readonly CircuitInspection[]
  readonly warnings: readonly string[]
}

/** Why a circuit has its path. */
export interface CircuitExplanation {
  readonly circuit: number
  readonly kind: string
  readonly state: string
  /** Fingerprints. */
  readonly path: readonly string[]
  /** Undefined where no guards are used, or the user named the path. */
  readonly guard?: { readonly chosen: string; readonly nickname: string; readonly because: string; readonly sample: readonly GuardExplanation[] }
  readonly places: readonly PlaceExplanation[]
}

/** Why a relay gets its flags. */
export interface RelayExplanation {
  readonly fingerprint: string
  readonly nickname: string
  /** What the authority asks of relays: a vote's `flag-thresholds`. */
  readonly thresholds: string
  readonly flags: readonly FlagExplanation[]
}

/** What an owner may ask. Answered with the result, or an error in words. */
export type NodeCommand =
  | { readonly command: 'inspect' }
  /** Authority: vote now, with valid-after at this second. */
  | { readonly command: 'vote' }
  | { readonly command: 'signal'; readonly signal: 'HUP' | 'SHUTDOWN' | 'HALT' | 'NEWNYM' | 'DUMP' }
  /** Client: builds one circuit through these relays (fingerprints) and answers with its id. */
  | { readonly command: 'build-circuit'; readonly path: readonly string[] }
  /** Client: the relays (fingerprints) of as many paths as it would choose now for streams to this port. Nothing is built. */
  | { readonly command: 'choose-paths'; readonly port: number; readonly count: number }
  /** Client: why a circuit of its own has the path it has, as things stand now (`CircuitExplanation`). */
  | { readonly command: 'explain-circuit'; readonly circuit: number }
  /** Authority: which flags a relay would get in a vote made now, and why (`RelayExplanation`). */
  | { readonly command: 'explain-relay'; readonly fingerprint: string }
  /** The text of a directory document that the node holds: `consensus`, `consensus-microdesc`, `certificates`, `votes`, `descriptor`, `extra-info`. */
  | { readonly command: 'document'; readonly name: string }
