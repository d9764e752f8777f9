import { describe, expect, test } from 'vitest'
import { must } from '../../../src/core/base/assert.ts'
import { randomBelow, SeededRng } from '../../../src/core/base/rng.ts'
import { formatIsoTime, minutes, parseIsoTime, seconds, type DurationMs, type WallMs } from '../../../src/core/base/time.ts'
import { computeBandwidthWeights, type BandwidthTotals } from '../../../src/core/dirvote/bandwidth-weights.ts'
import { frequentItems, lowMedian, mostFrequent, nthSmallest } from '../../../src/core/dirvote/order-statistics.ts'
import { compareVersionText, parseTorVersion, versionOfPlatform } from '../../../src/core/dirvote/tor-version.ts'
import { nextSchedule, scheduleFor, startOfIntervalAfter } from '../../../src/core/dirvote/voting-schedule.ts'

const at = (text: string): WallMs => must(parseIsoTime(`2026-11-22 ${text}`), 'a time of day')
const clock = (time: WallMs): string => formatIsoTime(time).slice(11)

describe('the voting schedule', () => {
  const none = seconds(0)
  test.each<[string, DurationMs, DurationMs, string]>([
    ['10:00:00', minutes(60), none, '11:00:00'],
    ['10:59:59', minutes(60), none, '11:00:00'],
    ['10:00:01', seconds(20), none, '10:00:20'],
    ['10:00:20', seconds(20), none, '10:00:40'],
    // Seven hours do not divide a day: the last interval ends at midnight, and swallows a rest of less than half.
    ['20:59:59', minutes(420), none, '00:00:00'],
    ['23:59:59', minutes(420), none, '00:00:00'],
    ['13:00:00', minutes(420), none, '14:00:00'],
    ['10:00:00', minutes(60), minutes(10), '10:10:00'],
    ['10:20:00', minutes(60), minutes(10), '11:10:00'],
  ])('after %s', (now, interval, offset, expected) => {
    expect(clock(startOfIntervalAfter(at(now), interval, offset))).toBe(expected)
  })

  test('steps', () => {
    const schedule = nextSchedule(at('10:00:05'), { interval: minutes(60), voteDelay: minutes(5), distDelay: minutes(5) }, none)
    expect([schedule.votingStarts, schedule.fetchMissingVotes, schedule.votingEnds, schedule.fetchMissingSignatures, schedule.validAfter].map(clock)).toEqual([
      '10:50:00', '10:52:30', '10:55:00', '10:57:30', '11:00:00',
    ])
  })

  test('delays that do not fit into half an interval are cut to quarters', () => {
    const schedule = scheduleFor(at('10:00:20'), { interval: seconds(20), voteDelay: seconds(6), distDelay: seconds(6) })
    expect([schedule.votingStarts, schedule.votingEnds].map(clock)).toEqual(['10:00:10', '10:00:15'])
  })
})

describe('versions of Tor', () => {
  test.each(['0.4.9.11', '0.4.9.1-alpha', '0.4.9.1-alpha-dev', '0.1.2', '0.1.2rc3', '0.1.2pre4', '0.4', 'Tor 0.4.9.11', 'Tor 0.4.9.11 (git-aabb)', '0.4.9.11.x'])(
    '%s is one',
    (text) => expect(parseTorVersion(text)).toBeDefined(),
  )
  test.each(['', '0', 'x.y', '0.4.9x', '0.4.9.', '0.4.99999999999', 'tor-0.4.9', '0.4x'])('%j is none', (text) => expect(parseTorVersion(text)).toBeUndefined())

  test('order', () => {
    const ordered = ['0.0.9pre5', '0.0.9rc1', '0.0.9', '0.0.9.1', '0.4.8.9', '0.4.8.10', '0.4.9.1-alpha', '0.4.9.1-alpha-dev', '0.4.9.2', 'no version', 'what']
    expect([...ordered].reverse().sort(compareVersionText)).toEqual(ordered)
    expect(compareVersionText('Tor 0.4.9.1', '0.4.9.1')).toBe(0)
  })

  test('of a platform', () => {
    expect(versionOfPlatform('Tor 0.4.9.11 on Linux')).toBe('Tor 0.4.9.11')
    expect(versionOfPlatform('Tor 0.1.2.3 (r1234) on Linux')).toBe('Tor 0.1.2.3 (r1234)')
    expect(versionOfPlatform('Tor 0.4.9.11 (relish-0.1.0) on linux')).toBe('Tor 0.4.9.11 (relish-0.1.0)')
    expect(versionOfPlatform('node 20')).toBeUndefined()
  })
})

