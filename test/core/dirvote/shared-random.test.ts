import { describe, expect, test } from 'vitest'
import { base64Encode } from '../../../src/core/base/encoding.ts'
import { RelishError } from '../../../src/core/base/errors.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { seconds, wallFromSec } from '../../../src/core/base/time.ts'
import { computeSharedRandom, hasReveal, isWellFormedCommit, makeCommit, revealMatches } from '../../../src/core/dirvote/shared-random-commit.ts'
import { emitSharedRandomState, parseSharedRandomState, phaseOf, SharedRandomState } from '../../../src/core/dirvote/shared-random-state.ts'
import type { SharedRandomCommit } from '../../../src/core/netdoc/vote.ts'
import { capturedPeriod, capturedText } from './captured.ts'

const interval = seconds(20)

describe('values that C tor computed', () => {
  test.each([
    ['plain/2026-11-22-09-59-40', 'plain/2026-11-22-10-00-00'],
    ['plain/2026-11-22-10-07-40', 'plain/2026-11-22-10-08-00'],
  ])('%s gives that of %s', (last, next) => {
    const before = capturedPeriod(last).votes[0]
    const after = capturedPeriod(next).votes[0]
    const commits = before?.sharedRandomCommits ?? []
    expect(commits.every((commit) => isWellFormedCommit(commit) && revealMatches(commit))).toBe(true)
    expect(computeSharedRandom(commits, before?.sharedRandomCurrent)).toEqual(after?.sharedRandomCurrent)
    expect(after?.sharedRandomPrevious).toEqual(before?.sharedRandomCurrent)
  })

  test('the phases of its votes', () => {
    for (const name of ['plain/2026-11-22-09-59-40', 'plain/2026-11-22-10-00-00', 'differing/2026-11-22-10-04-00']) {
      const vote = capturedPeriod(name).votes[0]
      const reveals = vote?.sharedRandomCommits.some(hasReveal)
      expect(phaseOf(vote?.validAfter ?? wallFromSec(0), interval)).toBe(reveals === true ? 'reveal' : 'commit')
    }
  })
})

describe('commits', () => {
  const rng = new SeededRng('commits')
  const commit = makeCommit('A'.repeat(40), wallFromSec(1_790_000_000), rng)

  test('a reveal matches its commit and no other', () => {
    expect(isWellFormedCommit(commit)).toBe(true)
    expect(revealMatches(commit)).toBe(true)
    const other = makeCommit('A'.repeat(40), wallFromSec(1_790_000_000), rng)
    expect(revealMatches({ ...commit, reveal: other.reveal })).toBe(false)
    const later = makeCommit('A'.repeat(40), wallFromSec(1_790_000_020), new SeededRng('commits'))
    expect(revealMatches({ ...commit, reveal: later.reveal })).toBe(false)
  })

  test.each([
    [{ version: 2 }], [{ version: 0 }], [{ algorithm: 'sha256' }], [{ commit: 'AAAA' }], [{ commit: '' }], [{ reveal: 'AAAA' }],
    [{ commit: `${commit.commit}AAAA` }],
  ])('malformed: %j', (part: Partial<SharedRandomCommit>) => {
    expect(isWellFormedCommit({ ...commit, ...part })).toBe(false)
  })
})

