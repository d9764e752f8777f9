/** Limits of the control layer. A controller that goes beyond is disconnected, unless its line says otherwise. */

/** Bytes of one command line or data section, as in C tor. */
export const commandBytesMax = 1024 * 1024
/** Commands that wait for an earlier one to be answered. */
export const commandsWaitingMax = 1000
/** Bytes of one log message as an event; longer ones are cut. */
export const logEventBytesMax = 64 * 1024
/** Bytes of events a controller has not read yet: from here on events are left out, and later it is disconnected. */
export const eventBacklogBytesMax = 1024 * 1024
export const eventBacklogBytesFatal = 16 * 1024 * 1024
/** Connections of controllers at a time. */
export const controllersMax = 64
/** Seconds of bandwidth that `bw-event-cache` tells. */
export const bandwidthHistorySecMax = 300
/** Bytes of one reply or event that a controller of ours takes: a consensus of 8,000 relays fits. */
export const replyBytesMax = 16 * 1024 * 1024
