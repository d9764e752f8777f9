/** When relays publish descriptors, as whole nodes in virtual time. */

import { expect, test } from 'vitest'
import { hours, minutes, seconds, wallMs, type DurationMs } from '../../src/core/base/time.ts'
import { parseServerDescriptor } from '../../src/core/netdoc/server-descriptor.ts'
import { publicationTime } from '../../src/node/own-descriptor.ts'
import { AuthorityWorld } from './authority-world.ts'

const calm = (): string => 'TestingV3AuthVoteWhenRelays 2\nV3AuthVotingInterval 1800 seconds\nV3AuthVoteDelay 20 seconds\nV3AuthDistDelay 20 seconds'

function world(seed: string): AuthorityWorld {
  return new AuthorityWorld({ seed, authorities: 1, relays: 1, authorityLines: calm })
}

function publishedAfterStart(made: AuthorityWorld): number {
  const text = made.command('relay0', { command: 'document', name: 'descriptor' }) as string
  return parseServerDescriptor(text).published - Date.UTC(2026, 0, 1)
}

const listsRelay = (made: AuthorityWorld): boolean => made.consensus('auth0')?.relays.some((relay) => relay.nickname === 'relay0') === true

test('a relay whose clock was a day ahead publishes again once it is right', () => {
  const made = world('ahead')
  made.machine('relay0').setClockSkew(hours(25))
  made.start()
  made.simulation.runFor(seconds(40))
  expect(publishedAfterStart(made)).toBeGreaterThan(hours(24))
  expect(made.warnings().join('\n')).toContain('auth0 refused our descriptor: Rejected: Your clock is set too far in the future')
  made.machine('relay0').setClockSkew(0)
  made.simulation.runFor(minutes(6))
  expect(publishedAfterStart(made)).toBeLessThan(minutes(7))
  made.command('auth0', { command: 'vote' })
  expect(made.runUntilAgreed(['auth0'], () => listsRelay(made), 10)).toBe(true)
})

test('a relay whose clock jumps ahead publishes again when it finds its descriptor old', () => {
  const made = world('old')
  made.start()
  // Its descriptor follows what it sees of its bandwidth at first.
  made.simulation.runFor(minutes(10))
  const first = publishedAfterStart(made)
  made.machine('relay0').setClockSkew(hours(11))
  made.simulation.runFor(minutes(6))
  expect(publishedAfterStart(made)).toBe(first)
  made.machine('relay0').setClockSkew(hours(18))
  made.simulation.runFor(minutes(6))
  expect(publishedAfterStart(made)).toBeGreaterThan(hours(18))
})

test('a relay that starts again goes on with its descriptor, of which it may know by microdescriptors alone', () => {
  const made = world('again')
  made.start()
  expect(made.runUntilAgreed(['auth0'], () => listsRelay(made), 4)).toBe(true)
  made.simulation.runFor(seconds(0.5))
  // What it keeps for others, it fetches later.
  expect([made.consensus('relay0', 'microdesc')?.relays.length, made.consensus('relay0', 'ns')]).toEqual([2, undefined])
  const before = made.command('relay0', { command: 'document', name: 'descriptor' })
  made.crash('relay0')
  made.simulation.runFor(seconds(2))
  made.start('relay0')
  made.simulation.runFor(seconds(30))
  expect(made.command('relay0', { command: 'document', name: 'descriptor' })).toBe(before)
})

test('a relay that starts again goes on with its descriptor though it has seen more of its bandwidth since', () => {
  const made = new AuthorityWorld({ seed: 'bandwidth', authorities: 1, relays: 1 })
  made.start()
  expect(made.runUntilAgreed(['auth0', 'relay0'], (consensus) => consensus.relays.length === 2, 60)).toBe(true)
  const before = made.command('relay0', { command: 'document', name: 'descriptor' }) as string
  expect(parseServerDescriptor(before).bandwidth.observed).toBeLessThan(1000)
  made.crash('relay0')
  // As the relay itself leaves it: bytes a second in the best ten of them, in the day that ends then.
  const seen = ['Write', 'Read'].flatMap((way) => [`BWHistory${way}Ends 2026-01-02 00:00:02`, `BWHistory${way}Interval 86400`, `BWHistory${way}Values 5120000`, `BWHistory${way}Maxima 102400`])
  made.machine('relay0').files.write('state', new TextEncoder().encode(`${seen.join('\n')}\n`))
  made.start('relay0')
  made.simulation.runFor(seconds(2))
  expect(made.command('relay0', { command: 'document', name: 'descriptor' })).toBe(before)
  made.simulation.runFor(minutes(2))
  expect(parseServerDescriptor(made.command('relay0', { command: 'document', name: 'descriptor' }) as string).bandwidth.observed).toBeGreaterThan(50_000)
})

test('a relay that a consensus no longer lists publishes again: its authority has lost what it had', () => {
  const made = new AuthorityWorld({ seed: 'lost', authorities: 1, relays: 1 })
  made.start()
  expect(made.runUntilAgreed(['auth0', 'relay0'], (consensus) => consensus.relays.length === 2, 60)).toBe(true)
  // Its descriptor follows what it sees of its bandwidth at first.
  made.simulation.runFor(minutes(10))
  made.crash('auth0')
  for (const name of ['descriptors', 'extrainfo', 'consensus', 'microdesc-consensus', 'microdescs']) {
    for (const ending of ['', '.new']) made.machine('auth0').files.remove(`cached-${name}${ending}`)
  }
  made.start('auth0')
  expect(made.runUntilAgreed(['relay0'], (consensus) => !consensus.relays.some(({ nickname }) => nickname === 'relay0'), 120)).toBe(true)
  expect(made.runUntilAgreed(['auth0'], () => listsRelay(made), 120)).toBe(true)
})

test('a new descriptor is later than the one before it, unless authorities would not take that', () => {
  const now = wallMs(Date.UTC(2026, 0, 2, 12, 0, 0, 250))
  const at = (from: DurationMs | number): number => publicationTime(wallMs(now - 250 + from), now) - (now - 250)
  expect(publicationTime(undefined, now)).toBe(now - 250)
  expect(at(-hours(18))).toBe(0)
  expect(at(0)).toBe(1000)
  expect(at(hours(12))).toBe(hours(12) + 1000)
  expect(at(hours(13))).toBe(0)
})
