/** Every observer, proven by what it is there to see: nodes that misbehave on purpose, in whole process networks. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { prepareProcessNetwork, type ProcessNetwork } from '../../../src/testnet/backend/process.ts'
import { startUntilReady } from '../../../src/testnet/bootstrap.ts'
import { loadNetworkText } from '../../../src/testnet/load-network.ts'
import { Observers, type ObserverSettings } from '../../../src/testnet/observe/observers.ts'
import type { Observation } from '../../../src/testnet/observe/observation.ts'
import { RunDirectory } from '../../../src/testnet/run-directory.ts'

const fakeNode = fileURLToPath(new URL('../../support/fake-node.mjs', import.meta.url))
const folders: string[] = []
const pids: number[] = []
afterEach(() => {
  for (const pid of pids.splice(0)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It is gone, as it should be.
    }
  }
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const base = `
nodes:
  - { role: authority, name: auth }
  - { role: exit, count: 2 }
  - { role: client }
`

/** A whole run of fake nodes, of which `client` has this quirk. */
async function observed(quirk: string | undefined, settings: Partial<ObserverSettings> = {}, during: (network: ProcessNetwork) => Promise<void> = () => Promise.resolve(), after: () => Promise<void> = () => Promise.resolve()): Promise<readonly Observation[]> {
  const folder = mkdtempSync(join(tmpdir(), 'relish-observe-'))
  folders.push(folder)
  const text = quirk === undefined ? base : base.replace('{ role: client }', `{ role: client, torrc: { ContactInfo: '${quirk}' } }`)
  const { network } = loadNetworkText(text, join(folder, 'observed.yaml'), {})
  const running = await prepareProcessNetwork({ network, directory: new RunDirectory(join(folder, 'run')), text, nodeProgram: [process.execPath, fakeNode] })
  const observers = new Observers(running, { directory: join(folder, 'run'), memoryMb: 200, expectedWarnings: [], ...settings })
  try {
    await startUntilReady(running)
    await during(running)
    observers.checksEnded()
  } finally {
    await running.close()
  }
  await after()
  return observers.closed()
}

const kindsOf = (seen: readonly Observation[]): string[] => seen.map((one) => `${one.kind} ${one.node ?? ''}`.trim())

test('nothing is seen of nodes that behave', async () => {
  expect(await observed(undefined)).toEqual([])
})

test('a node that died', async () => {
  const seen = await observed(undefined, {}, async (network) => {
    const { state } = network.status('client')
    if (state.kind === 'running' && state.pid !== undefined) process.kill(state.pid, 'SIGKILL')
    await network.waitFor('the client to be dead', () => network.status('client').state.kind === 'died', 5000)
  })
  expect(seen).toMatchObject([{ kind: 'died', node: 'client', words: 'client ended by itself: signal SIGKILL' }])
})

test('a node that was left stopped', async () => {
  expect(await observed(undefined, {}, (network) => network.stop(['exit2']))).toMatchObject([{ kind: 'died', node: 'exit2', words: expect.stringContaining('is stopped at the end') as string }])
})

test('a warning, unless it is expected', async () => {
  expect(kindsOf(await observed('warn=slowly'))).toEqual(['warning client'])
  expect(await observed('warn=slowly', { expectedWarnings: [/slowly/] })).toEqual([])
})

test('an internal error: in the log, or as words on standard error', async () => {
  expect(await observed('error=assertion')).toMatchObject([{ kind: 'internal-error', node: 'client', words: 'assertion' }])
  expect(await observed('shout=TypeError')).toMatchObject([{ kind: 'internal-error', node: 'client', words: 'client wrote to its standard error: TypeError' }])
})

test('a process that a node has left behind', async () => {
  const seen = await observed('leave-process=1')
  expect(kindsOf(seen)).toEqual(['leaked-process client'])
  pids.push(Number(/process (\d+)/.exec(seen[0]?.words ?? '')?.[1]))
  expect(seen[0]?.words).toContain('which client started, still runs')
})

test('a port on which somebody still listens', async () => {
  let host = ''
  const server = createServer()
  const seen = await observed(
    undefined,
    {},
    (network) => Promise.resolve(void (host = network.placementOf('exit1').host)),
    () => new Promise((listening) => server.listen(0, host, () => listening())),
  )
  server.close()
  expect(kindsOf(seen)).toEqual(['leaked-port exit1'])
})

test('a file that nobody knows, and one that was to be renamed', async () => {
  const seen = await observed(undefined, {}, (network) => {
    writeFileSync(join(network.placementOf('exit1').dataDirectory, 'state.tmp'), 'x')
    writeFileSync(join(network.placementOf('exit1').dataDirectory, 'core.4711'), 'x')
    return Promise.resolve()
  })
  expect(seen.map((one) => one.words).sort()).toEqual(['nodes/exit1/core.4711 is left in the run directory', 'nodes/exit1/state.tmp is left in the run directory'])
})

test('memory beyond its bound', async () => {
  const seen = await observed(undefined, { memoryMb: 5 })
  expect(new Set(kindsOf(seen))).toEqual(new Set(['memory auth', 'memory exit1', 'memory exit2', 'memory client']))
  expect(seen[0]?.words).toMatch(/had \d+ MB resident; its bound is 5 MB/)
})
