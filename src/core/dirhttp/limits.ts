/** Limits of the directory HTTP layer. What goes beyond is not read: a request is answered with 413, a response is a failure of the directory that sent it. */

/** Bytes of the first line and all headers of a message, as in C tor. */
export const headerBytesMax = 50_000
/** Header lines of a message. */
export const headerLinesMax = 100
/** Bytes of a body on the wire. */
export const bodyBytesMax = 16 * 1024 * 1024 - 1
/** Bytes of a body once decompressed: all server descriptors of the public network are about 25 MiB. */
export const decodedBytesMax = 64 * 1024 * 1024
/** From this size on, a body may not grow by more than `expansionMax` when decompressed (dir-spec §4 gives none; C tor's figures). */
export const expansionCheckedFromBytes = 64 * 1024
export const expansionMax = 25
/** Logarithm of the window that a Zstandard body may want, and with it of the memory: 8 MiB, what RFC 8878 §3.1.1.1.2 has every decoder support. */
export const zstdWindowLogMax = 23
