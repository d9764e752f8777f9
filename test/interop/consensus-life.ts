/** What happens in a voting network while its consensus is watched: everything that consensuses of both kinds of authorities have to agree on. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { BuiltCli } from '../support/built-cli.ts'
import { allowedLines } from './allowed-log-lines.ts'
import { ConsensusWatch, type AgreedPeriod } from './consensus-watch.ts'
import { fetchFrom, VotingNetwork, type Implementation, type Member, type MemberSpec } from './voting-network.ts'

/** The shortest that C tor takes (its MIN_VOTE_INTERVAL_TESTING): periods of 10 s. */
const schedule = [
  'V3AuthVotingInterval 10', 'V3AuthVoteDelay 2', 'V3AuthDistDelay 2',
  'TestingV3AuthInitialVotingInterval 5', 'TestingV3AuthInitialVoteDelay 2', 'TestingV3AuthInitialDistDelay 2',
]
const periodMs = 10_000
/** So many periods have a whole run of 24 rounds in them, and the one that publishes its value, whenever they begin. */
const twoRunsOfSharedRandomness = 49
const eighteenHoursAndMore = -19 * 3600

const relays: readonly MemberSpec[] = [
  { name: 'torexit', implementation: 'tor', torrc: ['ExitRelay 1'] },
  { name: 'ourexit', implementation: 'relish', torrc: ['ExitRelay 1'] },
  { name: 'torkin', implementation: 'tor', family: 'kin', torrc: ['ExitRelay 1', 'ExitPolicy accept *:443'] },
  { name: 'ourkin', implementation: 'relish', family: 'kin', torrc: ['ExitRelay 0'] },
  { name: 'late', implementation: 'relish', torrc: ['ExitRelay 0'] },
  // Its descriptor is always of yesterday.
  { name: 'stale', implementation: 'relish', torrc: ['ExitRelay 0', `TestingClockOffset ${eighteenHoursAndMore}`] },
]

/** Each authority votes for parameters of its own, some in common with others. */
const paramsOf = (index: number): string =>
  `ConsensusParams circwindow=${500 + index} refuseunknownexits=${index % 2} bwweightscale=10000 hsdir_spread_store=${3 + (index % 2)}${index === 0 ? '' : ' sendme_emit_min_version=1'} only-${index}=7`

export interface LifeOptions {
  readonly cli: BuiltCli
  readonly block: number
  readonly authorities: readonly Implementation[]
  readonly periods: number
}

/** Throws at the first divergence. */
export async function liveThrough(options: LifeOptions): Promise<void> {
  const authorities = options.authorities.map((implementation, i): MemberSpec => ({
    name: `${implementation === 'tor' ? 'tor' : 'our'}auth${i}`,
    implementation,
    authority: true,
    torrc: [paramsOf(i), 'AuthDirListBadExits 1', 'AuthDirListMiddleOnly 1', 'V3BandwidthsFile %FOLDER%/bandwidths'],
  }))
  const network = new VotingNetwork(options.cli, { block: options.block, schedule, members: [...authorities, ...relays] })
  try {
    await followLife(network, options.periods)
  } catch (thrown) {
    await network.close('keep')
    if (thrown instanceof Error) thrown.message += `\n(the nodes' files are in ${network.folder})`
    throw thrown
  }
  await network.close()
}

