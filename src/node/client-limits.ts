/** Limits of the client. */

import { seconds } from '../core/base/time.ts'

/** Connections of applications at a time, over all listeners. One more is closed at once. */
export const applicationConnectionsMax = 4096
/** Bytes an application may send before its stream is connected, kept for another attempt on another circuit. Then reading stops. */
export const optimisticBytesMax = 32 * 1024
/** Unused circuits kept open (path-spec §2.1.1): no more are built ahead of need. */
export const cleanCircuitsMax = 12
/** A relay that no application can ask builds its first circuit so long after its start: those who start beside it need it for other things. */
export const relayCircuitDelay = seconds(10)
/** A client's first circuit is built alone for so long: who waits for the client waits for the first circuit only. */
export const firstCircuitAlone = seconds(1)
/** Circuits that cover one predicted port (path-spec §2.1.1): C tor's MIN_CIRCUITS_HANDLING_STREAM. */
export const circuitsPerPredictedPort = 2
/** Exits that are tried for a name that does not resolve or a host without a route: C tor's MAX_RESOLVE_FAILURES. Then the application is told. */
export const resolveFailuresMax = 3
/** Attempts of one stream on circuits, whatever the reason of failure. Then the application is told that it failed. */
export const streamAttemptsMax = 16
/** Relays remembered as letting out less than they say. The one remembered longest is trusted again. */
export const untrustedExitsMax = 1024
/** Paths chosen for one `choose-paths`. More are refused. */
export const pathsChosenMax = 10_000
/** Addresses one circuit remembers as refused by its exit. More, and the circuit takes no new streams. */
export const refusedAddressesMax = 64
/** Bytes of an HTTP CONNECT request up to the empty line: C tor's 8192. A longer one is closed without an answer. */
export const httpTunnelHeaderBytesMax = 8192

/** Mappings of addresses followed for one request, as in C tor. Further ones are not looked at. */
export const addressMapRoundsMax = 16
