/** Limits of voting. Those of documents themselves are in `core/netdoc/limits.ts`. */

/** Consensus methods this program computes (dir-spec §3.8.1); those of C tor 0.4.9.11. */
export const MIN_CONSENSUS_METHOD = 32
export const MAX_CONSENSUS_METHOD = 35

/** From this method on the microdesc flavour has no publication times. */
export const FIRST_METHOD_WITHOUT_MICRODESC_TIMES = 33

/** Shared-random rounds in each of the two phases (srv-spec §3.1, §3.2). */
export const SHARED_RANDOM_ROUNDS = 12
export const SHARED_RANDOM_PHASES = 2

/** Commits kept in a shared-random state: one for each authority of the largest network imaginable. */
export const MAX_SHARED_RANDOM_COMMITS = 64

/** Sets of detached signatures kept until this authority has a consensus to put them on. */
export const MAX_WAITING_SIGNATURES = 64

/** Relays whose history is taken from a file; further ones start anew. */
export const MAX_RELAY_HISTORIES = 100_000

/** A shared-random state file larger than this is not read. */
export const MAX_SHARED_RANDOM_STATE_BYTES = 256 * 1024
