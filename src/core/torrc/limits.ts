/** Limits of the torrc layer. A configuration that goes beyond is refused, with the position in it. */

/** Depth of files that include files, as in C tor. */
export const includeDepthMax = 31
/** Lines of all files of one configuration together. */
export const configLinesMax = 100_000
/** Size of one configuration file, in bytes. */
export const configFileBytesMax = 8 * 1024 * 1024
/** Files that one `%include` pattern may name. */
export const includeFilesMax = 1000
