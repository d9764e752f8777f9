import { describe, expect, test } from 'vitest'
import { hours, later, wallMs } from '../../../src/core/base/time.ts'
import { directoryInfo } from '../../../src/core/netdir/directory-info.ts'
import { summaryPolicyView } from '../../../src/core/netdir/exit-policy-view.ts'
import { NetworkParameters } from '../../../src/core/netdir/parameters.ts'
import { PortPolicy } from '../../../src/core/netdoc/port-policy.ts'
import { subnetKeys } from '../../../src/core/netdir/subnet.ts'
import { exitFlags, goodFlags, madeUpFingerprint, madeUpIdentity, madeUpNetwork, named, networkStart, noFamilies, noRules, scarceExitWeights } from '../../support/made-up-network.ts'

describe('relays', () => {
  const net = madeUpNetwork([{ nickname: 'Anna' }, { nickname: 'Otto', noDescriptor: true }, { nickname: 'otto' }])

  test('are found by each of their names', () => {
    const anna = net.byFingerprint(madeUpFingerprint('Anna'))
    expect(anna?.nickname).toBe('Anna')
    expect(net.byRsaIdentity(madeUpIdentity('Anna'))).toBe(anna)
    expect(net.byEd25519Identity(new Uint8Array(32).fill(1))).toBe(anna)
    expect(net.byNickname('aNNa')).toBe(anna)
  })

  test('of one nickname are found by it not at all', () => {
    expect(net.byNickname('otto')).toBeUndefined()
  })
})

describe('parameters', () => {
  test('take their defaults, and are moved to their bounds', () => {
    expect(new NetworkParameters().get('circwindow')).toBe(1000)
    expect(new NetworkParameters(new Map([['circwindow', 5]])).get('circwindow')).toBe(100)
    expect(new NetworkParameters(new Map([['circwindow', 5000]])).get('circwindow')).toBe(1000)
    expect(new NetworkParameters(new Map([['circwindow', 500]])).get('circwindow')).toBe(500)
    expect(new NetworkParameters(new Map([['something-new', 7]])).raw('something-new')).toBe(7)
  })
})

describe('weights', () => {
  const net = madeUpNetwork(
    [
      { nickname: 'guard', bandwidth: 100 },
      { nickname: 'exit', flags: ['Running', 'Valid', 'Fast', 'Exit'], exitsTo: 'all', bandwidth: 100 },
      { nickname: 'both', exitsTo: 'all', bandwidth: 100 },
      { nickname: 'plain', flags: ['Running', 'Valid'], bandwidth: 100 },
      { nickname: 'bad', flags: [...exitFlags, 'BadExit'], exitsTo: 'all', bandwidth: 100 },
      { nickname: 'unknown', flags: ['Running', 'Valid'], bandwidth: undefined },
      { nickname: 'new', bandwidth: 100, guardFraction: 25 },
    ],
    { weights: scarceExitWeights, parameters: { UseGuardFraction: 1 } },
  )
  const weight = (nickname: string, position: Parameters<typeof net.weights.of>[1]): number => {
    const relay = net.byNickname(nickname)
    if (relay === undefined) throw new Error(nickname)
    return net.weights.of(relay, position)
  }

  test.each([
    ['guard', 'guard', 60_000], ['guard', 'middle', 40_000], ['guard', 'exit', 100_000], ['guard', 'directory', 40_000],
    ['exit', 'guard', 0], ['exit', 'middle', 0], ['exit', 'exit', 100_000],
    ['both', 'guard', 0], ['both', 'middle', 0], ['both', 'exit', 100_000],
    ['plain', 'guard', 60_000], ['plain', 'middle', 100_000], ['plain', 'unweighted', 100_000],
    // A bad exit counts as if it were no exit.
    ['bad', 'middle', 40_000],
    ['unknown', 'middle', 30_000],
    // prop236: a quarter guard, three quarters not.
    ['new', 'middle', 25_000 * 0.4 + 75_000], ['new', 'guard', 60_000],
  ] as const)('of %s as %s', (nickname, position, expected) => {
    expect(weight(nickname, position)).toBeCloseTo(expected, 6)
  })

  test('are all one where a weight is missing', () => {
    const { Wgg: _, ...incomplete } = scarceExitWeights
    const other = madeUpNetwork([{ nickname: 'both', exitsTo: 'all', bandwidth: 100 }], { weights: incomplete })
    const relay = other.relays[0]
    expect(relay && other.weights.of(relay, 'guard')).toBe(100_000)
    expect(relay && other.weights.of(relay, 'middle')).toBe(0)
  })

  test('above their scale are cut to it', () => {
    const other = madeUpNetwork([{ nickname: 'g', bandwidth: 1 }], { weights: { ...scarceExitWeights, Wgg: 20_000 } })
    expect(other.relays[0] && other.weights.of(other.relays[0], 'guard')).toBe(1000)
  })
})