describe('medians and majorities', () => {
  test('the low median', () => {
    expect(lowMedian([])).toBeUndefined()
    expect(lowMedian([5])).toBe(5)
    expect(lowMedian([9, 1])).toBe(1)
    expect(lowMedian([10, 9, 1])).toBe(9)
    expect(lowMedian([-1, -5, 3, 100])).toBe(-1)
    expect(nthSmallest([30, 10, 20], 2)).toBe(30)
  })

  test('of items that occur equally often the last wins', () => {
    const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
    expect(mostFrequent(['b', 'a', 'b', 'a', 'c'], compare)).toEqual({ item: 'b', count: 2 })
    expect(mostFrequent([], compare)).toBeUndefined()
    expect(frequentItems(['a', 'a', 'b', 'c', 'c', 'c'], 1)).toEqual(['a', 'c'])
    expect(frequentItems(['a'], 0)).toEqual(['a'])
  })
})

describe('bandwidth weights', () => {
  const totals = (guard: number, middle: number, exit: number, both: number): BandwidthTotals => ({
    guard: BigInt(guard), middle: BigInt(middle), exit: BigInt(exit), both: BigInt(both), total: BigInt(guard + middle + exit + both),
  })
  const pick = (weights: ReadonlyMap<string, number>, ...names: string[]): (number | undefined)[] => names.map((name) => weights.get(name))

  test.each<[string, [number, number, number, number], Record<string, number>]>([
    ['neither is scarce', [4000, 1000, 4000, 1000], { Wgd: 3333, Wed: 3333, Wmd: 3333, Wee: 7500, Wgg: 7500, Wme: 2500, Wmg: 2500 }],
    ['both are scarce, exits more', [1000, 8000, 100, 100], { Wgg: 10000, Wee: 10000, Wed: 10000, Wgd: 0, Wmd: 0 }],
    ['both are scarce, guards more', [100, 8000, 1000, 100], { Wgg: 10000, Wee: 10000, Wed: 0, Wgd: 10000, Wmd: 0 }],
    ['both are scarce and can be balanced', [1000, 1000, 1000, 4000], { Wgg: 10000, Wee: 10000, Wme: 0, Wed: 3333, Wgd: 3333 }],
    ['exits are scarce and all that is both is not enough', [8000, 1000, 100, 100], { Wee: 10000, Wed: 10000, Wmd: 0, Wgd: 0, Wmg: 4375, Wgg: 5625 }],
    ['guards are scarce and all that is both is not enough', [100, 1000, 8000, 100], { Wgg: 10000, Wgd: 10000, Wmd: 0, Wed: 0, Wme: 4375, Wee: 5625 }],
    ['exits are scarce, and what is both helps', [4000, 1000, 1000, 3000], { Wee: 10000, Wed: 6666, Wgd: 1667, Wmd: 1667, Wgg: 6250, Wmg: 3750 }],
    ['guards are scarce, and what is both helps', [1000, 1000, 4000, 3000], { Wgg: 10000, Wgd: 6666, Wed: 1667, Wmd: 1667, Wee: 6250, Wme: 3750 }],
  ])('%s', (_name, bandwidths, expected) => {
    const weights = computeBandwidthWeights(totals(...bandwidths), 10_000)
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, weights.get(name)]))).toEqual(expected)
  })

  test('nothing can be balanced without bandwidth of each class', () => {
    expect(computeBandwidthWeights(totals(0, 1, 1, 1), 10_000).size).toBe(0)
    expect(computeBandwidthWeights(totals(1, 1, 1, 1), 10_000).size).toBe(19)
  })

  test('weights that are given are between zero and one and sum to one, whatever the network', () => {
    const rng = new SeededRng('weights')
    let balanced = 0
    for (let round = 0; round < 1000; round++) {
      const draw = (): number => 1 + randomBelow(rng, 10 ** (1 + randomBelow(rng, 9)))
      const weights = computeBandwidthWeights(totals(draw(), draw(), draw(), draw()), 10_000)
      if (weights.size === 0) continue
      balanced++
      for (const value of weights.values()) expect(value >= 0 && value <= 10_000).toBe(true)
      for (const names of [['Wgg', 'Wmg'], ['Wee', 'Wme'], ['Wgd', 'Wmd', 'Wed']]) {
        const sum = pick(weights, ...names).reduce<number>((a, b) => a + (b ?? Number.NaN), 0)
        expect(Math.abs(sum - 10_000)).toBeLessThanOrEqual(10)
      }
    }
    expect(balanced).toBeGreaterThan(600)
  })
})
