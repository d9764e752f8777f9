/**
 * What is recorded of a network: types only. One schema for all worlds, described in docs/TRACE.md and, for machines, in
 * docs/trace.schema.json; the header's `version` goes up when a reader would misread what is written.
 *
 * A runtime without a sink costs one look at an undefined field: `if (trace !== undefined) trace.emit(…)`. The sink adds
 * the time (`t`, microseconds since the trace began) and the node's name.
 *
 * Numbers are the node's own (`channel`; `circuit`, from 1 up for those it builds and from -1 down for those of others)
 * or as on the wire (`circId`, `stream`). A link is joined across nodes by its two socket addresses (`link.begin`), a
 * circuit by its id on each link (`circuit.link`).
 */

/** Away from the circuit's origin, or back. */
export type TraceDirection = 'forward' | 'backward'

/** More of a message, decoded: plain JSON. */
export type TraceBody = { readonly [field: string]: unknown }

export type LinkEvent =
  /** A relay is dialled, at this address. */
  | { readonly event: 'link.dial'; readonly to: string; readonly fingerprint: string }
  | { readonly event: 'link.failed'; readonly to: string; readonly fingerprint: string; readonly error: string }
  /** There is a connection; the link handshake begins. Handshake cells are events of their own. */
  | { readonly event: 'link.begin'; readonly channel: number; readonly initiator: boolean; readonly local: string; readonly remote: string }
  /** `fingerprint`: whom the peer has proven to be. */
  | { readonly event: 'link.open'; readonly channel: number; readonly linkProtocol: number; readonly fingerprint?: string; readonly ed25519?: string; readonly clockSkewSec?: number | undefined }
  | { readonly event: 'link.close'; readonly channel: number; readonly reason: string; readonly error?: string | undefined; readonly bytesRead: number; readonly bytesWritten: number }

/** Cells as they are on a link. Relay cells come in runs of one circuit: what is in them is told by `relay.*`. */
export type CellEvent = {
  readonly event:
    | 'cell.sent'
    | 'cell.received'
    /** Received, and nobody's: its circuit is not there, or its id is taken. */
    | 'cell.dropped'
  readonly channel: number
  /** 0: about the link. */
  readonly circId: number
  readonly command: string
  /** 1 if absent. */
  readonly count?: number
  readonly body?: TraceBody
}

/** Relay cells at a place where their content is known or a layer of encryption is put on or taken off, in their order. */
export type RelayCellEvent =
  | {
      readonly event:
        /** It begins here. */
        | 'relay.sent'
        /** It ends here: recognised, and its digest holds. */
        | 'relay.received'
      readonly circuit: number
      readonly direction: TraceDirection
      /** At the origin: the hop at the other end, from 0. */
      readonly hop?: number
      readonly command: string
      readonly stream: number
      /** Bytes of data; of the whole run. */
      readonly length: number
      /** Consecutive DATA cells of one stream are one event. 1 if absent. */
      readonly count?: number
      readonly body?: TraceBody
    }
  | {
      readonly event:
        /** A layer taken off (forward) or put on (backward); for somebody else. */
        | 'relay.passed'
        /** Nobody's: no digest holds, and there is no further hop. */
        | 'relay.unrecognized'
      readonly circuit: number
      readonly direction: TraceDirection
      readonly count: number
    }

export type CircuitEvent =
  /** This node begins to build a circuit. */
  | { readonly event: 'circuit.begin'; readonly circuit: number; readonly purpose: string; readonly path: readonly string[] }
  /** A CREATE of a peer was answered. */
  | { readonly event: 'circuit.created'; readonly circuit: number; readonly fast: boolean }
  /** The circuit is this one on that link: towards its origin (`previous`) or away from it (`next`). */
  | { readonly event: 'circuit.link'; readonly circuit: number; readonly side: 'previous' | 'next'; readonly channel: number; readonly circId: number }
  /** At a relay: EXTEND2 came, and a link is sought. */
  | { readonly event: 'circuit.extend'; readonly circuit: number; readonly target: string }
  /** At the origin: one more hop answers. */
  | { readonly event: 'circuit.extended'; readonly circuit: number; readonly hops: number }
  | { readonly event: 'circuit.open'; readonly circuit: number; readonly purpose: string }
  /** At a relay: the link on this side is gone. */
  | { readonly event: 'circuit.cut'; readonly circuit: number; readonly side: 'previous' | 'next'; readonly reason: string }
  /** Two circuits are one from here on: a rendezvous. */
  | { readonly event: 'circuit.joined'; readonly circuit: number; readonly with: number }
  /** Its owner does not need it any more. */
  | { readonly event: 'circuit.close'; readonly circuit: number; readonly reason: string }
  /** Gone. `remote`: another node said so. */
  | { readonly event: 'circuit.closed'; readonly circuit: number; readonly reason: string; readonly remote?: boolean; readonly error?: string | undefined }

