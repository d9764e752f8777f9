/** python3-stem controls a client of ours: authentication, information, configuration, circuits, events. Needs Debian's python3-stem. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { formatHashedPassword, hashPassword } from '../../src/core/torrc/hashed-password.ts'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'

let cli: BuiltCli
let folder: string
beforeAll(async () => {
  cli = await buildCli()
  folder = mkdtempSync(join(tmpdir(), 'relish-control-'))
  writeFileSync(
    join(folder, 'controlled.yaml'),
    `nodes:
  - { role: authority, name: auth, count: 3 }
  - { role: exit, name: exit }
  - role: client
    name: client
    torrc: |
      ControlSocket ${join(folder, 'control')}
      CookieAuthentication 1
      HashedControlPassword ${formatHashedPassword(hashPassword('secret', new Uint8Array(8)))}
`,
  )
}, 60_000)
afterAll(async () => {
  await cli.run(['down', '--dir', join(folder, 'run')], { cwd: folder })
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
})

test('Stem finds what it looks for', async () => {
  const up = await cli.run(['up', 'controlled.yaml', '--detach', '--dir', 'run'], { cwd: folder, env: { RELISH_TOR: cli.torPath } })
  expect(up.stderr).toBe('')
  const script = fileURLToPath(new URL('stem-control.py', import.meta.url))
  const seen = JSON.parse(execFileSync('/usr/bin/python3', [script, join(folder, 'control'), 'secret'], { encoding: 'utf8', timeout: 60_000 })) as Record<string, unknown>
  const names = seen['network_statuses'] as string[]
  expect(names).toHaveLength(4)
  expect(seen).toMatchObject({
    version: expect.stringMatching(/^0\.4\.9\.11 \(relish-/) as string,
    pid: expect.any(Number) as number,
    alive: true,
    phase: 'NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"',
    socks: 1,
    microdescriptors: 4,
    one_by_name: true,
    config_text: true,
    password: true,
    'wrong password': false,
    set_conf: '20',
    reset_conf: '600',
    'refused Bogus': 'InvalidArguments',
    'refused SocksPort': 'InvalidRequest',
    'refused DataDirectory': 'InvalidArguments',
    circuit: true,
  })
  expect(seen['guards']).toBeGreaterThan(0)
  expect(seen['events']).toEqual(expect.arrayContaining(['BandwidthEvent', 'CircuitEvent', 'ConfChangedEvent', 'SignalEvent']))
}, 120_000)
