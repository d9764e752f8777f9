import { describe, expect, test } from 'vitest'
import { SeededRng, randomBelow, randomUnit } from '../../../src/core/base/rng.ts'
import { minutes, hours, days, later, seconds, wallMs } from '../../../src/core/base/time.ts'
import { buildVote, type VoteInput } from '../../../src/core/dirvote/build-vote.ts'
import { explainFlags } from '../../../src/core/dirvote/explain-flags.ts'
import { RelayHistory } from '../../../src/core/dirvote/relay-history.ts'
import { findSybils, isRunning, knownFlags, relayFlags } from '../../../src/core/dirvote/relay-flags.ts'
import { computeThresholds, formatThresholds, type FlagThresholds } from '../../../src/core/dirvote/thresholds.ts'
import { isGeneralExit, type FlagRules, type VotedRelay } from '../../../src/core/dirvote/voted-relay.ts'
import { ExitPolicy } from '../../../src/core/netdoc/exit-policy.ts'
import { emitVoteRouterStatus } from '../../../src/core/netdoc/router-status.ts'
import { parseServerDescriptors, verifyServerDescriptor, type ServerDescriptor } from '../../../src/core/netdoc/server-descriptor.ts'
import { capturedPeriod, capturedText } from './captured.ts'

const period = 'differing/2026-11-22-10-04-00'
const captured = capturedPeriod(period)
const now = wallMs(Date.UTC(2026, 10, 22, 10, 3, 52))
const descriptors = parseServerDescriptors(capturedText(`${period}/descriptors`)).map((one) => verifyServerDescriptor(one, 'any-time'))

const rules: FlagRules = {
  testing: true,
  allowPrivateAddresses: true,
  testReachability: true,
  hasIpv6: false,
  uptime: hours(1),
  timeToLearnReachability: minutes(0),
  listBadExits: true,
  listMiddleOnly: true,
  maxRelaysPerAddress: 0,
  minMeasuredToIgnoreAdvertised: 500,
  minExitFlagThreshold: 0,
  minFastFlagThreshold: 0,
  fastGuarantee: 100 * 1024,
  guardBandwidthGuarantee: 2 * 1024 * 1024,
  stableGuaranteeUptime: days(30),
  stableGuaranteeMtbf: days(5),
  guardGuaranteeTimeKnown: days(8),
  guardGuaranteeWfu: 0.98,
  guardBandwidthThresholdFraction: 0.75,
  minHsDirUptime: minutes(0),
  fastFlagMinParam: 4,
  fastFlagMaxParam: 0x7fff_ffff,
  voteExit: () => true,
  voteExitIsStrict: false,
  voteGuard: () => true,
  voteGuardIsStrict: false,
  voteHsDir: () => true,
  voteHsDirIsStrict: false,
}
const nobody: Partial<FlagRules> = { voteExit: () => false, voteGuard: () => false, voteHsDir: () => false }
const judgement = { valid: true, badExit: false, middleOnly: false, stripGuard: false, stripHsDir: false, stripV2Dir: false }

function votedRelay(descriptor: ServerDescriptor, overrides: Partial<VotedRelay> = {}): VotedRelay {
  return {
    descriptor,
    judgement,
    history: new RelayHistory(),
    isSelf: false,
    isAuthority: false,
    reachedAt: now,
    reachedIpv6At: undefined,
    measuredBandwidth: undefined,
    ...overrides,
  }
}

const relay = votedRelay(descriptors[0] as ServerDescriptor)
const change = (descriptor: Partial<ServerDescriptor>, overrides: Partial<VotedRelay> = {}): VotedRelay =>
  votedRelay({ ...relay.descriptor, ...descriptor } as ServerDescriptor, overrides)

const thresholds: FlagThresholds = {
  stableUptime: 1000,
  stableMtbf: 1000,
  enoughMtbf: false,
  fastBandwidth: 0,
  guardWfu: 0,
  guardTimeKnown: 0,
  guardBandwidthWithExits: 0,
  guardBandwidthWithoutExits: 0,
  ignoreAdvertised: false,
}
const flags = (one: VotedRelay, options: Partial<FlagRules> = nobody, limits: Partial<FlagThresholds> = {}, running = true): string[] => [
  ...relayFlags(one, running, false, { ...thresholds, ...limits }, { ...rules, ...options }, now),
]

