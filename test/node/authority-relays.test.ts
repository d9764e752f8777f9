/** What an authority accepts, whom it tests, and what its operator's files say. */

import { describe, expect, test } from 'vitest'
import { base64EncodeUnpadded, latin1Decode, latin1Encode } from '../../src/core/base/encoding.ts'
import { durationMs, hours, later, seconds, wallMs, wallToSec, type WallMs } from '../../src/core/base/time.ts'
import { parseServerDescriptors, splitDocuments, verifyServerDescriptor, type ServerDescriptor } from '../../src/core/netdoc/server-descriptor.ts'
import { buildConfig } from '../../src/core/torrc/config.ts'
import { parseConfigText } from '../../src/core/torrc/config-line.ts'
import type { TorOptions } from '../../src/core/torrc/option-table.ts'
import { KeyPins } from '../../src/node/authority-key-pins.ts'
import { REACHABILITY_CYCLE, REACHABILITY_TEST_TIMEOUT, REACHABILITY_TESTS_MAX } from '../../src/node/authority-limits.ts'
import { ReachabilityTester } from '../../src/node/authority-reachability.ts'
import { AuthorityRelays } from '../../src/node/authority-relays.ts'
import { ApprovedRouters, flagRules, isCosmeticChange, judge, votedParams, votedVersions } from '../../src/node/authority-rules.ts'
import { DirCache } from '../../src/node/dir-cache.ts'
import type { Runtime } from '../../src/runtime/index.ts'
import { Simulation } from '../../src/sim/simulation.ts'
import { capturedText } from '../core/dirvote/captured.ts'

const texts = splitDocuments(capturedText('differing/2026-11-22-10-04-00/descriptors'), 'router')
const descriptors = parseServerDescriptors(texts.join('')).map((one) => verifyServerDescriptor(one, 'any-time'))
const first = descriptors[0] as ServerDescriptor
const firstText = texts[0] ?? ''
const now = wallMs(Date.UTC(2026, 10, 22, 10, 4))

const optionsFrom = (lines: string): TorOptions =>
  buildConfig([parseConfigText(`TestingTorNetwork 1\nDataDirectory d\nNickname a\nContactInfo x\nORPort 10.0.0.1:5000\nDirPort 10.0.0.1:7000\nAddress 10.0.0.1\nAuthoritativeDirectory 1\nV3AuthoritativeDirectory 1\nDirAuthority a orport=1 v3ident=${'A'.repeat(40)} 10.0.0.1:7000 ${'B'.repeat(40)}\n${lines}`, 'torrc')]).options

interface World {
  readonly simulation: Simulation
  readonly runtime: Runtime
  readonly relays: AuthorityRelays
  readonly cache: DirCache
  readonly tests: string[]
  changes: number
}

function world(lines = '', start: WallMs = now, files: Readonly<Record<string, string>> = {}, reach = true): World {
  const simulation = new Simulation({ seed: 'relays', start })
  const machine = simulation.addMachine({ name: 'a', addresses: ['10.0.0.1'] })
  for (const [path, content] of Object.entries(files)) machine.files.write(path, latin1Encode(content))
  const runtime = machine.boot()
  const options = optionsFrom(lines)
  const cache = new DirCache(runtime, new Set())
  const tests: string[] = []
  const made: World = {
    simulation,
    runtime,
    cache,
    tests,
    changes: 0,
    relays: new AuthorityRelays({
      runtime,
      options: () => options,
      cache,
      ownFingerprint: 'F'.repeat(40),
      authorityFingerprints: new Set(['F'.repeat(40)]),
      testLink: (target, onOutcome) => {
        tests.push(target.addresses.map((address) => `${address.host}:${address.port}`).join())
        return runtime.setTimer(durationMs(10), () => onOutcome(reach))
      },
      onChange: () => made.changes++,
    }),
  }
  return made
}

const running = (one: World): number => one.relays.readiness(flagRules(optionsFrom(''), hours(1), new Map())).running

