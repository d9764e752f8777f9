/**
 * When an authority does what in a round of voting. Two kinds of rounds:
 *
 * - `scheduled`: at the times dir-spec §3.4 gives, which all authorities compute from the consensus in force. This is what
 *   C tor does, and the only kind there is in a network with authorities of C tor.
 * - `immediate` (only with TestingV3AuthVoteWhenRelays): each step as soon as it can be done. Whoever is ready proposes the
 *   present second as valid-after; whoever has proposed less votes again with the largest proposal, so that all votes of
 *   a round agree. Nobody waits longer than the delays of the schedule for an authority that does not answer, and, where
 *   there is a consensus already, not at all for one that cannot be reached. Until there is a consensus all rounds are of
 *   this kind; when relays do not come for an interval, one is held without them.
 *
 * What a vote says, and what is done with a consensus, is `authority.ts`'s affair.
 */

import { asRelishError, RelishError } from '../core/base/errors.ts'
import { latin1Decode, latin1Encode } from '../core/base/encoding.ts'
import { durationMs, formatIsoTime, later, parseIsoTime, wallFromSec, wallToSec, type DurationMs, type WallMs } from '../core/base/time.ts'
import { VotingPeriod, type AuthoritySigner } from '../core/dirvote/voting-period.ts'
import { nextSchedule, type VotingSchedule, type VotingTiming } from '../core/dirvote/voting-schedule.ts'
import type { DetachedSignatures } from '../core/netdoc/detached-signatures.ts'
import type { Vote } from '../core/netdoc/vote.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import { ABSENT_VOTES_DELAY, PROPOSAL_SKEW, SIGNED_TIMES_KEPT } from './authority-limits.ts'

export interface RoundsOptions {
  readonly runtime: Runtime
  /** v3 identities of all authorities, upper-case hex. */
  readonly authorities: ReadonlySet<string>
  readonly signer: AuthoritySigner
  /** Interval and delays of the consensus in force, or those for the first one. */
  readonly timing: () => VotingTiming
  /** `TestingV3AuthVotingStartOffset`. */
  readonly startOffset: DurationMs
  /** Whether rounds off the schedule are held. */
  readonly immediate: boolean
  /** When the newest consensus that is held became valid; 0 without one. */
  readonly lastValidAfter: () => WallMs
  /** Whether it is still valid. */
  readonly hasConsensus: () => boolean
  /** Whether enough relays are known for a first vote. */
  readonly isReady: () => boolean
  readonly makeVote: (validAfter: WallMs) => Vote
  readonly sharedRandom: () => { readonly enabled: boolean; readonly fresh: boolean }
  /** Our vote is made: it goes to all others while `isCurrent`. `onAbsent` is told the identity of one that cannot be reached. */
  readonly sendVote: (vote: Vote, isCurrent: () => boolean, onAbsent: (identity: string) => void) => void
  readonly sendSignatures: (period: VotingPeriod, isCurrent: () => boolean) => void
  readonly fetchVotes: (identities: readonly string[]) => void
  readonly fetchSignatures: () => void
  /** Whether the consensus has signatures enough and was taken. */
  readonly publish: (period: VotingPeriod) => boolean
}

interface Round {
  readonly kind: 'scheduled' | 'immediate'
  readonly period: VotingPeriod
  readonly schedule: VotingSchedule | undefined
  /** Authorities that cannot be reached. */
  readonly absent: Set<string>
  voted: boolean
  over: boolean
  timer: Timer | undefined
}

/** Times of consensuses that were signed, a line each. C tor has no such file, and no use for it. */
const signedTimesFile = 'signed-consensuses'

export class VotingRounds {
  readonly #options: RoundsOptions
  #scheduled: Round | undefined
  #immediate: Round | undefined
  /** One on the schedule that we take no part in, since it had begun. Others may. */
  #leftOut: VotingSchedule | undefined
  #previous: VotingPeriod | undefined
  /** Times for which a consensus was signed: there is never a second one, whatever clocks and late votes make of a round. */
  readonly #signed = new Set<WallMs>()
  #proposalTimer: Timer | undefined
  /** How long relays have to come before a first vote is held without them. */
  #patience: Timer | undefined
  /** They did not, once at least. */
  #isOverdue = false
  #stopped = false

  constructor(options: RoundsOptions) {
    this.#options = options
    this.#readSigned()
  }

  start(): void {
    this.#armSchedule()
    this.considerVoting()
  }

