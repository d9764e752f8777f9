/** Scenario files: what they mean, what is wrong with them, and those that come with the package. */

import { describe, expect, test } from 'vitest'
import { NetworkFileError } from '../../../src/testnet/diagnostic.ts'
import { loadNetwork } from '../../../src/testnet/load-network.ts'
import { parseFaultList, formatFaultList } from '../../../src/testnet/scenario/fault-list.ts'
import { builtInScenarios, findScenario, loadScenario, loadScenarioText } from '../../../src/testnet/scenario/load-scenario.ts'
import { runScenario } from '../../../src/testnet/scenario/run-scenario.ts'
import { drawFaults } from '../../../src/testnet/explore/draw-faults.ts'

const load = (timeline: string, more = '') => loadScenarioText(`network: basic-min\n${more}timeline:\n${timeline}`, '/nowhere/story.yaml', {})

function complaintsOf(timeline: string, more = ''): string[] {
  try {
    load(timeline, more)
    return []
  } catch (error) {
    if (error instanceof NetworkFileError) return error.diagnostics.map((one) => `${one.line}:${one.column} ${one.message}`)
    throw error
  }
}

describe('a scenario file', () => {
  test('has faults, actions and expectations, at their times', () => {
    const scenario = load(`  - { at: 10s, for: 1m, crash: exit }
  - { at: 90, slow: [client, "*"], latency: 300ms, bandwidth: 50 KB }
  - { at: 2m, restart: auth }
  - { at: 2m, within: 30s, expect: { every: client, has: circuit } }
`, 'seed: 7\nset: [relays=2]\n')
    expect(scenario.faults).toEqual([
      { atMs: 10_000, forMs: 60_000, fault: { kind: 'crash', node: 'exit' } },
      { atMs: 90_000, forMs: undefined, fault: { kind: 'slow', ends: ['client', '*'], latencyMs: 300, bytesPerSecond: 51_200 } },
    ])
    expect(scenario.actions).toEqual([{ atMs: 120_000, action: { kind: 'restart', names: ['auth1', 'auth2', 'auth3', 'auth4'] } }])
    expect(scenario.expectations).toEqual([{ atMs: 120_000, withinMs: 30_000, expectation: { kind: 'nodes', which: 'every', names: ['client'], has: 'circuit' } }])
    expect([scenario.seed, scenario.loaded.network.nodes.length]).toEqual(['7', 8])
  })

  test('may have its network in it', () => {
    const scenario = loadScenarioText('network:\n  nodes: [{ role: authority, name: a, count: 3 }, { role: exit }, { role: client }]\ntimeline: [{ at: 1s, crash: a2 }]\n', '/nowhere/own.yaml', {})
    expect(scenario.loaded.network.nodes.map((node) => node.name)).toEqual(['a1', 'a2', 'a3', 'exit', 'client'])
  })

  test.each([
    ['  - { at: 1s, crash: exti }\n', '3:22 no node, group or role is called "exti"'],
    ['  - { at: 1s }\n', '3:5 nothing happens here'],
    ['  - { at: 1s, crash: exit, pause: exit }\n', '3:5 "crash" and "pause" are two entries'],
    ['  - { at: 1s, clock: exit }\n', '3:5 "clock" needs "jumpSec"'],
    ['  - { at: 1s, drop: [exit, client], for: 3s }\n', '3:37 "for" has no meaning beside "drop"'],
    ['  - { at: soon, crash: exit }\n', '3:11 "soon" is not possible here'],
    ['  - { at: 1s, misbehave: exit, how: stale-vote }\n', '3:37 exit is no authority, and has no vote'],
    ['  - { at: 1s, misbehave: client, how: dropped-cell }\n', '3:39 client is no relay'],
    ['  - { at: 1s, expect: { every: client } }\n', '3:23 this is not one expectation'],
    ['  - { at: 1s, expect: { check: ecko } }\n', '3:32 there is no check "ecko"'],
    ['  - { at: 1s, crahs: exit }\n', '3:15 unknown setting "crahs"'],
  ])('%s', (timeline, words) => {
    expect(complaintsOf(timeline)[0]).toContain(words)
  })
})

test('faults are the same written down and read again', () => {
  const { network } = loadNetwork('basic', {})
  for (let seed = 1; seed <= 20; seed++) {
    const drawn = drawFaults(network, String(seed))
    // `every` says nothing of votes.
    const told = drawn.map((one) => (one.fault.kind === 'misbehave' && one.fault.how.endsWith('-vote') ? { ...one, fault: { ...one.fault, every: 20 } } : one))
    expect(parseFaultList(formatFaultList(drawn), network)).toEqual(told)
  }
  expect(parseFaultList('[]', network)).toEqual([])
  expect(() => parseFaultList('[{ at: 1s, vote: true }]', network)).toThrow('--faults takes faults only')
})

describe('scenarios of the package', () => {
  test.each(builtInScenarios().map((scenario) => scenario.name))('%s is whole, and says what it shows', (name) => {
    const path = findScenario(name)
    const scenario = loadScenario(path ?? '', {})
    expect(scenario.description.length).toBeGreaterThan(40)
    expect(scenario.expectations.length).toBeGreaterThan(0)
  })

  // The others run in `npm run test:faults`.
  test.each(['exits-die'])('%s', async (name) => {
    const result = await runScenario(loadScenario(findScenario(name) ?? '', {}))
    expect([result.verdict, ...result.violations, ...result.bugs, ...result.expectations.flatMap((one) => one.missing ?? [])]).toEqual(['passed'])
  })

  test('an expectation that does not come true is told, with what is in its way', async () => {
    const result = await runScenario(load('  - { at: 1s, crash: exit }\n  - { at: 2s, within: 1s, expect: { every: exit, has: ready } }\n', 'traffic: false\n'))
    expect(result.verdict).toBe('expectation')
    expect(result.expectations).toMatchObject([{ met: false, missing: 'exit: it does not run' }])
  })
})