export type StreamEvent =
  | { readonly event: 'stream.begin'; readonly circuit: number; readonly stream: number; readonly kind: string; readonly target: string }
  | { readonly event: 'stream.connected'; readonly circuit: number; readonly stream: number; readonly address?: string | undefined }
  | { readonly event: 'stream.close'; readonly circuit: number; readonly stream: number; readonly reason: string; readonly remote: boolean }

export type DirectoryEvent =
  | { readonly event: 'directory.ask'; readonly directory: string; readonly method: string; readonly target: string; readonly bytes: number }
  /** `bytes`: of the body, decompressed. */
  | { readonly event: 'directory.answer'; readonly directory: string; readonly method: string; readonly target: string; readonly status: number; readonly bytes: number; readonly elapsedUs: number }
  | { readonly event: 'directory.failed'; readonly directory: string; readonly method: string; readonly target: string; readonly error: string; readonly elapsedUs: number }
  /** A diff was applied. */
  | { readonly event: 'directory.diff'; readonly flavour: string; readonly diffBytes: number; readonly consensusBytes: number }
  /** This node has answered. `bytes`: of the body as sent. */
  | { readonly event: 'directory.serve'; readonly method: string; readonly target: string; readonly from?: string | undefined; readonly status: number; readonly bytes: number }

/** One place of a path: whom chance had to choose from, and why not from the others. */
export interface PlaceExplanation {
  readonly place: 'guard' | 'middle' | 'exit'
  /** Fingerprint of the chosen one. */
  readonly chosen: string
  readonly nickname: string
  readonly candidates: number
  /** The chosen one's share of all candidates' weight, 0 to 1. */
  readonly share: number
  /** By reason: how many relays were left out for it. Each relay counts once, for the first reason that holds. */
  readonly excluded: { readonly [reason: string]: number }
}

/** Why one relay has a flag, or has it not: what was asked and what it has. */
export interface FlagExplanation {
  readonly flag: string
  readonly given: boolean
  readonly because: readonly { readonly rule: string; readonly has: string; readonly needs: string; readonly met: boolean }[]
}

export type DecisionEvent =
  | { readonly event: 'decision.guard'; readonly circuit: number; readonly chosen: string; readonly nickname: string; readonly because: string; readonly sample: readonly GuardExplanation[] }
  | { readonly event: 'decision.path'; readonly circuit: number; readonly kind: string; readonly path: readonly string[]; readonly places: readonly PlaceExplanation[] }
  /** An authority votes: what it asks of relays. */
  | { readonly event: 'decision.thresholds'; readonly validAfter: number; readonly relays: number; readonly thresholds: string }
  | { readonly event: 'decision.flags'; readonly validAfter: number; readonly fingerprint: string; readonly nickname: string; readonly flags: readonly string[]; readonly missing: readonly FlagExplanation[] }

export interface GuardExplanation {
  readonly fingerprint: string
  readonly nickname: string
  readonly state: string
}

export type NodeIdentityEvent = {
  readonly event: 'node.identity'
  readonly nickname: string
  readonly version: string
  readonly roles: readonly string[]
  readonly fingerprint?: string
  readonly ed25519?: string
}

/** Recorded by a node of itself. */
export type NodeTraceEvent = LinkEvent | CellEvent | RelayCellEvent | CircuitEvent | StreamEvent | DirectoryEvent | DecisionEvent | NodeIdentityEvent

/**
 * Recorded by the world around a node: `node.stage` and whatever else a node tells its owner; in a simulation also what
 * happens on its wires and machines (`net.*`, `machine.*`, `file.*`, `name.*`, `fault.*`).
 */
export interface WorldTraceEvent {
  readonly event: string
  readonly [detail: string]: unknown
}

export interface TraceSink {
  emit(event: NodeTraceEvent): void
}

/** The first line of a trace. */
export interface TraceHeader {
  readonly format: 'relish-trace'
  readonly version: 1
  readonly program: string
  readonly network: string
  readonly world: 'processes' | 'inline' | 'simulated'
  /** Of a simulation. */
  readonly seed?: string
  /** Wall-clock time where `t` is 0, in milliseconds since the epoch. */
  readonly startMs: number
  readonly nodes: readonly TraceNode[]
  /** How the simulation was asked for, for `relish sim --replay`. */
  readonly run?: { readonly [option: string]: unknown }
}

export interface TraceNode {
  readonly name: string
  readonly role: string
  /** Where it listens and dials from. */
  readonly host?: string
}
