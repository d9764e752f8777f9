/** Limits and times of the authority driver. Each line says what happens at the limit. */

import { hours, minutes, seconds } from '../core/base/time.ts'

/** Server descriptors accepted in one upload. More, and the upload is refused. */
export const AUTHORITY_DOCUMENTS_PER_UPLOAD_MAX = 64

/** Characters of one uploaded descriptor: C tor's `MAX_DESCRIPTOR_UPLOAD_SIZE`. A longer one is refused. */
export const AUTHORITY_DESCRIPTOR_LENGTH_MAX = 20_000

/** Characters of one uploaded extra-info document: C tor's `MAX_EXTRAINFO_UPLOAD_SIZE`. A longer one is refused. */
export const AUTHORITY_EXTRA_INFO_LENGTH_MAX = 50_000

/** Relays an authority knows. Descriptors of further ones are refused. */
export const AUTHORITY_RELAYS_MAX = 100_000

/** A descriptor published more than this in the future is refused: C tor's `ROUTER_ALLOW_SKEW`. */
export const DESCRIPTOR_FUTURE_SKEW = hours(12)

/** A descriptor older than this is refused, and not voted on: C tor's `ROUTER_MAX_AGE_TO_PUBLISH`. */
export const DESCRIPTOR_AGE_MAX = hours(24)

/** A descriptor with only cosmetic changes is refused for this long: C tor's `ROUTER_MAX_COSMETIC_TIME_DIFFERENCE`. */
export const DESCRIPTOR_COSMETIC_TIME = hours(2)

/** Reachability tests under way at a time. Further ones wait. */
export const REACHABILITY_TESTS_MAX = 64

/** A reachability test takes no longer; then the relay was not reached. */
export const REACHABILITY_TEST_TIMEOUT = seconds(30)

/** Every relay is tested again after this long: C tor's `REACHABILITY_TEST_CYCLE_PERIOD`. */
export const REACHABILITY_CYCLE = seconds(1280)

/** An authority that restarts tests relays that the consensus in force lists as running only after this long. */
export const REACHABILITY_RESUMED_AFTER = seconds(10)

/** A relay that was not reached is tried again after this long, then after twice as long, up to the whole cycle. */
export const REACHABILITY_RETRY_FIRST = seconds(1)

/** A request to another authority takes no longer. */
export const PEER_REQUEST_TIMEOUT = seconds(20)

/** An upload to an authority that did not answer is repeated after this long, then after twice as long … */
export const PEER_RETRY_FIRST = seconds(0.1)
/** … up to this, as long as what is uploaded is still of use. */
export const PEER_RETRY_MAX = seconds(2)

/** Attempts to reach an authority after which a round that does not follow the schedule goes on without it. */
export const PEER_ABSENT_AFTER = 3
/** How long it waits then for copies of the absent ones' votes, which others may have. */
export const ABSENT_VOTES_DELAY = seconds(1)

/** Uploads that wait for one authority. Further ones are dropped; what is missing is asked for. */
export const PEER_UPLOADS_MAX = 16

/** What a clock of another authority may be ahead by in a round that is not on the schedule. A later proposal is refused. */
export const PROPOSAL_SKEW = minutes(2)

/** Entries of the key pinning journal. Further pairs are pinned in memory only. */
export const KEY_PINS_MAX = 200_000

/** How often an authority saves what it knows of relays' stability: C tor's `SAVE_STABILITY_INTERVAL`. */
export const STABILITY_SAVE_INTERVAL = minutes(30)

/** Measurements older than this are not voted: C tor's `MAX_MEASUREMENT_AGE`. */
export const BANDWIDTH_FILE_AGE_MAX = hours(72)

/** Headers of the bandwidth file that a vote repeats: C tor's `MAX_BW_FILE_HEADER_COUNT_IN_VOTE`. Further ones are left out. */
export const BANDWIDTH_FILE_HEADERS_MAX = 50

/** Times of consensuses that an authority remembers having signed one for. Of the oldest it might sign another, if its clock went back so far. */
export const SIGNED_TIMES_KEPT = 1000
