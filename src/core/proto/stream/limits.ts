/** Limits of streams. What happens at each is said beside it. */

/** Streams of one circuit end that are open or being opened. Beyond it BEGIN is answered with END RESOURCELIMIT. */
export const STREAMS_PER_CIRCUIT_MAX = 2000
/** Streams ended on one side whose last cells may still come. The oldest is forgotten beyond it. */
export const HALF_STREAMS_PER_CIRCUIT_MAX = 4096
/** Bytes queued on one stream for sending above which `write` answers false. */
export const STREAM_SEND_HIGH_BYTES = 128 * 1024
/** Bytes queued below which a writer that was told false is told to go on. */
export const STREAM_SEND_LOW_BYTES = 64 * 1024
/** Bytes queued on one stream by a writer that does not listen: the stream is ended with RESOURCELIMIT. A whole consensus fits. */
export const STREAM_SEND_QUEUE_BYTES_MAX = 64 * 1024 * 1024
/** Bytes that wait on a stream are copied into buffers of this size. */
export const QUEUE_BUFFER_BYTES = 64 * 1024
/** Such buffers that a circuit end keeps for the next, as long as it has streams. Further ones are left to the collector. */
export const QUEUE_BUFFERS_KEPT = 4
/** No more bytes than this have memory of their own instead of such a buffer. */
export const QUEUE_SMALL_BYTES_MAX = 16 * 1024
/** DATA cells one stream sends, where others have something to send, too, before the next has its turn: the increment of its window, half the increment of the circuit. */
export const CELLS_PER_TURN_MAX = 50
/**
 * Bytes that came on all streams of one circuit end and that nobody has taken. With windows that is many slow readers;
 * with XOFF it is a peer that goes on regardless: the circuit is closed with RESOURCELIMIT (prop324 §4.1.3 leaves it to us).
 */
export const HELD_BYTES_PER_CIRCUIT_MAX = 64 * 1024 * 1024
/** What is held back for a stream goes out in portions of about this size, so that its reader can say stop in between. */
export const RELEASED_PORTION_BYTES = 32 * 1024
/** Pieces of data held back for one stream, which cells without data would otherwise make without limit. At it the circuit is closed with RESOURCELIMIT. */
export const HELD_PIECES_MAX = 140_000
