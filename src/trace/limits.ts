/** Limits of traces. */

/** Characters of one line of a trace. A longer one is not ours. */
export const TRACE_LINE_CHARS_MAX = 1024 * 1024
/** Events of a trace that a command reads into memory. */
export const TRACE_EVENTS_MAX = 5_000_000
/** Characters that a node's recorder holds before it writes them. */
export const RECORDER_BUFFER_CHARS = 256 * 1024
/** How long they may wait for that. */
export const RECORDER_FLUSH_MS = 200
/** Bytes that one node records; then it says so, and stops. */
export const RECORDER_BYTES_MAX = 1024 * 1024 * 1024
/** Bytes read from a file in one call. */
export const READ_CHUNK_BYTES = 1024 * 1024
/** Edits between two sequences after which a comparison gives up on aligning them, and says only that they differ. */
export const DIFF_EDITS_MAX = 2000
/** Messages between nodes that a page holds; of a longer trace the rest is counted and left out. */
export const PAGE_MESSAGES_MAX = 30_000
