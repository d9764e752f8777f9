/** Limits of the guard layer. */

/** Guards read from a state file: what comes after them is dropped. C tor's samples hold 60. */
export const guardsLoadedMax = 1000
/** Length of what one guard line carries that this program does not know, in characters; more is dropped. */
export const guardExtraLengthMax = 4096
/** Lines of a state file; what comes after them is dropped. */
export const stateLinesMax = 100_000