describe('the protocol among three authorities', () => {
  const names = ['A', 'B', 'C'].map((letter) => letter.repeat(40))
  // The start of a run: 24 periods of 20 seconds.
  const start = wallFromSec(480 * 3_729_167)
  const make = (): SharedRandomState[] =>
    names.map((identityFingerprint) => new SharedRandomState({ identityFingerprint, authorities: new Set(names), rng: new SeededRng(identityFingerprint) }, start, interval))
  const at = (slot: number) => wallFromSec(start / 1000 + slot * 20)
  /** One period: all prepare, vote, take each other's commits, and take over what the majority holds. */
  function runPeriod(states: SharedRandomState[], slot: number): void {
    for (const state of states) state.prepare(at(slot), interval)
    const votes = states.map((state) => state.vote())
    states.forEach((state) => votes.forEach((vote, i) => state.addCommits(names[i] ?? '', vote.commits)))
    for (const state of states) state.acceptConsensus(votes[0]?.previous, votes[0]?.current)
  }

  test('all compute the same value, run after run, each depending on the one before', () => {
    const states = make()
    for (let slot = 0; slot < 24; slot++) runPeriod(states, slot)
    expect(states.map((state) => state.vote().commits.filter(hasReveal).length)).toEqual([3, 3, 3])
    for (const state of states) state.prepare(at(24), interval)
    const [firstValue, ...others] = states.map((state) => state.vote().current)
    expect(firstValue?.reveals).toBe(3)
    for (const other of others) expect(other).toEqual(firstValue)
    expect(states.every((state) => state.isFresh)).toBe(true)
    for (let slot = 24; slot <= 48; slot++) runPeriod(states, slot)
    const vote = states[1]?.vote()
    expect(vote?.previous).toEqual(firstValue)
    expect(vote?.current).not.toEqual(firstValue)
    expect(states[0]?.isFresh).toBe(false)
  })

  test('commits of strangers, for others, with early or wrong reveals, and changed ones are not kept', () => {
    const [state] = make() as [SharedRandomState]
    state.prepare(at(1), interval)
    const own = makeCommit(names[1] ?? '', at(1), new SeededRng('x'))
    const { reveal: _, ...withoutReveal } = own
    expect(state.addCommits(names[2] ?? '', [withoutReveal])).toBe(false)
    expect(state.addCommits('D'.repeat(40), [{ ...withoutReveal, identityFingerprint: 'D'.repeat(40) }])).toBe(false)
    expect(state.addCommits(names[1] ?? '', [own])).toBe(false)
    expect(state.addCommits(names[1] ?? '', [withoutReveal])).toBe(true)
    expect(state.addCommits(names[1] ?? '', [withoutReveal])).toBe(false)
    state.prepare(at(12), interval)
    expect(state.phase).toBe('reveal')
    const other = makeCommit(names[1] ?? '', at(1), new SeededRng('y'))
    expect(state.addCommits(names[1] ?? '', [other])).toBe(false)
    expect(state.addCommits(names[1] ?? '', [{ ...own, reveal: other.reveal }])).toBe(false)
    expect(state.addCommits(names[2] ?? '', [makeCommit(names[2] ?? '', at(1), new SeededRng('z'))])).toBe(false)
    expect(state.addCommits(names[1] ?? '', [own])).toBe(true)
  })

  test('an authority that hears of others before its own first round still commits', () => {
    const [state] = make() as [SharedRandomState]
    const { reveal: _, ...commit } = makeCommit(names[1] ?? '', at(1), new SeededRng('x'))
    expect(state.addCommits(names[1] ?? '', [commit])).toBe(true)
    state.prepare(at(1), interval)
    expect(state.vote().commits.map((one) => one.identityFingerprint)).toEqual(names.slice(0, 2))
  })

  test('a restart in the middle of a run goes on with what was saved', () => {
    const states = make()
    for (let slot = 0; slot < 15; slot++) runPeriod(states, slot)
    const saved = emitSharedRandomState((states[0] as SharedRandomState).record(), '0.4.9.11', at(14))
    const options = { identityFingerprint: names[0] ?? '', authorities: new Set(names), rng: new SeededRng('other') }
    const again = new SharedRandomState(options, at(15), interval, parseSharedRandomState(saved))
    again.prepare(at(15), interval)
    expect(again.vote()).toEqual(states[0]?.vote())
    // Too late: a state of a run that is over is of no use.
    const late = new SharedRandomState(options, at(40), interval, parseSharedRandomState(saved))
    expect(late.vote().commits).toEqual([])
  })
})

describe('the state file', () => {
  test("C tor's is read, and written as it was", () => {
    const text = capturedText('sr-state')
    const record = parseSharedRandomState(text)
    expect(record.commits.length).toBe(3)
    // Of its own commit an authority knows the reveal from the start.
    expect(record.commits.filter(hasReveal).map(revealMatches)).toEqual([true])
    expect(record.current?.reveals).toBe(3)
    expect(base64Encode(record.current?.value ?? new Uint8Array())).toBe('umM4sexpWgnRbHyjoadHfLUIXOJlc1p+r9iVVVeyhNU=')
    const written = emitSharedRandomState(record, '0.4.9.11', record.validAfter)
    const body = (of: string): string => of.replace(/^#.*\n/gm, '')
    expect(body(written)).toBe(body(text))
  })

  test.each([
    ['no version', /^Version.*\n/m, ''],
    ['another version', /^Version 1/m, 'Version 2'],
    ['no time', /^ValidUntil.*\n/m, ''],
    ['a malformed time', /^ValidUntil.*/m, 'ValidUntil tomorrow'],
    ['a malformed value', /^SharedRandCurrentValue.*/m, 'SharedRandCurrentValue 3 AAAA'],
    ['a value twice', /^SharedRandPreviousValue/m, 'SharedRandCurrentValue'],
  ])('%s', (_name, pattern, replacement) => {
    expect(() => parseSharedRandomState(capturedText('sr-state').replace(pattern, replacement))).toThrow(RelishError)
  })

  test('malformed commits are left out, lines of later versions passed over', () => {
    const text = capturedText('sr-state').replace(/^Commit 1/m, 'Commit 9').concat('NewThing 5\n')
    expect(parseSharedRandomState(text).commits.length).toBe(2)
  })
})
