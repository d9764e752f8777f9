/** How runs end when something ends them: signals while checks run, readers that go away, checks that misbehave. */

import { execFile, spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestReport } from '../../src/testnet/report/test-report.ts'
import { buildCli, processesWith, type BuiltCli } from '../support/built-cli.ts'

const env = { RELISH_TOR: fileURLToPath(new URL('../support/fake-node.mjs', import.meta.url)) }

let cli: BuiltCli
let folder: string
beforeAll(async () => {
  cli = await buildCli()
  folder = mkdtempSync(join(tmpdir(), 'relish-endings-'))
  const nodes = 'nodes:\n  - { role: authority, name: auth }\n  - { role: relay, name: middle }\n  - { role: exit, name: exit }\n  - { role: client, name: client }\n'
  writeFileSync(join(folder, 'small.yaml'), nodes)
  writeFileSync(join(folder, 'stuck.yaml'), nodes.replace('name: exit }', 'name: exit, torrc: "ContactInfo stuck-at=listed" }'))
  writeFileSync(join(folder, 'hangs.mjs'), 'export default ({ log, network }) => { log("hangs"); setInterval(() => undefined, 1000); return new Promise((_, reject) => network.onEvent(({ event }) => { if (event.kind === "stopped") reject(new Error("the network went")) })) }\n')
  writeFileSync(join(folder, 'throws-listening.mjs'), 'export default ({ network }) => new Promise(() => { network.onEvent(() => { throw new Error("thrown while listening") }); network.kill("exit") })\n')
  writeFileSync(join(folder, 'throws-later.mjs'), 'export default () => new Promise(() => { setImmediate(() => { throw new Error("thrown by nobody\'s promise") }) })\n')
  writeFileSync(join(folder, 'exits.mjs'), 'export default () => { process.exit(0) }\n')
  writeFileSync(join(folder, 'leaves-open.mjs'), 'export default () => { setInterval(() => undefined, 1000); return ["done"] }\n')
})
afterAll(() => {
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly elapsedMs: number
}

/** Runs `relish` and acts once its output contains `words`. The time is from then to its end. */
async function actOn(words: string, args: readonly string[], act: (child: ReturnType<BuiltCli['start']>) => void): Promise<Ended> {
  const child = cli.start(args, { cwd: folder, env })
  let stdout = ''
  let stderr = ''
  let actedMs: number | undefined
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')))
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('utf8')
    if (actedMs !== undefined || !stdout.includes(words)) return
    actedMs = performance.now()
    act(child)
  })
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  if (actedMs === undefined) throw new Error(`"${words}" was never said: ${stdout}${stderr}`)
  return { code, stdout, stderr, elapsedMs: performance.now() - actedMs }
}

const isFree = async (dir: string): Promise<void> => {
  expect(await processesWith(join(folder, dir))).toEqual([])
  expect(existsSync(join(folder, dir, 'control.sock'))).toBe(false)
}

test.each(['SIGINT', 'SIGTERM'] as const)('%s while a check runs ends check and network at once', async (signal) => {
  const ended = await actOn('hangs: hangs', ['test', 'small.yaml', '--dir', 'a', '--only', './hangs.mjs'], (child) => child.kill(signal))
  expect(ended.code).toBe(130)
  expect(ended.stderr).toBe(`relish: ended by ${signal}\n`)
  expect(ended.stdout).not.toContain('FAILED')
  expect(ended.elapsedMs).toBeLessThan(2000)
  await isFree('a')
})

