/** Windows of flow control and the limits that follow from them. Counts are of RELAY_DATA cells. */

/** tor-spec §7.3: a circuit window at its start, and the most it may ever be. */
export const CIRCUIT_WINDOW_START = 1000
export const CIRCUIT_WINDOW_MAX = 1000
export const CIRCUIT_WINDOW_INCREMENT = 100
/** tor-spec §7.4. */
export const STREAM_WINDOW_START = 500
export const STREAM_WINDOW_MAX = 500
export const STREAM_WINDOW_INCREMENT = 50
/** Tags of cells sent that await their authenticated SENDME. With fixed windows 1000 / 100; congestion windows are larger. */
export const PENDING_SENDME_TAGS_MAX = 1000
