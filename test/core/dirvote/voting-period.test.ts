import { describe, expect, test } from 'vitest'
import { hexDecode, hexEncodeUpper } from '../../../src/core/base/encoding.ts'
import { RelishError } from '../../../src/core/base/errors.ts'
import { later, seconds } from '../../../src/core/base/time.ts'
import { rsaKeyFromRng } from '../../../src/core/crypto/rsa-seeded.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { MAX_WAITING_SIGNATURES } from '../../../src/core/dirvote/limits.ts'
import { VotingPeriod } from '../../../src/core/dirvote/voting-period.ts'
import { parseConsensus } from '../../../src/core/netdoc/consensus.ts'
import { parseDetachedSignatures, type DetachedSignatures } from '../../../src/core/netdoc/detached-signatures.ts'
import type { Vote } from '../../../src/core/netdoc/vote.ts'
import { capturedPeriod, unsigned } from './captured.ts'

const captured = capturedPeriod('plain/2026-11-22-10-00-00')
const identities = captured.votes.map((vote) => vote.source.identityFingerprint)
const authorities = new Set(identities)
const [first, second, third] = captured.votes as [Vote, Vote, Vote]
const signer = { identityFingerprint: identities[0] ?? '', signingKey: rsaKeyFromRng(new SeededRng('signer'), 1024) }
const enabled = { enabled: true, fresh: true }
const newPeriod = (): VotingPeriod => new VotingPeriod(first.validAfter, authorities)

/** The signatures of C tor's authorities, as one of them would send them. */
const theirs = (): DetachedSignatures => {
  const ns = parseConsensus(captured.consensus.ns)
  const microdesc = parseConsensus(captured.consensus.microdesc)
  return {
    consensusDigest: ns.sha1,
    validAfter: ns.validAfter,
    freshUntil: ns.freshUntil,
    validUntil: ns.validUntil,
    additionalDigests: [{ flavour: 'microdesc', algorithm: 'sha256', digest: microdesc.sha256 }],
    signatures: [...microdesc.signatures.map((one) => ({ ...one, flavour: 'microdesc' })), ...ns.signatures.map((one) => ({ ...one, flavour: 'ns' }))],
  }
}

const refused = (action: () => unknown, words: RegExp): void => {
  expect(action).toThrow(words)
  expect(action).toThrow(RelishError)
}

describe('votes', () => {
  test('each authority has one: the newer', () => {
    const period = newPeriod()
    expect(period.addVote(first)).toBe('added')
    expect(period.addVote(first)).toBe('known')
    const newer = { ...first, digest: hexDecode('01'.repeat(20)), published: later(first.published, seconds(1)) }
    expect(period.addVote(newer)).toBe('replaced')
    expect(period.addVote(first)).toBe('older')
    expect(period.missingVotes()).toEqual(identities.slice(1))
    expect(period.voteByDigest('01'.repeat(20))).toEqual(newer)
  })

  test('not of strangers, not for another time', () => {
    refused(() => new VotingPeriod(first.validAfter, new Set(['A'.repeat(40)])).addVote(first), /not from a recognized/)
    refused(() => new VotingPeriod(later(first.validAfter, seconds(1)), authorities).addVote(first), /valid-after/)
  })

  test('a majority of all authorities must have voted', () => {
    const period = newPeriod()
    period.addVote(first)
    refused(() => period.compute(signer, enabled), /1 of 2/)
    period.addVote(second)
    period.compute(signer, enabled)
    expect(period.isComputed).toBe(true)
  })

  test('without an opinion on Running there is no consensus', () => {
    const period = newPeriod()
    for (const vote of captured.votes) period.addVote({ ...vote, knownFlags: vote.knownFlags.filter((flag) => flag !== 'Running') })
    refused(() => period.compute(signer, enabled), /Running/)
  })
})