describe('families', () => {
  const at = (...hosts: string[]) => hosts.map((host) => ({ host, port: 9001 }))
  const related = (a: Parameters<typeof madeUpNetwork>[0][number], b: Parameters<typeof madeUpNetwork>[0][number], parameters: Record<string, number> = {}, rules: Parameters<ReturnType<typeof madeUpNetwork>['inSameFamily']>[2] = noFamilies): boolean => {
    const net = madeUpNetwork([a, b], { parameters })
    const [first, second] = net.relays
    if (first === undefined || second === undefined) throw new Error('two relays')
    expect(net.inSameFamily(second, first, rules)).toBe(net.inSameFamily(first, second, rules))
    return net.inSameFamily(first, second, rules)
  }

  test('a relay is related to itself', () => {
    const net = madeUpNetwork([{ nickname: 'a' }])
    expect(net.relays[0] && net.inSameFamily(net.relays[0], net.relays[0], noFamilies)).toBe(true)
  })

  test('one /16 of IPv4, one /32 of IPv6', () => {
    expect(related({ nickname: 'a', addresses: at('10.1.2.3') }, { nickname: 'b', addresses: at('10.1.200.9') })).toBe(true)
    expect(related({ nickname: 'a', addresses: at('10.1.2.3') }, { nickname: 'b', addresses: at('10.2.2.3') })).toBe(false)
    expect(related({ nickname: 'a', addresses: at('10.1.2.3', '2001:db8:1::1') }, { nickname: 'b', addresses: at('10.2.2.3', '2001:db8:2::1') })).toBe(true)
    expect(related({ nickname: 'a', addresses: at('10.1.2.3', '2001:db8::1') }, { nickname: 'b', addresses: at('10.2.2.3', '2001:db9::1') })).toBe(false)
    expect(related({ nickname: 'a', addresses: at('10.1.2.3') }, { nickname: 'b', addresses: at('10.1.200.9') }, {}, { enforceDistinctSubnets: false, nodeFamilies: [] })).toBe(false)
    expect(subnetKeys(at('0.0.0.0', '::'))).toEqual([])
  })

  test('declared by both, by nickname or fingerprint; one alone is not enough', () => {
    expect(related({ nickname: 'a', family: ['B'] }, { nickname: 'b', family: [`$${madeUpFingerprint('a')}~a`] })).toBe(true)
    expect(related({ nickname: 'a', family: ['b'] }, { nickname: 'b' })).toBe(false)
    expect(related({ nickname: 'a', family: ['b'] }, { nickname: 'b', family: ['a'] }, { 'use-family-lists': 0 })).toBe(false)
  })

  test('a family id in common', () => {
    expect(related({ nickname: 'a', familyIds: ['ed25519:x', 'ed25519:y'] }, { nickname: 'b', familyIds: ['ed25519:y'] })).toBe(true)
    expect(related({ nickname: 'a', familyIds: ['ed25519:x'] }, { nickname: 'b', familyIds: ['ed25519:y'] })).toBe(false)
    expect(related({ nickname: 'a', familyIds: ['ed25519:y'] }, { nickname: 'b', familyIds: ['ed25519:y'] }, { 'use-family-ids': 0 })).toBe(false)
  })

  test('what the user says', () => {
    expect(related({ nickname: 'a' }, { nickname: 'b' }, {}, { enforceDistinctSubnets: true, nodeFamilies: [named('a', 'b')] })).toBe(true)
    expect(related({ nickname: 'a' }, { nickname: 'b' }, {}, { enforceDistinctSubnets: true, nodeFamilies: [named('a'), named('b')] })).toBe(false)
  })
})