describe("C tor's votes on the same descriptors", () => {
  const theirs = captured.votes[0]
  const input: VoteInput = {
    now,
    validAfter: theirs?.validAfter ?? now,
    interval: seconds(20),
    intervalsValid: 3,
    voteDelay: seconds(4),
    distDelay: seconds(4),
    source: theirs?.source ?? ({} as never),
    rules,
    relays: descriptors.map((descriptor) => votedRelay(descriptor, { isAuthority: descriptor.nickname.startsWith('auth') })),
    enoughMtbf: false,
    clientVersions: ['0.4.9.11', '0.4.8.10', '0.4.9.1-alpha', '0.4.9.11'],
    serverVersions: undefined,
    params: new Map([['b', 1], ['a1', 2], ['a', 3]]),
    sharedRandom: undefined,
    bandwidthFile: undefined,
  }
  const built = buildVote(input)
  /** All that does not depend on what an authority has seen of a relay. */
  const ofDescriptor = (text: string): string => text.replace(/^(s|stats|w) .*\n/gm, '')

  test('every line that follows from a descriptor is the same', () => {
    const expected = (theirs?.relays ?? []).map(emitVoteRouterStatus).map(ofDescriptor)
    const byDigest = new Set(descriptors.map((descriptor) => descriptor.digest.join()))
    expect(theirs?.relays.every((status) => byDigest.has(status.descriptorDigest.join()))).toBe(true)
    expect(built.content.relays.map(emitVoteRouterStatus).map(ofDescriptor)).toEqual(expected)
  })

  test('microdescriptors are those the authorities served', () => {
    const served = capturedText(`${period}/microdescriptors`)
    const winning = new Set(captured.consensus.microdesc.match(/^m .*/gm)?.map((line) => line.slice(2)))
    const made = built.microdescriptors.filter((one) => winning.has(one.digestBase64))
    expect(made.length).toBe(winning.size)
    for (const one of made) expect(served).toContain(one.text)
  })

  test('header', () => {
    const { content } = built
    expect(content.clientVersions).toEqual(['0.4.8.10', '0.4.9.1-alpha', '0.4.9.11'])
    expect(content.serverVersions).toBeUndefined()
    expect([...content.params.keys()]).toEqual(['a1', 'a', 'b'])
    expect(content.freshUntil).toBe(later(content.validAfter, seconds(20)))
    expect(content.validUntil).toBe(later(content.validAfter, seconds(60)))
    expect(content.requiredRelayProtocols?.text).toBe(theirs?.requiredRelayProtocols?.text)
    expect(content.recommendedClientProtocols?.text).toBe(theirs?.recommendedClientProtocols?.text)
    expect(content.consensusMethods).toEqual(theirs?.consensusMethods)
    expect(content.knownFlags).toEqual([...(theirs?.knownFlags ?? []), 'MiddleOnly'].sort())
  })

  test('of two relays with one Ed25519 identity the newer is voted on', () => {
    const twin = change({ rsaIdentity: new Uint8Array(20).fill(1), fingerprint: '01'.repeat(20), published: later(relay.descriptor.published, hours(-1)) })
    const vote = buildVote({ ...input, relays: [relay, twin] })
    expect(vote.content.relays.map((one) => one.fingerprint)).toEqual([relay.descriptor.fingerprint])
  })

  test('a descriptor older than a day is not voted on', () => {
    expect(buildVote({ ...input, relays: [change({ published: later(now, hours(-25)) })] }).content.relays).toEqual([])
  })
})

