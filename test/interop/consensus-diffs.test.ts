/**
 * Consensus diffs between C tor and us: a C tor client takes those of our relays, and our relay takes those of a C tor
 * authority. Needs `tor` and `tor-gencert` on the PATH; runs for about a minute, since both wait for consensuses on the clock.
 */

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'

const orPort = 5001
const dirPort = 7001
/** Votes every 10 s; a client waits for most of the life of a consensus before it looks for the next. */
const patienceMs = 120_000

/** What C tor says of any such configuration, and before there is a consensus. */
const expected = /TestingTorNetwork|DirAuthority|SocksPort|as root|sensitive information|status code 404/

type Implementation = 'tor' | 'relish'

let base: string
let cli: BuiltCli
let hosts = 0
const children: ChildProcess[] = []

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'relish-diffs-'))
  cli = await buildCli()
})

afterAll(async () => {
  await Promise.all(children.map((child) => new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve).kill('SIGKILL') : resolve(undefined)))))
  cli.remove()
  rmSync(base, { recursive: true, force: true })
})

function prepare(name: string): { folder: string; address: string } {
  const folder = join(base, name)
  mkdirSync(join(folder, 'keys'), { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  return { folder, address: `127.${180 + hosts++}.78.1` }
}

function start(implementation: Implementation, name: string, folder: string, lines: readonly string[]): void {
  const torrc = ['TestingTorNetwork 1', `DataDirectory ${folder}`, `Nickname ${name}`, `Log [~handshake,~or,~circ]info file ${folder}/log`, 'ProtocolWarnings 1', 'ContactInfo x@example.com', ...lines, '']
  writeFileSync(join(folder, 'torrc'), torrc.join('\n'))
  const output = openSync(join(folder, 'output'), 'w')
  const [program, args] = implementation === 'tor' ? ['tor', ['--quiet']] : [process.execPath, [cli.torPath]]
  children.push(spawn(program, [...args, '-f', join(folder, 'torrc')], { stdio: ['ignore', output, output] }))
}

/** An authority that is alone. Its line for others. */
function startAuthority(implementation: Implementation, name: string): string {
  const { folder, address } = prepare(name)
  execFileSync('tor-gencert', ['--create-identity-key', '-m', '12', '--passphrase-fd', '0'], { cwd: join(folder, 'keys'), input: 'password\n', stdio: ['pipe', 'ignore', 'ignore'] })
  const identity = /^fingerprint ([0-9A-F]+)/m.exec(readFileSync(join(folder, 'keys/authority_certificate'), 'utf8'))?.[1]
  const listed = execFileSync('tor', ['--ignore-missing-torrc', '-f', join(folder, 'none'), '--DataDirectory', folder, '--ORPort', '1', '--Nickname', name, '--list-fingerprint', '--quiet'], { encoding: 'utf8' })
  const fingerprint = (/^\w+ ([0-9A-F ]{49})/m.exec(listed)?.[1] ?? '').replace(/ /g, '')
  const directory = `DirAuthority ${name} orport=${orPort} no-v2 v3ident=${identity} ${address}:${dirPort} ${fingerprint}`
  start(implementation, name, folder, [
    directory, `Address ${address}`, `OutboundBindAddress ${address}`, `ORPort ${address}:${orPort}`, `DirPort ${address}:${dirPort}`, 'SocksPort 0', 'AssumeReachable 1',
    'AuthoritativeDirectory 1', 'V3AuthoritativeDirectory 1', 'V3AuthVotingInterval 10', 'V3AuthVoteDelay 2', 'V3AuthDistDelay 2',
    'TestingV3AuthInitialVotingInterval 10', 'TestingV3AuthInitialVoteDelay 2', 'TestingV3AuthInitialDistDelay 2',
    'TestingDirAuthVoteExit *', 'TestingDirAuthVoteGuard *', 'TestingDirAuthVoteHSDir *',
  ])
  return directory
}

function startRelay(implementation: Implementation, name: string, directory: string): string {
  const { folder, address } = prepare(name)
  start(implementation, name, folder, [
    directory, `Address ${address}`, `OutboundBindAddress ${address}`, `ORPort ${address}:${orPort}`, 'SocksPort 0', 'AssumeReachable 1', 'ExitRelay 1', 'ExitPolicy accept *:*', 'ExitPolicyRejectPrivate 0',
  ])
  return folder
}

async function logged(folder: string, wanted: RegExp): Promise<string> {
  const read = (): string => (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : '')
  const endMs = Date.now() + patienceMs
  while (!wanted.test(read()) && Date.now() < endMs) await delay(500)
  return read()
}

describe.concurrent('a diff of', () => {
  test('our relays makes the next consensus of a C tor client', async () => {
    const directory = startAuthority('relish', 'ourauthority')
    for (const i of [0, 1, 2]) startRelay('relish', `ourrelay${i}`, directory)
    const { folder } = prepare('torclient')
    start('tor', 'torclient', folder, [directory, 'SocksPort 0'])
    const log = await logged(folder, /Applied consensus diff/)
    expect(log).toMatch(/Applied consensus diff \(size \d+\) from server .*:5001/)
    expect(log).toMatch(/Successfully loaded consensus/)
    expect(log.split('\n').filter((line) => /\[(warn|err)\]/.test(line) && !expected.test(line))).toEqual([])
  }, patienceMs + 30_000)

  test('a C tor authority makes the next consensus of our relay', async () => {
    const directory = startAuthority('tor', 'torauthority')
    startRelay('tor', 'torrelay', directory)
    const log = await logged(startRelay('relish', 'taker', directory), /A diff of \d+ bytes made a microdesc/)
    expect(log).toMatch(/A diff of \d+ bytes made a microdesc consensus of \d+ bytes/)
    expect(log).not.toMatch(/is not used: .*diff/)
  }, patienceMs + 30_000)
})
