/**
 * What relay encryption looks like to circuits (tor-spec §5.5): one layer at the relay, one layer a hop at the client.
 * Every call takes many cells: `payloads` holds bodies of 509 bytes side by side. They are ciphered in place, and results may be
 * parts of them; only cells that begin here get an array of their own, which the caller owns.
 *
 * `tor1.ts` implements it with AES in counter mode and a running digest. Counter Galois Onion encryption (proposal 308)
 * fits the same shape: it too turns bodies into bodies and yields a tag for each cell that begins or ends here.
 */

import { CELL_BODY_BYTES } from '../../cell/limits.ts'

/** Cells that end here, in order: deciphered and authentic. The receiver may change them. */
export interface RecognizedCells {
  /** 509 bytes a cell, side by side. */
  readonly bodies: Uint8Array
  /** For each cell what a SENDME that it triggers has to carry (tor-spec §7.3.1), side by side. */
  readonly tags: Uint8Array
}

/** How many cells these are. */
export const cellCount = (cells: RecognizedCells): number => cells.bodies.length / CELL_BODY_BYTES

export interface Decrypted {
  /** Cells for this end of the layer; undefined when there are none. */
  readonly recognized: RecognizedCells | undefined
  /** The others, in order, with this layer taken off; undefined when there are none. */
  readonly passing: Uint8Array | undefined
  /** Where in the batch the recognized cells were; undefined when it was all or none of them. */
  readonly recognizedAt: readonly number[] | undefined
}

/** Cells that began here, ready to send. */
export interface Originated {
  readonly payloads: Uint8Array
  /** For each cell what the SENDME that acknowledges it must carry, side by side. */
  readonly tags: Uint8Array
}

/** The relay's end of its layer. */
export interface RelayLayer {
  /** Length of tags: 20 for tor1. */
  readonly tagBytes: number
  /** Deciphers cells that come from the client's side (tor-spec §5.5.2.2). */
  decryptForward(payloads: Uint8Array): Decrypted
  /** Adds our layer to cells that go to the client's side (tor-spec §5.5.3.1). */
  encryptBackward(payloads: Uint8Array): void
  /** Seals unciphered bodies that we send to the client: fills in their digests, and ciphers them in a new array. */
  originateBackward(payloads: Uint8Array): Originated
}

/** The client's end of one hop's layer. */
export interface ClientLayer {
  readonly tagBytes: number
  /** Seals unciphered bodies for this hop: fills in their digests, and ciphers them in a new array. */
  originateForward(payloads: Uint8Array): Originated
  /** Adds this layer to cells for a later hop. */
  encryptForward(payloads: Uint8Array): void
  /** Takes this layer off. */
  decryptBackward(payloads: Uint8Array): Decrypted
}
