/**
 * What relay encryption looks like to circuits (tor-spec §5.5): one layer at the relay, one layer a hop at the client.
 * Every call takes many cells: `payloads` holds bodies of 509 bytes side by side, and is not changed unless said so;
 * results are new arrays that the caller owns.
 *
 * `tor1.ts` implements it with AES in counter mode and a running digest. Counter Galois Onion encryption (proposal 308)
 * fits the same shape: it too turns bodies into bodies and yields a tag for each cell that begins or ends here.
 */

/** A cell that ends here: deciphered and authentic. */
export interface RecognizedCell {
  /** Its place in the batch that was deciphered, from 0. */
  readonly index: number
  /** 509 bytes, a view. */
  readonly body: Uint8Array
  /** What a SENDME triggered by this cell has to carry (tor-spec §7.3.1). */
  readonly tag: Uint8Array
}

export interface RelayDecrypted {
  /** Cells for this relay, in order. */
  readonly recognized: readonly RecognizedCell[]
  /** Cells to pass on, in order; undefined when there are none. */
  readonly passing: Uint8Array | undefined
}

/** Cells that began here, ready to send. */
export interface Originated {
  readonly payloads: Uint8Array
  /** One for each cell: what the SENDME that acknowledges it must carry. */
  readonly tags: readonly Uint8Array[]
}

/** The relay's end of its layer. */
export interface RelayLayer {
  /** Length of tags: 20 for tor1. */
  readonly tagBytes: number
  /** Deciphers cells that come from the client's side (tor-spec §5.5.2.2). */
  decryptForward(payloads: Uint8Array): RelayDecrypted
  /** Adds our layer to cells that go to the client's side (tor-spec §5.5.3.1). */
  encryptBackward(payloads: Uint8Array): Uint8Array
  /** Seals unciphered bodies that we send to the client. Changes `payloads` (it fills in the digests). */
  originateBackward(payloads: Uint8Array): Originated
}

export interface ClientDecrypted {
  /** Cells that this hop sent, in order. */
  readonly recognized: readonly RecognizedCell[]
  /** The others, with this layer taken off; their places in the batch are in `indexes`. Undefined when there are none. */
  readonly passing: Uint8Array | undefined
  readonly indexes: readonly number[]
}

/** The client's end of one hop's layer. */
export interface ClientLayer {
  readonly tagBytes: number
  /** Seals unciphered bodies for this hop. Changes `payloads` (it fills in the digests). */
  originateForward(payloads: Uint8Array): Originated
  /** Adds this layer to cells for a later hop. */
  encryptForward(payloads: Uint8Array): Uint8Array
  /** Takes this layer off; `indexes` are the cells' places in the batch that came from the link. */
  decryptBackward(payloads: Uint8Array, indexes: readonly number[]): ClientDecrypted
}
