import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { buildCli, processesWith, type BuiltCli } from '../support/built-cli.ts'

// Nodes are fake: what is tested is the program around them.
const env = { RELISH_TOR: fileURLToPath(new URL('../support/fake-node.mjs', import.meta.url)) }

let cli: BuiltCli
let folder: string
beforeAll(async () => {
  cli = await buildCli()
  folder = mkdtempSync(join(tmpdir(), 'relish-cli-'))
  writeFileSync(
    join(folder, 'small.yaml'),
    `nodes:
  - { role: authority, name: auth }
  - { role: relay, name: middle }
  - { role: exit, name: exit }
  - { role: client, name: client }
checks: [./ok.mjs]
`,
  )
  writeFileSync(join(folder, 'stuck.yaml'), `nodes:\n  - { role: authority, name: auth, count: 2 }\n  - { role: exit, name: exit, torrc: "ContactInfo stuck-at=listed" }\n  - { role: client }\noptions: { progressSec: 4 }\n`)
  writeFileSync(join(folder, 'ok.mjs'), 'export default ({ clients }) => [`${clients.length} client`]\n')
  writeFileSync(join(folder, 'bad.mjs'), 'export default ({ expect }) => { expect.equal(1, 2, "the number"); return ["x"] }\n')
})
afterAll(() => {
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
})
afterEach(async () => {
  // Whatever a failed test left: the run directories are this file's own.
  for (const dir of ['one', 'two', 'up']) {
    if (existsSync(join(folder, dir, 'control.sock'))) await cli.run(['down', '--dir', join(folder, dir)], { cwd: folder, env })
  }
})

const relish = (...args: string[]) => cli.run(args, { cwd: folder, env })

describe('usage', () => {
  test('every command has help with examples', async () => {
    const { stdout } = await relish('--help')
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) .*\[?<?/gm)].map((match) => match[1] ?? '').filter((name) => name !== 'help' && !['relish'].includes(name))
    expect(commands).toEqual(expect.arrayContaining(['test', 'up', 'down', 'configure', 'start', 'wait', 'status', 'join', 'verify', 'stop', 'restart', 'kill', 'hup', 'vote', 'add', 'remove', 'set', 'logs', 'list', 'validate']))
    for (const command of new Set(commands)) {
      const help = await relish(command, '--help')
      expect(help.code).toBe(0)
      expect(help.stdout, command).toContain('Examples:\n  $ relish')
    }
  }, 120_000)

  test.each([
    ['an unknown command', ['tset'], 2, /Did you mean .*test\?/],
    ['an unknown option', ['test', '--jsn'], 2, /Did you mean --json\?/],
    ['an unknown network', ['test', 'bsaic'], 2, /did you mean "basic"\?/],
    ['a trace that cannot be written', ['sim', 'basic-min', '--trace', '/nowhere/at-all/run.jsonl'], 2, /the trace \/nowhere\/at-all\/run\.jsonl cannot be written/],
    ['an unknown check', ['test', 'small.yaml', '--only', 'ecko'], 2, /did you mean "echo"\?/],
    ['a command for a run where there is none', ['status', '--dir', 'nothing-here'], 0, /^$/],
    ['a node command where nothing runs', ['restart', 'exit', '--dir', 'nothing-here'], 2, /nothing runs in/],
    ['an impossible level', ['logs', '--level', 'loud'], 2, /Levels are err, warn, notice, info, debug/],
  ])('%s', async (_name, args, code, message) => {
    const result = await relish(...args)
    expect(result.stderr).toMatch(message)
    expect(result.code).toBe(code)
  })

  test.each([['test'], ['up', '--detach'], ['configure']])('%s in a place that cannot be a run directory', async (...command) => {
    writeFileSync(join(folder, 'in-the-way'), '')
    const result = await relish(...command, 'small.yaml', '--dir', 'in-the-way')
    expect(result.stderr).toMatch(/^relish: EEXIST: .*in-the-way'\n$/)
    expect(result.code).toBe(2)
  })

  test('validate says what a file means, and as JSON what is wrong with it', async () => {
    expect((await relish('validate', 'small.yaml')).stdout).toContain('1 authority, 1 relay, 1 exit, 1 client')
    writeFileSync(join(folder, 'wrong.yaml'), 'nodes:\n  - { role: exti }\n')
    const wrong = await relish('validate', 'wrong.yaml', '--json')
    expect(wrong.code).toBe(2)
    expect(JSON.parse(wrong.stdout)).toMatchObject({ valid: false, errors: [{ line: 2, column: 13 }] })
  })

  test('list names networks and checks', async () => {
    const { stdout } = await relish('list', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ networks: expect.arrayContaining([expect.objectContaining({ name: 'basic' })]) as unknown, checks: expect.arrayContaining([expect.objectContaining({ name: 'echo' })]) as unknown })
  })
})

