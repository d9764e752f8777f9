/** Seeds and their faults: sameness, independence of draws, shrinking, and two runs that differ. */

import { describe, expect, test } from 'vitest'
import { RelishError } from '../../../src/core/base/errors.ts'
import { drawFaults } from '../../../src/testnet/explore/draw-faults.ts'
import { explore, type RanSeed, type SeedRunner, type SeedTask } from '../../../src/testnet/explore/explore.ts'
import { runSeed, type SeedOutcome } from '../../../src/testnet/explore/run-seed.ts'
import { TraceComparison } from '../../../src/testnet/explore/trace-comparison.ts'
import type { TimedFault } from '../../../src/testnet/fault/fault.ts'
import { SimulatedNetwork } from '../../../src/testnet/backend/simulated.ts'
import { startUntilReady } from '../../../src/testnet/bootstrap.ts'
import { loadNetwork } from '../../../src/testnet/load-network.ts'

describe('a seed with its faults', () => {
  test('is one run, to the last event, and becomes whole again', async () => {
    const { network } = loadNetwork('basic-min', {})
    const comparison = new TraceComparison()
    const first = await runSeed(network, '12', drawFaults(network, '12'), { traceSink: comparison.first })
    const second = await runSeed(network, '12', drawFaults(network, '12'), { traceSink: comparison.second })
    expect(first.outcome).toEqual({ kind: 'ok' })
    expect(comparison.finish()).toBeUndefined()
    expect(second.digest).toBe(first.digest)
  })

  test('draws each fault from a stream of its own', () => {
    const { network } = loadNetwork('basic', {})
    const drawn = Array.from({ length: 300 }, (_, seed) => drawFaults(network, String(seed)))
    const kinds = new Set(drawn.flat().map(({ fault }) => (fault.kind === 'misbehave' ? fault.how : fault.kind)))
    expect([...kinds].sort()).toEqual(['clock', 'corrupted-cell', 'crash', 'disk-full', 'drop', 'dropped-cell', 'equivocating-vote', 'partition', 'pause', 'replayed-cell', 'slow', 'spoofed-extend', 'stale-vote', 'wrong-handshake-key', 'wrongly-signed-vote'])
  })
})

test('one more node does not reshuffle what the others draw', async () => {
  const filesOf = async (settings: readonly string[]): Promise<Map<string, string>> => {
    const network = await SimulatedNetwork.prepare({ network: loadNetwork('basic-min', {}, settings).network, seed: '5' })
    await network.drive(() => startUntilReady(network))
    const found = new Map<string, string>()
    for (const name of ['auth1', 'auth4', 'exit']) {
      for (const path of ['keys/secret_id_key', 'keys/secret_onion_key_ntor', 'keys/ed25519_master_id_secret_key', 'keys/ed25519_signing_secret_key']) {
        found.set(`${name} ${path}`, Buffer.from(network.simulation.machine(name).files.read(path) ?? []).toString('hex'))
      }
    }
    await network.close()
    return found
  }
  const before = await filesOf([])
  expect([...before.values()].every((content) => content.length > 20)).toBe(true)
  expect(await filesOf(['relays=1'])).toEqual(before)
})

describe('what fails', () => {
  const { crash, drop, pause } = { crash: (node: string): TimedFault => ({ atMs: 1, forMs: 2, fault: { kind: 'crash', node } }), drop: { atMs: 3, forMs: undefined, fault: { kind: 'drop', ends: ['exit1', 'client2'] } } as TimedFault, pause: { atMs: 4, forMs: 5, fault: { kind: 'pause', node: 'auth1' } } as TimedFault }

  /** A runner that fails as told, and remembers what it ran. */
  function runner(outcomeOf: (task: SeedTask) => SeedOutcome): SeedRunner & { readonly tasks: SeedTask[] } {
    const tasks: SeedTask[] = []
    return {
      tasks,
      run: (task) => {
        tasks.push(task)
        if (task.settings.includes('auth=2')) return Promise.reject(new RelishError('config', 'no network'))
        const ran: RanSeed = { seed: task.seed, outcome: outcomeOf(task), digest: '', virtualMs: 0, events: 0, faults: task.faults ?? [crash('exit2'), drop, pause] }
        return Promise.resolve(ran)
      },
      close: () => undefined,
    }
  }

  test('is made smaller: fewer faults, then fewer nodes, as long as it fails alike', async () => {
    const needsDrop = runner(({ seed, faults }) => (seed === '3' && (faults === undefined || faults.some(({ fault }) => fault.kind === 'drop')) ? { kind: 'invariant', words: 'released, exit: x' } : { kind: 'ok' }))
    const { failures } = await explore({ seeds: ['1', '2', '3', '4'], faults: undefined, runners: [needsDrop], network: loadNetwork('basic', {}) })
    expect(failures).toHaveLength(1)
    expect(failures[0]?.ran.seed).toBe('3')
    // client2 is an end of what is left, and exit1 the other.
    expect(failures[0]?.shrunk?.task).toEqual({ seed: '3', faults: [drop], settings: ['exit=1'] })
  })

  test('is looked at once for each kind of failure', async () => {
    const always = runner(({ seed }) => ({ kind: 'invariant', words: `${seed === '3' ? 'windows' : 'released'}, exit: ${seed}` }))
    const { failures } = await explore({ seeds: ['1', '2', '3'], faults: [], runners: [always], network: loadNetwork('basic', {}) })
    expect(failures.map((failure) => failure.shrunk !== undefined)).toEqual([true, false, true])
  })
})

describe('two runs that differ', () => {
  const compare = (first: readonly string[], second: readonly string[]) => {
    const comparison = new TraceComparison()
    for (const line of first) comparison.first(line)
    for (const line of second) comparison.second(line)
    return comparison.finish()
  }
  test('are told by their first different event', () => {
    const lines = Array.from({ length: 100_000 }, (_, index) => `event ${index}`)
    expect(compare(lines, lines)).toBeUndefined()
    expect(compare(lines, lines.with(70_000, 'other'))).toEqual({ event: 70_001, first: 'event 70000', second: 'other' })
    expect(compare(lines, lines.slice(0, 5))).toEqual({ event: 6, first: 'event 5', second: undefined })
    expect(compare(lines.slice(0, 5), lines)).toEqual({ event: 6, first: undefined, second: 'event 5' })
  })
})