describe('what is known of relays\' stability', () => {
  const stabilityOf = (one: World): string => latin1Decode(one.runtime.files.read('router-stability') ?? new Uint8Array())

  test('is saved every half hour and at the end, and goes on after a restart', () => {
    const one = world()
    one.relays.start()
    one.relays.receive(firstText)
    one.simulation.runFor(hours(1))
    expect(stabilityOf(one)).toContain(`R ${first.fingerprint}\n+MTBF 0 0.00000 S=`)
    one.simulation.runFor(hours(3))
    one.relays.stop()
    const restarted = world('', later(now, hours(10)), { 'router-stability': stabilityOf(one) })
    restarted.relays.receive(firstText)
    const history = restarted.relays.votedRelays(new Map())[0]?.history
    expect(history?.uptime(wallToSec(later(now, hours(10))))).toBeGreaterThan(4 * 3600 - 5)
    // It has watched for long enough to judge, although it has just been started.
    expect(restarted.relays.enoughMtbf).toBe(true)
  })

  test('begins anew when the file is none', () => {
    expect(world('', now, { 'router-stability': 'something else' }).relays.votedRelays(new Map())).toEqual([])
  })
})

describe('uploads', () => {
  test('a descriptor is taken once, and its relay is tested', () => {
    const one = world()
    expect(one.relays.receive(firstText)).toEqual({ status: 200, reason: 'Descriptor accepted' })
    expect(one.relays.receive(firstText)).toEqual({ status: 200, reason: 'Router descriptor was not new.' })
    expect(running(one)).toBe(0)
    one.simulation.runFor(seconds(1))
    expect(one.tests).toEqual([`${first.address}:${first.orPort}`])
    expect(running(one)).toBe(1)
    expect(one.changes).toBe(2)
    expect(one.relays.votedRelays(new Map([[first.fingerprint, 77]]))[0]?.measuredBandwidth).toBe(77)
  })

  test('several in one upload; the worst outcome is the answer', () => {
    const one = world()
    expect(one.relays.receive(texts.slice(0, 3).join('')).status).toBe(200)
    expect([...one.cache.serverDescriptors()].length).toBe(3)
    const broken = (texts[4] ?? '').replace('bandwidth', 'bandwidht')
    expect(one.relays.receive((texts[3] ?? '') + broken).status).toBe(400)
    expect([...one.cache.serverDescriptors()].length).toBe(4)
  })

  test.each<[string, string]>([
    ['', 'No descriptors found'],
    ['nonsense', 'No descriptors found'],
    ['router\n', 'No descriptors found'],
    [firstText.slice(0, 400), ''],
    [firstText.replace('uptime', 'uptimf'), 'does not match'],
    [firstText.repeat(65), 'Too many'],
    [`extra-info x ${'A'.repeat(40)}\n`, ''],
  ])('bad upload %#', (text, reason) => {
    const one = world()
    const result = one.relays.receive(text)
    expect(result.status).toBe(400)
    expect(result.reason).toContain(reason)
    expect([...one.cache.serverDescriptors()].length).toBe(0)
  })

  test('a descriptor from before clocks were set back is not newer than those of today, own or uploaded', () => {
    const ahead: ServerDescriptor = { ...first, published: later(first.published, hours(24)), digest: new Uint8Array(20) }
    const one = world()
    one.cache.addServerDescriptors([ahead])
    expect(one.relays.receive(firstText)).toEqual({ status: 200, reason: 'Descriptor accepted' })
    expect(one.cache.serverDescriptorOf(first.fingerprint)?.published).toBe(first.published)
    const own = world()
    own.relays.setOwnDescriptor(ahead)
    own.relays.setOwnDescriptor(first)
    expect(own.relays.votedRelays(new Map()).map((relay) => relay.descriptor.published)).toEqual([first.published])
    // In whatever order they come from files.
    own.cache.addServerDescriptors([{ ...ahead, digest: new Uint8Array(20).fill(1) }])
    expect(own.cache.serverDescriptorOf(first.fingerprint)?.published).toBe(first.published)
  })

  test('too old, too new, too long ago', () => {
    expect(world('', later(first.published, hours(25))).relays.receive(firstText).reason).toContain('expired')
    expect(world('', later(first.published, hours(-13))).relays.receive(firstText).reason).toContain('too far in the future')
  })

  test('private addresses only where allowed', () => {
    expect(world('DirAllowPrivateAddresses 0').relays.receive(firstText).reason).toContain('private address')
  })

  test('outdated versions', () => {
    expect(world('MinimalAcceptedServerVersion 0.4.9.12').relays.receive(firstText).reason).toContain('Please upgrade')
    expect(world('MinimalAcceptedServerVersion 0.4.9.11').relays.receive(firstText).status).toBe(200)
  })

  test('whom the operator rejects, by fingerprint, Ed25519 identity or address', () => {
    const ed25519 = base64EncodeUnpadded(first.ed25519Identity)
    for (const line of [`!reject ${first.fingerprint}`, `!reject ${ed25519}`, `!reject ${first.fingerprint.replace(/(.{4})/g, '$1 ')}`]) {
      expect(world('', now, { 'approved-routers': `${line}\n` }).relays.receive(firstText).reason).toContain('rejected')
    }
    expect(world(`AuthDirReject ${first.address}`).relays.receive(firstText).status).toBe(400)
    expect(world('AuthDirReject 1.2.3.0/24').relays.receive(firstText).status).toBe(200)
  })

  test('identities that were seen in other pairs', () => {
    const stranger = base64EncodeUnpadded(new Uint8Array(32).fill(1))
    const journal = `${base64EncodeUnpadded(first.rsaIdentity)} ${stranger}\n`
    expect(world('', now, { 'key-pinning-journal': journal }).relays.receive(firstText).reason).toContain('has changed')
    expect(world('AuthDirPinKeys 0', now, { 'key-pinning-journal': journal }).relays.receive(firstText).status).toBe(200)
    const other = `${base64EncodeUnpadded(new Uint8Array(20).fill(1))} ${base64EncodeUnpadded(first.ed25519Identity)}\n`
    expect(world('', now, { 'key-pinning-journal': other }).relays.receive(firstText).reason).toContain('has changed')
  })

  test('pairs are written down', () => {
    const one = world()
    one.relays.receive(firstText)
    one.relays.receive(firstText)
    const journal = latin1Decode(one.runtime.files.read('key-pinning-journal') ?? new Uint8Array())
    expect(journal).toBe(`${base64EncodeUnpadded(first.rsaIdentity)} ${base64EncodeUnpadded(first.ed25519Identity)}\n`)
    expect(new KeyPins(one.runtime).contradicts(first)).toBe(false)
  })
})

