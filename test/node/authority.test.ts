/** Authorities among themselves, as whole nodes in virtual time: voting off and on schedule, failures, restarts. */

import { describe, expect, test } from 'vitest'
import { hexEncode, latin1Encode } from '../../src/core/base/encoding.ts'
import { seconds } from '../../src/core/base/time.ts'
import type { ConsensusUnverified } from '../../src/core/netdoc/consensus.ts'
import { AuthorityWorld } from './authority-world.ts'

const listed = (consensus: ConsensusUnverified): string[] => consensus.relays.map((relay) => relay.nickname).sort()
const digests = (world: AuthorityWorld, names: readonly string[]): Set<string> => new Set(names.map((name) => hexEncode(world.consensus(name)?.sha256 ?? new Uint8Array())))

describe('voting as soon as relays are there', () => {
  const immediate = (count: number) => (): string => `TestingV3AuthVoteWhenRelays ${count}`

  test('one document, signed by all, within a second or two of the last relay', () => {
    const world = new AuthorityWorld({ seed: 'immediate', authorities: 3, relays: 2, authorityLines: immediate(5) })
    world.start()
    expect(world.runUntilAgreed(world.names, () => true, 8)).toBe(true)
    expect(digests(world, world.names).size).toBe(1)
    const consensus = world.consensus('relay0')
    expect(consensus === undefined ? [] : listed(consensus)).toEqual(['auth0', 'auth1', 'auth2', 'relay0', 'relay1'])
    expect(consensus?.signatures.length).toBe(3)
    expect(world.consensus('relay0', 'microdesc')?.signatures.length).toBe(3)
    expect(world.warnings().filter((line) => line.startsWith('auth'))).toEqual([])
  })

  test('one authority that is asked to vote brings the others along', () => {
    const world = new AuthorityWorld({ seed: 'asked', authorities: 3, relays: 1, authorityLines: immediate(4) })
    world.start()
    expect(world.runUntilAgreed(world.authorities, () => true, 8)).toBe(true)
    const first = world.consensus('auth0')
    world.simulation.runFor(seconds(2))
    world.command('auth1', { command: 'vote' })
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.validAfter > (first?.validAfter ?? 0), 5)).toBe(true)
    expect(digests(world, world.authorities).size).toBe(1)
    expect(world.consensus('auth2')?.signatures.length).toBe(3)
    // Twice in one second: the second vote waits for the next second.
    world.command('auth0', { command: 'vote' })
    world.command('auth1', { command: 'vote' })
    world.command('auth2', { command: 'vote' })
    const second = world.consensus('auth0')
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.validAfter > (second?.validAfter ?? 0), 5)).toBe(true)
    expect(digests(world, world.authorities).size).toBe(1)
  })

  test('once there is a consensus, a round that is asked for does not wait for an authority that is down', () => {
    const world = new AuthorityWorld({ seed: 'absent', authorities: 3, relays: 1, authorityLines: immediate(4) })
    world.start()
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.signatures.length === 3, 60)).toBe(true)
    world.crash('auth2')
    world.simulation.runFor(seconds(2))
    world.command('auth0', { command: 'vote' })
    expect(world.runUntilAgreed(['auth0', 'auth1'], (consensus) => consensus.signatures.length === 2, 4)).toBe(true)
  })

  test('nor do two that cannot reach each other compute from different votes then', () => {
    const world = new AuthorityWorld({ seed: 'apart', authorities: 3, relays: 1, authorityLines: immediate(4) })
    world.start()
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.signatures.length === 3, 60)).toBe(true)
    const before = world.consensus('auth0')?.validAfter ?? 0
    world.simulation.setLinkFault('auth0', 'auth1', { kind: 'partition' })
    world.simulation.runFor(seconds(2))
    world.command('auth2', { command: 'vote' })
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.validAfter > before && consensus.signatures.length === 3, 60)).toBe(true)
  })

  test('authorities that start apart, with clocks apart, agree on the largest proposal', () => {
    const world = new AuthorityWorld({ seed: 'apart', authorities: 3, relays: 0, authorityLines: immediate(3) })
    world.machine('auth1').setClockSkew(2500)
    world.start('auth0')
    world.simulation.runFor(seconds(3))
    world.start('auth1')
    world.simulation.runFor(seconds(3))
    expect(world.consensus('auth0')).toBeUndefined()
    world.start('auth2')
    expect(world.runUntilAgreed(world.authorities, () => true, 20)).toBe(true)
    expect(digests(world, world.authorities).size).toBe(1)
  })

  test('an authority whose clock is ahead signs no consensus twice, however often votes for its time come in', () => {
    const world = new AuthorityWorld({ seed: 'ahead', authorities: 3, relays: 1, authorityLines: () => `${immediate(4)()}\nV3AuthVotingInterval 120 seconds\nV3AuthVoteDelay 20 seconds\nV3AuthDistDelay 20 seconds` })
    world.start()
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.signatures.length === 3, 60)).toBe(true)
    world.machine('auth0').setClockSkew(7_200_000)
    world.simulation.runFor(seconds(300))
    let voting = ''
    const computed: string[] = []
    for (const { node, message } of world.logs) {
      if (node !== 'auth0') continue
      voting = /Time to vote. Valid-after is (.*)\.$/.exec(message)?.[1] ?? voting
      if (message.startsWith('Consensus computed')) computed.push(voting)
    }
    expect(computed.length).toBeGreaterThan(1)
    expect(computed).toEqual([...new Set(computed)])
  })

  test('an authority that never comes does not keep the others from a consensus', () => {
    const world = new AuthorityWorld({ seed: 'missing', authorities: 3, relays: 2, authorityLines: immediate(4) })
    world.start('auth0', 'auth1', 'relay0', 'relay1')
    expect(world.runUntilAgreed(['auth0', 'auth1', 'relay0'], (consensus) => consensus.signatures.length === 2, 30)).toBe(true)
    // It comes late, and learns what the others agreed on.
    world.start('auth2')
    const agreed = world.consensus('auth0')
    expect(world.runUntilAgreed(['auth2'], (consensus) => consensus.validAfter >= (agreed?.validAfter ?? 0), 30)).toBe(true)
  })

  test('relays that never come do not either: then the vote is held without them', () => {
    const world = new AuthorityWorld({ seed: 'too few', authorities: 3, relays: 1, authorityLines: immediate(9) })
    world.start()
    expect(world.runUntilAgreed(world.names, (consensus) => consensus.signatures.length === 3, 60)).toBe(true)
    const waiting = (world.events.get('auth0') ?? []).flatMap((event) => (event.kind === 'waiting' ? [event.waitingFor] : []))
    expect(waiting.some((words) => words.includes('4 of 9'))).toBe(true)
  })

  test('an authority that starts in the middle of a round on the schedule takes no vote of that for a proposal', () => {
    const world = new AuthorityWorld({ seed: 'between', authorities: 3, relays: 1, authorityLines: immediate(4) })
    world.start()
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.signatures.length === 3, 10)).toBe(true)
    // Votes for the consensus of second 20 are sent at second 12.
    const second = (): number => (world.machine('auth0').wallNow() / 1000) % 20
    world.simulation.runFor(seconds(11.5 - second()))
    world.crash('auth2')
    world.simulation.runFor(seconds(1))
    world.start('auth2')
    world.simulation.runFor(seconds(0.6))
    const before = world.consensus('auth0')?.validAfter ?? 0
    for (const name of world.authorities) world.command(name, { command: 'vote' })
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.validAfter > before && consensus.signatures.length === 3, 2)).toBe(true)
    expect(digests(world, world.authorities).size).toBe(1)
    expect(world.consensus('auth0')?.validAfter).toBeLessThanOrEqual(world.machine('auth0').wallNow())
    expect(world.warnings()).toEqual([])
  })

  test('nor does it matter then on which side of a full interval authorities started', () => {
    const world = new AuthorityWorld({ seed: 'astride', authorities: 3, relays: 1, authorityLines: immediate(9) })
    world.simulation.runFor(seconds(18))
    world.start('auth0', 'relay0')
    world.simulation.runFor(seconds(4))
    world.start('auth1', 'auth2')
    expect(world.runUntilAgreed(world.names, (consensus) => consensus.signatures.length === 3, 40)).toBe(true)
    expect(world.warnings()).toEqual([])
  })
})

