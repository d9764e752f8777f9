/**
 * What the control port needs of a node: types only. `create-node.ts` fills it from the node's parts. Everything that
 * exists only after the keys are there is undefined before.
 */

import type { RelishError } from '../core/base/errors.ts'
import type { Consensus, ConsensusFlavour } from '../core/netdoc/consensus.ts'
import type { Microdescriptor } from '../core/netdoc/microdescriptor.ts'
import type { ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import type { NodeCommand, NodeInspection } from '../runtime/events.ts'

/** Documents at hand. `DirCache` is one. */
export interface ControlDocuments {
  consensus(flavour: ConsensusFlavour): Consensus | undefined
  /** The newest held of a relay; upper-case hex. */
  serverDescriptorOf(fingerprint: string): ServerDescriptor | undefined
  serverDescriptors(): Iterable<ServerDescriptor>
  /** `digest`: unpadded base64 of the SHA-256. */
  microdescriptor(digest: string): Microdescriptor | undefined
  /** `digest`: upper-case hex of the SHA-1. */
  extraInfo(digest: string): { readonly text: string } | undefined
}

export interface ControlledNode {
  inspect(): NodeInspection
  documents(): ControlDocuments | undefined
  /** A relay's own, as published last. */
  ownDocuments(): { readonly descriptor: ServerDescriptor; readonly extraInfo: string } | undefined
  /** Whether enough of the directory is held to build circuits, and what is missing in words. */
  directoryInfo(): { readonly enough: boolean; readonly status: string } | undefined
  hasCircuit(): boolean
  /** Addresses this node tells others; a client has none. */
  addresses(): { readonly ipv4?: string; readonly ipv6?: string }
  /** A relay whose authorities have all taken its descriptor. */
  isPublished(): boolean
  /** Bytes of all links since the start. */
  traffic(): { readonly read: number; readonly written: number }
  signal(signal: Extract<NodeCommand, { command: 'signal' }>['signal']): void
  /** Builds a circuit through these relays, or one of its own choice. */
  buildCircuit(path: readonly string[] | undefined, onDone: (result: { readonly id: number } | RelishError) => void): void
  /** False: there is no such circuit. */
  closeCircuit(id: number, onlyIfUnused: boolean): boolean
}
