/** C tor as a node of a network: what is said when it cannot be, what commands show of it, and that it never outlives a run. */

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildCli, processesWith, type BuiltCli } from '../support/built-cli.ts'

const timeoutMs = 180_000

let cli: BuiltCli
let folder: string

beforeAll(async () => {
  cli = await buildCli()
  folder = mkdtempSync(join(tmpdir(), 'relish-tor-node-'))
})
afterAll(() => {
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
})

const relish = (...args: string[]) => cli.run(args, { cwd: folder, env: { RELISH_TOR: cli.torPath } })

/** Relish authorities, so that nobody waits for a clock, and a C tor exit. */
function networkFile(name: string, exitSettings: string): string {
  const path = join(folder, `${name}.yaml`)
  writeFileSync(
    path,
    `nodes:
  - { role: authority, name: auth, count: 3 }
  - { role: exit, name: torexit, implementation: tor${exitSettings} }
  - { role: client, name: client }
`,
  )
  return path
}

function script(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
  return path
}

describe('what is said of a network that cannot be', () => {
  test('without the program', async () => {
    const { code, stderr } = await relish('test', networkFile('missing', ', tor: /no/such/tor'), '--dir', 'missing')
    expect(stderr).toContain('torexit is to be run by C tor, but there is no program /no/such/tor')
    expect(stderr).toContain('apt-get install tor')
    expect(code).not.toBe(0)
  })

  test('with an older version', async () => {
    const old = script('old-tor', 'echo "Tor version 0.4.7.16."')
    const { code, stderr } = await relish('test', networkFile('old', `, tor: ${old}`), '--dir', 'old')
    expect(stderr).toContain('is C tor 0.4.7.16; networks of relish need 0.4.9 or later')
    expect(stderr).toContain('apt-get install tor')
    expect(code).not.toBe(0)
  })

  test('with another program', async () => {
    const other = script('other', 'echo hello')
    const { code, stderr } = await relish('test', networkFile('other', `, tor: ${other}`), '--dir', 'other')
    expect(stderr).toContain('is no C tor')
    expect(code).not.toBe(0)
  })

  test('with an option that C tor refuses', async () => {
    const { code, stderr } = await relish('test', networkFile('refused', ', torrc: { NumCPUs: many }'), '--dir', 'refused')
    expect(stderr).toContain('C tor refuses the torrc of torexit')
    expect(stderr).toMatch(/NumCPUs/)
    expect(stderr).toContain('--verify-config')
    expect(code).not.toBe(0)
  })

  test('in virtual time', async () => {
    const { code, stderr } = await relish('sim', networkFile('virtual', ''), '--seed', '1')
    expect(stderr).toContain('torexit is to be run by C tor')
    expect(code).not.toBe(0)
  })
})

describe('a network that runs', () => {
  test('shows its version and its log, tells what it does, and goes when its runner is killed', async () => {
    const runner = cli.start(['up', networkFile('runs', ''), '--dir', 'runs'], { cwd: folder, env: { RELISH_TOR: cli.torPath } })
    let said = ''
    let tooSoon = (): void => undefined
    const ready = new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer): void => {
        said += chunk.toString('utf8')
        if (said.includes('ready after')) resolve()
      }
      runner.stdout?.on('data', hear)
      runner.stderr?.on('data', hear)
      tooSoon = () => reject(new Error(`the network did not come up:\n${said}`))
      runner.once('exit', tooSoon)
    })
    try {
      await ready
      const status = await relish('status', '--dir', 'runs')
      expect(status.stdout).toMatch(/torexit\s+exit\s+tor 0\.4\.9\.\d+\s+pid \d+\s+ready\s/)
      expect(status.stdout).toMatch(/auth1\s+authority\s+relish \d/)

      const inspection = JSON.parse((await relish('inspect', 'torexit', '--dir', 'runs')).stdout) as Record<string, unknown>
      expect(inspection).toMatchObject({ nickname: 'torexit', roles: ['relay', 'exit'], stage: 'ready', bootstrap: { progress: 100 } })
      expect(inspection['fingerprint']).toMatch(/^[0-9A-F]{40}$/)
      expect(inspection['ed25519']).toMatch(/^[0-9a-f]{64}$/)
      expect((inspection['consensus'] as unknown[]).length).toBe(2)
      expect((inspection['channels'] as unknown[]).length).toBeGreaterThan(0)

      expect((await relish('logs', 'torexit', '--dir', 'runs')).stdout).toMatch(/torexit\s+notice\s+Tor 0\.4\.9\.\d+ running on /)
      expect((await relish('hup', 'torexit', '--dir', 'runs')).code).toBe(0)
      expect((await relish('verify', '--dir', 'runs', '--only', 'echo', 'exit-seen')).code).toBe(0)

      // Another one comes, has its place in circuits at once, and goes.
      expect(await relish('add', '--role', 'exit', '--as', 'later', '--implementation', 'tor', '--dir', 'runs')).toMatchObject({ code: 0, stdout: 'later\n', stderr: '' })
      expect((await relish('status', '--dir', 'runs')).stdout).toMatch(/later\s+exit\s+tor 0\.4\.9\.\d+\s+pid \d+\s+ready\s/)
      expect(await relish('verify', '--dir', 'runs', '--only', 'consensus', 'path')).toMatchObject({ code: 0, stdout: expect.stringMatching(/5 relays, signed by 3 of 3 authorities[^]*2 passed/) as string })
      expect(await relish('remove', 'later', '--dir', 'runs')).toMatchObject({ code: 0, stderr: '' })
      expect(await relish('verify', '--dir', 'runs', '--only', 'consensus')).toMatchObject({ code: 0, stdout: expect.stringContaining('4 relays, signed by') as string })

      const before = await processesWith(join(folder, 'runs/nodes'))
      expect(before.length).toBe(5)
    } finally {
      runner.off('exit', tooSoon)
      const gone = new Promise((resolve) => runner.once('exit', resolve))
      if (runner.kill('SIGKILL')) await gone
    }
    await expect.poll(() => processesWith(join(folder, 'runs/nodes')), { timeout: 2000 }).toEqual([])
  }, timeoutMs)
})
