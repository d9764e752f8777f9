/** Whole networks in which one node misbehaves: honest nodes take no harm from it. Run by `npm run test:faults`. */

import { describe, expect, test } from 'vitest'
import { misbehaviours, type Misbehaviour } from '../../src/testnet/fault/fault.ts'
import { loadScenarioText } from '../../src/testnet/scenario/load-scenario.ts'
import { runScenario, type ScenarioResult } from '../../src/testnet/scenario/run-scenario.ts'

/** A minute of traffic through a network one of whose nodes misbehaves, then half a minute of honesty. */
function afterMisbehaviour(how: Misbehaviour, node: string): Promise<ScenarioResult> {
  const cells = how.endsWith('-vote') ? '' : ', every: 10'
  return runScenario(loadScenarioText(`network: basic-min
set: [auth.torrc.V3AuthVotingInterval=60 seconds, auth.torrc.V3AuthVoteDelay=10 seconds, auth.torrc.V3AuthDistDelay=10 seconds]
timeline:
  - { at: 0s, for: 100s, misbehave: ${node}, how: ${how}${cells} }
  - { at: 101s, within: 5m, expect: { consensus: { running: 5, signatures: 3, newer: true } } }
  - { at: 101s, within: 5m, expect: { check: echo } }
`, '/nowhere/misbehaviour.yaml', {}))
}

describe('a network in which one misbehaves', () => {
  test.each(misbehaviours)('%s', async (how) => {
    const result = await afterMisbehaviour(how, how.endsWith('-vote') ? 'auth2' : how === 'wrong-handshake-key' ? 'exit' : 'auth2')
    expect([result.verdict, ...result.violations, ...result.bugs, ...result.expectations.flatMap((one) => one.missing ?? [])]).toEqual(['passed'])
  })

  test('what is done to cells is felt: streams fail, and circuits with them', async () => {
    const [honest, dropping] = await Promise.all([afterMisbehaviour('stale-vote', 'auth1'), afterMisbehaviour('dropped-cell', 'exit')])
    expect(honest.traffic.failed).toBe(0)
    expect(dropping.traffic.failed).toBeGreaterThan(0)
  })

  test('votes that are stale or wrongly signed are not counted', async () => {
    const lines: string[] = []
    const scenario = loadScenarioText(`network: basic-min
set: [auth.torrc.V3AuthVotingInterval=60 seconds, auth.torrc.V3AuthVoteDelay=10 seconds, auth.torrc.V3AuthDistDelay=10 seconds]
traffic: false
timeline:
  - { at: 0s, misbehave: auth1, how: wrongly-signed-vote }
  - { at: 70s, expect: { every: auth2, has: consensus } }
`, '/nowhere/votes.yaml', {})
    await runScenario(scenario, { logLevel: 'info', logSink: ({ node, message }) => lines.push(`${node}: ${message}`) })
    expect(lines.join('\n')).toMatch(/auth1: auth[234] did not take our vote: 400/)
  })
})
