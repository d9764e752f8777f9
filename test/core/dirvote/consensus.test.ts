import { describe, expect, test } from 'vitest'
import { SeededRng, shuffled } from '../../../src/core/base/rng.ts'
import { chooseMethod, chooseParams, computeConsensus, voteOnProtocols, type ConsensusInput } from '../../../src/core/dirvote/consensus.ts'
import { parseConsensus, emitUnsignedConsensus } from '../../../src/core/netdoc/consensus.ts'
import { ProtocolList } from '../../../src/core/netdoc/protocol-list.ts'
import type { VoteRouterStatus } from '../../../src/core/netdoc/router-status.ts'
import type { Vote } from '../../../src/core/netdoc/vote.ts'
import { capturedPeriod, capturedPeriods, unsigned } from './captured.ts'

const inputOf = (votes: readonly Vote[], totalAuthorities: number): ConsensusInput => ({
  votes,
  totalAuthorities,
  sharedRandomEnabled: true,
  sharedRandomIsFresh: false,
})

describe('consensuses of C tor authorities, byte for byte', () => {
  describe.each(capturedPeriods)('%s', (name) => {
    const period = capturedPeriod(name)
    const computed = computeConsensus(inputOf(period.votes, period.authorities))

    test.each(['ns', 'microdesc'] as const)('%s', (flavour) => {
      expect(emitUnsignedConsensus(computed[flavour])).toBe(unsigned(period.consensus[flavour]))
    })

    test('the order of votes does not matter', () => {
      const again = computeConsensus(inputOf(shuffled(new SeededRng(name), period.votes), period.authorities))
      expect(emitUnsignedConsensus(again.microdesc)).toBe(emitUnsignedConsensus(computed.microdesc))
    })
  })
})

const period = capturedPeriod('differing/2026-11-22-10-04-00')
const change = (vote: Vote, relay: (status: VoteRouterStatus) => VoteRouterStatus | undefined): Vote => ({ ...vote, relays: vote.relays.flatMap((status) => relay(status) ?? []) })
const first = period.votes[0]?.relays[0] as VoteRouterStatus
const isFirst = (status: VoteRouterStatus): boolean => status.fingerprint === first.fingerprint
const flagsOf = (votes: readonly Vote[], authorities = 4): readonly string[] | undefined =>
  computeConsensus(inputOf(votes, authorities)).ns.relays.filter((relay) => relay.fingerprint === first.fingerprint).map((relay) => [...relay.flags])[0]

describe('who is listed', () => {
  test('a relay needs more than half of all authorities, not of the votes', () => {
    const listed = (count: number): boolean => flagsOf(period.votes.map((vote, i) => (i < count ? vote : change(vote, (status) => (isFirst(status) ? undefined : status))))) !== undefined
    expect([1, 2, 3, 4].map(listed)).toEqual([false, false, true, true])
    const two = period.votes.slice(0, 2)
    expect(computeConsensus(inputOf(two, 4)).ns.relays).toEqual([])
    expect(computeConsensus(inputOf(two, 3)).ns.relays.length).toBeGreaterThan(0)
  })

  test.each(['Running', 'Valid'])('a relay without %s is not', (flag) => {
    const without = (status: VoteRouterStatus): VoteRouterStatus => (isFirst(status) ? { ...status, flags: new Set([...status.flags].filter((one) => one !== flag)) } : status)
    expect(flagsOf(period.votes.map((vote) => change(vote, without)))).toBeUndefined()
  })

  test('a flag needs more than half of the votes that have an opinion on it', () => {
    const only = (count: number): Vote[] =>
      period.votes.map((vote, i) => (i < count ? vote : { ...vote, knownFlags: vote.knownFlags.filter((flag) => flag !== 'HSDir') }))
    expect(flagsOf(only(1))).toContain('HSDir')
    const without = (status: VoteRouterStatus): VoteRouterStatus => ({ ...status, flags: new Set([...status.flags].filter((flag) => flag !== 'HSDir')) })
    expect(flagsOf(only(2).map((vote, i) => (i === 0 ? change(vote, without) : vote)))).not.toContain('HSDir')
  })
})

