import { describe, expect, test } from 'vitest'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { durationMs, hours, later, minutes, monotonicMs, type DurationMs } from '../../../src/core/base/time.ts'
import { GuardManager, type GuardTicket } from '../../../src/core/guard/guard-manager.ts'
import { retryDelayMs, type GuardTime } from '../../../src/core/guard/guard-sample.ts'
import type { NetDir } from '../../../src/core/netdir/net-dir.ts'
import type { Relay } from '../../../src/core/netdir/relay.ts'
import { goodFlags, madeUpNetwork, networkStart, type MadeUpRelay } from '../../support/made-up-network.ts'

const relays = (count: number, more: Partial<MadeUpRelay> = {}): MadeUpRelay[] => Array.from({ length: count }, (_, i) => ({ nickname: `relay${i}`, ...more }))
const days = (count: number): DurationMs => hours(24 * count)

/** A manager with a clock that the test moves. */
class Bench {
  readonly guards: GuardManager
  #at: GuardTime = { wall: networkStart, monotonic: monotonicMs(1_000_000) }
  #netDir: NetDir
  passes: (relay: Relay) => boolean = () => true

  constructor(netDir: NetDir, stateLines: readonly string[] = [], seed = 'guards') {
    this.#netDir = netDir
    this.guards = new GuardManager(stateLines, this.#world(), new SeededRng(seed), networkStart)
    this.guards.update(this.#world(), this.now)
  }

  get now(): GuardTime {
    return this.#at
  }

  wait(time: DurationMs): void {
    this.#at = { wall: later(this.#at.wall, time), monotonic: later(this.#at.monotonic, time) }
  }

  use(netDir: NetDir): boolean {
    this.#netDir = netDir
    return this.guards.update(this.#world(), this.now)
  }

  pick(use: 'traffic' | 'directory' = 'traffic', restriction?: (relay: Relay) => boolean): { relay: Relay; ticket: GuardTicket } {
    const picked = this.guards.pick(use, restriction, this.now)
    if (picked === undefined) throw new Error('no guard')
    return picked
  }

  fail(): Relay {
    const { relay, ticket } = this.pick()
    this.guards.failed(ticket, this.now)
    return relay
  }

  primary(): string[] {
    return this.guards.primary(this.now).map((guard) => guard.nickname)
  }

  #world() {
    return { netDir: this.#netDir, passesFilter: (relay: Relay) => this.passes(relay), version: 'test' }
  }
}

describe('the sample', () => {
  test('holds what is needed and no more', () => {
    const bench = new Bench(madeUpNetwork(relays(200)))
    expect(bench.primary()).toHaveLength(3)
    // guard-spec §A.1: MIN_FILTERED_SAMPLE.
    expect(bench.guards.inspect(bench.now)).toHaveLength(20)
    expect(new Set(bench.guards.inspect(bench.now).map((guard) => guard.fingerprint)).size).toBe(20)
  })

  test('of a small network holds all of it', () => {
    const bench = new Bench(madeUpNetwork(relays(5)))
    expect(bench.primary()).toHaveLength(3)
    expect(bench.guards.inspect(bench.now)).toHaveLength(5)
  })

  test('does not grow past its maximum, however many guards fail', () => {
    const bench = new Bench(madeUpNetwork(relays(200), { parameters: { 'guard-max-sample-size': 30 } }))
    for (let i = 0; i < 300; i++) {
      const picked = bench.guards.pick('traffic', undefined, bench.now)
      if (picked !== undefined) bench.guards.failed(picked.ticket, bench.now)
    }
    expect(bench.guards.inspect(bench.now)).toHaveLength(30)
  })

  test('takes relays with all the flags only, by weight', () => {
    const bench = new Bench(madeUpNetwork([...relays(3), { nickname: 'slow', flags: goodFlags.filter((flag) => flag !== 'Fast') }, { nickname: 'idle', bandwidth: 0 }]))
    bench.primary()
    expect(bench.guards.inspect(bench.now).map((guard) => guard.nickname).slice(0, 3).sort()).toEqual(['relay0', 'relay1', 'relay2'])
    expect(bench.guards.inspect(bench.now).map((guard) => guard.nickname)).not.toContain('slow')
  })

  test('has dates in the past, by up to a tenth of their lifetime', () => {
    const bench = new Bench(madeUpNetwork(relays(200)))
    bench.primary()
    const dates = bench.guards.primary(bench.now).map((guard) => guard.sampledOn)
    for (const date of dates) {
      expect(date).toBeLessThanOrEqual(networkStart)
      expect(date).toBeGreaterThan(networkStart - days(12))
    }
    expect(new Set(dates).size).toBe(3)
  })
})

describe('a guard for a circuit', () => {
  test('is the first primary one, again and again', () => {
    const bench = new Bench(madeUpNetwork(relays(30)))
    const first = bench.pick()
    expect(first.ticket.state).toBe('usable-on-completion')
    expect(first.relay.nickname).toBe(bench.primary()[0])
    expect(bench.guards.succeeded(first.ticket, bench.now)).toBe('now')
    for (let i = 0; i < 20; i++) expect(bench.pick().relay).toBe(first.relay)
  })

  test('for directory requests is one of three', () => {
    const bench = new Bench(madeUpNetwork(relays(30)))
    expect(new Set(Array.from({ length: 60 }, () => bench.pick('directory').relay.nickname))).toEqual(new Set(bench.primary()))
  })

  test('needs a descriptor for traffic, and none for directories', () => {
    const bench = new Bench(madeUpNetwork(relays(30, { noDescriptor: true })))
    expect(bench.guards.pick('traffic', undefined, bench.now)).toBeUndefined()
    expect(bench.guards.pick('directory', undefined, bench.now)).toBeDefined()
    expect(bench.guards.missingDescriptors(bench.now, 0, 30)).toBe(
      "We're missing descriptors for 2/2 of our primary entry guards (total microdescriptors: 0/30). That's ok. We will try to fetch missing descriptors soon.",
    )
  })

  test('is the next primary one while the first is down', () => {
    const bench = new Bench(madeUpNetwork(relays(30)))
    const [first, second, third] = bench.primary()
    expect(bench.fail().nickname).toBe(first)
    expect(bench.fail().nickname).toBe(second)
    expect(bench.pick().relay.nickname).toBe(third)
  })

  test('obeys the restriction of its path, without moving on to many others', () => {
    const bench = new Bench(madeUpNetwork(relays(30)))
    const [first, second] = bench.primary()
    expect(bench.pick('traffic', (relay) => relay.nickname !== first).relay.nickname).toBe(second)
  })

  test('is tried again after its time, sooner when primary', () => {
    const bench = new Bench(madeUpNetwork(relays(30)))
    const [first, second] = bench.primary()
    expect(bench.fail().nickname).toBe(first)
    bench.wait(minutes(9))
    expect(bench.pick().relay.nickname).toBe(second)
    bench.wait(minutes(1))
    expect(bench.pick().relay.nickname).toBe(first)
  })

  test.each([
    [0, true, 10 * 60], [6 * 3600, true, 10 * 60], [6 * 3600 + 1, true, 90 * 60], [5 * 86_400, true, 4 * 3600], [8 * 86_400, true, 9 * 3600],
    [0, false, 3600], [7 * 3600, false, 4 * 3600], [5 * 86_400, false, 18 * 3600], [8 * 86_400, false, 36 * 3600],
  ])('failing for %d s, primary: %s, is tried again after %d s', (failing, primary, delay) => {
    expect(retryDelayMs(failing * 1000, primary)).toBe(delay * 1000)
  })

  test('starts from the top when all have failed', () => {
    const bench = new Bench(madeUpNetwork(relays(4)))
    const tried = [bench.fail(), bench.fail(), bench.fail(), bench.fail()]
    expect(new Set(tried).size).toBe(4)
    expect(bench.guards.pick('traffic', undefined, bench.now)).toBeUndefined()
    expect(bench.pick().relay).toBe(tried[0])
  })
})

describe('circuits through guards that are not primary', () => {
  const downPrimaries = (bench: Bench): void => {
    for (let i = 0; i < 3; i++) bench.fail()
  }
  /** Only a network whose primary guards are all confirmed makes other circuits wait. */
  const confirmPrimaries = (bench: Bench): void => {
    for (const nickname of bench.primary()) bench.guards.succeeded(bench.pick('traffic', (relay) => relay.nickname === nickname).ticket, bench.now)
  }
  const withoutPrimaries = (): Bench => {
    const bench = new Bench(madeUpNetwork(relays(30)))
    confirmPrimaries(bench)
    downPrimaries(bench)
    return bench
  }

  test('are used at once when their guard takes the place of an unconfirmed one', () => {
    const bench = new Bench(madeUpNetwork(relays(30)))
    downPrimaries(bench)
    const { relay, ticket } = bench.pick()
    expect(ticket.state).toBe('usable-if-no-better-guard')
    expect(bench.guards.succeeded(ticket, bench.now)).toBe('now')
    expect(bench.primary()).toContain(relay.nickname)
  })

  test('wait until nothing better can come', () => {
    const bench = withoutPrimaries()
    const { ticket } = bench.pick()
    expect(ticket.state).toBe('usable-if-no-better-guard')
    const other = bench.pick()
    expect(other.ticket.guard).not.toBe(ticket.guard)
    // The second answers first. Being confirmed it is preferred to the first, which has not answered.
    expect(bench.guards.succeeded(other.ticket, bench.now)).toBe('later')
    expect(bench.guards.upgradeWaiting([ticket, other.ticket], bench.now)).toEqual([other.ticket])
    expect(other.ticket.state).toBe('complete')
  })

  test('are blocked by a better circuit under way, for fifteen seconds', () => {
    const bench = withoutPrimaries()
    const first = bench.pick()
    bench.guards.succeeded(first.ticket, bench.now)
    // Confirmed now: the same guard is preferred to any unconfirmed one.
    const again = bench.pick()
    expect(again.ticket.guard).toBe(first.ticket.guard)
    const second = bench.pick()
    expect(second.ticket.guard).not.toBe(first.ticket.guard)
    bench.guards.succeeded(second.ticket, bench.now)
    const tickets = [again.ticket, second.ticket]
    expect(bench.guards.upgradeWaiting(tickets, bench.now)).toEqual([])
    bench.wait(durationMs(15_000))
    expect(bench.guards.upgradeWaiting(tickets, bench.now)).toEqual([second.ticket])
  })

  test('are not blocked by a circuit that their path could not have had', () => {
    const bench = withoutPrimaries()
    const first = bench.pick()
    bench.guards.succeeded(first.ticket, bench.now)
    const again = bench.pick()
    const second = bench.pick('traffic', (relay) => relay !== first.relay)
    bench.guards.succeeded(second.ticket, bench.now)
    expect(bench.guards.upgradeWaiting([again.ticket, second.ticket], bench.now)).toEqual([second.ticket])
  })

  test('do not wait for a primary guard that their path cannot have', () => {
    const bench = new Bench(madeUpNetwork(relays(30)))
    confirmPrimaries(bench)
    // The path's exit is the one primary guard that is left: a relay that nearly all paths have, in a small network.
    const exit = bench.primary()[0]
    const elsewhere = (relay: Relay): boolean => relay.nickname !== exit
    for (let i = 0; i < 2; i++) bench.guards.failed(bench.pick('traffic', elsewhere).ticket, bench.now)
    const free = bench.pick('traffic', (relay) => !bench.primary().includes(relay.nickname))
    const restricted = bench.pick('traffic', elsewhere)
    expect(bench.guards.succeeded(restricted.ticket, bench.now)).toBe('later')
    expect(bench.guards.upgradeWaiting([restricted.ticket], bench.now)).toEqual([restricted.ticket])
    // A path that might have it waits for it.
    const waiting = { ...free.ticket, restriction: undefined, state: 'waiting-for-better-guard' as const }
    expect(bench.guards.upgradeWaiting([waiting], bench.now)).toEqual([])
  })

  test('make primary guards worth a try after a time without the Internet', () => {
    const bench = withoutPrimaries()
    const { ticket } = bench.pick()
    bench.wait(minutes(9))
    bench.guards.failed(ticket, bench.now)
    const late = bench.pick()
    bench.wait(minutes(1.5))
    const primary = bench.primary()
    expect(late.ticket.state).toBe('usable-if-no-better-guard')
    expect(bench.guards.succeeded(late.ticket, bench.now)).toBe('later')
    expect(bench.guards.upgradeWaiting([late.ticket], bench.now)).toEqual([])
    expect(primary).toContain(bench.pick().relay.nickname)
  })

  test('that wait too long are given up', () => {
    const bench = withoutPrimaries()
    const { ticket } = bench.pick()
    bench.guards.succeeded(ticket, bench.now)
    bench.wait(minutes(10))
    expect(bench.guards.shouldExpire(ticket, bench.now)).toBe(false)
    bench.wait(durationMs(1))
    expect(bench.guards.shouldExpire(ticket, bench.now)).toBe(true)
  })

  test('that are cancelled leave their guard free', () => {
    const bench = new Bench(madeUpNetwork(relays(30)))
    downPrimaries(bench)
    const { ticket } = bench.pick()
    bench.guards.cancel(ticket, bench.now)
    expect(bench.pick().ticket.guard).toBe(ticket.guard)
  })
})

describe('new consensuses', () => {
  test('unlist guards, and remove them after twenty days', () => {
    const bench = new Bench(madeUpNetwork(relays(5)))
    const [gone = ''] = bench.primary()
    const without = (at = bench.now.wall): NetDir => madeUpNetwork(relays(5).map((relay) => (relay.nickname === gone ? { ...relay, flags: ['Running', 'Valid'] } : relay)), { validAfter: at })
    bench.use(without())
    expect(bench.primary()).not.toContain(gone)
    expect(bench.guards.inspect(bench.now).map((guard) => guard.nickname)).toContain(gone)
    bench.wait(days(21))
    bench.use(without())
    expect(bench.guards.inspect(bench.now).map((guard) => guard.nickname)).not.toContain(gone)
  })

  test('list guards again', () => {
    const bench = new Bench(madeUpNetwork(relays(5)))
    const before = bench.primary()
    const [gone = ''] = before
    bench.use(madeUpNetwork(relays(5).filter((relay) => relay.nickname !== gone)))
    bench.use(madeUpNetwork(relays(5)))
    expect(bench.guards.inspect(bench.now).find((guard) => guard.nickname === gone)).toBeDefined()
    expect(bench.guards.stateLines().join('\n')).not.toContain('unlisted_since')
  })

  test('let unconfirmed guards go after 120 days, confirmed ones 60 days after they were confirmed', () => {
    const bench = new Bench(madeUpNetwork(relays(5)))
    const { ticket } = bench.pick()
    bench.guards.succeeded(ticket, bench.now)
    bench.wait(days(61))
    bench.use(madeUpNetwork(relays(5), { validAfter: bench.now.wall }))
    const left = bench.guards.inspect(bench.now)
    // It may have been sampled anew, but then it is not confirmed.
    expect(left.some((guard) => guard.fingerprint === ticket.guard.fingerprint && guard.state.startsWith('confirmed'))).toBe(false)
    expect(left.length).toBeGreaterThanOrEqual(4)
    expect(bench.guards.succeeded(ticket, bench.now)).toBe('never')
  })

  test('that are too old change nothing', () => {
    const bench = new Bench(madeUpNetwork(relays(5)))
    bench.primary()
    bench.wait(days(40))
    bench.use(madeUpNetwork([]))
    expect(bench.guards.inspect(bench.now)).toHaveLength(5)
  })
})

describe('restrictive configurations', () => {
  test('get a sample of their own, of relays that are allowed', () => {
    const bench = new Bench(madeUpNetwork(relays(100)))
    bench.passes = (relay) => ['relay7', 'relay8'].includes(relay.nickname)
    expect(bench.use(madeUpNetwork(relays(100)))).toBe(true)
    expect(bench.primary().sort()).toEqual(['relay7', 'relay8'])
    expect(bench.guards.stateLines().filter((line) => line.startsWith('in=restricted '))).toHaveLength(2)
    bench.passes = () => true
    expect(bench.use(madeUpNetwork(relays(100)))).toBe(true)
    expect(bench.primary()).toHaveLength(3)
  })

  test('do not flip at the border', () => {
    const bench = new Bench(madeUpNetwork(relays(100)))
    const allow = (count: number): boolean => {
      bench.passes = (relay) => Number(relay.nickname.slice(5)) < count
      return bench.use(madeUpNetwork(relays(100)))
    }
    expect(allow(20)).toBe(false)
    expect(allow(19)).toBe(false)
    expect(allow(18)).toBe(true)
    expect(allow(20)).toBe(false)
    expect(allow(21)).toBe(true)
  })

  test('that exclude nearly all are worth a warning', () => {
    const bench = new Bench(madeUpNetwork(relays(300)))
    expect(bench.guards.extremeRestrictionPercent).toBeUndefined()
    bench.passes = (relay) => relay.nickname === 'relay1'
    bench.use(madeUpNetwork(relays(300)))
    expect(bench.guards.extremeRestrictionPercent).toBe(99)
  })
})

describe('the state file', () => {
  test('brings the same guards back in the same order', () => {
    const bench = new Bench(madeUpNetwork(relays(60)))
    bench.guards.succeeded(bench.pick().ticket, bench.now)
    bench.fail()
    const primary = bench.primary()
    expect(bench.guards.changed).toBe(true)
    const lines = bench.guards.stateLines()
    expect(bench.guards.changed).toBe(false)
    const other = new Bench(madeUpNetwork(relays(60)), lines, 'other randomness')
    expect(other.guards.stateLines()).toEqual(lines)
    expect(other.primary()).toEqual(primary)
    expect(other.pick().relay.nickname).toBe(primary[0])
  })

  test('is sorted by its indices, and repeated or malformed lines are left out', () => {
    const bench = new Bench(madeUpNetwork(relays(60)))
    bench.primary()
    const lines = bench.guards.stateLines()
    const shuffled = [...lines].reverse()
    const other = new Bench(madeUpNetwork(relays(60)), [...shuffled, lines[0] ?? '', 'in=default rsa_id=zz', 'garbage'])
    expect(other.guards.stateLines()).toEqual(lines)
  })

  test('keeps guards of instances that are not in use', () => {
    const line = 'in=bridges rsa_id=7EA6EAD6FD83083C538F44038BBFA077587DD755 sampled_on=2023-11-14T03:02:11 sampled_idx=0 listed=1 bridge_addr=192.0.2.1:443'
    const bench = new Bench(madeUpNetwork(relays(5)), [line])
    expect(bench.guards.stateLines()).toContain(line.replace(' listed=1 bridge_addr', ' listed=1 bridge_addr'))
  })
})