describe('test', () => {
  test('exit 0: started, checked, gone', async () => {
    const result = await relish('test', 'small.yaml', '--dir', 'one')
    expect(result.stderr).toBe('')
    expect(result.code).toBe(0)
    expect(result.stdout).toMatch(/exit +ready/)
    expect(result.stdout).toContain('ok       ok')
    expect(result.stdout).toMatch(/stages: starting .*ready/)
    expect(result.stdout).toMatch(/1 passed, 0 failed; \d+\.\d\d s in all/)
    expect(await processesWith(join(folder, 'one'))).toEqual([])
    expect(existsSync(join(folder, 'one', 'control.sock'))).toBe(false)
  })

  test('exit 1: a check failed', async () => {
    const result = await relish('test', 'small.yaml', '--dir', 'one', '--only', './bad.mjs', '--json')
    expect(result.code).toBe(1)
    expect(JSON.parse(result.stdout)).toMatchObject({ passed: false, checks: [{ outcome: { kind: 'failed', reason: 'the number', expected: '2', found: '1' } }] })
  })

  test('exit 3: it did not come up, and says where it stands', async () => {
    const result = await relish('test', 'stuck.yaml', '--dir', 'one')
    expect(result.code).toBe(3)
    expect(result.stderr).toContain('the network did not come up: no node has come further for 4 s')
    expect(result.stderr).toContain('exit (exit): at stage listed')
    expect(result.stderr).toContain(`try: relish logs exit --level info --dir ${join(folder, 'one')}`)
    expect(await processesWith(join(folder, 'one'))).toEqual([])
  })

  test('with --json the reason is JSON', async () => {
    const stuck = await relish('test', 'stuck.yaml', '--dir', 'one', '--json')
    expect(stuck.code).toBe(3)
    expect(JSON.parse(stuck.stdout)).toMatchObject({ error: { kind: 'timeout', stuck: expect.arrayContaining([expect.objectContaining({ node: 'exit', stage: 'listed', waitingFor: expect.any(String) as unknown })]) as unknown } })
    const nowhere = await relish('join', '--dir', 'nothing-here', '--json')
    expect(nowhere.code).toBe(2)
    expect(JSON.parse(nowhere.stdout)).toMatchObject({ error: { kind: 'unavailable', hint: expect.any(String) as unknown } })
  })

  test('two runs of one directory: the second is told', async () => {
    expect((await relish('up', 'small.yaml', '--dir', 'one', '--detach')).code).toBe(0)
    const second = await relish('test', 'small.yaml', '--dir', 'one')
    expect(second.code).toBe(2)
    expect(second.stderr).toContain('is in use by another run')
    expect(second.stderr).toContain('relish down --dir')
  })

  test('two runs in two directories at the same time', async () => {
    const [one, two] = await Promise.all([relish('test', 'small.yaml', '--dir', 'one'), relish('test', 'small.yaml', '--dir', 'two')])
    expect([one.code, two.code]).toEqual([0, 0])
  })
})

