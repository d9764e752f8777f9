/** Limits of the directory drivers. */

import { days, hours, minutes, seconds } from '../core/base/time.ts'

// Server

/** Directory requests being answered at a time. Further connections are closed. */
export const DIR_CONNECTIONS_MAX = 1_000

/** A request that has not arrived in full by then is given up. */
export const DIR_REQUEST_TIMEOUT = seconds(60)

/** A request for a first consensus waits no longer for it, whatever the peer prefers. Then the answer is 404. */
export const CONSENSUS_WAIT_MAX = seconds(10)

/** A response nobody has taken by then is given up. */
export const DIR_RESPONSE_TIMEOUT = minutes(5)

/** Digests or fingerprints named in one request. One more and the answer is 400. C tor asks for at most 128. */
export const DIR_NAMES_PER_REQUEST_MAX = 512

/** Bytes of an uploaded body. A larger one ends the connection. Votes of the public network are near 10 MB. */
export const DIR_UPLOAD_BYTES_MAX = 16 * 1024 * 1024

/** Compressed answers kept for reuse. The oldest goes. */
export const DIR_COMPRESSED_KEPT = 24

/** Past consensuses of each flavour kept to make diffs from. The oldest goes. Votes every hour fill three days. */
export const DIR_CONSENSUSES_KEPT = 96

/** Consensus diffs kept in memory. The oldest goes, and is made again when asked for. */
export const DIR_DIFFS_KEPT = 24

/** Digests of past consensuses looked at in one request. Further ones are not looked at. */
export const DIR_DIFF_BASES_MAX = 16

/** Bytes handed to a stream at a time while it takes them. */
export const DIR_WRITE_BYTES = 64 * 1024

// Cache

/** Documents of each kind held. Further ones are dropped: see the consensus's own limit. */
export const DIR_CACHE_DOCUMENTS_MAX = 400_000

/** Server descriptors and extra-info documents that nobody lists go after this long: C tor's `OLD_ROUTER_DESC_MAX_AGE`. */
export const DESCRIPTOR_KEPT = days(5)

/** Microdescriptors that no consensus has listed for this long go: C tor's `TOLERATE_MICRODESC_AGE`. */
export const MICRODESCRIPTOR_KEPT = days(7)

/** Certificates that expired this long ago go. */
export const CERTIFICATE_KEPT = hours(48)

/** A journal of descriptors is folded into its main file once it has this many bytes and is half as long as that file. */
export const JOURNAL_BYTES_MAX = 64 * 1024

// Onion-service descriptors

/** Bytes of descriptors held when `MaxHSDirCacheBytes` is 0. C tor takes a fifth of `MaxMemInQueues`. Those asked for least make room. */
export const HS_DIR_CACHE_BYTES = 64 * 1024 * 1024

/** What a descriptor counts for besides its text. */
export const HS_DIR_ENTRY_BYTES = 512

/** Expired descriptors are looked for so often, when one comes in. */
export const HS_DIR_SWEEP_INTERVAL = minutes(5)

// Client

/** Requests under way at a time. Further ones wait for their turn. */
export const DIR_REQUESTS_MAX = 24

/** A request without an answer by then has failed. */
export const DIR_EXCHANGE_TIMEOUT = seconds(60)

/** How long a node of a test network would have a directory wait for a first consensus. Then it asks another one. */
export const FIRST_CONSENSUS_WAIT = seconds(2)

/** How often we look for certificates that are about to expire. */
export const CERTIFICATE_CHECK_INTERVAL = hours(1)

/** An authority's certificate that has less time left is looked for anew, so that consensuses can be checked without a pause. */
export const CERTIFICATE_RENEWED_BEFORE = days(1)

/** Microdescriptors asked for in one request: C tor's `MAX_DL_PER_REQUEST` for them. Further ones make another request. */
export const MICRODESCRIPTORS_PER_REQUEST = 92

/** Server descriptors and extra-info documents asked for in one request. Further ones make another request. */
export const DESCRIPTORS_PER_REQUEST = 96

/** A cache fetches what it keeps for others alone, and does not use itself, so long after its start: those who start beside it have better to do. */
export const CACHE_STARTS_AFTER = seconds(5)

/** A circuit to a directory is closed when unused for this long. */
export const DIR_CIRCUIT_IDLE = seconds(30)

/** Directory circuits open at a time. The one unused for longest is closed. */
export const DIR_CIRCUITS_MAX = 32

/** Directories that lately failed to deliver, remembered for each kind of document. The memory is cleared at this size. */
export const FAILED_DIRECTORIES_MAX = 64

/** Characters of a request's path that a trace keeps. */
export const TRACED_TARGET_CHARS = 200

/** Who waits for a time of day looks at the clock this often: it may have been set meanwhile. */
export const CLOCK_LOOK_INTERVAL = minutes(5)
