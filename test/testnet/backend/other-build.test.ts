/** Nodes of another build of the core in a network of this one. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { SimulatedNetwork } from '../../../src/testnet/backend/simulated.ts'
import { startUntilReady } from '../../../src/testnet/bootstrap.ts'
import { loadChecks } from '../../../src/testnet/checks/load-checks.ts'
import { runChecks } from '../../../src/testnet/checks/run-checks.ts'
import { loadNetworkText } from '../../../src/testnet/load-network.ts'
import type { ResolvedNetwork } from '../../../src/testnet/network-types.ts'
import { withCore } from '../../../src/testnet/resolve-network.ts'
import { otherBuild } from '../../support/other-build.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
const keep = (folder: string): string => {
  folders.push(folder)
  return folder
}

const networkOf = (text: string): ResolvedNetwork => loadNetworkText(text, '/there/net.yaml', {}).network
const minimal = (core: string): string => `
nodes:
  - { role: authority, name: auth, count: 4 }
  - { role: exit, core: ${core} }
  - { role: client }
`

describe('core: another build', () => {
  test('old and new meet in one network', async () => {
    const folder = keep(await otherBuild([{ file: 'core/base/version.ts', from: "programVersion = '", to: "programVersion = '7." }]))
    const network = await SimulatedNetwork.prepare({ network: networkOf(minimal(folder)), seed: '1' })
    const checks = await loadChecks(['echo', 'consensus'])
    const { results, version } = await network.drive(async () => {
      await startUntilReady(network)
      const inspection = await network.inspect('exit')
      return { results: await runChecks(network, checks, { onStart: () => undefined, onLog: () => undefined, onResult: () => undefined }), version: inspection.version }
    })
    expect(results.map((result) => result.outcome.kind)).toEqual(['passed', 'passed'])
    expect(version).toContain('relish-7.')
    expect(network.versionOf('exit')).toMatch(/^relish 7\..* of /)
    expect(network.versionOf('auth1')).not.toContain(' of ')
    // A node of the other build that has no such link hears of it as an error of its own.
    await network.drive(async () => {
      await network.kill('auth1')
      await network.clock.sleep(2000)
    })
    expect(network.bugs()).toEqual([])
    await network.close()
  })

  test('a build with no changes gives the same run', async () => {
    const folder = keep(await otherBuild([]))
    const digestOf = async (network: ResolvedNetwork): Promise<string> => {
      const made = await SimulatedNetwork.prepare({ network, seed: '3' })
      await made.drive(() => startUntilReady(made))
      return made.traceDigest()
    }
    const network = networkOf(minimal('unused').replace(', core: unused', ''))
    expect(await digestOf(withCore(network, folder))).toBe(await digestOf(network))
  })

  test('paths are relative to the network file, and of nodes that relish runs', () => {
    const { nodes } = networkOf(minimal('../my-branch'))
    expect(nodes.find((node) => node.name === 'exit')?.core).toBe('/my-branch')
    expect(nodes.find((node) => node.name === 'client')?.core).toBeUndefined()
    expect(withCore(networkOf(minimal('x')), '/other').nodes.every((node) => node.core === '/other')).toBe(true)
  })

  test('what is no build, or not built, or not understood, is said', async () => {
    const prepare = (core: string): Promise<unknown> => SimulatedNetwork.prepare({ network: networkOf(minimal(core)), seed: '1' })
    const folder = keep(mkdtempSync(join(tmpdir(), 'relish-no-build-')))
    await expect(prepare(folder)).rejects.toMatchObject({ kind: 'config', message: expect.stringContaining('is no checkout') as string })
    writeFileSync(join(folder, 'package.json'), '{}')
    await expect(prepare(folder)).rejects.toMatchObject({ message: expect.stringContaining('is not built') as string, hint: expect.stringContaining('npm install') as string })
    mkdirSync(join(folder, 'dist'))
    writeFileSync(join(folder, 'dist/relish-tor.js'), '')
    writeFileSync(join(folder, 'dist/core.js'), 'module.exports = { seam: 99 }')
    await expect(prepare(folder)).rejects.toMatchObject({ kind: 'config', message: expect.stringContaining('it has seam 99') as string })
  })
})
