import { describe, expect, test } from 'vitest'
import { SeededRng } from '../../../src/core/base/rng.ts'
import type { Position } from '../../../src/core/netdir/weights.ts'
import { chooseByWeight, chooseRelay, isPossibleGuard } from '../../../src/core/relaysel/select-relay.ts'
import { exitFlags, goodFlags, madeUpNetwork, scarceExitWeights } from '../../support/made-up-network.ts'

const net = madeUpNetwork(
  [
    { nickname: 'a', bandwidth: 100 }, { nickname: 'b', bandwidth: 700 }, { nickname: 'c', bandwidth: 2500 },
    { nickname: 'd', bandwidth: 300, flags: ['Running', 'Valid', 'Fast', 'V2Dir'] }, { nickname: 'e', bandwidth: 1200, exitsTo: 'all' },
    { nickname: 'f', bandwidth: 900, exitsTo: 'all', flags: exitFlags.filter((flag) => flag !== 'Guard') }, { nickname: 'g', bandwidth: 0 },
  ],
  { weights: scarceExitWeights },
)

/** Pearson's statistic of observed counts against expected shares; cells that expect nothing must be empty. */
function chiSquare(position: Position, draws: number, seed: string, judgedBy: Position = position): { statistic: number; degrees: number } {
  const rng = new SeededRng(seed)
  const counts = new Map<string, number>()
  for (let i = 0; i < draws; i++) {
    const chosen = chooseByWeight(net, net.relays, position, rng)
    if (chosen !== undefined) counts.set(chosen.nickname, (counts.get(chosen.nickname) ?? 0) + 1)
  }
  const total = net.relays.reduce((sum, relay) => sum + net.weights.of(relay, judgedBy), 0)
  let statistic = 0
  let degrees = -1
  for (const relay of net.relays) {
    const expected = (draws * net.weights.of(relay, judgedBy)) / total
    const seen = counts.get(relay.nickname) ?? 0
    if (expected === 0) {
      if (judgedBy === position) expect(seen).toBe(0)
    } else {
      statistic += (seen - expected) ** 2 / expected
      degrees++
    }
  }
  return { statistic, degrees }
}

describe('weighted choice', () => {
  // Critical values of the chi-square distribution at 0.1 % for 1 to 6 degrees of freedom.
  const critical = [0, 10.83, 13.82, 16.27, 18.47, 20.52, 22.46]

  test.each(['guard', 'middle', 'exit', 'directory', 'unweighted'] as const)('follows the weights as %s', (position) => {
    const { statistic, degrees } = chiSquare(position, 20_000, `chi-square ${position}`)
    expect(degrees).toBeGreaterThan(0)
    expect(statistic).toBeLessThan(critical[degrees] ?? 0)
  })

  test('does not follow the weights of another place', () => {
    expect(chiSquare('unweighted', 20_000, 'wrong', 'directory').statistic).toBeGreaterThan(1000)
  })

  test('is uniform when all weights are zero', () => {
    const idle = madeUpNetwork([{ nickname: 'a', bandwidth: 0 }, { nickname: 'b', bandwidth: 0 }])
    const rng = new SeededRng('zero')
    const seen = new Set(Array.from({ length: 50 }, () => chooseByWeight(idle, idle.relays, 'middle', rng)?.nickname))
    expect(seen).toEqual(new Set(['a', 'b']))
    expect(chooseByWeight(idle, [], 'middle', rng)).toBeUndefined()
  })

  test('is the same for the same seed', () => {
    const draw = () => {
      const rng = new SeededRng('same')
      return Array.from({ length: 20 }, () => chooseByWeight(net, net.relays, 'guard', rng)?.nickname)
    }
    expect(draw()).toEqual(draw())
  })
})

describe('restrictions', () => {
  const mixed = madeUpNetwork([
    { nickname: 'slow', flags: ['Running', 'Valid', 'Stable'] }, { nickname: 'flaky', flags: ['Running', 'Valid', 'Fast'] },
    { nickname: 'down', flags: ['Valid', 'Stable', 'Fast'] }, { nickname: 'invalid', flags: ['Running', 'Stable', 'Fast'] }, { nickname: 'silent', noDescriptor: true },
  ])
  const choices = (needs: { stable: boolean; fast: boolean }) => {
    const rng = new SeededRng('restrictions')
    return new Set(Array.from({ length: 60 }, () => chooseRelay(mixed, 'middle', needs, () => true, rng)?.nickname))
  }

  test('hold where they can', () => {
    expect(choices({ stable: true, fast: false })).toEqual(new Set(['slow']))
    expect(choices({ stable: false, fast: true })).toEqual(new Set(['flaky']))
    expect(choices({ stable: false, fast: false })).toEqual(new Set(['slow', 'flaky']))
  })

  test('of speed and uptime give way when nothing fits', () => {
    expect(choices({ stable: true, fast: true })).toEqual(new Set(['slow', 'flaky']))
  })

  test('of the caller do not give way', () => {
    expect(chooseRelay(mixed, 'middle', { stable: false, fast: false }, () => false, new SeededRng('x'))).toBeUndefined()
  })

  test('a guard needs all its flags', () => {
    for (const missing of ['Guard', 'Stable', 'Fast', 'Valid', 'Running', 'V2Dir']) {
      const one = madeUpNetwork([{ nickname: 'x', flags: goodFlags.filter((flag) => flag !== missing) }])
      expect(one.relays.map(isPossibleGuard)).toEqual([false])
    }
    expect(net.relays.filter(isPossibleGuard).map((relay) => relay.nickname)).toEqual(['a', 'b', 'c', 'e', 'g'])
  })
})
