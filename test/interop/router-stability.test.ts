/** A C tor authority goes on with the histories that ours has written, and writes them for ours. Needs `tor` on the PATH. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { emitRelayHistories, parseRelayHistories } from '../../src/core/dirvote/relay-history-file.ts'
import { RelayHistories } from '../../src/core/dirvote/relay-history.ts'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'
import { fetchFrom, VotingNetwork } from './voting-network.ts'

let cli: BuiltCli
let network: VotingNetwork
beforeAll(async () => {
  cli = await buildCli()
  network = new VotingNetwork(cli, { block: 144, schedule: [], members: [{ name: 'torauth', implementation: 'tor', authority: true, torrc: ['ShutdownWaitLength 0'] }] })
})
afterAll(async () => {
  await network.close()
  cli.remove()
})

test('the file of relays\' stability', async () => {
  const authority = network.member('torauth')
  const file = join(authority.folder, 'router-stability')
  const nowSec = Math.floor(Date.now() / 1000)
  const [flaky, steady] = ['C'.repeat(40), 'D'.repeat(40)]
  const histories = new RelayHistories()
  histories.noteReachable(flaky, '192.0.2.1:9001', nowSec - 30_000, 60)
  histories.discountOld(nowSec - 30_000)
  histories.noteUnreachable(flaky, nowSec - 10_000, nowSec)
  histories.noteReachable(steady, '192.0.2.2:9001', nowSec - 25_000, 60)
  writeFileSync(file, emitRelayHistories(histories, nowSec))

  network.start(authority)
  const endMs = Date.now() + 60_000
  while ((await fetchFrom(authority, '/tor/server/authority')) === undefined && Date.now() < endMs) await delay(200)
  await network.interrupt(authority)

  const then = Math.floor(Date.now() / 1000)
  const read = parseRelayHistories(readFileSync(file, 'latin1'), then)
  // It is less than half a day, so that nothing was discounted.
  expect(read.trackingSinceSec).toBe(nowSec - 30_000)
  expect(read.of(flaky).weightedRunLength).toBe(20_000)
  expect(read.of(flaky).weightedUptime).toBe(20_000)
  expect(read.of(flaky).totalRunWeights).toBe(1)
  // C tor ends the run of a relay that it has no descriptor of.
  expect(read.of(steady).meanTimeBetweenFailures(then)).toBeGreaterThanOrEqual(25_000)
  expect(read.of(steady).weightedFractionalUptime(then)).toBeGreaterThan(0.99)
  expect(network.log(authority)).not.toMatch(/mtbf|MTBF/)
})
