/** Few and whole: real nodes as child processes, run the way a user runs them. */

import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultCheckNames } from '../../src/testnet/checks/names.ts'
import { buildCli, processesWith, type BuiltCli } from '../support/built-cli.ts'

const timeoutMs = 240_000

let cli: BuiltCli
let folder: string
beforeAll(async () => {
  cli = await buildCli()
  folder = mkdtempSync(join(tmpdir(), 'relish-real-'))
})
afterAll(() => {
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
})

const relish = (...args: string[]) => cli.run(args, { cwd: folder, env: { RELISH_TOR: cli.torPath } })

interface Report {
  readonly passed: boolean
  readonly checks: readonly { readonly name: string; readonly outcome: { readonly kind: string; readonly reason?: string; readonly evidence?: readonly string[] } }[]
}

describe('basic', () => {
  const run = async (): Promise<{ code: number | null; report: Report; stderr: string }> => {
    const result = await relish('test', 'basic', '--dir', 'basic', '--json')
    return { code: result.code, stderr: result.stderr, report: JSON.parse(result.stdout === '' ? '{}' : result.stdout) as Report }
  }
  const fingerprint = (node: string): string => readFileSync(join(folder, 'basic/nodes', node, 'fingerprint'), 'utf8')

  test('comes up from nothing and passes every check; nothing is left', async () => {
    const { code, report, stderr } = await run()
    expect(report.checks?.filter((check) => check.outcome.kind !== 'passed'), stderr).toEqual([])
    expect(report.checks.map((check) => check.name)).toEqual(defaultCheckNames)
    expect(code).toBe(0)
    expect(await processesWith(join(folder, 'basic'))).toEqual([])
  }, timeoutMs)

  test('comes up again from its directory with the same identities', async () => {
    const before = ['auth1', 'exit3'].map(fingerprint)
    const result = await relish('test', 'basic', '--dir', 'basic', '--trace', '--only', 'echo', 'consensus')
    expect(result.stderr).toBe('')
    expect(result.code).toBe(0)
    expect(['auth1', 'exit3'].map(fingerprint)).toEqual(before)
  }, timeoutMs)

  test('what its nodes have recorded is one trace, in which circuits are whole', async () => {
    const file = 'basic/trace.jsonl'
    const shown = await relish('trace', 'show', file, '--node', 'client1', '--kind', 'circuit.open')
    expect(shown.stderr).toBe('')
    const open = [...shown.stdout.matchAll(/(client1#\d+): is open/g)].map((match) => match[1] ?? '')
    expect(open.length).toBeGreaterThan(0)
    const circuit = await relish('trace', 'show', file, '--circuit', open.at(-1) ?? '')
    expect(circuit.stdout).toMatch(/CREATE2 NTOR_V3[^]*recognises, digest ok: EXTEND2 to [^]*takes its layer off a cell, not recognised, and passes it on[^]*EXTENDED2/)
    expect(await relish('trace', 'diff', file, file)).toMatchObject({ code: 0, stderr: '' })
    expect((await relish('trace', 'stats', file)).stdout).toMatch(/CREATE2 to CREATED2 +\d+/)
    expect(await relish('trace', 'html', file, '-o', 'page.html')).toMatchObject({ code: 0, stderr: '' })
    expect(readFileSync(join(folder, 'page.html'), 'utf8')).toContain('"world":"processes"')
    expect((await relish('explain', open.at(-1) ?? '', '--trace', file)).stdout).toMatch(/guard \w+: the first of/)
  }, timeoutMs)

  test('no node has logged a warning that was not asked for', () => {
    // Checks ask for plain addresses, and speak HTTP to a SOCKS port: a client says what it thinks of that.
    const wanted = /giving Tor only an IP address|SOCKS request refused: HTTP spoken to a SOCKS port$/

    const warnings = readdirSync(join(folder, 'basic/nodes')).flatMap((node) =>
      readFileSync(join(folder, 'basic/nodes', node, 'node.log'), 'utf8').split('\n').filter((line) => /\[(warn|err)\]/.test(line) && !wanted.test(line)).map((line) => `${node}: ${line}`),
    )
    expect(warnings).toEqual([])
  })
})

test('the example of the documentation, with its own check', async () => {
  const example = fileURLToPath(new URL('../../docs/examples/my-network.yaml', import.meta.url))
  const result = await relish('test', example, '--dir', 'example')
  expect(result.stderr).toBe('')
  expect(result.stdout).toMatch(/ok +web .*\n.*curl through alice got the page; the server saw exit\d/)
  expect(result.code).toBe(0)
}, timeoutMs)

describe('a network that is up', () => {
  const ready = async (dir: string): Promise<void> => {
    expect(await relish('up', 'basic-min', '--dir', dir, '--detach')).toMatchObject({ code: 0, stderr: '' })
  }

  test('a node that is killed comes back at the same place, and clients go on', async () => {
    await ready('min')
    expect((await relish('explain', 'exit', '--dir', 'min')).stdout).toMatch(/^exit is ready\n[^]*\nauth1 votes for .*Exit/)
    expect((await relish('kill', 'auth2', '--dir', 'min')).code).toBe(0)
    expect(await relish('verify', '--dir', 'min', '--only', 'echo')).toMatchObject({ code: 0 })
    expect(await relish('restart', 'auth2', '--dir', 'min')).toMatchObject({ code: 0, stderr: '' })
    expect(await relish('vote', '--dir', 'min')).toMatchObject({ code: 0, stderr: '' })
    expect(await relish('verify', '--dir', 'min', '--only', 'echo')).toMatchObject({ code: 0 })
    expect((await relish('down', '--dir', 'min')).code).toBe(0)
    expect(await processesWith(join(folder, 'min'))).toEqual([])
  }, timeoutMs)

  test('no node outlives a runner that is killed by more than two seconds', async () => {
    await ready('killed')
    const status = JSON.parse((await relish('status', '--dir', 'killed', '--json')).stdout) as { pid: number }
    process.kill(status.pid, 'SIGKILL')
    const until = performance.now() + 2000
    let left = await processesWith(join(folder, 'killed'))
    while (left.length > 0 && performance.now() < until) {
      await new Promise((resolve) => setImmediate(resolve))
      left = await processesWith(join(folder, 'killed'))
    }
    expect(left).toEqual([])
  }, timeoutMs)
})
