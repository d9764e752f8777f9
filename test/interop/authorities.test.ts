/**
 * Authorities of C tor and ours in one network: in every period all four compute and sign the same bytes. Needs `tor` and
 * `tor-gencert` on the PATH; runs for about a minute and a half, since C tor votes on the clock.
 */

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConsensus, type ConsensusUnverified } from '../../src/core/netdoc/consensus.ts'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'

const orPort = 5001
const dirPort = 7001
const periods = 3
/** Period 20 s; the first begins within 20 s of the start. */
const patienceMs = 20_000 * (periods + 3)

interface Member {
  readonly name: string
  readonly implementation: 'tor' | 'relish'
  readonly authority: boolean
  readonly folder: string
  readonly address: string
  readonly fingerprint: string
  readonly v3Identity: string | undefined
}

let base: string
let cli: BuiltCli
const children: ChildProcess[] = []

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'relish-authorities-'))
  cli = await buildCli()
})

afterAll(async () => {
  await Promise.all(children.map((child) => new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve).kill('SIGKILL') : resolve(undefined)))))
  cli.remove()
  rmSync(base, { recursive: true, force: true })
})

function torrc(member: Omit<Member, 'fingerprint' | 'v3Identity'>): string {
  return [
    'TestingTorNetwork 1', `DataDirectory ${member.folder}`, `Nickname ${member.name}`, `Address ${member.address}`, `OutboundBindAddress ${member.address}`,
    `ORPort ${member.address}:${orPort}`, 'SocksPort 0', 'ContactInfo x@example.com', `Log notice file ${member.folder}/log`, 'AssumeReachable 1', 'ProtocolWarnings 1',
    'TestingDirAuthVoteExit *', 'TestingDirAuthVoteGuard *', 'TestingDirAuthVoteHSDir *',
    ...(member.authority
      ? [`DirPort ${member.address}:${dirPort}`, 'AuthoritativeDirectory 1', 'V3AuthoritativeDirectory 1', 'V3AuthVotingInterval 20', 'V3AuthVoteDelay 4', 'V3AuthDistDelay 4',
         'TestingV3AuthInitialVotingInterval 20', 'TestingV3AuthInitialVoteDelay 4', 'TestingV3AuthInitialDistDelay 4', `ConsensusParams circwindow=${500 + member.name.charCodeAt(0)}`]
      : ['ExitRelay 1', 'ExitPolicy accept *:*', 'ExitPolicyRejectPrivate 0']),
    '',
  ].join('\n')
}

function make(name: string, implementation: 'tor' | 'relish', authority: boolean, index: number): Member {
  const folder = join(base, name)
  mkdirSync(join(folder, 'keys'), { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  const member = { name, implementation, authority, folder, address: `127.${140 + index}.77.1` }
  let v3Identity: string | undefined
  if (authority) {
    execFileSync('tor-gencert', ['--create-identity-key', '-m', '12', '--passphrase-fd', '0'], { cwd: join(folder, 'keys'), input: 'password\n', stdio: ['pipe', 'ignore', 'ignore'] })
    v3Identity = /^fingerprint ([0-9A-F]+)/m.exec(readFileSync(join(folder, 'keys/authority_certificate'), 'utf8'))?.[1]
  }
  writeFileSync(join(folder, 'torrc'), torrc(member))
  const output = execFileSync('tor', ['-f', join(folder, 'torrc'), '--list-fingerprint', '--DirAuthority', `x 127.0.0.1:1 ${'A'.repeat(40)}`, '--quiet'], { encoding: 'utf8' })
  return { ...member, v3Identity, fingerprint: (/^\w+ ([0-9A-F ]{49})/m.exec(output)?.[1] ?? '').replace(/ /g, '') }
}

function fetchConsensus(address: string, flavour: string): Promise<ConsensusUnverified | undefined> {
  return new Promise((resolve) => {
    const request = get({ host: address, port: dirPort, path: `/tor/status-vote/current/consensus${flavour}`, timeout: 3000 }, (response) => {
      let text = ''
      response.setEncoding('latin1')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(response.statusCode === 200 ? parseConsensus(text) : undefined))
    })
    request.on('error', () => resolve(undefined))
    request.on('timeout', () => request.destroy())
  })
}

test('two authorities of each kind sign the same consensuses', async () => {
  const members = [
    make('tor1', 'tor', true, 0), make('tor2', 'tor', true, 1), make('ours1', 'relish', true, 2), make('ours2', 'relish', true, 3),
    make('torrelay', 'tor', false, 4), make('ourrelay', 'relish', false, 5),
  ]
  const authorities = members.filter((member) => member.authority)
  const directory = authorities.map((member) => `DirAuthority ${member.name} orport=${orPort} no-v2 v3ident=${member.v3Identity} ${member.address}:${dirPort} ${member.fingerprint}`)
  for (const member of members) {
    writeFileSync(join(member.folder, 'torrc'), torrc(member) + directory.join('\n') + '\n')
    const output = openSync(join(member.folder, 'output'), 'w')
    const [program, args] = member.implementation === 'tor' ? ['tor', ['--quiet']] : [process.execPath, [cli.torPath]]
    children.push(spawn(program, [...args, '-f', join(member.folder, 'torrc')], { stdio: ['ignore', output, output] }))
  }

  /** By valid-after and flavour: what each authority published. */
  const published = new Map<string, Map<string, ConsensusUnverified>>()
  const complete = (): string[] => [...published.keys()].filter((key) => published.get(key)?.size === authorities.length)
  const endMs = Date.now() + patienceMs
  while (complete().length < 2 * periods && Date.now() < endMs) {
    // Published documents stay for a period of 20 s; looking every few seconds misses none.
    await delay(2500)
    for (const member of authorities) {
      for (const flavour of ['', '-microdesc']) {
        const consensus = await fetchConsensus(member.address, flavour)
        if (consensus === undefined) continue
        const key = `${consensus.validAfter}${flavour}`
        published.set(key, (published.get(key) ?? new Map()).set(member.name, consensus))
      }
    }
  }

  expect(complete().length).toBeGreaterThanOrEqual(2 * periods)
  for (const key of complete()) {
    const documents = [...(published.get(key)?.values() ?? [])]
    const unsigned = documents.map((document) => document.text.slice(0, document.text.indexOf('directory-signature')))
    for (const one of unsigned) expect(one).toBe(unsigned[0])
    for (const document of documents) expect(document.signatures.length).toBe(4)
  }
  const last = published.get(complete().at(-1) ?? '')?.get('tor1')
  expect(last?.relays.map((relay) => relay.nickname).sort()).toEqual(members.map((member) => member.name).sort())
  for (const member of members.filter((one) => one.implementation === 'tor')) {
    expect(readFileSync(join(member.folder, 'log'), 'utf8')).not.toMatch(/Mismatched digest|Rejecting vote|Unable to parse|Couldn't parse/)
  }
}, patienceMs + 60_000)