describe('identities', () => {
  const withKey = (vote: Vote, ed25519Identity: VoteRouterStatus['ed25519Identity']): Vote =>
    change(vote, (status) => {
      if (!isFirst(status)) return status
      const { ed25519Identity: _, ...rest } = status
      return ed25519Identity === undefined ? rest : { ...rest, ed25519Identity }
    })
  const other = new Uint8Array(32).fill(9)

  test('a vote with another Ed25519 identity is about another relay', () => {
    const votes = period.votes.map((vote, i) => (i === 0 ? withKey(vote, other) : vote))
    expect(flagsOf(votes)).not.toContain('NoEdConsensus')
    // Two against two: only the RSA identity is agreed on.
    expect(flagsOf(period.votes.map((vote, i) => (i < 2 ? withKey(vote, other) : vote)))).toContain('NoEdConsensus')
  })

  test('a vote without one goes along with the others', () => {
    expect(flagsOf(period.votes.map((vote, i) => (i === 0 ? withKey(vote, undefined) : vote)))).not.toContain('NoEdConsensus')
  })
})

describe('parts', () => {
  test('methods need more than two thirds', () => {
    const methods = (...lists: number[][]): number => chooseMethod(lists.map((consensusMethods) => ({ consensusMethods })))
    expect(methods([32, 33], [32, 33], [32])).toBe(32)
    expect(methods([32, 33], [32, 33], [32, 33])).toBe(33)
    expect(methods([32, 33, 34], [32, 33, 34], [32, 33, 34], [32, 33])).toBe(34)
    expect(methods([32, 32, 32], [33], [33])).toBe(35)
    // One nobody here knows.
    expect(methods([99], [99], [99])).toBe(35)
    expect(methods([1], [2], [3])).toBe(35)
  })

  test('parameters are low medians of three votes or of a majority', () => {
    const params = (...lists: Record<string, number>[]): Record<string, number> =>
      Object.fromEntries(chooseParams(lists.map((list) => ({ params: new Map(Object.entries(list)) })), 9))
    expect(params({ a: 1, b: 5 }, { a: 2, b: -5 }, { a: 9 })).toEqual({ a: 2 })
    expect(params({ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 })).toEqual({ a: 2 })
    expect(Object.fromEntries(chooseParams([{ params: new Map([['x', 7]]) }], 1))).toEqual({ x: 7 })
    expect([...chooseParams([{ params: new Map([['a', 1], ['ab', 1], ['a1', 1]]) }], 1).keys()]).toEqual(['a1', 'a', 'ab'])
  })

  test('protocols need their threshold of votes', () => {
    const lists = ['Link=4-5 Relay=1-2', 'Link=4 Relay=2-4', 'Link=3-5'].map((text) => ProtocolList.parse(text))
    expect(voteOnProtocols(lists, 2).text).toBe('Link=4-5 Relay=2')
    expect(voteOnProtocols(lists, 1).text).toBe('Link=3-5 Relay=1-4')
    expect(voteOnProtocols(lists, 4).text).toBe('')
    expect(voteOnProtocols([], 1).text).toBe('')
  })

  test('a fresh shared random value needs more than a majority', () => {
    const fresh = capturedPeriod('plain/2026-11-22-10-00-00')
    const vote = fresh.votes[2] as Vote
    const votes = [...fresh.votes.slice(0, 2), { ...vote, sharedRandomCurrent: { reveals: 3, value: new Uint8Array(32) } }]
    const current = (overrides: Partial<ConsensusInput>): unknown => computeConsensus({ ...inputOf(votes, 3), ...overrides }).ns.sharedRandomCurrent
    expect(current({})).toBeDefined()
    expect(current({ sharedRandomIsFresh: true })).toBeDefined()
    const strict = votes.map((one) => ({ ...one, params: new Map([['AuthDirNumSRVAgreements', 3]]) }))
    expect(current({ votes: strict, sharedRandomIsFresh: true })).toBeUndefined()
    expect(current({ votes: strict })).toBeDefined()
    expect(current({ sharedRandomEnabled: false })).toBeUndefined()
  })

  test('a legacy key has a line of its own', () => {
    const votes = period.votes.map((vote, i) => (i === 0 ? { ...vote, legacyKeyFingerprint: 'FF'.repeat(20) } : vote))
    const text = emitUnsignedConsensus(computeConsensus(inputOf(votes, 4)).ns)
    expect(text).toMatch(/dir-source auth0-legacy F{40} 127\.30\.7\.1 [^\n]*\nr /)
    expect(parseConsensus(`${text}directory-signature ${'A'.repeat(40)} ${'B'.repeat(40)}\n-----BEGIN SIGNATURE-----\n${'A'.repeat(171)}=\n-----END SIGNATURE-----\n`).sources.length).toBe(5)
  })
})