describe('signatures', () => {
  const computed = (): VotingPeriod => {
    const period = newPeriod()
    for (const vote of captured.votes) period.addVote(vote)
    period.compute(signer, enabled)
    return period
  }

  test("those of C tor's authorities are taken, and the document is theirs", () => {
    const period = computed()
    expect(unsigned(period.consensusText('ns') ?? '')).toBe(unsigned(captured.consensus.ns))
    expect(period.signatureCount).toBe(1)
    expect(period.missingSignatures().sort()).toEqual(identities.slice(1).sort())
    expect(period.addSignatures(theirs())).toBe(4)
    expect(period.missingSignatures()).toEqual([])
    expect(period.addSignatures(theirs())).toBe(0)
    // All but our own signature, which the captured network has from another key.
    const ours = parseConsensus(period.consensusText('microdesc') ?? '').signatures
    const captures = parseConsensus(captured.consensus.microdesc).signatures
    expect(ours.slice().sort((a, b) => (a.identityFingerprint < b.identityFingerprint ? -1 : 1))).toEqual(ours)
    for (const signature of ours.filter((one) => one.identityFingerprint !== identities[0])) expect(captures).toContainEqual(signature)
  })

  test('those that come early wait', () => {
    const period = newPeriod()
    expect(period.addSignatures(theirs())).toBe(0)
    for (const vote of captured.votes) period.addVote(vote)
    period.compute(signer, enabled)
    expect(period.missingSignatures()).toEqual([])
    const full = newPeriod()
    for (let i = 0; i < MAX_WAITING_SIGNATURES; i++) full.addSignatures(theirs())
    refused(() => full.addSignatures(theirs()), /too many/)
  })

  test('those of another consensus are refused, also when they waited', () => {
    const period = computed()
    refused(() => period.addSignatures({ ...theirs(), consensusDigest: new Uint8Array(20), additionalDigests: [] }), /Mismatched digest/)
    refused(() => period.addSignatures({ ...theirs(), validAfter: later(first.validAfter, seconds(1)) }), /Valid-After/)
    refused(() => period.addSignatures({ ...theirs(), validUntil: later(first.validAfter, seconds(1)) }), /valid-until/)
    // One flavour may agree while the other does not.
    expect(period.addSignatures({ ...theirs(), additionalDigests: [] })).toBe(2)
    const early = newPeriod()
    early.addSignatures({ ...theirs(), consensusDigest: new Uint8Array(20), additionalDigests: [] })
    for (const vote of captured.votes) early.addVote(vote)
    early.compute(signer, enabled)
    expect(early.signatureCount).toBe(1)
  })

  test('bad ones, those of strangers, and those with the wrong digest algorithm are passed over', () => {
    const period = computed()
    const bad = theirs().signatures.map((one) => ({ ...one, signature: new Uint8Array(one.signature.length) }))
    expect(period.addSignatures({ ...theirs(), signatures: bad })).toBe(0)
    const strangers = theirs().signatures.map((one) => ({ ...one, identityFingerprint: 'A'.repeat(40) }))
    expect(period.addSignatures({ ...theirs(), signatures: strangers })).toBe(0)
    const swapped = theirs().signatures.map((one) => ({ ...one, algorithm: one.algorithm === 'sha1' ? ('sha256' as const) : ('sha1' as const) }))
    expect(period.addSignatures({ ...theirs(), signatures: swapped })).toBe(0)
  })

  test('what is handed on is what was taken', () => {
    const period = computed()
    period.addSignatures(theirs())
    const detached = parseDetachedSignatures(period.detachedSignatures() ?? '')
    expect(detached.signatures.length).toBe(6)
    expect(hexEncodeUpper(detached.consensusDigest)).toBe(hexEncodeUpper(theirs().consensusDigest))
    expect(detached.additionalDigests).toEqual(theirs().additionalDigests)
    expect(newPeriod().detachedSignatures()).toBeUndefined()
    expect(third.source.nickname).toBe('auth2')
  })
})
