import { describe, expect, test } from 'vitest'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { monotonicMs } from '../../../src/core/base/time.ts'
import { GuardManager } from '../../../src/core/guard/guard-manager.ts'
import type { NetDir } from '../../../src/core/netdir/net-dir.ts'
import { chooseDirectory, chooseMiddle, choosePath, pathByName, type PathRequest, type PathWorld } from '../../../src/core/path/choose-path.ts'
import { chooseExit, exitSupports, portNeed, type ExitNeed } from '../../../src/core/path/exit-choice.ts'
import { passesGuardFilter, type PathRules } from '../../../src/core/path/path-rules.ts'
import { pathRules, parameterOverrides } from '../../../src/core/path/rules-from-options.ts'
import { exitFlags, goodFlags, madeUpFingerprint, madeUpNetwork, named, networkStart, noRules, type MadeUpRelay } from '../../support/made-up-network.ts'

const now = { wall: networkStart, monotonic: monotonicMs(1000) }
const fast = { stable: false, fast: true }

function world(netDir: NetDir, rules: Partial<PathRules> = {}, seed = 'paths'): PathWorld {
  const all: PathRules = { ...noRules, ...rules }
  const guardWorld = { netDir, passesFilter: (relay: NetDir['relays'][number]) => passesGuardFilter(relay, all), version: 'test' }
  const guards = new GuardManager([], guardWorld, new SeededRng(`${seed} guards`), networkStart)
  guards.update(guardWorld, now)
  return { netDir, rules: all, guards, rng: new SeededRng(seed) }
}

const exitTo = (...needs: Partial<ExitNeed>[]): PathRequest => ({
  kind: 'exit', needs: fast, predictedPorts: [], untrusted: new Set(),
  pending: needs.map((need) => ({ ...portNeed(80), ...need })),
})

const basic: MadeUpRelay[] = [
  ...Array.from({ length: 3 }, (_, i) => ({ nickname: `auth${i}` })),
  ...Array.from({ length: 5 }, (_, i) => ({ nickname: `exit${i}`, exitsTo: 'all' as const })),
]
const nicknames = (path: { readonly relays: readonly { readonly nickname: string }[] }): string[] => path.relays.map((relay) => relay.nickname)

