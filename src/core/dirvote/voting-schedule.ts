/** When authorities vote (dir-spec §3.4): the times of one period, as C tor's `voting_schedule.c` computes them. */

import { wallFromSec, wallToSec, type DurationMs, type WallMs } from '../base/time.ts'

export interface VotingTiming {
  readonly interval: DurationMs
  readonly voteDelay: DurationMs
  readonly distDelay: DurationMs
}

export interface VotingSchedule {
  /** Votes are made and sent. */
  readonly votingStarts: WallMs
  /** Votes that have not come by now are asked for; later uploads are refused. */
  readonly fetchMissingVotes: WallMs
  /** The consensus is computed and signed. */
  readonly votingEnds: WallMs
  /** Signatures that have not come by now are asked for. */
  readonly fetchMissingSignatures: WallMs
  /** The consensus becomes valid and is published. */
  readonly validAfter: WallMs
  readonly interval: DurationMs
}

const SECONDS_A_DAY = 86_400

/**
 * The first start of an interval after `now`. Intervals are counted from midnight UTC (dir-spec §3.4); the last of a day
 * swallows a rest that would be less than half an interval.
 */
export function startOfIntervalAfter(now: WallMs, interval: DurationMs, offset: DurationMs): WallMs {
  const intervalSec = Math.max(1, Math.floor(interval / 1000))
  const nowSec = wallToSec(now)
  const midnight = nowSec - (nowSec % SECONDS_A_DAY)
  const nextMidnight = midnight + SECONDS_A_DAY
  let next = midnight + (Math.floor((nowSec - midnight) / intervalSec) + 1) * intervalSec
  if (next + Math.floor(intervalSec / 2) > nextMidnight) next = nextMidnight
  next += Math.floor(offset / 1000)
  return wallFromSec(next - intervalSec > nowSec ? next - intervalSec : next)
}

/** The schedule of the period whose consensus becomes valid next after `now`. */
export function nextSchedule(now: WallMs, timing: VotingTiming, offset: DurationMs): VotingSchedule {
  return scheduleFor(startOfIntervalAfter(now, timing.interval, offset), timing)
}

/** The schedule that ends in a consensus valid after the given time. */
export function scheduleFor(validAfter: WallMs, timing: VotingTiming): VotingSchedule {
  const intervalSec = Math.floor(timing.interval / 1000)
  let voteSec = Math.floor(timing.voteDelay / 1000)
  let distSec = Math.floor(timing.distDelay / 1000)
  if (voteSec + distSec > Math.floor(intervalSec / 2)) voteSec = distSec = Math.floor(intervalSec / 4)
  const start = wallToSec(validAfter)
  return {
    votingStarts: wallFromSec(start - distSec - voteSec),
    fetchMissingVotes: wallFromSec(start - distSec - Math.floor(voteSec / 2)),
    votingEnds: wallFromSec(start - distSec),
    fetchMissingSignatures: wallFromSec(start - Math.floor(distSec / 2)),
    validAfter,
    interval: timing.interval,
  }
}
