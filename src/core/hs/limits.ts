/** Limits of onion-service rules. Each line says what happens at the limit. */

/**
 * Bytes of INTRODUCE1. A longer one is answered with BAD_FORMAT: it would not fit where the service's circuit uses the shorter relay
 * cells of Counter Galois Onion encryption, and the client must not learn whether it does (as in C tor 0.4.9).
 */
export const INTRODUCE1_BYTES_MAX = 490