describe('Running', () => {
  const running = (one: VotedRelay, options: Partial<FlagRules> = {}): boolean => isRunning(one, { ...rules, ...options }, now)
  test('a relay reached in the last 45 minutes', () => {
    expect(running(relay)).toBe(true)
    expect(running(change({}, { reachedAt: later(now, minutes(-44)) }))).toBe(true)
    expect(running(change({}, { reachedAt: later(now, minutes(-45)) }))).toBe(false)
    expect(running(change({}, { reachedAt: undefined }))).toBe(false)
    expect(running(change({}, { reachedAt: undefined }), { testReachability: false })).toBe(true)
    expect(running(change({}, { reachedAt: undefined, isSelf: true }))).toBe(true)
  })

  test('a hibernating relay only if it was reached long after it said so', () => {
    const hibernating = { hibernating: true, published: later(now, hours(-2)) }
    expect(running(change(hibernating, { reachedAt: later(now, minutes(-40)) }))).toBe(true)
    expect(running(change({ ...hibernating, published: now }))).toBe(false)
  })

  test('with IPv6 connectivity both addresses count', () => {
    const dual = { orAddresses: [{ host: '::1', port: 1 }] }
    expect(running(change(dual), { hasIpv6: true })).toBe(false)
    expect(running(change(dual, { reachedIpv6At: now }), { hasIpv6: true })).toBe(true)
    expect(running(change(dual))).toBe(true)
  })

  test('an authority that just started has no opinion', () => {
    const young = { uptime: minutes(10), timeToLearnReachability: minutes(30) }
    expect(knownFlags({ ...rules, ...young })).not.toContain('Running')
    expect(flags(relay, young)).not.toContain('Running')
  })
})

