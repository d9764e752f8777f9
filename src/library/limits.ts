/** Every bound of the library. */

/** How long `waitFor` waits unless told otherwise. Then it throws. */
export const waitTimeoutMs = 30_000
/** How often a condition is asked when no event comes. */
export const waitPollMs = 200
/** Events kept for an `await` loop that is slower than they come. Beyond it the oldest are lost. */
export const eventsBufferedMax = 10_000
/** Bytes of one request's body at a sink. A longer one is answered with 413. */
export const sinkBodyBytesMax = 16 << 20
/** Requests and connections that a sink remembers, of each kind. Further ones are served, and not remembered. */
export const sinkVisitsMax = 10_000
/** How long a stream may take to be opened unless told otherwise. Then it has failed. */
export const connectTimeoutMs = 60_000
/** A temporary run directory is in memory where at least so much is free there, and on the disk otherwise. */
export const memoryFolderFreeBytesMin = 128 << 20
