/** Limits of channels. */

import { seconds } from '../../base/time.ts'

/** From the first byte to NETINFO: a link that takes longer is closed. */
export const HANDSHAKE_TIMEOUT = seconds(60)

/** Cells, padding included, that a peer may send before the handshake is done. A proper one needs five. One more closes the link. */
export const HANDSHAKE_CELLS_MAX = 64

/** tor-spec §5.1.1: random circuit ids tried before a channel counts as full. */
export const CIRCUIT_ID_ATTEMPTS_MAX = 64

/** A skew found in a handshake that took longer than this says nothing (C tor has the same bound). */
export const CLOCK_SKEW_HANDSHAKE_MAX = seconds(180)
