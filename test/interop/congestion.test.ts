/**
 * Congestion control between C tor and us in a whole network: a C tor client through our relays to our exit, and our
 * client to C tor's exit, ten megabytes each way on one stream. (`circuits.test.ts` puts C tor in every place of a circuit.)
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'
import { readNodeLog, unexplained } from './allowed-log-lines.ts'

const network = `
description: a client of each kind, that leaves by an exit of the other kind
nodes:
  - { role: authority, name: auth, count: 3 }
  - { role: relay, name: middle }
  - { role: exit, name: exit }
  - { role: exit, name: torexit, implementation: tor }
  - { role: client, name: client, torrc: { ExitNodes: torexit } }
  - { role: client, name: torclient, implementation: tor, torrc: { ExitNodes: exit } }
`

let cli: BuiltCli
let folder: string
beforeAll(async () => {
  cli = await buildCli()
  folder = mkdtempSync(join(tmpdir(), 'relish-congestion-'))
  writeFileSync(join(folder, 'network.yaml'), network)
})
afterAll(() => {
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
})

const logFile = (node: string): string => join(folder, 'run/nodes', node, 'node.log')
const logOf = (node: string): string => readFileSync(logFile(node), 'utf8')

test('ten megabytes arrive whole, both ways, under the control of both kinds', async () => {
  const { code, stdout, stderr } = await cli.run(['test', 'network.yaml', '--only', 'echo', 'bulk', '--log-level', 'info', '--dir', 'run', '--json'], { cwd: folder, env: { RELISH_TOR: cli.torPath } })
  expect(`${code} ${stderr}`).toMatch(/^0 /)
  const report = JSON.parse(stdout) as { checks: { outcome: { kind: string; evidence?: readonly string[] } }[] }
  expect(report.checks.map((check) => check.outcome.kind)).toEqual(['passed', 'passed'])
})

test('C tor has used it at both ends', () => {
  for (const node of ['torclient', 'torexit']) expect(logOf(node), node).toContain('CC: TOR_VEGAS')
})

test('C tor has found nothing to complain about', () => {
  expect(unexplained(['torclient', 'torexit'].map((node) => readNodeLog(node, 'tor', logFile(node))))).toEqual([])
})