  stop(): void {
    this.#stopped = true
    this.#proposalTimer?.cancel()
    this.#patience?.cancel()
    for (const round of this.#rounds()) this.#endRound(round)
  }

  /** The rounds under way, the one off the schedule first. */
  periods(): VotingPeriod[] {
    return this.#rounds().map((round) => round.period)
  }

  /** When the consensus of the round on the schedule becomes valid. */
  get scheduledAt(): WallMs | undefined {
    return this.#scheduled?.over === false ? this.#scheduled.period.validAfter : undefined
  }

  /** The round that ended in the last consensus. */
  get previous(): VotingPeriod | undefined {
    return this.#previous
  }

  /** More is known about relays: perhaps enough for a first vote. */
  considerVoting(): void {
    const { immediate, hasConsensus, isReady } = this.#options
    if (!immediate || this.#stopped || hasConsensus() || this.#proposal()?.voted === true || !isReady()) return
    this.voteNow()
  }

  /** Proposes a round with the present second as its time, or joins the round that others have proposed. */
  voteNow(): void {
    if (this.#stopped) return
    const { runtime, lastValidAfter } = this.#options
    const nowSec = wallToSec(runtime.wallNow())
    const earliestSec = wallToSec(lastValidAfter()) + 1
    const proposed = this.#proposal()
    if (proposed !== undefined && !proposed.voted) {
      this.#join(proposed)
    } else if (nowSec < earliestSec) {
      // Two consensuses cannot become valid in the same second.
      this.#proposalTimer?.cancel()
      this.#proposalTimer = runtime.setTimer(durationMs(earliestSec * 1000 - runtime.wallNow()), () => this.voteNow())
    } else if (proposed === undefined || wallToSec(proposed.period.validAfter) < nowSec) {
      this.#join(this.#beginImmediate(wallFromSec(nowSec)))
    }
  }

  /**
   * Takes a verified vote of another authority. Throws `refused` when it belongs to no round. `posted`: it was sent to us,
   * not asked for; such votes are late once others begin to ask for what they miss.
   */
  handleVote(vote: Vote, posted: boolean): void {
    if (vote.validAfter === this.#leftOut?.validAfter && this.#options.runtime.wallNow() < this.#leftOut.votingEnds) {
      // Of a time to come, and yet no proposal: whoever took it for one would be in no round with the others.
      throw new RelishError('refused', 'Taking no part in a round that had begun')
    }
    const round = this.#roundFor(vote.validAfter)
    if (round === undefined) {
      const expected = this.#scheduled === undefined ? 'none' : formatIsoTime(this.#scheduled.period.validAfter)
      this.#options.runtime.log.write('warn', 'dir', `Rejecting vote from ${vote.source.nickname} with valid-after time of ${formatIsoTime(vote.validAfter)}; we were expecting ${expected}`)
      throw new RelishError('refused', `Bad valid-after time: ${formatIsoTime(vote.validAfter)}, expected ${expected}`)
    }
    if (posted && round.schedule !== undefined && this.#options.runtime.wallNow() > round.schedule.fetchMissingVotes) {
      throw new RelishError('refused', 'Posted vote received too late, would be dangerous to count it')
    }
    // A smaller proposal than ours: its authority votes again once ours has reached it.
    if (round.period.isComputed || round.period.validAfter !== vote.validAfter) return
    round.period.addVote(vote)
    if (round.kind === 'immediate') {
      // Whoever has a consensus already is ready for the next; the others wait for their relays.
      if (!round.voted && (this.#options.hasConsensus() || this.#options.isReady())) this.#join(round)
      else this.#proceed(round)
    }
  }

  /** Takes signatures; throws `refused` when they are for no round. */
  handleSignatures(signatures: DetachedSignatures): void {
    const round = this.#rounds().find((one) => one.period.validAfter === signatures.validAfter)
    if (round === undefined) {
      if (this.#previous?.validAfter === signatures.validAfter) return
      throw new RelishError('refused', 'Signatures for a consensus that is not being made')
    }
    round.period.addSignatures(signatures)
    if (round.kind === 'immediate') this.#proceed(round)
  }

  /** A newer consensus is in force, made here or fetched: the schedule follows from it. */
  handleConsensus(validAfter: WallMs): void {
    for (const round of this.#rounds()) if (round.period.validAfter <= validAfter) this.#endRound(round)
    if (!this.#stopped) this.#armSchedule()
  }

  #rounds(): Round[] {
    return [this.#immediate, this.#scheduled].flatMap((round) => (round === undefined || round.over ? [] : [round]))
  }

  /** The round off the schedule that is under way. */
  #proposal(): Round | undefined {
    return this.#immediate?.over === false ? this.#immediate : undefined
  }

  #roundFor(validAfter: WallMs): Round | undefined {
    const known = this.#rounds().find((round) => round.period.validAfter === validAfter)
    if (known !== undefined) return known
    const { immediate, lastValidAfter, runtime } = this.#options
    if (!immediate || this.#signed.has(validAfter) || validAfter <= lastValidAfter() || validAfter > later(runtime.wallNow(), PROPOSAL_SKEW)) return undefined
    const proposed = this.#proposal()
    // The largest proposal wins; ours is on its way to whoever has a smaller one.
    return proposed !== undefined && proposed.period.validAfter > validAfter ? proposed : this.#beginImmediate(validAfter)
  }

  // Rounds off the schedule

  #beginImmediate(validAfter: WallMs): Round {
    if (this.#immediate !== undefined) this.#endRound(this.#immediate)
    const round: Round = {
      kind: 'immediate',
      period: new VotingPeriod(validAfter, this.#options.authorities),
      schedule: undefined,
      absent: new Set(),
      voted: false,
      over: false,
      timer: undefined,
    }
    this.#immediate = round
    // An authority that is not ready in time votes with what it has.
    this.#setTimer(round, this.#options.timing().voteDelay, () => this.#join(round))
    return round
  }

  #join(round: Round): void {
    if (round.over || round.voted) return
    this.#vote(round)
    if (round.over || round.period.isComputed) return
    const { voteDelay, distDelay } = this.#options.timing()
    this.#setTimer(round, voteDelay, () => {
      this.#options.fetchVotes(round.period.missingVotes())
      this.#setTimer(round, durationMs(distDelay / 2), () => this.#compute(round))
    })
    this.#proceed(round)
  }

  /**
   * When relays do not come, the first vote is held without them, as a round that others join: schedules would differ
   * between authorities that do not start in the same interval, and with them the times of votes.
   */
  #awaitRelays(): void {
    const { runtime, timing } = this.#options
    this.#patience = runtime.setTimer(timing().interval, () => {
      this.#isOverdue = true
      this.#awaitRelays()
      if (this.#proposal()?.voted !== true) this.voteNow()
    })
  }

  /** Before a first consensus everybody is still starting, and absent only for now. */
  #noteAbsent(round: Round, identity: string): void {
    if (round.kind !== 'immediate' || round.over || round.period.isComputed || !this.#options.hasConsensus()) return
    round.absent.add(identity)
    const missing = round.period.missingVotes()
    if (!missing.every((one) => round.absent.has(one))) return
    // Others may reach whom we do not, and all have to compute from the same votes.
    this.#options.fetchVotes(missing)
    this.#setTimer(round, ABSENT_VOTES_DELAY, () => this.#compute(round))
  }

  /** Goes as far as what has arrived allows. */
  #proceed(round: Round): void {
    if (round.over || !round.voted) return
    if (!round.period.isComputed && round.period.missingVotes().length === 0) this.#compute(round)
    else if (round.period.isComputed && round.period.missingSignatures().length === 0) this.#publish(round)
  }

  // Rounds on the schedule

  #armSchedule(): void {
    const { runtime, timing, startOffset, immediate, hasConsensus } = this.#options
    this.#patience?.cancel()
    if (immediate && !hasConsensus()) {
      if (this.#scheduled !== undefined) this.#endRound(this.#scheduled)
      this.#awaitRelays()
      return
    }
    const first = nextSchedule(runtime.wallNow(), timing(), startOffset)
    // Others may have voted in a round that has begun; where votes are had at any time, the one after it will do.
    const isBegun = immediate && first.votingStarts < runtime.wallNow()
    if (isBegun) this.#leftOut = first
    const schedule = isBegun ? nextSchedule(first.validAfter, timing(), startOffset) : first
    if (this.#scheduled?.over === false) {
      if (this.#scheduled.period.validAfter === schedule.validAfter) return
      this.#endRound(this.#scheduled)
    }
    const round: Round = {
      kind: 'scheduled',
      period: new VotingPeriod(schedule.validAfter, this.#options.authorities),
      schedule,
      absent: new Set(),
      voted: false,
      over: false,
      timer: undefined,
    }
    this.#scheduled = round
    const steps: readonly { readonly at: WallMs; readonly act: () => void }[] = [
      { at: schedule.votingStarts, act: () => this.#vote(round) },
      { at: schedule.fetchMissingVotes, act: () => this.#options.fetchVotes(round.period.missingVotes()) },
      { at: schedule.votingEnds, act: () => this.#compute(round) },
      { at: schedule.fetchMissingSignatures, act: () => this.#fetchMissingSignatures(round) },
      { at: schedule.validAfter, act: () => this.#publish(round) },
    ]
    this.#runStep(round, steps, 0)
  }

  #runStep(round: Round, steps: readonly { readonly at: WallMs; readonly act: () => void }[], index: number): void {
    const step = steps[index]
    if (step === undefined || round.over) return
    const delay = durationMs(Math.max(0, step.at - this.#options.runtime.wallNow()))
    this.#setTimer(round, delay, () => {
      step.act()
      this.#runStep(round, steps, index + 1)
    })
  }

  // Steps

  #vote(round: Round): void {
    if (round.over || round.voted) return
    round.voted = true
    const { runtime } = this.#options
    runtime.log.write('notice', 'dir', `Time to vote. Valid-after is ${formatIsoTime(round.period.validAfter)}.`)
    try {
      const vote = this.#options.makeVote(round.period.validAfter)
      round.period.addVote(vote)
      this.#options.sendVote(vote, () => !round.over && !round.period.isComputed, (identity) => this.#noteAbsent(round, identity))
    } catch (thrown) {
      this.#giveUp(round, 'making a vote', thrown)
    }
  }

  #compute(round: Round): void {
    if (round.over || round.period.isComputed) return
    const { validAfter } = round.period
    try {
      if (this.#signed.has(validAfter)) throw new RelishError('unavailable', `one of ${formatIsoTime(validAfter)} was signed before`)
      round.period.compute(this.#options.signer, this.#options.sharedRandom())
      this.#noteSigned(validAfter)
    } catch (thrown) {
      this.#giveUp(round, 'computing a consensus', thrown)
      return
    }
    this.#options.runtime.log.write('notice', 'dir', `Consensus computed from ${round.period.votes.length} votes; uploading signature(s)`)
    this.#options.sendSignatures(round.period, () => !round.over)
    if (round.kind !== 'immediate') return
    const { distDelay } = this.#options.timing()
    this.#setTimer(round, durationMs(distDelay / 2), () => {
      this.#fetchMissingSignatures(round)
      this.#setTimer(round, durationMs(distDelay / 2), () => this.#publish(round))
    })
    this.#proceed(round)
  }

  #noteSigned(validAfter: WallMs): void {
    this.#signed.add(validAfter)
    const [oldest] = this.#signed
    if (oldest !== undefined && this.#signed.size > SIGNED_TIMES_KEPT) this.#signed.delete(oldest)
    const { files, log } = this.#options.runtime
    try {
      files.write(signedTimesFile, latin1Encode([...this.#signed].map((time) => `${formatIsoTime(time)}\n`).join('')))
    } catch (thrown) {
      log.write('warn', 'dir', `Unable to write ${signedTimesFile}: ${asRelishError(thrown).message}`)
    }
  }

  /** Of earlier lives: one that ended between signing and publishing must not sign again. */
  #readSigned(): void {
    const { files, log } = this.#options.runtime
    try {
      for (const line of latin1Decode(files.read(signedTimesFile) ?? new Uint8Array(0)).split('\n')) {
        const time = parseIsoTime(line)
        if (time !== undefined) this.#signed.add(time)
      }
    } catch (thrown) {
      log.write('warn', 'dir', `Unable to read ${signedTimesFile}: ${asRelishError(thrown).message}`)
    }
  }

  #fetchMissingSignatures(round: Round): void {
    if (round.period.missingSignatures().length > 0) this.#options.fetchSignatures()
  }

  #publish(round: Round): void {
    if (round.over) return
    const { period } = round
    const before = this.#previous
    this.#previous = period
    if (period.isComputed && this.#options.publish(period)) {
      this.#endRound(round)
      this.handleConsensus(period.validAfter)
      return
    }
    this.#previous = before
    this.#giveUp(round, 'publishing the consensus', new RelishError('unavailable', `${period.signatureCount} of ${period.required} signatures are here`))
  }

  /** Without a consensus from this round the next one is held: at its time, or at once if there is no schedule to wait for. */
  #giveUp(round: Round, attempt: string, thrown: unknown): void {
    const error = asRelishError(thrown)
    if (error.kind === 'bug') throw error
    // While authorities are still starting, the next attempt is what helps.
    const isEarly = error.kind === 'unavailable' && this.#options.immediate && !this.#isOverdue && !this.#options.hasConsensus()
    this.#options.runtime.log.write(isEarly ? 'info' : 'warn', 'dir', `${attempt}: ${error.message}`)
    if (round.kind === 'scheduled') {
      // Its later steps have nothing to do; the schedule goes on when its time is over.
      if (attempt === 'publishing the consensus') {
        this.#endRound(round)
        this.#armSchedule()
      }
      return
    }
    this.#endRound(round)
    this.#proposalTimer?.cancel()
    this.#proposalTimer = this.#options.runtime.setTimer(this.#options.timing().distDelay, () => this.considerVoting())
  }

  #setTimer(round: Round, delay: DurationMs, act: () => void): void {
    round.timer?.cancel()
    round.timer = this.#options.runtime.setTimer(delay, () => {
      round.timer = undefined
      if (!round.over) act()
    })
  }

  #endRound(round: Round): void {
    round.over = true
    round.timer?.cancel()
    round.timer = undefined
  }
}