describe('paths', () => {
  test('have three relays, none related to another, ending at an exit, beginning at one guard', () => {
    const net = madeUpNetwork(basic)
    const here = world(net)
    const firsts = new Set<string>()
    for (let i = 0; i < 200; i++) {
      const path = choosePath(here, exitTo({}), now)
      expect(path.relays).toHaveLength(3)
      const [first, middle, last] = path.relays
      if (first === undefined || middle === undefined || last === undefined) throw new Error('three hops')
      expect(last.nickname).toMatch(/^exit/)
      for (const [a, b] of [[first, middle], [middle, last], [first, last]] as const) expect(net.inSameFamily(a, b, noRules)).toBe(false)
      if (path.guard !== undefined) here.guards.succeeded(path.guard, now)
      firsts.add(first.nickname)
    }
    // The first guard, and another for exits that are the guard itself.
    expect(firsts.size).toBeLessThanOrEqual(2)
  })

  test('avoid families and subnets', () => {
    const relays: MadeUpRelay[] = [
      { nickname: 'a', exitsTo: 'all', family: ['b'] }, { nickname: 'b', exitsTo: 'all', family: ['a'] },
      { nickname: 'c', familyIds: ['ed25519:z'] }, { nickname: 'd', familyIds: ['ed25519:z'] },
      { nickname: 'e', addresses: [{ host: '192.0.2.1', port: 1 }] }, { nickname: 'f', addresses: [{ host: '192.0.99.1', port: 1 }] },
    ]
    const here = world(madeUpNetwork(relays))
    const groups = ['ab', 'cd', 'ef']
    const seen = new Set<string>()
    for (let i = 0; i < 200; i++) {
      const path = nicknames(choosePath(here, exitTo({}), now))
      expect(new Set(path.map((name) => groups.findIndex((group) => group.includes(name)))).size).toBe(3)
      path.forEach((name) => seen.add(name))
    }
    expect(seen.size).toBeGreaterThan(3)
  })

  test('may share a subnet when the user says so', () => {
    const net = madeUpNetwork(basic.map((relay) => ({ ...relay, addresses: [{ host: '127.0.0.1', port: 9001 }] })))
    expect(() => choosePath(world(net), exitTo({}), now)).toThrow(expect.objectContaining({ kind: 'unavailable' }))
    expect(choosePath(world(net, { enforceDistinctSubnets: false }), exitTo({}), now).relays).toHaveLength(3)
  })

  test('exist in the smallest network that has one', () => {
    const net = madeUpNetwork([{ nickname: 'a' }, { nickname: 'b' }, { nickname: 'x', exitsTo: 'all' }])
    for (let i = 0; i < 20; i++) expect(nicknames(choosePath(world(net, {}, `seed ${i}`), exitTo({}), now))[2]).toBe('x')
  })

  test('find another exit when the guard is the first choice', () => {
    const net = madeUpNetwork([{ nickname: 'a' }, { nickname: 'x', exitsTo: 'all' }, { nickname: 'y', exitsTo: 'all' }])
    for (let i = 0; i < 40; i++) expect(choosePath(world(net, {}, `seed ${i}`), exitTo({}), now).relays).toHaveLength(3)
  })

  test('that do not exist are explained', () => {
    const two = world(madeUpNetwork([{ nickname: 'a' }, { nickname: 'x', exitsTo: [80] }]))
    expect(() => choosePath(two, exitTo({}), now)).toThrow(/no relay fits between|no entry guard is usable/)
    const restless = madeUpNetwork([...basic, { nickname: 'new', flags: [...goodFlags].filter((flag) => flag !== 'Stable') }])
    expect(() => choosePath(world(restless, { entryNodes: named('new') }), exitTo({}), now)).toThrow(/^no entry guard is usable with \S+~exit\d as the last hop \(of EntryNodes, new is not Stable\)$/)
    expect(() => choosePath(world(madeUpNetwork(basic.slice(0, 3))), exitTo({ port: 25 }), now)).toThrow('no exit allows any address:25')
    expect(() => choosePath(world(madeUpNetwork(basic), { exitNodes: named('nobody') }), exitTo(), now)).toThrow('no usable exit among ExitNodes')
  })

  test('obey ExcludeNodes, EntryNodes, MiddleNodes, ExitNodes and ExcludeExitNodes', () => {
    const net = madeUpNetwork([...basic, { nickname: 'middle', flags: ['Running', 'Valid', 'Stable', 'Fast'] }])
    const draw = (rules: Partial<PathRules>, index: number): Set<string> =>
      new Set(Array.from({ length: 60 }, (_, i) => nicknames(choosePath(world(net, rules, `rules ${i}`), exitTo({}), now))[index] ?? ''))
    expect(draw({ exitNodes: named('exit1', 'exit2') }, 2)).toEqual(new Set(['exit1', 'exit2']))
    expect(draw({ excludeExitNodes: named('exit0', 'exit1', 'exit2', 'exit3') }, 2)).toEqual(new Set(['exit4']))
    expect(draw({ middleNodes: named('middle') }, 1)).toEqual(new Set(['middle']))
    expect(draw({ entryNodes: named('auth0', 'auth1') }, 0)).toEqual(new Set(['auth0', 'auth1']))
    const excluded = { excludeNodes: named('exit0', 'auth0', 'middle') }
    for (const index of [0, 1, 2]) for (const name of draw(excluded, index)) expect(['exit0', 'auth0', 'middle']).not.toContain(name)
  })

  test('without entry guards begin anywhere', () => {
    const here = world(madeUpNetwork(basic), { useEntryGuards: false })
    const firsts = new Set(Array.from({ length: 80 }, () => nicknames(choosePath(here, exitTo({}), now))[0]))
    expect(firsts.size).toBeGreaterThan(4)
    expect(choosePath(here, exitTo({}), now).guard).toBeUndefined()
  })

  test('do not lead through this node', () => {
    const here = world(madeUpNetwork(basic), { ownFingerprint: madeUpFingerprint('exit0'), useEntryGuards: false })
    for (let i = 0; i < 60; i++) expect(nicknames(choosePath(here, exitTo({}), now))).not.toContain('exit0')
  })

  test('may end at any relay, or at one relay', () => {
    const net = madeUpNetwork(basic)
    const internal = new Set(Array.from({ length: 60 }, (_, i) => nicknames(choosePath(world(net, {}, `i${i}`), { kind: 'internal', needs: fast }, now))[2]))
    expect([...internal].some((name) => name?.startsWith('auth'))).toBe(true)
    const last = net.byNickname('auth1')
    if (last === undefined) throw new Error('auth1')
    expect(nicknames(choosePath(world(net), { kind: 'to-relay', needs: fast, last }, now))[2]).toBe('auth1')
  })

  test('of stable circuits have stable relays', () => {
    const net = madeUpNetwork([...basic.slice(0, 4), { nickname: 'flaky', exitsTo: 'all', flags: exitFlags.filter((flag) => flag !== 'Stable') }])
    const request: PathRequest = { kind: 'exit', needs: { stable: true, fast: true }, pending: [portNeed(22)], predictedPorts: [], untrusted: new Set() }
    for (let i = 0; i < 40; i++) expect(nicknames(choosePath(world(net, {}, `s${i}`), request, now))).not.toContain('flaky')
  })

  test('can be given by name', () => {
    const net = madeUpNetwork([...basic, { nickname: 'silent', noDescriptor: true }])
    expect(pathByName(net, [madeUpFingerprint('auth0'), `$${madeUpFingerprint('auth1')}~auth1`, 'exit0']).map((relay) => relay.nickname)).toEqual(['auth0', 'auth1', 'exit0'])
    expect(() => pathByName(net, ['nobody'])).toThrow('no relay "nobody"')
    expect(() => pathByName(net, ['silent'])).toThrow('the descriptor of')
  })

  test('can be led one relay further', () => {
    const net = madeUpNetwork(basic)
    const path = choosePath(world(net), exitTo({}), now).relays
    const next = chooseMiddle(world(net), fast, path)
    expect(next && path.includes(next)).toBe(false)
  })
})

