/** Limits of the path layer. */

/** Ports remembered as likely to be used again: the one unused for longest goes first. */
export const predictedPortsMax = 128
/** Tries to find a path in which no two hops are related, each with a fresh exit, before giving up. */
export const pathAttemptsMax = 4
/** Relays named, of EntryNodes, in the reason why there is no path. */
export const entryNodesShownMax = 5
