/** Limits of the SOCKS layer. A request that goes beyond is refused. */

/** Bytes of a SOCKS 4 request, whose strings have no length of their own. SOCKS 5 messages are bounded by their length bytes. */
export const socks4RequestBytesMax = 512
/** Bytes of a host name (RFC 1928 §4 has one length byte). */
export const hostNameBytesMax = 255