describe('flags', () => {
  test('Exit: ports 80 and 443 to at least a /8', () => {
    const general = (policy: string, allowPrivate = false): boolean => isGeneralExit(ExitPolicy.parse(policy), allowPrivate)
    expect(general('accept *:80,accept *:443,reject *:*')).toBe(true)
    expect(general('accept *:80,reject *:*')).toBe(false)
    expect(general('accept 18.0.0.0/8:*,reject *:*')).toBe(true)
    expect(general('accept 18.0.0.0/9:*,reject *:*')).toBe(false)
    expect(general('reject 18.1.0.0/16:*,accept 18.0.0.0/8:*,reject *:*')).toBe(false)
    expect(general('accept 10.0.0.0/8:*,reject *:*')).toBe(false)
    expect(general('accept 10.0.0.0/8:*,reject *:*', true)).toBe(true)
    expect(general('reject *:*')).toBe(false)
  })

  test('options for test networks give flags, or take them when strict', () => {
    const exit = change({ exitPolicy: ExitPolicy.acceptAll })
    const none = change({ exitPolicy: ExitPolicy.rejectAll })
    expect(flags(none, {})).toContain('Exit')
    expect(flags(none)).not.toContain('Exit')
    expect(flags(exit)).toContain('Exit')
    expect(flags(exit, { ...nobody, voteExitIsStrict: true })).not.toContain('Exit')
    expect(flags(exit, { ...nobody, voteHsDirIsStrict: true, voteGuardIsStrict: true })).not.toContain('HSDir')
  })

  test('Stable by uptime or, once enough is known, by mean time between failures', () => {
    const up = (uptimeSec: number): VotedRelay => change({ uptimeSec, published: now })
    expect(flags(up(1000))).toContain('Stable')
    expect(flags(up(999))).not.toContain('Stable')
    expect(flags(up(days(30) / 1000), nobody, { stableUptime: 1e9 })).toContain('Stable')
    const history = new RelayHistory()
    history.noteReachable('a', now / 1000 - 2000, 0)
    expect(flags(change({}, { history }), nobody, { enoughMtbf: true })).toContain('Stable')
    expect(flags(change({}, { history }), nobody, { enoughMtbf: true, stableMtbf: 3000 })).not.toContain('Stable')
  })

  test('Fast by credible bandwidth', () => {
    expect(flags(change({}, { measuredBandwidth: 50 }), nobody, { fastBandwidth: 50 })).toContain('Fast')
    expect(flags(change({}, { measuredBandwidth: 49 }), nobody, { fastBandwidth: 50 })).not.toContain('Fast')
    expect(flags(relay, nobody, { fastBandwidth: 1, ignoreAdvertised: true })).not.toContain('Fast')
  })

  test('Guard: stable, fast, a directory, known for long and up most of the time', () => {
    const guard = change({ uptimeSec: 5000, published: now, tunnelledDirServer: true })
    expect(flags(guard)).toContain('Guard')
    expect(flags(guard, nobody, { guardTimeKnown: 1 })).not.toContain('Guard')
    expect(flags(guard, nobody, { guardWfu: 0.5 })).not.toContain('Guard')
    expect(flags(guard, nobody, { guardBandwidthWithExits: 1e9, guardBandwidthWithoutExits: 1e9 })).not.toContain('Guard')
    expect(flags(change({ uptimeSec: 5000, published: now, tunnelledDirServer: false }))).not.toContain('Guard')
    expect(flags(change({ uptimeSec: 0, published: now }))).not.toContain('Guard')
    expect(flags(change({}), { ...nobody, testing: false, voteGuard: () => true })).toContain('Guard')
  })

  test('HSDir: offered, a directory, stable, fast, running, and up for long enough', () => {
    const directory = { uptimeSec: 5000, published: now, tunnelledDirServer: true, hiddenServiceDir: true }
    expect(flags(change(directory))).toContain('HSDir')
    expect(flags(change({ ...directory, hiddenServiceDir: false }))).not.toContain('HSDir')
    expect(flags(change(directory), nobody, {}, false)).not.toContain('HSDir')
    expect(flags(change(directory), { ...nobody, minHsDirUptime: hours(96) })).not.toContain('HSDir')
    // An authority that has run for long enough looks at its own observations.
    expect(flags(change(directory), { ...nobody, minHsDirUptime: minutes(1) })).not.toContain('HSDir')
  })

  test('V2Dir, StaleDesc, Authority, Valid', () => {
    expect(flags(change({ tunnelledDirServer: true }))).toContain('V2Dir')
    expect(flags(change({ published: later(now, hours(-19)) }))).toContain('StaleDesc')
    expect(flags(change({ published: later(now, hours(-17)) }))).not.toContain('StaleDesc')
    expect(flags(change({}, { isAuthority: true }))).toContain('Authority')
    expect(flags(change({}, { judgement: { ...judgement, valid: false } }))).not.toContain('Valid')
  })

  test('the operator takes flags', () => {
    const strip = { stripGuard: true, stripHsDir: true, stripV2Dir: true }
    const stripped = flags(change({ uptimeSec: 5000, published: now }, { judgement: { ...judgement, ...strip } }))
    expect(stripped.filter((flag) => ['Guard', 'HSDir', 'V2Dir'].includes(flag))).toEqual([])
    const bad = change({}, { judgement: { ...judgement, badExit: true } })
    expect(flags(bad)).toContain('BadExit')
    expect(flags(bad, { ...nobody, listBadExits: false })).not.toContain('BadExit')
    const middle = flags(change({ exitPolicy: ExitPolicy.acceptAll }, { judgement: { ...judgement, middleOnly: true } }))
    expect(middle).toContain('MiddleOnly')
    expect(middle).toContain('BadExit')
    expect(middle.filter((flag) => ['Exit', 'Guard', 'HSDir', 'V2Dir'].includes(flag))).toEqual([])
  })

  test('a sybil has no flags but what is against it', () => {
    const sybil = relayFlags(relay, true, true, thresholds, rules, now)
    expect([...sybil]).toEqual(['Sybil'])
  })
})

