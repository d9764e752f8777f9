import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SimulatedNetwork } from '../../../src/testnet/backend/simulated.ts'
import { startUntilReady } from '../../../src/testnet/bootstrap.ts'
import { loadNetwork } from '../../../src/testnet/load-network.ts'
import { readBundle, refuseForeignFolder, writeBundle, type Bundle } from '../../../src/testnet/report/bundle.ts'
import { capture, type Captured } from '../../../src/testnet/report/capture.ts'
import { makeRedactor } from '../../../src/testnet/report/redact.ts'
import { storyOf } from '../../../src/testnet/report/story.ts'
import { madeUpReport } from './made-up-report.ts'

const folder = mkdtempSync(join(tmpdir(), 'relish-bundle-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const secret = 'hunter2-of-the-registry'
const loaded = loadNetwork('basic', {})
let captured: Captured
let network: SimulatedNetwork
beforeAll(async () => {
  network = await SimulatedNetwork.prepare({ network: loaded.network, seed: '5' })
  captured = await network.drive(async () => {
    await startUntilReady(network)
    await network.stop(['auth2', 'auth3'])
    return capture(network, 'path', true)
  })
})

function write(name: string): { path: string; bundle: Bundle } {
  const path = join(folder, name)
  const report = madeUpReport({
    checks: [{ name: 'echo', summary: 'echo', tags: [], outcome: { kind: 'flaky', reason: 'not at once', failures: [{ kind: 'failed', reason: 'not at once', expected: undefined, found: undefined, evidence: [] }], evidence: [] }, startedAtMs: 900, elapsedMs: 510 }, { name: 'path', summary: 'paths', tags: [], outcome: { kind: 'failed', reason: 'client1: exit1 twice', expected: undefined, found: undefined, evidence: [] }, startedAtMs: 900, elapsedMs: 500 }],
    observations: [],
    timeline: [{ atMs: 1340, who: 'client1', what: 'warn, expected: only an IP address' }, { atMs: 1350, who: 'exit1', what: 'warn: something is odd' }],
  })
  writeBundle(path, {
    report: { ...report, network: { ...report.network, nodes: loaded.network.nodes.map(({ name: node, role, implementation }) => ({ name: node, role, implementation, version: 'relish' })) } },
    run: report.runs[0] as (typeof report.runs)[number],
    networkText: `# in ${homedir()}/project\n${loaded.text}`,
    network: loaded.network,
    torrcs: new Map([['exit1', `DataDirectory ${tmpdir()}/run/nodes/exit1\nContactInfo ${secret}\n`]]),
    logs: `exit1 [warn] token ${secret} in ${homedir()}/project/net.yaml\n`,
    captured: [captured],
    redaction: { environment: { NPM_TOKEN: secret, HOME: homedir(), SHORT: 'exit' }, folders: { [homedir()]: 'HOME', [`${tmpdir()}/run`]: 'RUN', [tmpdir()]: 'TMP' } },
  })
  return { path, bundle: readBundle(path) }
}

const filesBelow = (path: string): string[] => readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(path, name)).isFile())