describe('cosmetic changes', () => {
  const newer = (change: Partial<ServerDescriptor>): boolean =>
    isCosmeticChange(first, { ...first, published: later(first.published, hours(1)), uptimeSec: (first.uptimeSec ?? 0) + 3600, ...change } as ServerDescriptor)

  test('nothing new, and little more bandwidth', () => {
    expect(newer({})).toBe(true)
    expect(newer({ bandwidth: { ...first.bandwidth, observed: Math.floor(first.bandwidth.observed * 1.5) } })).toBe(true)
  })

  test.each<[string, Partial<ServerDescriptor>]>([
    ['address', { address: '10.1.1.1' }],
    ['port', { orPort: 1 }],
    ['nickname', { nickname: 'other' }],
    ['platform', { platform: 'Tor 0.4.9.12 on Linux' }],
    ['hibernation', { hibernating: true }],
    ['contact', { contact: 'other' }],
    ['family', { family: ['$' + 'A'.repeat(40)] }],
    ['ntor key', { ntorOnionKey: new Uint8Array(32) }],
    ['rate', { bandwidth: { ...first.bandwidth, rate: 1 } }],
    ['twice the bandwidth', { bandwidth: { ...first.bandwidth, observed: first.bandwidth.observed * 2 + 2 } }],
    ['a restart', { uptimeSec: 1_000_000 }],
  ])('%s', (_name, change) => expect(newer(change)).toBe(false))
})