describe('voting on schedule', () => {
  test('an authority that starts while the others vote has its vote counted, and none waits to be tested by others', () => {
    const world = new AuthorityWorld({ seed: 'in the middle', authorities: 3, relays: 0, authorityLines: () => 'AssumeReachable 0' })
    world.start('auth0', 'auth1')
    // Votes are sent eight seconds before the consensus of second 20, and taken until six seconds before it.
    world.simulation.runFor(seconds(13))
    world.start('auth2')
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.signatures.length === 3, 8)).toBe(true)
    expect(world.votes('auth0').length).toBe(3)
    expect(world.warnings().filter((line) => !line.includes('AssumeReachable is set more than once'))).toEqual([])
  })

  test('periods follow each other, shared randomness runs, relays come and go', () => {
    const world = new AuthorityWorld({ seed: 'schedule', authorities: 3, relays: 2 })
    world.start(...world.authorities, 'relay0')
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.signatures.length === 3, 60)).toBe(true)
    const first = world.consensus('auth0')
    expect((first?.validAfter ?? 1) % 20_000).toBe(0)
    world.start('relay1')
    // A whole run of the shared-random protocol, and the start of the next.
    world.simulation.runFor(seconds(24 * 20 + 60))
    const seen = new Map<number, Set<string>>()
    for (const name of world.authorities) {
      for (const event of world.events.get(name) ?? []) {
        if (event.kind === 'consensus' && event.flavour === 'ns') seen.set(event.validAfter, (seen.get(event.validAfter) ?? new Set()).add(event.digest))
      }
    }
    expect(seen.size).toBeGreaterThan(25)
    // One consensus in each period, whoever is asked.
    for (const documents of seen.values()) expect(documents.size).toBe(1)
    const times = [...seen.keys()].sort((x, y) => x - y)
    expect(times.every((time, i) => i === 0 || time - (times[i - 1] ?? 0) === 20_000)).toBe(true)
    const last = world.consensus('auth2')
    expect(last === undefined ? [] : listed(last)).toContain('relay1')
    expect(last?.sharedRandomCurrent?.reveals).toBe(3)
    expect(world.warnings().filter((line) => line.startsWith('auth'))).toEqual([])
  })

  test('an authority that crashes is missed for no longer than it is gone', () => {
    const world = new AuthorityWorld({ seed: 'crash', authorities: 3, relays: 1 })
    world.start()
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.signatures.length === 3, 60)).toBe(true)
    world.crash('auth2')
    expect(world.runUntilAgreed(['auth0', 'auth1'], (consensus) => consensus.signatures.length === 2, 60)).toBe(true)
    world.start('auth2')
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.signatures.length === 3, 80)).toBe(true)
    expect(digests(world, world.authorities).size).toBe(1)
  })

  test('votes that are lost on the way are fetched from the others', () => {
    const world = new AuthorityWorld({ seed: 'lost', authorities: 3, relays: 1 })
    world.simulation.setLinkFault('auth0', 'auth1', { kind: 'partition' })
    world.start()
    // Each of the two cut off from one another gets the other's vote and signature from the third.
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.signatures.length === 3, 90)).toBe(true)
    expect(digests(world, world.authorities).size).toBe(1)
    expect(world.votes('auth0').length).toBe(3)
  })

  test('an authority whose disk is full from the start goes on voting, and says what it cannot write', () => {
    const world = new AuthorityWorld({ seed: 'disk', authorities: 3, relays: 1 })
    world.start('auth0')
    const { files } = world.machine('auth0')
    world.simulation.runFor(seconds(1))
    files.setCapacity(files.bytes)
    world.start('auth1', 'auth2', 'relay0')
    expect(world.runUntilAgreed(world.authorities, (consensus) => consensus.signatures.length === 3, 60)).toBe(true)
    world.simulation.runFor(seconds(60))
    for (const file of ['key-pinning-journal', 'sr-state']) expect(world.warnings().join('\n')).toMatch(new RegExp(`auth0.*Unable to write ${file}: .*no space left`))
  })

  test('a minority publishes nothing', () => {
    const world = new AuthorityWorld({ seed: 'minority', authorities: 3, relays: 1 })
    world.start('auth0', 'relay0')
    world.simulation.runFor(seconds(90))
    expect(world.consensus('auth0')).toBeUndefined()
    expect(world.warnings().some((line) => line.includes("don't have enough votes"))).toBe(true)
  })
})