/** What `test` has of suites and reports. */
async function verifiesBySuite(dir: string): Promise<void> {
  writeFileSync(join(folder, 'own.yaml'), 'checks: [./ok.mjs, ./bad.mjs, ./second-time.mjs]\n')
  writeFileSync(join(folder, 'second-time.mjs'), 'let tries = 0\nexport default () => { if (++tries === 1) throw new Error("not at once"); return ["x"] }\n')
  const verify = (...args: string[]) => relish('verify', '--dir', dir, ...args)
  expect(await verify('--only', 'ecko')).toMatchObject({ code: 2, stderr: expect.stringMatching(/there is no check and no tag "ecko"[^]*did you mean "?echo/) as string })
  expect(await verify('--suite', 'fulll')).toMatchObject({ code: 2, stderr: expect.stringMatching(/did you mean "?full/) as string })
  expect(await verify('--report', 'json=.')).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be written') as string })
  expect(await verify('--suite', './own.yaml', '--shard', '2/3')).toMatchObject({ code: 1, stdout: expect.stringContaining('0 passed, 1 failed') as string })
  const flaky = await verify('--suite', './own.yaml', '--skip', 'bad', '--retries', '1', '--report', 'json=verified.json', '--report', 'junit=verified.xml')
  expect(flaky).toMatchObject({ code: 7, stdout: expect.stringContaining('1 passed, 0 failed, 1 flaky') as string })
  expect(JSON.parse(readFileSync(join(folder, 'verified.json'), 'utf8'))).toMatchObject({
    verdict: 'flaky',
    command: `relish verify --dir ${dir} --suite ./own.yaml --skip bad --retries 1`.replace(folder, '.'),
    network: { name: 'small', source: './small.yaml', world: 'processes' },
    suite: { name: 'own', checks: ['ok', 'second-time'] },
  })
  expect(readFileSync(join(folder, 'verified.xml'), 'utf8')).toContain('flaky: passed after 1 failed')
}

describe('a detached run', () => {
  test('up, status, join, node commands, verify, logs, down', async () => {
    const dir = join(folder, 'up')
    const up = await relish('up', 'small.yaml', '--dir', dir, '--detach')
    expect(up).toMatchObject({ code: 0, stderr: '' })
    expect(up.stdout).toMatch(/client: SOCKS at 127\.\d+\.\d+\.\d+:\d+/)

    const status = JSON.parse((await relish('status', '--dir', dir, '--json')).stdout) as { ready: boolean; nodes: { name: string; state: { pid: number } }[] }
    expect(status.ready).toBe(true)
    expect(status.nodes.map((node) => node.name)).toEqual(['auth', 'middle', 'exit', 'client'])
    expect((await relish('status', '--dir', dir)).stdout).toMatch(/small: ready/)
    expect((await relish('status', '-n', 'small', '--dir', dir)).stdout).toMatch(/small: ready/)

    const join_ = JSON.parse((await relish('join', '--dir', dir, '--json')).stdout) as { torrc: string[] }
    expect(join_.torrc).toEqual(expect.arrayContaining(['TestingTorNetwork 1', expect.stringMatching(/^DirAuthority auth /)]))

    expect((await relish('kill', 'exit', '--dir', dir)).code).toBe(0)
    expect(JSON.parse((await relish('status', '--dir', dir, '--json')).stdout)).toMatchObject({ ready: false })
    expect((await relish('restart', 'exit', '--dir', dir)).code).toBe(0)
    expect((await relish('stop', 'middle', '--dir', dir)).code).toBe(0)
    expect(await relish('wait', '--dir', dir)).toMatchObject({ code: 3, stderr: expect.stringContaining('middle was stopped') as string })
    expect(await relish('verify', '--dir', dir)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^middle was stopped: /) as string })
    expect((await relish('start', '--dir', dir)).code).toBe(0)
    expect((await relish('wait', '--dir', dir)).code).toBe(0)
    expect((await relish('hup', '--dir', dir)).code).toBe(0)
    expect((await relish('vote', '--dir', dir)).code).toBe(0)
    expect((await relish('inspect', 'exit', '--dir', dir)).stdout).toContain('"nickname": "exit"')
    expect(await relish('add', '--role', 'client', '--as', 'bob', '--torrc', 'ContactInfo=hello', '--json', '--dir', dir)).toMatchObject({ code: 0, stdout: expect.stringContaining('"bob"') as string })
    expect((await relish('set', 'bob', 'ContactInfo=other', 'BandwidthRate=1 MB', '--dir', dir)).code).toBe(0)
    expect(readFileSync(join(dir, 'nodes/bob/torrc'), 'utf8')).toMatch(/\nContactInfo other\nBandwidthRate 1 MB\n$/)
    expect(await relish('set', 'bob', 'ORPort=1', '--dir', dir)).toMatchObject({ code: 2, stderr: expect.stringContaining('ORPort is set by relish itself') as string })
    expect(await relish('add', '--role', 'authority', '--dir', dir)).toMatchObject({ code: 2, stderr: expect.stringContaining('Authorities are known') as string })
    expect((await relish('remove', 'bob', '--dir', dir)).code).toBe(0)
    expect(existsSync(join(dir, 'nodes/bob'))).toBe(false)
    expect(await relish('kill', 'nobody', '--dir', dir)).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no node nobody') as string })

    expect(await relish('verify', '--dir', dir)).toMatchObject({ code: 0, stdout: expect.stringContaining('1 passed, 0 failed') as string })
    expect((await relish('verify', '--dir', dir, '--only', './bad.mjs')).code).toBe(1)
    await verifiesBySuite(dir)

    writeFileSync(join(dir, 'nodes/auth/node.log'), 'Nov 22 10:00:00.002 [warn] second\nNov 22 10:00:00.004 [notice] fourth\n')
    writeFileSync(join(dir, 'nodes/exit/node.log'), 'Nov 22 10:00:00.001 [notice] first\nof two lines\nNov 22 10:00:00.003 [info] third\n')
    const logs = await relish('logs', '--dir', dir)
    expect(logs.stdout.match(/first|second|third|fourth|of two lines/g)).toEqual(['first', 'of two lines', 'second', 'third', 'fourth'])
    expect((await relish('logs', 'auth', 'exit', '--level', 'warn', '--dir', dir)).stdout.trim()).toMatch(/auth .*second$/)

    expect((await relish('down', '--dir', dir)).code).toBe(0)
    expect(await processesWith(dir)).toEqual([])
    expect((await relish('status', '--dir', dir)).stdout).toContain('does not run')
    expect((await relish('down', '--dir', dir, '--clean')).code).toBe(0)
    expect(existsSync(dir)).toBe(false)
  }, 120_000)

  test('configure, start, wait, verify, down', async () => {
    const dir = join(folder, 'up')
    expect((await relish('configure', 'small.yaml', '--dir', dir)).stdout.trim()).toBe(dir)
    expect(existsSync(join(dir, 'nodes/auth/torrc'))).toBe(true)
    expect((await relish('start', '--dir', dir)).code).toBe(0)
    expect((await relish('wait', '--dir', dir)).code).toBe(0)
    writeFileSync(join(folder, 'alone.mjs'), 'let others = 0\nexport default async ({ network, expect }) => { expect.equal(others++, 0, "others"); await network.clock.sleep(700); others--; return ["alone"] }\n')
    const both = await Promise.all([relish('verify', '--dir', dir, '--only', './alone.mjs'), relish('verify', '--dir', dir, '--only', './alone.mjs')])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    expect((await relish('down', '--dir', dir)).code).toBe(0)
  }, 60_000)

  test('one that does not come up is taken down again, with its story', async () => {
    const up = await relish('up', 'stuck.yaml', '--dir', 'up', '--detach')
    expect(up.code).toBe(3)
    expect(up.stderr).toContain('exit (exit): at stage listed')
    expect(await processesWith(join(folder, 'up'))).toEqual([])
  })
})

describe('what a run leaves when it is ended', () => {
  const gone = async (dir: string, withinMs: number): Promise<void> => {
    const until = performance.now() + withinMs
    for (;;) {
      const left = await processesWith(dir)
      if (left.length === 0) return
      if (performance.now() > until) throw new Error(`still alive after ${withinMs} ms: ${left.join(', ')}`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('nothing is alive two seconds after %s', async (signal) => {
    const dir = join(folder, 'up')
    const child = cli.start(['up', 'small.yaml', '--dir', dir], { cwd: folder, env })
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    await new Promise<void>((resolve, reject) => {
      let text = ''
      child.stdout?.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8')
        if (text.includes('Ctrl-C ends it')) resolve()
      })
      child.once('exit', () => reject(new Error(text)))
    })
    expect((await processesWith(dir)).length).toBe(5)
    child.kill(signal)
    await gone(dir, 2000)
    expect(await ended).toBe(signal === 'SIGKILL' ? null : 0)
    // The directory is free for the next run.
    expect((await relish('test', 'small.yaml', '--dir', dir)).code).toBe(0)
  })
})