async function followLife(network: VotingNetwork, periods: number): Promise<void> {
  const { authorities } = network
  const all = (...lines: string[]): void => {
    for (const authority of authorities) {
      writeFileSync(join(authority.folder, 'approved-routers'), `${lines.join('\n')}\n`)
      network.hangUp(authority)
    }
  }
  for (const [i, authority] of authorities.entries()) {
    const measured = network.members.filter((member) => member.name !== 'late').map((member, j) => `node_id=$${member.fingerprint} bw=${1000 * (j + 1) + 100 * i} nick=${member.name}`)
    writeFileSync(join(authority.folder, 'bandwidths'), [`${Math.floor(Date.now() / 1000)}`, 'version=1.4.0', `software=scanner${i}`, '=====', ...measured, ''].join('\n'))
  }
  for (const member of network.members) if (member.name !== 'late') network.start(member)

  const badExit = `!badexit ${network.member('torkin').fingerprint}`
  const middleOnly = `!middleonly ${network.member('ourkin').fingerprint}`
  /** Where in the logs the network had found together: before that, authorities vote while others are not there yet. */
  const startUpEnds = new Map<Member, number>()
  const events: Readonly<Record<number, () => void | Promise<void>>> = {
    0: () => {
      for (const member of network.members) if (member.child !== undefined) startUpEnds.set(member, network.log(member).length)
    },
    1: () => network.start(network.member('late')),
    2: () => {
      for (const name of ['torexit', 'ourexit']) {
        network.writeTorrc(network.member(name), ['ExitPolicy accept *:80,accept 192.0.2.0/24:8000-9000,reject *:*'])
        network.hangUp(network.member(name))
      }
    },
    3: () => all(badExit, middleOnly),
    // An authority counts a relay as running for 45 minutes, so that one that left is struck off by hand.
    5: async () => {
      await network.stop(network.member('torexit'))
      all(badExit, middleOnly, `!reject ${network.member('torexit').fingerprint}`)
    },
  }
  const watch = new ConsensusWatch(network)
  await watch.follow(periods, periodMs * (periods + 14), (_period, index) => events[index]?.())

  const last = watch.agreed.at(-1)
  if (last === undefined) throw new Error('no period was agreed on')
  const flagsOf = (name: string): readonly string[] => [...(last.ns.relays.find((relay) => relay.nickname === name)?.flags ?? [])]
  expect(last.ns.relays.map((relay) => relay.nickname).sort()).toEqual(network.members.map((member) => member.name).filter((name) => name !== 'torexit').sort())
  expect(flagsOf('torkin')).toContain('BadExit')
  expect(flagsOf('ourkin')).toContain('MiddleOnly')
  expect(flagsOf('stale')).toContain('StaleDesc')
  expect(flagsOf('ourexit')).toContain('Exit')
  for (const name of ['ourexit', 'torexit']) expect(policiesOf(watch.agreed, name).slice(-2)).toEqual([expect.stringMatching(/^reject 25/), 'accept 80'])
  expect(last.ns.text).toMatch(/^consensus-method 35$/m)
  for (const authority of authorities) expect(await fetchFrom(authority, '/tor/status-vote/current/authority')).toMatch(/^shared-rand-participate$/m)
  if (periods >= twoRunsOfSharedRandomness) expect(watch.agreed.some(({ ns }) => ns.sharedRandomCurrent?.reveals === authorities.length)).toBe(true)
  expect(last.ns.text).toMatch(/^params .*circwindow=501/m)
  // Measured by all: the figure of the one in the middle, of two the lower.
  expect(bandwidthOf(last, 'ourkin')).toBe(1000 * (network.members.indexOf(network.member('ourkin')) + 1) + 100 * Math.floor((authorities.length - 1) / 2))

  // Microdescriptors are no part of the consensus, only their digests: families of both kinds are in them.
  const texts = await Promise.all(authorities.map((authority) => Promise.all(digestsOf(last.microdesc.text).map((digest) => fetchFrom(authority, `/tor/micro/d/${digest}`)))))
  for (const one of texts) expect(one).toEqual(texts[0])
  const family = (texts[0] ?? []).filter((text) => text?.includes('family-ids '))
  expect(family.length).toBe(2)
  for (const text of family) expect(text).toMatch(/^family \$/m)

  for (const member of network.members) {
    const wrong = warningsIn(network.log(member).slice(startUpEnds.get(member) ?? 0))
    const isAllowed = (line: string): boolean => isAboutTime.test(line) || (member.name === 'stale' && isAboutClock.test(line)) || allowedLines.some(({ by, pattern }) => by === member.implementation && pattern.test(line))
    expect(wrong.filter((line) => !isAllowed(line)), `warnings of ${member.name}`).toEqual([])
  }
}

const warningsIn = (log: string): string[] => log.split('\n').flatMap((line) => /\[(?:warn|err)\] (?:\w+\(\): )?(.*)/.exec(line)?.[1] ?? [])

/** Votes and signatures have two seconds; on a busy machine some come later. What comes in time is compared byte by byte. */
const isAboutTime = /too late|valid-after time|Valid-After times do not match|status-vote\/next|enough votes|Not enough info to publish/

/** A node whose clock is wrong has to say so. */
const isAboutClock = /with skewed time/

/** The policy that consensuses stated for a relay, each once, in order. */
function policiesOf(periods: readonly AgreedPeriod[], name: string): string[] {
  const found = periods.flatMap(({ ns }) => new RegExp(`^r ${name} .*\\n(?:[^r].*\\n)*?p (.*)$`, 'm').exec(ns.text)?.[1] ?? [])
  return found.filter((policy, i) => policy !== found[i - 1])
}

const bandwidthOf = ({ ns }: AgreedPeriod, name: string): number => Number(new RegExp(`^r ${name} .*\\n(?:[^r].*\\n)*?w Bandwidth=(\\d+)`, 'm').exec(ns.text)?.[1])

const digestsOf = (text: string): string[] => [...text.matchAll(/^m (\S+)$/gm)].map((match) => match[1] ?? '')