describe('exit policy summaries', () => {
  const view = summaryPolicyView(PortPolicy.parse('accept 80,443'), undefined, true)
  test('promise nothing, and know the two families apart', () => {
    expect(view.compare(undefined, 80)).toBe('probably-accepted')
    expect(view.compare('192.0.2.1', 443)).toBe('probably-accepted')
    expect(view.compare('192.0.2.1', 25)).toBe('rejected')
    expect(view.compare('2001:db8::1', 80)).toBe('rejected')
    expect(view.compare('10.0.0.1', 80)).toBe('rejected')
    expect(view.rejectsAll).toBe(false)
    expect(summaryPolicyView(undefined, undefined, true).rejectsAll).toBe(true)
  })
})

describe('enough directory information', () => {
  const complaints = (net: ReturnType<typeof madeUpNetwork> | undefined, at = later(networkStart, hours(1)), rules: Partial<Record<keyof typeof noRules, unknown>> = {}) =>
    directoryInfo(net, at, { ...noRules, ...rules } as typeof noRules, () => undefined)

  const relays = [{ nickname: 'g1' }, { nickname: 'g2' }, { nickname: 'e1', exitsTo: 'all' as const }, { nickname: 'e2', exitsTo: 'all' as const }]

  test('needs a consensus that is not too old', () => {
    expect(complaints(undefined)).toMatchObject({ enough: false, status: 'We have no usable consensus.' })
    const net = madeUpNetwork(relays)
    expect(complaints(net)).toMatchObject({ enough: true, status: '', pathsFraction: 1, usable: 4, present: 4, hasExits: true })
    expect(complaints(net, later(networkStart, hours(3 + 24)))).toMatchObject({ enough: true })
    expect(complaints(net, wallMs(later(networkStart, hours(3 + 24)) + 1))).toMatchObject({ enough: false, status: 'We have no recent usable consensus.' })
    expect(complaints(net, wallMs(networkStart - hours(24) - 1))).toMatchObject({ enough: false })
  })

  test('says in words which descriptors are missing', () => {
    const net = madeUpNetwork(relays.map((relay, i) => ({ ...relay, noDescriptor: i % 2 === 1 })))
    const info = complaints(net)
    expect(info.enough).toBe(false)
    expect(info.pathsFraction).toBeCloseTo(0.125)
    expect(info.status).toBe(
      'We need more microdescriptors: we have 2/4, and can only build 12% of likely paths. (We have 50% of guards bw, 50% of midpoint bw, and 50% of exit bw = 12% of path bw.)',
    )
    expect(complaints(net, undefined, { pathsNeeded: 0.1 }).enough).toBe(true)
  })

  test('counts by bandwidth, not by number', () => {
    const net = madeUpNetwork([{ nickname: 'big', bandwidth: 9000, exitsTo: 'all' }, { nickname: 'small', bandwidth: 1000, exitsTo: 'all', noDescriptor: true }])
    expect(complaints(net).pathsFraction).toBeCloseTo(0.9 ** 3)
  })

  test('without exits counts the middle twice', () => {
    const net = madeUpNetwork([{ nickname: 'g1' }, { nickname: 'g2' }])
    expect(complaints(net)).toMatchObject({ enough: true, hasExits: false })
    const half = madeUpNetwork([{ nickname: 'g1' }, { nickname: 'g2', noDescriptor: true }])
    expect(complaints(half).status).toContain('end bw (no exits in consensus, using mid)')
  })

  test('asks for descriptors of the exits the user named', () => {
    const net = madeUpNetwork([...relays.slice(0, 3), { nickname: 'mine', exitsTo: 'all', noDescriptor: true }])
    expect(complaints(net, undefined, { exitNodes: named('e1') }).pathsFraction).toBeGreaterThan(0)
    expect(complaints(net, undefined, { exitNodes: named('mine') }).pathsFraction).toBe(0)
  })

  test('passes on the complaint of the guards', () => {
    const info = directoryInfo(madeUpNetwork(relays), networkStart, noRules, (present, usable) => `guards ${present}/${usable}`)
    expect(info).toMatchObject({ enough: false, status: 'guards 4/4' })
  })

  test('leaves relays out that are not running', () => {
    const net = madeUpNetwork([...relays, { nickname: 'down', flags: goodFlags.filter((flag) => flag !== 'Running'), noDescriptor: true }])
    expect(complaints(net)).toMatchObject({ enough: true, usable: 4 })
  })
})
