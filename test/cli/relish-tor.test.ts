/** `relish-tor` as a program: its commands, its start and its end. What a node does is tested elsewhere. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { programVersion } from '../../src/core/base/version.ts'
import { parseHashedPassword, passwordMatches } from '../../src/core/torrc/hashed-password.ts'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'

// Nobody listens there: a client goes on trying.
const authority = 'DirAuthority a1 orport=1 v3ident=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA 127.0.0.1:1 BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB'

let cli: BuiltCli
let folder: string
beforeAll(async () => {
  cli = await buildCli()
  folder = mkdtempSync(join(tmpdir(), 'relish-tor-'))
})
afterAll(() => {
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
})

const running: Started[] = []
afterEach(async () => {
  for (const node of running.splice(0)) await node.kill()
})

function run(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli.torPath, ...args], { encoding: 'utf8', cwd: folder, timeout: 30_000 })
  return { code: status, stdout, stderr }
}

function torrc(name: string, ...lines: string[]): string {
  const path = join(folder, name)
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

/** A node under test: its output, and waiting for words in it. */
class Started {
  readonly child: ChildProcess
  output = ''
  readonly exited: Promise<number | null>
  #waiting: { words: RegExp; resolve: () => void }[] = []

  constructor(args: readonly string[], eventsFd = false) {
    this.child = spawn(process.execPath, [cli.torPath, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe', eventsFd ? 'pipe' : 'ignore'] })
    const take = (chunk: Buffer): void => {
      this.output += chunk.toString('utf8')
      this.#look()
    }
    this.child.stdout?.on('data', take)
    this.child.stderr?.on('data', take)
    this.exited = new Promise((resolve) => this.child.once('close', (code) => resolve(code)))
    running.push(this)
  }

  /** Resolves once the output has these words. */
  seen(words: RegExp): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ words, resolve })
      this.#look()
    })
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
    await this.exited
  }

  #look(): void {
    const met = this.#waiting.filter(({ words }) => words.test(this.output))
    this.#waiting = this.#waiting.filter((each) => !met.includes(each))
    for (const { resolve } of met) resolve()
  }
}

const clientLines = (name: string, ...more: string[]): string[] => [
  'TestingTorNetwork 1', authority, `DataDirectory ${join(folder, name)}`, 'SocksPort 127.0.0.1:auto', 'Log notice stdout', ...more,
]
const startClient = (name: string, ...more: string[]): Started => new Started(['-f', torrc(name, ...clientLines(`${name}.data`, ...more))])

