/** Limits of streams. What happens at each is said beside it. */

/** Streams of one circuit end that are open or being opened. Beyond it BEGIN is answered with END RESOURCELIMIT. */
export const STREAMS_PER_CIRCUIT_MAX = 2000
/** Streams ended on one side whose last cells may still come. The oldest is forgotten beyond it. */
export const HALF_STREAMS_PER_CIRCUIT_MAX = 4096
/** Bytes queued on one stream for sending above which `write` answers false. */
export const STREAM_SEND_HIGH_BYTES = 32 * 1024
/** Bytes queued below which a writer that was told false is told to go on. */
export const STREAM_SEND_LOW_BYTES = 16 * 1024
/** Bytes queued on one stream by a writer that does not listen: the stream is ended with RESOURCELIMIT. A whole consensus fits. */
export const STREAM_SEND_QUEUE_BYTES_MAX = 64 * 1024 * 1024
/** DATA cells one stream sends before the next has its turn: the increment of its window, half the increment of the circuit. */
export const CELLS_PER_TURN_MAX = 50
