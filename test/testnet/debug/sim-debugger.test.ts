/** A simulation stops where it is told to, answers, goes on, and is the same run as if nobody had asked. */

import { expect, test } from 'vitest'
import { SimulatedNetwork } from '../../../src/testnet/backend/simulated.ts'
import { startUntilReady } from '../../../src/testnet/bootstrap.ts'
import { SimDebugger } from '../../../src/testnet/debug/sim-debugger.ts'
import { loadNetworkText } from '../../../src/testnet/load-network.ts'

const network = loadNetworkText('genesis: warm\nnodes:\n  - { role: authority, name: auth, count: 3 }\n  - { role: exit, count: 2 }\n  - { role: client }\n', '/net.yaml', {}).network

async function run(script: readonly string[], options: { step: boolean; breaks: readonly string[] }): Promise<{ printed: string[]; digest: string }> {
  const commands = [...script]
  const printed: string[] = []
  const steered = new SimDebugger({ read: () => Promise.resolve(commands.shift()), print: (text) => printed.push(text) }, options)
  const made = await SimulatedNetwork.prepare({ network, seed: '1', traceSink: steered.traceSink, paused: steered.paused })
  await made.drive(() => startUntilReady(made))
  expect(commands).toEqual([])
  return { printed, digest: made.traceDigest() }
}

test('stops at a cell, shows nodes and circuits, and goes on', async () => {
  const { printed, digest } = await run(
    ['nodes', 'node client', 'circuits client', 'streams client', 'links client', 'queue 3', 'events 2', 'breaks', 'continue', 'delete 1', 'bogus', 'node nobody', 'help', 'continue'],
    { step: false, breaks: ["cell.command == EXTEND2 && node == client"] },
  )
  const text = printed.join('\n')
  expect(printed[0]).toMatch(/^-- 0\.\d{6} s: client relay\.sent .*command=EXTEND2.*\(cell\.command == EXTEND2/)
  expect(text).toMatch(/^auth1 +\w+ +\d+ links, \d+ circuits/m)
  expect(text).toMatch(/^circuit \d+ {2}building {2}\w+ → \w+ → \w+/m)
  expect(text).toMatch(/^client \(client\), /m)
  expect(text).toMatch(/^\d+ events wait\n0\.\d{6} s {2}(timer of|arrival at|other)/m)
  expect(text).toContain('there is no command "bogus"')
  expect(text).toContain('there is no node nobody')
  expect(printed.filter((line) => line.startsWith('-- '))).toHaveLength(2)
  const undisturbed = await SimulatedNetwork.prepare({ network, seed: '1' })
  await undisturbed.drive(() => startUntilReady(undisturbed))
  expect(digest).toBe(undisturbed.traceDigest())
})

test('goes step by step, to the next event of the trace, and to a time', async () => {
  const { printed } = await run(['step', 'step 5', 'next', 'until soon', 'break node == client && event == node.stage', 'continue', 'until 0.2', 'delete 1', 'continue'], { step: true, breaks: [] })
  const stops = printed.filter((line) => line.startsWith('-- '))
  expect(stops[0]).toBe('-- 0.000000 s')
  expect(stops[3]).toMatch(/\(next\)$/)
  expect(stops[4]).toContain('client node.stage')
  expect(printed.some((line) => line.includes('"soon" is no time'))).toBe(true)
  expect(stops.length).toBeGreaterThan(5)
})
