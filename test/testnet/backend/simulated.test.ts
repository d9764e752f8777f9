/** Whole networks in virtual time: they come up, their checks pass, and one seed gives one run. */

import { describe, expect, it } from 'vitest'
import { startUntilReady } from '../../../src/testnet/bootstrap.ts'
import { SimulatedNetwork, type SimulatedNetworkOptions } from '../../../src/testnet/backend/simulated.ts'
import { loadChecks } from '../../../src/testnet/checks/load-checks.ts'
import { runChecks } from '../../../src/testnet/checks/run-checks.ts'
import { loadNetwork } from '../../../src/testnet/load-network.ts'

const silent = { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined }

async function prepared(name: string, options: Partial<SimulatedNetworkOptions> = {}): Promise<SimulatedNetwork> {
  return SimulatedNetwork.prepare({ network: loadNetwork(name, {}).network, seed: '1', ...options })
}

async function booted(name: string, seed: string): Promise<{ network: SimulatedNetwork; lines: string[] }> {
  const lines: string[] = []
  const network = await prepared(name, { seed, traceSink: (line) => lines.push(line) })
  await network.drive(() => startUntilReady(network))
  return { network, lines }
}

describe('a simulated network', () => {
  it('comes up, and one seed gives one run to the last byte', async () => {
    const first = await booted('basic-min', '7')
    const again = await booted('basic-min', '7')
    const different = again.lines.findIndex((line, index) => line !== first.lines[index])
    expect(different < 0 ? 'the same' : [different, first.lines[different], again.lines[different]]).toBe('the same')
    expect(again.network.traceDigest()).toBe(first.network.traceDigest())
    expect(first.network.bugs()).toEqual([])
    const other = await booted('basic-min', '8')
    expect(other.network.traceDigest()).not.toBe(first.network.traceDigest())
    for (const { network } of [first, again, other]) await network.close()
  })

  it('passes the checks of `basic`', async () => {
    const network = await prepared('basic')
    const checks = await loadChecks(network.network.checks)
    const results = await network.drive(async () => {
      await startUntilReady(network)
      return runChecks(network, checks, silent)
    })
    const failed = results.filter((result) => result.outcome.kind === 'failed')
    expect(failed).toEqual([])
    expect(network.bugs()).toEqual([])
    await network.close()
  })

  it('time stands still while nobody waits', async () => {
    const { network } = await booted('basic-min', '7')
    const before = network.clock.now()
    await new Promise((resolve) => setImmediate(resolve))
    expect(network.clock.now()).toBe(before)
    await network.clock.sleep(1000)
    expect(network.clock.now()).toBeGreaterThanOrEqual(before + 1000)
    await network.close()
  })

  it('a node that is killed is gone, and comes back as the same', async () => {
    const { network } = await booted('basic-min', '7')
    const before = await network.inspect('exit')
    await network.kill('exit')
    expect(network.status('exit').state.kind).toBe('stopped')
    await expect(network.inspect('exit')).rejects.toThrow('exit does not run')
    await network.drive(() => startUntilReady(network, ['exit']))
    const after = await network.inspect('exit')
    expect(after.fingerprint).toBe(before.fingerprint)
    await network.close()
  })
})
