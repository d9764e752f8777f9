/** A build that is slower by design is found to be, and one that is the same is not. */

import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { compareBuilds } from '../../../src/testnet/compare/compare-builds.ts'
import { measureRun } from '../../../src/testnet/compare/measure-run.ts'
import { loadNetworkText } from '../../../src/testnet/load-network.ts'
import { withCore } from '../../../src/testnet/resolve-network.ts'
import { otherBuild } from '../../support/other-build.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

// There and back a byte passes eight wires of 10 ms.
const network = loadNetworkText('links: { latencyMs: 10 }\ngenesis: warm\nnodes:\n  - { role: authority, name: auth, count: 3 }\n  - { role: exit, count: 3 }\n  - { role: client }\n', '/net.yaml', {}).network

test('five percent more latency is found with three seeds', async () => {
  // Each node handles half a millisecond late what arrives: 4 ms on the way of a byte, there and back.
  const slow = await otherBuild([{ file: 'seam/adopted-runtime.ts', from: 'onData: (chunk) => handlers.onData(chunk),', to: 'onData: (chunk) => void slowly.setTimer(0.5 as never, () => handlers.onData(chunk.slice())),' }, { file: 'seam/adopted-runtime.ts', from: 'export function adoptRuntime(foreign: Runtime): Runtime {', to: 'let slowly: Runtime\nexport function adoptRuntime(foreign: Runtime): Runtime {\n  slowly = foreign' }])
  folders.push(slow)
  const seeds = ['1', '2', '3']
  const { figures, failed } = await compareBuilds(seeds, 1, (build, seed) => measureRun(build === 'a' ? network : withCore(network, slow), seed), () => undefined)
  expect(failed).toEqual([])
  const figure = (name: string): (typeof figures)[number] | undefined => figures.find((one) => one.name === name)
  expect(figure('roundTrip')).toMatchObject({ verdict: 'worse', pairs: 3 })
  expect(figure('roundTrip')?.change).toBeCloseTo(0.05, 3)
  expect(figure('firstByte')?.verdict).toBe('worse')
})