describe('commands that print and end', () => {
  test('--version is what Stem and Chutney read', () => {
    const { code, stdout } = run('--version')
    expect(code).toBe(0)
    expect(stdout.split('\n')[0]).toBe(`Tor version 0.4.9.11 (relish-${programVersion}).`)
    // stem.version: the text between "Tor version " and the full stop.
    expect(/^Tor version ([0-9]+)\.([0-9]+)\.([0-9]+)(\.[0-9]+)?(-\S*)?(( \(\S*\))*)\.$/m.test(stdout)).toBe(true)
  })

  test('the version is that of the package', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
    expect(programVersion).toBe(manifest.version)
  })

  test('--list-torrc-options, --list-modules, --help', () => {
    expect(run('--list-torrc-options').stdout).toMatch(/^ORPort$/m)
    expect(run('--list-modules').stdout).toContain('dirauth: yes')
    expect(run('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('--verify-config') as string })
  })

  test('--hash-password', () => {
    const { stdout } = run('--hash-password', 'secret')
    const hashed = parseHashedPassword({ keyword: 'HashedControlPassword', value: stdout.trim(), command: 'replace', position: {} })
    expect(passwordMatches('secret', hashed)).toBe(true)
  })

  test('--verify-config', () => {
    expect(run('--verify-config', '-f', torrc('good', ...clientLines('good.data')))).toMatchObject({ code: 0, stdout: 'Configuration was valid\n' })
    const bad = run('--verify-config', '-f', torrc('bad', 'ORPrt 1'))
    expect(bad.code).toBe(1)
    expect(bad.stdout).toContain(`${join(folder, 'bad')}:1: unknown option "ORPrt" (did you mean ORPort?)`)
    expect(run('-f', join(folder, 'missing'))).toMatchObject({ code: 1, stdout: expect.stringContaining('cannot read configuration file') as string })
    expect(run('--ignore-missing-torrc', '--verify-config', '-f', join(folder, 'missing'))).toMatchObject({ code: 0 })
  })

  test('options on the command line come last', () => {
    const file = torrc('layers', 'Nickname file', 'ExitPolicy accept *:80', 'ContactInfo kept')
    expect(run('--dump-config', 'short', '-f', file, '--Nickname', 'line', '+exitpolicy', 'reject *:*', '/ContactInfo').stdout).toBe(
      'ExitPolicy accept *:80\nExitPolicy reject *:*\nNickname line\n',
    )
    expect(run('--Nickname').code).toBe(1)
    expect(run('--dump-config', 'long')).toMatchObject({ code: 1 })
  })

  test('--list-fingerprint makes the keys', () => {
    const args = ['--quiet', '--list-fingerprint', '--ORPort', '1', '--DataDirectory', join(folder, 'keys'), '--Nickname', 'one']
    const first = run(...args)
    expect(first.stdout).toMatch(/^one ([0-9A-F]{4} ){9}[0-9A-F]{4}\n$/)
    expect(run(...args).stdout).toBe(first.stdout)
    expect(readFileSync(join(folder, 'keys/fingerprint'), 'utf8')).toBe(`one ${first.stdout.replace('one ', '').replaceAll(' ', '')}`)
    expect(run('--quiet', '--list-fingerprint').stderr).toContain('only relays have fingerprints')
  })

  test('there is no public network to run in', () => {
    expect(run('--DataDirectory', join(folder, 'public'))).toMatchObject({ code: 1, stdout: expect.stringContaining('no DirAuthority lines') as string })
  })
})

describe('a running node', () => {
  test('writes its process id, opens its ports, ends on SIGTERM', async () => {
    const node = startClient('plain', `PidFile ${join(folder, 'plain.pid')}`, `ControlPort 127.0.0.1:auto`, `ControlPortWriteToFile ${join(folder, 'plain.port')}`)
    await node.seen(/Opened Socks listener connection on 127\.0\.0\.1:\d+/)
    await node.seen(/Opened Control listener/)
    expect(readFileSync(join(folder, 'plain.pid'), 'utf8')).toBe(`${node.child.pid}\n`)
    expect(readFileSync(join(folder, 'plain.port'), 'utf8')).toMatch(/^PORT=127\.0\.0\.1:\d+\n$/)
    // C tor's form of a log line.
    expect(node.output.split('\n')[0]).toMatch(/^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{3} \[notice\] Tor /)
    node.child.kill('SIGTERM')
    expect(await node.exited).toBe(0)
    expect(node.output).toContain('Catching signal TERM, exiting cleanly.')
    expect(existsSync(join(folder, 'plain.pid'))).toBe(false)
  })

  test('SIGINT ends a client at once', async () => {
    const node = startClient('interrupted')
    await node.seen(/Opened Socks listener/)
    node.child.kill('SIGINT')
    expect(await node.exited).toBe(0)
  })

  test('a port that is taken is an error, and the end', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const node = new Started(['-f', torrc('taken', ...clientLines('taken.data')), '--SocksPort', `127.0.0.1:${port}`])
    expect(await node.exited).toBe(1)
    expect(node.output).toMatch(/\[err\] .*SocksPort/)
    server.close()
  })

  test('SIGHUP says which changes take effect at the next start only', async () => {
    const file = torrc('later', authority, 'DataDirectory later-data', 'SocksPort 0', 'ControlPort auto', 'TestingTorNetwork 1')
    const node = new Started(['-f', file])
    await node.seen(/Bootstrapped 0%/)
    torrc('later', authority, 'DataDirectory later-data', 'SocksPort auto', 'ControlPort 0', 'Nickname other', 'TestingTorNetwork 1')
    node.child.kill('SIGHUP')
    await node.seen(/\[warn\] Changes of ControlPort, Nickname take effect when this node is started again/)
    // Those that a running node can follow it follows.
    await node.seen(/Opened Socks listener connection/)
  })

  test('SIGHUP reads the torrc again; a bad one changes nothing', async () => {
    const file = torrc('reload', ...clientLines('reload.data'))
    const node = new Started(['-f', file])
    await node.seen(/Opened Socks listener/)
    writeFileSync(file, `${clientLines('reload.data', 'Bogus 1').join('\n')}\n`)
    node.child.kill('SIGHUP')
    await node.seen(/Reading config failed, and nothing was changed: .*reload:6: unknown option "Bogus"/)
    writeFileSync(file, `${clientLines('reload.data', `Log notice file ${join(folder, 'reload.log')}`).join('\n')}\n`)
    node.child.kill('SIGHUP')
    await node.seen(/Received reload signal[\s\S]*Received reload signal/)
    node.child.kill('SIGTERM')
    expect(await node.exited).toBe(0)
    expect(readFileSync(join(folder, 'reload.log'), 'utf8')).toContain('Catching signal TERM')
  })

  test('SIGUSR2 logs everything', async () => {
    const node = startClient('debug')
    await node.seen(/Opened Socks listener/)
    node.child.kill('SIGUSR2')
    await node.seen(/Switching log level to debug/)
    node.child.kill('SIGTERM')
    expect(await node.exited).toBe(0)
  })

  test('the end of its owner’s pipe is its end', async () => {
    const node = new Started(['-f', torrc('owned', ...clientLines('owned.data')), '--TestingEventsFd', '3'], true)
    const pipe = node.child.stdio[3] as Duplex
    let events = ''
    const seen = (words: RegExp): Promise<void> => new Promise((resolve) => pipe.on('data', () => words.test(events) && resolve()))
    pipe.on('data', (chunk: Buffer) => (events += chunk.toString('utf8')))
    await seen(/"kind":"listening"/)
    pipe.write('{"id":1,"command":"inspect"}\nnonsense\n{"id":2,"command":"vote"}\n')
    await seen(/"id":2/)
    expect(events).toContain('{"kind":"reply","id":1,"ok":true,"result":{"nickname"')
    expect(events).toContain('{"kind":"reply","id":null,"ok":false,"error":"not JSON"}')
    expect(events).toMatch(/"id":2,"ok":false,"error":"this node is not an authority"/)
    pipe.end()
    expect(await node.exited).toBe(0)
  })

  test('RunAsDaemon: the first process ends, the node goes on', async () => {
    const pidFile = join(folder, 'daemon.pid')
    const file = torrc('daemon', ...clientLines('daemon.data', 'RunAsDaemon 1', `PidFile ${pidFile}`, `ControlSocket ${join(folder, 'daemon.sock')}`, `Log notice file ${join(folder, 'daemon.log')}`))
    const first = new Started(['-f', file])
    // The end of the first process and of its output: nobody waits for the daemon.
    expect(await first.exited).toBe(0)
    const pid = Number(readFileSync(pidFile, 'utf8'))
    expect(pid).not.toBe(first.child.pid)
    try {
      const control = connect(join(folder, 'daemon.sock'))
      control.write('AUTHENTICATE\r\nSIGNAL HALT\r\n')
      await once(control, 'close')
    } catch (error) {
      process.kill(pid, 'SIGKILL')
      throw error
    }
    expect(readFileSync(join(folder, 'daemon.log'), 'utf8')).toContain('Opened Control listener')
  })

  test('a controller that owns the node ends it', async () => {
    const node = startClient('held', `ControlSocket ${join(folder, 'held.sock')}`, 'CookieAuthentication 1')
    await node.seen(/Opened Control listener/)
    const cookie = readFileSync(join(folder, 'held.data/control_auth_cookie'))
    const control = connect(join(folder, 'held.sock'))
    control.write(`AUTHENTICATE ${cookie.toString('hex')}\r\nTAKEOWNERSHIP\r\n`)
    let answers = ''
    await new Promise<void>((resolve) => control.on('data', (chunk) => (answers += chunk.toString()).match(/250 OK\r\n250 OK\r\n/) && resolve()))
    control.destroy()
    expect(await node.exited).toBe(0)
  })
})