describe('reachability', () => {
  test('a relay that is not reached is tried again, less and less often', () => {
    const one = world('', now, {}, false)
    one.relays.receive(firstText)
    one.simulation.runFor(seconds(60))
    expect(one.tests.length).toBe(6)
    expect(running(one)).toBe(0)
    expect(one.relays.readiness(flagRules(optionsFrom(''), hours(1), new Map())).unreached).toEqual([first.nickname])
  })

  test('a relay that is reached is tested once a cycle', () => {
    const one = world()
    one.relays.receive(firstText)
    one.simulation.runFor(durationMs(REACHABILITY_CYCLE + 5000))
    expect(one.tests.length).toBe(2)
    one.relays.stop()
    one.simulation.runFor(hours(1))
    expect(one.tests.length).toBe(2)
  })

  test('without AuthDirTestReachability everybody is up', () => {
    const one = world('AuthDirTestReachability 0')
    one.relays.receive(firstText)
    one.simulation.runFor(seconds(5))
    expect(one.tests).toEqual([])
    expect(one.relays.readiness(flagRules(optionsFrom('AuthDirTestReachability 0'), hours(1), new Map())).running).toBe(1)
  })

  test('a silent relay counts as not reached, and tests have a limit', () => {
    const simulation = new Simulation({ seed: 'tester' })
    const runtime = simulation.addMachine({ name: 'a', addresses: ['10.0.0.1'] }).boot()
    let open = 0
    let most = 0
    const tester = new ReachabilityTester({
      runtime,
      testLink: () => {
        most = Math.max(most, ++open)
        return { cancel: () => void open-- }
      },
      testIpv6: () => false,
      requireEd25519: () => true,
      onReached: () => {},
    })
    for (let i = 0; i < REACHABILITY_TESTS_MAX + 40; i++) tester.watch({ ...first, fingerprint: i.toString(16).padStart(40, '0') } as ServerDescriptor)
    simulation.runFor(seconds(1))
    expect(open).toBe(REACHABILITY_TESTS_MAX)
    simulation.runFor(durationMs(REACHABILITY_TEST_TIMEOUT + 10_000))
    expect(most).toBe(REACHABILITY_TESTS_MAX)
    expect(open).toBeGreaterThan(0)
    tester.stop()
    expect(open).toBe(0)
  })

  test('IPv6 addresses are tested where there is IPv6', () => {
    const simulation = new Simulation({ seed: 'tester' })
    const runtime = simulation.addMachine({ name: 'a', addresses: ['10.0.0.1'] }).boot()
    const tested: string[] = []
    const tester = new ReachabilityTester({
      runtime,
      testLink: (target) => {
        tested.push(target.addresses[0]?.host ?? '')
        return { cancel: () => {} }
      },
      testIpv6: () => true,
      requireEd25519: () => true,
      onReached: () => {},
    })
    tester.watch({ ...first, orAddresses: [{ host: '::5', port: 1 }] } as ServerDescriptor)
    simulation.runFor(seconds(1))
    expect(tested).toEqual([first.address, '::5'])
  })
})

describe("the operator's options", () => {
  test('approved-routers', () => {
    const problems: string[] = []
    const approved = new ApprovedRouters(
      `# comment\n\n!BadExit ${first.fingerprint}\n!middleonly ${base64EncodeUnpadded(first.ed25519Identity)}=\nname ${first.fingerprint}\n!invalid nonsense\n!stripguard\n`,
      (words) => problems.push(words),
    )
    const judgement = judge(first, approved, optionsFrom(''))
    expect(judgement).toEqual({ valid: true, badExit: true, middleOnly: true, stripGuard: false, stripHsDir: false, stripV2Dir: false })
    expect(problems.length).toBe(2)
  })

  test('addresses', () => {
    const judgement = judge(first, new ApprovedRouters('', () => {}), optionsFrom(`AuthDirInvalid ${first.address}\nAuthDirBadExit 1.2.3.4`))
    expect(judgement.valid).toBe(false)
    expect(judgement.badExit).toBe(false)
  })

  test('parameters and versions', () => {
    expect(votedParams(optionsFrom('')).size).toBe(0)
    expect([...votedParams(optionsFrom('ConsensusParams a=1 b=-2'))]).toEqual([['a', 1], ['b', -2], ['AuthDirMaxServersPerAddr', 0]])
    expect(votedVersions(optionsFrom(''))).toBeUndefined()
    const versions = votedVersions(optionsFrom('VersioningAuthoritativeDirectory 1\nRecommendedClientVersions 0.4.9.11, 0.4.8.10\nRecommendedServerVersions 0.4.9.11 0.4.9.10'))
    expect(versions).toEqual({ client: ['0.4.9.11', '0.4.8.10'], server: ['0.4.9.11', '0.4.9.10'] })
  })
})
