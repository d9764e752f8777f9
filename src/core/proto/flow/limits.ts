/** Windows of flow control and the limits that follow from them. Counts are of RELAY_DATA cells. */

/** tor-spec §7.3: a circuit window at its start, and the most it may ever be. */
export const CIRCUIT_WINDOW_START = 1000
export const CIRCUIT_WINDOW_MAX = 1000
export const CIRCUIT_WINDOW_INCREMENT = 100
/** tor-spec §7.4. */
export const STREAM_WINDOW_START = 500
export const STREAM_WINDOW_MAX = 500
export const STREAM_WINDOW_INCREMENT = 50
/** Tags of cells sent that await their authenticated SENDME. Fixed windows need 1000 / 100; congestion windows are not let grow beyond it. */
export const PENDING_SENDME_TAGS_MAX = 1000
/** prop324 §2.1.1: a round trip that differs by more than this factor tells of the clock, not of the network. */
export const CLOCK_JUMP_RATIO = 5000

// XON and XOFF (prop324 §4.1)

/** Reckoning with what piles up: cells that may come at once before anything can be written (C tor's burst). */
export const STREAM_BURST_CELLS = 32
/** An application that takes what has piled up within this time needs no XOFF (C tor). */
export const XOFF_GRACE_MS = 5
/** Bytes sent on a stream, and XONs or XOFFs received, at which the counts of all are halved: what was sent long ago excuses little. */
export const XON_XOFF_HALVE_AT_BYTES = 10 * 1024 * 1024
export const XON_XOFF_HALVE_AT_MESSAGES = 200
/** The least bytes a relay cell of any format carries, by which others reckon their limits. */
export const RELAY_DATA_BYTES_LEAST = 488
/** A stream that is to be sent at a rate gets portions of it: of so many cells, where a second's worth is more. */
export const PACED_PORTION_CELLS = 31
/** Rates are of 31 bits in C tor; beyond it there is none. In bytes a second. */
export const STREAM_RATE_MAX = 0x7fff_ffff
/** A stream with XON and XOFF that we have ended may get cells for so long, or for the longest round trip of its circuit (C tor's first timeout for building circuits). */
export const HALF_STREAM_LIFETIME_MS = 60_000