describe('sybils', () => {
  const at = (address: string, id: number, overrides: Partial<VotedRelay> = {}): VotedRelay =>
    change({ address, fingerprint: id.toString(16).padStart(40, '0'), rsaIdentity: new Uint8Array(20).fill(id), bandwidth: { rate: 1e6, burst: 1e6, observed: id * 1000 } }, overrides)

  test('authorities, running and fast relays keep their place', () => {
    const relays = [at('1.1.1.1', 1, { isAuthority: true }), at('1.1.1.1', 2), at('1.1.1.1', 3), at('1.1.1.1', 4), at('2.2.2.2', 5)]
    const running = new Set([2, 3, 5].map((id) => id.toString(16).padStart(40, '0')))
    const sybils = (max: number): number[] => [...findSybils(relays, running, max)].map((fingerprint) => Number.parseInt(fingerprint, 16)).sort()
    expect(sybils(1)).toEqual([2, 3, 4])
    expect(sybils(2)).toEqual([2, 4])
    expect(sybils(3)).toEqual([4])
    expect(sybils(0)).toEqual([])
  })
})

describe('thresholds', () => {
  const make = (bandwidths: readonly number[], options: Partial<FlagRules> = {}): FlagThresholds => {
    const relays = bandwidths.map((observed, i) =>
      change({ fingerprint: `${i}`, bandwidth: { rate: 1e9, burst: 1e9, observed: observed * 1000 }, uptimeSec: i * 100, published: now, exitPolicy: i % 2 === 0 ? ExitPolicy.acceptAll : ExitPolicy.rejectAll }),
    )
    return computeThresholds({ relays, running: new Set(relays.map((one) => one.descriptor.fingerprint)), sybils: new Set(), rules: { ...rules, ...options }, enoughMtbf: false, now })
  }

  test('percentiles', () => {
    const found = make([10, 20, 30, 40, 50, 60, 70, 80], { fastGuarantee: 0 })
    expect(found.stableUptime).toBe(300)
    // The second of eight, which is less than a relay must have at all: the third.
    expect(found.fastBandwidth).toBe(30)
    expect(found.guardBandwidthWithExits).toBe(70)
    expect(found.guardBandwidthWithoutExits).toBe(80)
    expect(make([100, 200, 300, 400, 500, 600, 700, 800], { fastGuarantee: 0 }).fastBandwidth).toBe(200)
    expect(make([100, 200, 300, 400, 500, 600, 700, 800]).fastBandwidth).toBe(102)
  })

  test('without relays all are zero', () => {
    expect(formatThresholds(make([]))).toBe(
      'stable-uptime=0 stable-mtbf=0 fast-speed=0 guard-wfu=0.000% guard-tk=0 guard-bw-inc-exits=0 guard-bw-exc-exits=0 enough-mtbf=0 ignoring-advertised-bws=0',
    )
  })

  test('slow relays of the public network are left out', () => {
    expect(make([1, 2, 3, 50], { testing: false, fastGuarantee: 0 }).guardBandwidthWithExits).toBe(50)
    expect(make([1, 2, 3, 50], { fastGuarantee: 0 }).guardBandwidthWithExits).toBe(50)
    expect(make([5, 5, 5, 5], { testing: false, fastGuarantee: 0, fastFlagMinParam: 9000 }).fastBandwidth).toBe(9)
    expect(make([500, 500], { testing: false, fastGuarantee: 0, fastFlagMaxParam: 100_000 }).fastBandwidth).toBe(100)
  })

  test('enough measured relays make advertised bandwidth count for nothing', () => {
    const relays = [change({ fingerprint: 'a' }, { measuredBandwidth: 77 }), change({ fingerprint: 'b' })]
    const found = computeThresholds({ relays, running: new Set(['a', 'b']), sybils: new Set(), rules: { ...rules, minMeasuredToIgnoreAdvertised: 0, fastGuarantee: 0 }, enoughMtbf: true, now })
    expect(found.ignoreAdvertised).toBe(true)
    expect(found.fastBandwidth).toBe(77)
  })
})

