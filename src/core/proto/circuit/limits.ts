/** Limits of circuits. */

/** tor-spec §5.6: RELAY_EARLY cells that may go through a circuit towards its end. One more closes the circuit. */
export const RELAY_EARLY_CELLS_MAX = 8
/** Hops of a circuit that we build: each needs one RELAY_EARLY cell. Longer paths are refused. */
export const HOPS_MAX = 8