describe('exits', () => {
  const net = madeUpNetwork([
    { nickname: 'web', exitsTo: [80, 443] }, { nickname: 'mail', exitsTo: [25] }, { nickname: 'most', exitsTo: [80, 443, 22] },
    { nickname: 'bad', exitsTo: 'all', flags: [...exitFlags, 'BadExit'] }, { nickname: 'unflagged', exitsTo: [8080], flags: goodFlags }, { nickname: 'guard' },
  ])
  const draw = (pending: ExitNeed[], predictedPorts: number[] = [], untrusted = new Set<string>()): Set<string | undefined> => {
    const rng = new SeededRng('exits')
    return new Set(Array.from({ length: 60 }, () => chooseExit(net, { needs: fast, pending, predictedPorts, untrusted, avoid: () => false }, noRules, rng)?.nickname))
  }

  test('are those that serve most of the streams that wait', () => {
    expect(draw([portNeed(80), portNeed(443), portNeed(22)])).toEqual(new Set(['most']))
    expect(draw([portNeed(80), portNeed(25)])).toEqual(new Set(['web', 'mail', 'most']))
    expect(draw([portNeed(8080)])).toEqual(new Set(['unflagged']))
    expect(draw([portNeed(6667)])).toEqual(new Set([undefined]))
  })

  test('are chosen by predicted ports when nobody waits, or by none', () => {
    expect(draw([], [25])).toEqual(new Set(['mail']))
    expect(draw([], [6667])).toEqual(new Set(['web', 'mail', 'most', 'unflagged']))
  })

  test('that refused, or proved to be none, are left out', () => {
    expect(draw([{ ...portNeed(80), refusedBy: new Set([madeUpFingerprint('web')]) }])).toEqual(new Set(['most']))
    expect(draw([portNeed(80)], [], new Set([madeUpFingerprint('most')]))).toEqual(new Set(['web']))
  })

  test('can be demanded', () => {
    const web = net.byNickname('web')
    const most = net.byNickname('most')
    if (web === undefined || most === undefined) throw new Error('relays')
    const need = { ...portNeed(80), exitFingerprint: madeUpFingerprint('web') }
    expect([exitSupports(web, need, new Set()), exitSupports(most, need, new Set())]).toEqual([true, false])
  })

  test('resolve names when they let anything out', () => {
    expect(draw([{ ...portNeed(0), kind: 'resolve' }])).toEqual(new Set(['web', 'mail', 'most', 'unflagged']))
  })
})

describe('directories', () => {
  test('are guards for clients, anything otherwise', () => {
    const net = madeUpNetwork([...basic, { nickname: 'nodir', flags: goodFlags.filter((flag) => flag !== 'V2Dir') }])
    const here = world(net)
    expect(new Set(Array.from({ length: 60 }, () => chooseDirectory(here, new Set(), now)?.relay.nickname)).size).toBe(3)
    const free = world(net, { useEntryGuards: false, ownFingerprint: madeUpFingerprint('exit0') })
    const seen = new Set(Array.from({ length: 200 }, () => chooseDirectory(free, new Set(), now)?.relay.nickname))
    expect(seen.has('nodir')).toBe(false)
    expect(seen.has('exit0')).toBe(false)
    expect(seen.size).toBe(7)
    expect(chooseDirectory(free, new Set(net.relays.map((relay) => relay.fingerprint)), now)).toBeUndefined()
  })

  test('may be excluded ones unless StrictNodes is set', () => {
    const all = { contains: () => true }
    const net = madeUpNetwork(basic)
    expect(chooseDirectory(world(net, { useEntryGuards: false, excludeNodes: all }), new Set(), now)).toBeDefined()
    expect(chooseDirectory(world(net, { useEntryGuards: false, excludeNodes: all, strictNodes: true }), new Set(), now)).toBeUndefined()
  })
})

describe('options', () => {
  test('of guards stand above the consensus', () => {
    const options = { NumEntryGuards: 2, NumPrimaryGuards: 0, NumDirectoryGuards: 4, GuardLifetime: 30 * 86_400_000 }
    expect([...parameterOverrides(options as never)]).toEqual([['guard-n-primary-guards-to-use', 2], ['guard-n-primary-dir-guards-to-use', 4], ['guard-lifetime-days', 30]])
    expect(typeof pathRules).toBe('function')
  })
})