describe('histories', () => {
  test('runs and downtimes', () => {
    const history = new RelayHistory()
    expect(history.meanTimeBetweenFailures(50)).toBe(0)
    expect(history.weightedFractionalUptime(50)).toBe(0)
    history.noteReachable('a', 100, 60)
    history.noteUnreachable(400)
    history.noteUnreachable(450)
    history.noteReachable('a', 500, 60)
    expect(history.uptime(600)).toBe(100)
    expect(history.meanTimeBetweenFailures(600)).toBe((300 + 100) / 2)
    expect(history.weightedFractionalUptime(600)).toBe(400 / 500)
    expect(history.weightedTimeKnown(600)).toBe(500)
  })

  test('moving counts as downtime', () => {
    const history = new RelayHistory()
    history.noteReachable('a', 0, 60)
    history.noteReachable('b', 1000, 60)
    expect(history.weightedFractionalUptime(1000)).toBe(940 / 1000)
    expect(history.uptime(1000)).toBe(0)
    expect(history.totalRunWeights).toBe(1)
  })

  test('what is old counts less, and the pessimal have nothing', () => {
    const history = new RelayHistory()
    history.noteReachable('a', 0, 60)
    history.noteUnreachable(1000)
    history.discount(0.5)
    expect(history.weightedRunLength).toBe(500)
    expect(history.meanTimeBetweenFailures(1000)).toBe(1000)
    history.makePessimal(1000)
    expect(history.meanTimeBetweenFailures(1000)).toBe(0)
    // A failure that is noted for a time before the run began takes back what it can.
    history.noteReachable('a', 2000, 60)
    history.noteUnreachable(1990)
    expect(history.weightedUptime).toBe(0)
  })
})

describe('explanations', () => {
  test('give a flag exactly where it is voted for, and then every rule is met', () => {
    const rng = new SeededRng('explained flags')
    const some = (): boolean => randomBelow(rng, 4) === 0
    const often = (): boolean => randomBelow(rng, 8) !== 0
    const upTo = (most: number): number => Math.floor(randomUnit(rng) * most)
    const seen = new Set<string>()
    for (let i = 0; i < 2000; i++) {
      const [descriptor] = [descriptors[randomBelow(rng, descriptors.length)]]
      if (descriptor === undefined) throw new Error('there are descriptors')
      const history = new RelayHistory()
      if (often()) history.noteReachable('127.0.0.1:1', Math.floor(now / 1000) - upTo(200_000), 0)
      const one = votedRelay({ ...descriptor, hibernating: some(), hiddenServiceDir: often(), tunnelledDirServer: often(), uptimeSec: upTo(200_000) }, {
        history, isSelf: some(), reachedAt: often() ? later(now, seconds(-upTo(7200))) : undefined, measuredBandwidth: some() ? upTo(5000) : undefined,
        judgement: { valid: often(), badExit: some(), middleOnly: some() && some(), stripGuard: some() && some(), stripHsDir: some() && some(), stripV2Dir: some() && some() },
      })
      const named = { voteExit: some(), voteGuard: some(), voteHsDir: some() }
      const drawn: FlagRules = {
        ...rules, testing: often(), testReachability: often(), uptime: hours(upTo(3)), timeToLearnReachability: minutes(upTo(60)), listMiddleOnly: often(), minHsDirUptime: hours(upTo(20)),
        voteExit: () => named.voteExit, voteExitIsStrict: some(), voteGuard: () => named.voteGuard, voteGuardIsStrict: some(), voteHsDir: () => named.voteHsDir, voteHsDirIsStrict: some(),
      }
      const limits: FlagThresholds = {
        stableUptime: upTo(100_000), stableMtbf: upTo(100_000), enoughMtbf: some(), fastBandwidth: upTo(300), guardWfu: some() ? 0.98 : 0, guardTimeKnown: upTo(100_000),
        guardBandwidthWithExits: upTo(3000), guardBandwidthWithoutExits: upTo(3000), ignoreAdvertised: some(),
      }
      const isSybil = some() && some()
      const voted = relayFlags(one, isRunning(one, drawn, now), isSybil, limits, drawn, now)
      for (const { flag, given, because } of explainFlags(one, isSybil, limits, drawn, now)) {
        expect(given, flag).toBe(voted.has(flag))
        expect(because.every((rule) => rule.met), `${flag}: ${JSON.stringify(because)}`).toBe(given)
        seen.add(`${flag} ${given}`)
      }
    }
    // Every flag was given, and refused.
    expect(seen.size).toBe(16)
  })
})
