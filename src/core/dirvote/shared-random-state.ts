/**
 * An authority's part in the shared-random protocol (srv-spec): the commits it knows, the values in force, and what
 * changes from one voting period to the next. Pure; the node saves `emitSharedRandomState` whenever `changed` says so.
 */

import { RelishError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'
import { formatIsoTime, parseIsoTime, wallFromSec, wallToSec, type DurationMs, type WallMs } from '../base/time.ts'
import { base64Encode } from '../base/encoding.ts'
import { decodeBase64Fixed } from '../netdoc/base64.ts'
import type { SharedRandomValue } from '../netdoc/network-status.ts'
import type { SharedRandomCommit } from '../netdoc/vote.ts'
import type { SharedRandomVote } from './build-vote.ts'
import { MAX_SHARED_RANDOM_COMMITS, MAX_SHARED_RANDOM_STATE_BYTES, SHARED_RANDOM_PHASES, SHARED_RANDOM_ROUNDS } from './limits.ts'
import { compareText } from './order-statistics.ts'
import { computeSharedRandom, hasReveal, isWellFormedCommit, makeCommit, revealMatches, SHARED_RANDOM_VERSION } from './shared-random-commit.ts'

export type SharedRandomPhase = 'commit' | 'reveal'

/** The phase that the period valid after this time belongs to: twelve periods of each, counted from the epoch. */
export function phaseOf(validAfter: WallMs, interval: DurationMs): SharedRandomPhase {
  return slotOf(validAfter, interval) < SHARED_RANDOM_ROUNDS ? 'commit' : 'reveal'
}

function slotOf(validAfter: WallMs, interval: DurationMs): number {
  return Math.floor(wallToSec(validAfter) / Math.max(1, Math.floor(interval / 1000))) % (SHARED_RANDOM_ROUNDS * SHARED_RANDOM_PHASES)
}

/** What a state file holds. */
export interface SharedRandomRecord {
  readonly validAfter: WallMs
  readonly validUntil: WallMs
  readonly commits: readonly SharedRandomCommit[]
  readonly previous: SharedRandomValue | undefined
  readonly current: SharedRandomValue | undefined
}

export interface SharedRandomOptions {
  /** This authority's v3 identity, upper-case hex. */
  readonly identityFingerprint: string
  /** Identities of all authorities. */
  readonly authorities: ReadonlySet<string>
  readonly rng: Rng
}

export class SharedRandomState {
  readonly #options: SharedRandomOptions
  readonly #commits = new Map<string, SharedRandomCommit>()
  #phase: SharedRandomPhase
  #validAfter: WallMs
  #validUntil: WallMs
  #previous: SharedRandomValue | undefined
  #current: SharedRandomValue | undefined
  #fresh = false

  /** `record` is what was saved before, if it still holds at `now`. */
  constructor(options: SharedRandomOptions, now: WallMs, interval: DurationMs, record?: SharedRandomRecord) {
    this.#options = options
    this.#validAfter = wallFromSec(0)
    this.#phase = phaseOf(now, interval)
    this.#validUntil = endOfRun(now, interval)
    if (record === undefined || record.validUntil < now || record.validAfter >= record.validUntil) return
    this.#validAfter = record.validAfter
    this.#validUntil = record.validUntil
    this.#phase = phaseOf(record.validAfter, interval)
    this.#previous = record.previous
    this.#current = record.current
    for (const commit of record.commits) if (isWellFormedCommit(commit)) this.#commits.set(commit.identityFingerprint, commit)
  }

  get phase(): SharedRandomPhase {
    return this.#phase
  }

  /** Whether the current value was computed by this authority and no consensus has confirmed it yet. */
  get isFresh(): boolean {
    return this.#fresh
  }

  /** What goes into this authority's vote (srv-spec §4.1.4, §4.1.5). */
  vote(): SharedRandomVote {
    const reveals = this.#phase === 'reveal'
    const commits = [...this.#commits.values()].map((commit) => {
      const { reveal, ...withoutReveal } = commit
      return reveals ? { ...withoutReveal, reveal: reveal ?? '' } : withoutReveal
    })
    commits.sort((a, b) => compareText(commitLine(a), commitLine(b)))
    return { commits, previous: this.#previous, current: this.#current }
  }

  /**
   * Takes what a verified vote says of its own authority (srv-spec §4.1.2). Whether anything was kept.
   */
  addCommits(voterFingerprint: string, commits: readonly SharedRandomCommit[]): boolean {
    let changed = false
    for (const commit of commits) if (this.#keep(voterFingerprint, commit)) changed = true
    return changed
  }

  #keep(voterFingerprint: string, commit: SharedRandomCommit): boolean {
    // A commit counts only in the vote of its own authority.
    if (commit.identityFingerprint !== voterFingerprint || !this.#options.authorities.has(voterFingerprint)) return false
    if (!isWellFormedCommit(commit)) return false
    const saved = this.#commits.get(voterFingerprint)
    if (this.#phase === 'commit') {
      if (saved !== undefined || hasReveal(commit) || this.#commits.size >= MAX_SHARED_RANDOM_COMMITS) return false
    } else {
      // A commit first seen in the reveal phase, or changed since, is not to be trusted.
      if (saved === undefined || saved.commit !== commit.commit || hasReveal(saved) || !revealMatches(commit)) return false
    }
    this.#commits.set(voterFingerprint, commit)
    return true
  }

  /** Takes over the values that a new consensus carries, or that it carries none. */
  acceptConsensus(previous: SharedRandomValue | undefined, current: SharedRandomValue | undefined): void {
    this.#previous = previous
    this.#current = current
    this.#fresh = false
  }

  /** Prepares for the voting period whose consensus is valid after `validAfter`. Harmless when called twice for one period. */
  prepare(validAfter: WallMs, interval: DurationMs): void {
    if (validAfter <= this.#validAfter) return
    const phase = phaseOf(validAfter, interval)
    if (phase !== this.#phase) {
      if (phase === 'commit') this.#startRun(validAfter, interval)
      this.#phase = phase
    } else if (phase === 'commit' && !this.#commits.has(this.#options.identityFingerprint)) {
      // Just started, in the middle of a commit phase. SPEC-DIFF: C tor does not when it has commits of others already.
      this.#commitOurselves(validAfter)
    }
    this.#validAfter = validAfter
  }

  /** srv-spec §3.3: at the start of a run the value of the run before is computed. */
  #startRun(validAfter: WallMs, interval: DurationMs): void {
    this.#previous = this.#current
    const known = [...this.#commits.values()].filter((commit) => this.#options.authorities.has(commit.identityFingerprint))
    this.#current = computeSharedRandom(known, this.#previous)
    this.#fresh = true
    this.#commits.clear()
    this.#validUntil = endOfRun(validAfter, interval)
    this.#commitOurselves(validAfter)
  }

  #commitOurselves(validAfter: WallMs): void {
    const commit = makeCommit(this.#options.identityFingerprint, validAfter, this.#options.rng)
    this.#commits.set(commit.identityFingerprint, commit)
  }

  record(): SharedRandomRecord {
    return {
      validAfter: this.#validAfter,
      validUntil: this.#validUntil,
      commits: [...this.#commits.values()],
      previous: this.#previous,
      current: this.#current,
    }
  }
}

const commitLine = (commit: SharedRandomCommit): string =>
  `${commit.version} ${commit.algorithm} ${commit.identityFingerprint} ${commit.commit}${commit.reveal === undefined ? '' : ` ${commit.reveal}`}`

/** When the run that `time` belongs to ends. */
function endOfRun(time: WallMs, interval: DurationMs): WallMs {
  const intervalSec = Math.max(1, Math.floor(interval / 1000))
  const roundStart = wallToSec(time) - (wallToSec(time) % intervalSec)
  return wallFromSec(roundStart + (SHARED_RANDOM_ROUNDS * SHARED_RANDOM_PHASES - slotOf(time, interval)) * intervalSec)
}

/** The file `sr-state` in C tor's form (srv-spec §4.3). */
export function emitSharedRandomState(record: SharedRandomRecord, torVersion: string, now: WallMs): string {
  const value = (keyword: string, random: SharedRandomValue | undefined): string[] =>
    random === undefined ? [] : [`${keyword} ${random.reveals} ${base64Encode(random.value)}`]
  return [
    `# Tor shared random state file last generated on ${formatIsoTime(now)} local time`,
    '# Other times below are in UTC',
    '# Please *do not* edit this file.',
    '',
    ...record.commits.map((commit) => `Commit ${commitLine(commit)}`.trimEnd()),
    ...value('SharedRandPreviousValue', record.previous),
    ...value('SharedRandCurrentValue', record.current),
    `TorVersion ${torVersion}`,
    `ValidAfter ${formatIsoTime(record.validAfter)}`,
    `ValidUntil ${formatIsoTime(record.validUntil)}`,
    `Version ${SHARED_RANDOM_VERSION}`,
    '',
  ].join('\n')
}

/** Throws `bad-document` for a file that this version cannot use; commits it cannot read are left out. */
export function parseSharedRandomState(text: string): SharedRandomRecord {
  if (text.length > MAX_SHARED_RANDOM_STATE_BYTES) throw new RelishError('limit', `sr-state has more than ${MAX_SHARED_RANDOM_STATE_BYTES} characters`)
  const commits: SharedRandomCommit[] = []
  const times = new Map<string, WallMs>()
  const values = new Map<string, SharedRandomValue>()
  let version = 0
  text.split('\n').forEach((line, index) => {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) return
    const [keyword = '', ...args] = trimmed.split(/\s+/)
    const rest = args.join(' ')
    const malformed = (): RelishError =>
      new RelishError('bad-document', `sr-state, line ${index + 1}: malformed ${keyword}`, { position: { file: 'sr-state', line: index + 1, keyword } })
    switch (keyword) {
      case 'Version':
        version = Number(args[0])
        break
      case 'ValidAfter':
      case 'ValidUntil': {
        const time = parseIsoTime(rest)
        if (time === undefined) throw malformed()
        times.set(keyword, time)
        break
      }
      case 'SharedRandPreviousValue':
      case 'SharedRandCurrentValue': {
        const value = decodeBase64Fixed(args[1] ?? '', 32)
        const reveals = Number(args[0])
        if (value === undefined || !Number.isInteger(reveals) || reveals < 0 || values.has(keyword)) throw malformed()
        values.set(keyword, { reveals, value })
        break
      }
      case 'Commit': {
        const [commitVersion, algorithm = '', identityFingerprint = '', commit = '', reveal] = args
        const parsed = { version: Number(commitVersion), algorithm, identityFingerprint, commit, ...(reveal === undefined ? {} : { reveal }) }
        if (isWellFormedCommit(parsed) && commits.length < MAX_SHARED_RANDOM_COMMITS) commits.push(parsed)
        break
      }
      default:
        // Lines of later versions are passed over.
        break
    }
  })
  const validAfter = times.get('ValidAfter')
  const validUntil = times.get('ValidUntil')
  if (version !== SHARED_RANDOM_VERSION || validAfter === undefined || validUntil === undefined) {
    throw new RelishError('bad-document', 'sr-state is not of a version this program knows, or lacks its times')
  }
  return { validAfter, validUntil, commits, previous: values.get('SharedRandPreviousValue'), current: values.get('SharedRandCurrentValue') }
}