test('SIGINT while a suite is repeated leaves reports of what was done by then, and which run was broken off', async () => {
  const args = ['test', 'small.yaml', '--dir', 'i', '--repeat', '9', '--only', './second.mjs', './slow.mjs', '--report', 'json=out/r.json', '--report', 'junit=out/r.xml', '--report', 'html=out/r.html', '--no-bundle']
  writeFileSync(join(folder, 'second.mjs'), 'export const tags = []\nexport default () => ["done"]\n')
  // The second run hangs.
  writeFileSync(join(folder, 'slow.mjs'), 'import { existsSync, writeFileSync } from "node:fs"\nexport default async ({ network }) => { const mark = new URL("./mark", import.meta.url); if (existsSync(mark)) { process.stdout.write("hangs\\n"); await new Promise(() => setInterval(() => undefined, 1000)) } writeFileSync(mark, ""); return ["done"] }\n')
  const ended = await actOn('hangs', args, (child) => child.kill('SIGINT'))
  expect([ended.code, ended.stderr]).toEqual([130, 'relish: ended by SIGINT\n'])
  expect(ended.stdout).toMatch(/run 2 of 9: interrupted in .*\n1 of 2 runs passed, 0 flaky, 0 failed, 1 interrupted;/)
  const report = JSON.parse(readFileSync(join(folder, 'out/r.json'), 'utf8')) as TestReport
  expect(report).toMatchObject({ verdict: 'interrupted', counts: { runs: 2, passed: 1, interrupted: 1 }, network: { source: './small.yaml' } })
  expect(report.runs[1]).toMatchObject({ verdict: 'interrupted', error: 'ended by SIGINT', checks: [{ name: 'second', source: './second.mjs', outcome: { kind: 'passed' } }], observations: [] })
  for (const name of ['json', 'xml', 'html']) {
    const text = readFileSync(join(folder, `out/r.${name}`), 'utf8')
    expect(text).toContain('ended by SIGINT')
    expect(text).not.toContain(folder)
  }
  await isFree('i')
})

test('a run of many that cannot begin leaves reports of those before it', async () => {
  // As on a disk that is full from then on, but for reports.
  writeFileSync(join(folder, 'full.mjs'), 'import fs from "node:fs"\nimport { relative } from "node:path"\nexport default () => { const make = fs.mkdirSync; fs.mkdirSync = (path, ...more) => { if (relative(".", String(path)).startsWith("j")) throw new Error("no space left"); return make(path, ...more) }; return ["done"] }\n')
  const ended = await cli.run(['test', 'small.yaml', '--dir', 'j', '--repeat', '3', '--only', './full.mjs', '--report', 'json=out/full.json', '--no-bundle'], { cwd: folder, env })
  expect(ended.stderr).toMatch(/no space left/)
  expect(ended.stdout).toMatch(/1 of 2 runs passed, 0 flaky, 0 failed, 1 interrupted;/)
  expect(ended.code).toBe(4)
  expect(JSON.parse(readFileSync(join(folder, 'out/full.json'), 'utf8'))).toMatchObject({ verdict: 'interrupted', counts: { runs: 2, passed: 1, interrupted: 1 }, runs: [{ verdict: 'passed' }, { verdict: 'interrupted', error: 'no space left', checks: [] }] })
  await isFree('j')
})

test('SIGINT while nodes start ends them at once', async () => {
  const ended = await actOn('exit     listed', ['test', 'stuck.yaml', '--dir', 'b'], (child) => child.kill('SIGINT'))
  expect(ended.code).toBe(130)
  expect(ended.elapsedMs).toBeLessThan(2000)
  await isFree('b')
})

test.each([['a folder', 'json=.'], ['a file for a folder', 'junit=small.yaml/report.xml']])('a report that has only %s to go to is refused before the run', async (_what, report) => {
  const ended = await cli.run(['test', 'small.yaml', '--dir', 'h', '--only', './leaves-open.mjs', '--report', report], { cwd: folder, env })
  expect(ended.code).toBe(2)
  expect(ended.stderr).toMatch(/^relish: the report \S+ cannot be written: E/)
  expect(ended.stdout).toBe('')
  expect(existsSync(join(folder, 'h'))).toBe(false)
})

test('when nobody reads the output any more, the run ends, without a stack trace', async () => {
  const ended = await actOn('auth', ['test', 'small.yaml', '--dir', 'c', '--only', './hangs.mjs'], (child) => child.stdout?.destroy())
  expect(ended.code).toBe(130)
  expect(ended.stderr).toBe('relish: ended because nobody reads its output\n')
  await isFree('c')
})

test('facts that nobody reads to the end are no error', async () => {
  const child = cli.start(['list'], { cwd: folder, env })
  child.stdout?.destroy()
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')))
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0)
  expect(stderr).toBe('')
})