describe('what an operator decides', () => {
  test('BadExit, MiddleOnly and parameters need their majority', () => {
    const world = new AuthorityWorld({
      seed: 'operator',
      authorities: 3,
      relays: 2,
      authorityLines: (i) =>
        ['TestingV3AuthVoteWhenRelays 5', 'ConsensusParams circwindow=500', ...(i < 2 ? ['AuthDirBadExit 10.4.0.0/16'] : []), ...(i === 0 ? ['AuthDirMiddleOnly 10.5.0.0/16', 'ConsensusParams only=1'] : ['AuthDirListMiddleOnly 1'])].join('\n'),
    })
    world.start()
    expect(world.runUntilAgreed(world.authorities, () => true, 10)).toBe(true)
    const consensus = world.consensus('auth1')
    const flags = (nickname: string): string[] => [...(consensus?.relays.find((relay) => relay.nickname === nickname)?.flags ?? [])]
    expect(flags('relay0')).toContain('BadExit')
    expect(flags('relay1')).not.toContain('BadExit')
    expect(flags('relay1')).not.toContain('MiddleOnly')
    expect(Object.fromEntries(consensus?.params ?? [])).toEqual({ AuthDirMaxServersPerAddr: 0, circwindow: 500 })
  })

  test('the list of approved routers is read again at a HUP, also when the torrc is the same', () => {
    const world = new AuthorityWorld({ seed: 'approved', authorities: 3, relays: 2, authorityLines: () => 'TestingV3AuthVoteWhenRelays 5' })
    world.start()
    expect(world.runUntilAgreed(world.authorities, (consensus) => listed(consensus).includes('relay0'), 10)).toBe(true)
    const fingerprint = world.consensus('auth0')?.relays.find((relay) => relay.nickname === 'relay0')?.fingerprint
    for (const name of ['auth0', 'auth1']) {
      world.machine(name).files.write('approved-routers', latin1Encode(`!reject ${fingerprint}\n`))
      world.command(name, { command: 'signal', signal: 'HUP' })
    }
    world.command('auth0', { command: 'vote' })
    expect(world.runUntilAgreed(world.authorities, (consensus) => !listed(consensus).includes('relay0'), 10)).toBe(true)
  })
})
