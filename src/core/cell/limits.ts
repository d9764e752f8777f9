/** Sizes the wire fixes and limits of our own for cells. */

/** Body of a fixed-length cell and of a relay cell: PAYLOAD_LEN of tor-spec §0.2. */
export const CELL_BODY_BYTES = 509

/** Command, recognized, stream id, digest and length (tor-spec §6.1). */
export const RELAY_HEADER_BYTES = 11

/** The most data that one relay message carries. */
export const RELAY_DATA_BYTES_MAX = CELL_BODY_BYTES - RELAY_HEADER_BYTES

/** The most a variable-length cell's 16-bit length can say (tor-spec §3). */
export const VARIABLE_BODY_BYTES_MAX = 0xffff

/** Relay cells that the frame decoder puts into one batch: a 64 KiB chunk holds 127. */
export const RELAY_BATCH_CELLS_MAX = 128

/** Working space that a node keeps for cells on their way in, and on their way out: a chunk of a link and the largest batch fit. What is larger gets space of its own. */
export const CELL_SPACE_BYTES_KEPT = 72 * 1024

/** First size of a frame writer's buffer, when a single cell starts it; it grows by doubling. */
export const FRAME_WRITER_START_BYTES = 514