describe('a bundle', () => {
  test('has all that is known of the failure', () => {
    const { path } = write('whole')
    const files = filesBelow(path)
    for (const name of ['bundle.json', 'report.json', 'network.yaml', 'resolved.json', 'logs.txt', 'torrc/exit1', 'state/path/client1.json', 'documents/auth1/consensus', 'documents/auth1/votes', 'documents/client1/consensus-microdesc']) expect(files).toContain(name)
    expect(readFileSync(join(path, 'torrc/exit1'), 'utf8')).toContain('DataDirectory RUN/nodes/exit1')
  })

  test('has nothing of the machine: no value of a variable, no folder, no key', () => {
    const { path } = write('clean')
    for (const name of filesBelow(path)) {
      const text = readFileSync(join(path, name), 'utf8')
      for (const forbidden of [secret, ...(homedir().length > 1 ? [`${homedir()}/`] : []), 'PRIVATE KEY', 'secret_id_key']) expect(text.includes(forbidden), `${forbidden} in ${name}`).toBe(false)
      // A short value is a word like any other.
      if (name === 'logs.txt') expect(text).toBe('exit1 [warn] token ${NPM_TOKEN} in HOME/project/net.yaml\n')
    }
  })

  test('can be read whatever variables there are', () => {
    const report = madeUpReport()
    const environment = { PROJECT: 'relish', KEY: 'network', STATE: 'running', NUMBER: '1234567' }
    const path = join(folder, 'odd')
    const run = { ...(report.runs[0] as (typeof report.runs)[number]), timeline: [{ atMs: 1234567, who: 'exit1', what: 'stream 1234567' }] }
    writeBundle(path, { report, run, networkText: '', network: loaded.network, torrcs: new Map(), logs: '', captured: [captured], redaction: { environment, folders: {} } })
    const bundle = readBundle(path)
    expect(bundle.timeline).toEqual([{ atMs: 1234567, who: 'exit1', what: 'stream ${NUMBER}' }])
    expect(bundle.captured[0]?.nodes['client1']?.status.state.kind).toBe('running')
  })

  test('tells its story: what failed, who did what, and why', () => {
    const story = storyOf(write('story').bundle)
    expect(story.failed).toEqual(['echo: not at once (and passed when it was tried again)', 'path: client1: exit1 twice'])
    expect(story.causes.join()).not.toContain('only an IP address')
    expect(story.nodes.map((node) => node.name)).toEqual(expect.arrayContaining(['client1', 'exit1', 'auth2', 'auth3']))
    expect(story.nodes.find((node) => node.name === 'auth2')?.doing).toContain('was stopped')
    expect(story.nodes.find((node) => node.name === 'client1')?.doing[0]).toMatch(/^ran, at stage ready/)
    expect(story.causes).toEqual(
      expect.arrayContaining([
        '1 of 3 authorities ran, and a consensus takes 2: there could be no new one',
        'auth2, auth3 were stopped at that moment, by the check that failed or by one before it',
        '0.1 s before echo failed, exit1 said: warn: something is odd',
      ]),
    )
  })

  test('that is damaged is told as that, wherever the damage is', () => {
    const { path, bundle } = write('damaged')
    const file = join(path, 'bundle.json')
    const only = (names: readonly string[]): Bundle['captured'] => bundle.captured.map((one) => ({ ...one, nodes: Object.fromEntries(Object.entries(one.nodes).filter(([name]) => names.includes(name))) }))
    const small: Bundle = { ...bundle, captured: only(['client1', 'auth2']) }
    const damages: string[] = []
    const damage = (value: unknown, make: (other: unknown) => unknown): void => {
      damages.push(JSON.stringify(make(null)))
      if (Array.isArray(value)) value.slice(0, 2).forEach((one, index) => { damage(one, (other) => make(value.map((was: unknown, at) => (at === index ? other : was)))) })
      else if (typeof value === 'object' && value !== null) for (const [key, one] of Object.entries(value)) damage(one, (other) => make({ ...value, [key]: other }))
    }
    damage(small, (other) => other)
    let refused = 0
    // One of seven: each is given to a validator that is made anew.
    const some = damages.filter((_, index) => index % 7 === 0)
    for (const text of some) {
      writeFileSync(file, text)
      let read: Bundle
      try {
        read = readBundle(path)
      } catch (error) {
        expect((error as Error).message).toMatch(/bundle\.json is damaged: |is no bundle/)
        refused++
        continue
      }
      expect(() => storyOf(read)).not.toThrow()
    }
    expect(refused).toBeGreaterThan(some.length / 4)
    writeFileSync(file, JSON.stringify(small).slice(0, 5000))
    expect(() => readBundle(path)).toThrow(/bundle\.json is damaged: .*JSON/)
    writeFileSync(file, JSON.stringify({ ...small, failures: [{ check: 'path' }] }))
    expect(() => readBundle(path)).toThrow("bundle.json is damaged: /failures/0 must have required property 'reason'")
  })

  test('is written over an old one, and over nothing else', () => {
    write('again')
    expect(() => write('again')).not.toThrow()
    expect(() => refuseForeignFolder(folder)).toThrow(/is there and is no bundle/)
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    expect(() => refuseForeignFolder(empty)).not.toThrow()
    expect(() => readBundle(folder)).toThrow(/is no bundle/)
  })
})

test('the longest value is replaced first, also where it stands in JSON', () => {
  const redact = makeRedactor({ environment: { A: '/home/me', B: '/home/me/secret "x"', EMPTY: '' }, folders: {} })
  const folders = makeRedactor({ environment: {}, folders: { '/home/me': 'HOME' } })
  expect(folders('/home/me/net.yaml, file:///home/me/a.js, /home/me: /home/merlin /home/me-too /mnt/home/me')).toBe('HOME/net.yaml, HOME/a.js, HOME: /home/merlin /home/me-too /mnt/home/me')
  expect(redact('/home/me/secret "x" and /home/me')).toBe('${B} and ${A}')
  expect(redact(JSON.stringify({ at: '/home/me/secret "x"' }))).toBe('{"at":"${B}"}')
})