test('output that cannot be written ends the run, or makes facts a failure, and says why', async () => {
  const full = openSync('/dev/full', 'w')
  try {
    for (const args of [['test', 'small.yaml', '--dir', 'full', '--only', './hangs.mjs'], ['list']]) {
      const child = cli.start(args, { cwd: folder, env, stdout: full })
      let stderr = ''
      child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')))
      expect(await new Promise((resolve) => child.once('close', resolve))).toBe(2)
      expect(stderr).toMatch(/^relish: standard output cannot be written: ENOSPC: .*\n$/)
    }
  } finally {
    closeSync(full)
  }
  await isFree('full')
})

// Where exactly descriptors run out depends on how many Node.js has for itself.
test.each([28, 32])('with %i descriptors a run says that there are too few, and leaves nothing', async (limit) => {
  const ended = await promisify(execFile)('sh', ['-c', 'ulimit -n "$0" && exec "$@"', String(limit), process.execPath, cli.path, 'test', 'small.yaml', '--dir', `few${limit}`, '--only', './leaves-open.mjs'], { cwd: folder, env: { ...process.env, ...env } }).then(
    () => ({ code: 0, stderr: 'EMFILE' }),
    (error: unknown) => error as { code: number; stderr: string },
  )
  expect([0, 2, 3]).toContain(ended.code)
  expect(ended.stderr).toContain('EMFILE')
  await isFree(`few${limit}`)
})

const hasNamespaces = spawnSync('unshare', ['--map-root-user', '--net', 'true']).status === 0
test.runIf(hasNamespaces).each([['processes'], ['inline']])('where the loopback interface is down a network of the world %s says so at once', async (world) => {
  const command = ['--map-root-user', '--net', process.execPath, cli.path, 'test', 'small.yaml', '--dir', `down-${world}`, '--world', world]
  const ended = await promisify(execFile)('unshare', command, { cwd: folder, env: { ...process.env, ...env } }).catch((error: unknown) => error as { code: number; stderr: string })
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringMatching(/^relish: the loopback interface is down.*\n.*ip link set lo up/) as string })
})

test('a run in one process leaves the files of a network of processes alone, whose directory it is called with', async () => {
  mkdirSync(join(folder, 'kept/nodes/auth/keys'), { recursive: true })
  writeFileSync(join(folder, 'kept/nodes/auth/keys/precious'), '')
  const ended = await cli.run(['test', 'small.yaml', '--dir', 'kept', '--world', 'inline', '--only', './leaves-open.mjs'], { cwd: folder, env })
  expect(ended.stderr).toBe('')
  expect(readdirSync(join(folder, 'kept')).sort()).toEqual(['inline', 'nodes'])
  expect(existsSync(join(folder, 'kept/nodes/auth/keys/precious'))).toBe(true)
})

test('an error that no promise of a check carries ends the run as an internal error, and the network with it', async () => {
  const ended = await cli.run(['test', 'small.yaml', '--dir', 'd', '--only', './throws-later.mjs'], { cwd: folder, env })
  expect(ended.code).toBe(4)
  expect(ended.stderr).toContain("thrown by nobody's promise")
  expect(ended.stderr).toContain('throws-later.mjs')
  await isFree('d')
})

test('an error in what a check does with events of nodes does not stop the nodes from being ended', async () => {
  const ended = await cli.run(['test', 'small.yaml', '--dir', 'g', '--only', './throws-listening.mjs'], { cwd: folder, env })
  expect(ended.code).toBe(4)
  expect(ended.stderr).toContain('thrown while listening')
  await isFree('g')
})

test('a check cannot end the program with success', async () => {
  const ended = await cli.run(['test', 'small.yaml', '--dir', 'e', '--only', './exits.mjs'], { cwd: folder, env })
  expect(ended.code).toBe(4)
  expect(ended.stderr).toContain('process.exit')
})

test('what a check leaves open does not keep the program', async () => {
  const ended = await actOn('1 passed', ['test', 'small.yaml', '--dir', 'f', '--only', './leaves-open.mjs'], () => undefined)
  expect(ended.code).toBe(0)
  expect(ended.elapsedMs).toBeLessThan(2000)
})
