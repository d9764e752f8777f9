/** A clock that was wrong and is right again: whoever waited by the wrong one does not go on waiting. */

import { expect, test } from 'vitest'
import { loadScenarioText } from '../../src/testnet/scenario/load-scenario.ts'
import { runScenario } from '../../src/testnet/scenario/run-scenario.ts'

test('a client that fetched its consensus a day behind fetches the next in time', async () => {
  const scenario = loadScenarioText(
    `network: basic-min
set: [auth.torrc.V3AuthVotingInterval=60 seconds, auth.torrc.V3AuthVoteDelay=10 seconds, auth.torrc.V3AuthDistDelay=10 seconds]
traffic: false
timeline:
  - { at: 10s, for: 4m, clock: client, jumpSec: -90000 }
  # The consensus that it had in the meantime is of no use any more: four intervals.
  - { at: 11m, within: 1m, expect: { every: client, has: consensus } }
`,
    '/nowhere/clock.yaml',
    {},
  )
  const result = await runScenario(scenario)
  expect([result.verdict, ...result.expectations.map((one) => one.missing)]).toEqual(['passed', undefined])
})
