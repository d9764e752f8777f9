/** Limits of the drivers. Each line says what happens at the limit. */

import { durationMs, hours, minutes, seconds } from '../core/base/time.ts'

// Channels

/** Connections of a node to other nodes. Further ones are closed as they come in. */
export const CHANNELS_MAX = 8_000

/** Circuits on one channel. Further ones are refused with RESOURCELIMIT. */
export const CIRCUITS_PER_CHANNEL_MAX = 32_768

/** Relay cells a circuit may have waiting for a busy link. At it the circuit is closed with RESOURCELIMIT (C tor's `circ_max_cell_queue_size`). */
export const CIRCUIT_QUEUE_CELLS_MAX = 50_000

/** Cells that a circuit has waiting from which on those who send on it are told to stop, and down to which until they may go on, where the consensus does not say (C tor's `cellq_high`, `cellq_low`). */
export const CIRCUIT_QUEUE_HIGH_CELLS = 256
export const CIRCUIT_QUEUE_LOW_CELLS = 10

/** Relay cells a circuit gets written before it is the next circuit's turn on a busy link: 16 KiB, a TLS record. */
export const CIRCUIT_TURN_CELLS = 31

/** Bytes a link may have buffered when we want to send a cell that does not wait its turn. The peer does not read: the channel is closed. */
export const LINK_BUFFER_BYTES_MAX = 8 * 1024 * 1024

/** Establishing TCP and TLS takes no longer, or the next address is tried. */
export const DIAL_TIMEOUT = seconds(30)

/** A channel without circuits is closed after this long, and a random part of as much again. */
export const CHANNEL_IDLE_MIN = minutes(3)

/** Certificates of our own of which connections may still be around: the current ones and those before a renewal. */
export const LINK_CREDENTIALS_KEPT = 2

// Circuits

/** Building a circuit, or one hop more of it, takes no longer; then it is closed. Users of circuits have shorter times of their own. */
export const CIRCUIT_BUILD_TIMEOUT = seconds(60)

/** Circuits of our own at a time. Further ones fail at once. */
export const ORIGIN_CIRCUITS_MAX = 2_000

/** Circuits of others that pass through or end at this relay. Further CREATE cells are answered with DESTROY RESOURCELIMIT. */
export const RELAY_CIRCUITS_MAX = 50_000

// Bandwidth history

/** Days of which a relay remembers how much traffic it had, as C tor does. Older ones are forgotten. */
export const BANDWIDTH_PERIODS_KEPT = 5

// Exit streams

/** Connecting to a destination takes no longer; END TIMEOUT follows. */
export const EXIT_CONNECT_TIMEOUT = seconds(60)

/** After the client has ended a stream, its destination may take so long to read what is left; then the socket is dropped. */
export const EXIT_LINGER = seconds(30)

/** Time to live that clients are told, in seconds: short or long, so that it does not tell what others have asked for (C tor's dns_clip_ttl). */
export const DNS_TTL_SHORT_SEC = 300
export const DNS_TTL_LONG_SEC = 3600

/** Addresses that a client is told of a name: twenty answers of 22 bytes fit one cell. Further ones are left out. */
export const DNS_ANSWERS_MAX = 20

/** Characters of a name. A longer one does not resolve; as an answer it is left out. */
export const DNS_NAME_LENGTH_MAX = 255

// Self-test

/** Between two attempts of a relay to reach itself through others, when nothing was heard of the last one. */
export const REACHABILITY_RETRY = seconds(60)
/** After one that failed; doubled with each further failure, up to the other. */
export const REACHABILITY_RETRY_FIRST = seconds(1)

// Bandwidth self-test

/** So long after its start a relay finds out what it can carry: those who start beside it need the machine for other things before. */
export const BANDWIDTH_TEST_DELAY = seconds(10)
/** The first look at what was observed comes when the test can have been seen: so long after it has begun. */
export const BANDWIDTH_TEST_SEEN_AFTER = seconds(6)
/** Circuits it takes, and cells on all of them together: a circuit's window, however fast the relay is (C tor's `NUM_PARALLEL_TESTING_CIRCS`, `CIRCWINDOW_START`). */
export const BANDWIDTH_TEST_CIRCUITS = 4
export const BANDWIDTH_TEST_CELLS_MAX = 1000
/** Between two attempts to build them. */
export const BANDWIDTH_TEST_RETRY = seconds(60)
/** A relay that has seen less than so many bytes a second by then tests itself again, as in C tor. */
export const BANDWIDTH_TEST_REPEAT = hours(12)
export const BANDWIDTH_TEST_ENOUGH = 51_200

// Clocks

/** A peer whose clock differs by more is told of (C tor's `NETINFO_NOTICE_SKEW`). */
export const NETINFO_SKEW_NOTICE_SEC = 3600
/** A consensus that comes earlier than this before its authorities can have signed it is told of (C tor's `EARLY_CONSENSUS_NOTICE_SKEW`). */
export const CONSENSUS_EARLY_NOTICE_SEC = 60

/** Shortest time for which a connection waits for bandwidth: buckets are filled in steps, as C tor's are (`TokenBucketRefillInterval`). */
export const BANDWIDTH_WAIT_MIN = durationMs(20)
