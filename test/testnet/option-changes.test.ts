import { describe, expect, test } from 'vitest'
import { changeTorrc, changeTorrcOf, optionChanges } from '../../src/testnet/option-changes.ts'

const torrc = 'Nickname a\n# Out.\nExitPolicy reject *:25\nExitPolicy accept *:*\nBandwidthRate 5 MB\n'

describe('options changed later', () => {
  test('new values stand in place of all lines that the option had', () => {
    const changed = changeTorrc(torrc, optionChanges({ exitpolicy: ['accept *:80', 'reject *:*'], ExitRelay: true }))
    expect(changed).toBe('Nickname a\n# Out.\nBandwidthRate 5 MB\n\n# Changed while the network ran.\nexitpolicy accept *:80\nexitpolicy reject *:*\nExitRelay 1\n')
  })

  test('again and again, and back', () => {
    const once = changeTorrc(torrc, optionChanges({ BandwidthRate: '1 MB' }))
    expect(changeTorrc(once, optionChanges({ BandwidthRate: '2 MB', ExitRelay: 0 }))).toBe(`${torrc.replace('BandwidthRate 5 MB\n', '')}\n# Changed while the network ran.\nBandwidthRate 2 MB\nExitRelay 0\n`)
    expect(changeTorrc(once, optionChanges({ BandwidthRateBytes: null }))).toBe(torrc.replace('BandwidthRate 5 MB\n', ''))
    expect(changeTorrc(torrc, new Map())).toBe(torrc)
  })

  test.each([
    [{ ORPort: 9001 }, 'ORPort is set by relish itself'],
    [{ 'Log notice': 'x' }, '"Log notice" is not the name of an option'],
    [{ ContactInfo: 'a\nDataDirectory /' }, 'a value of ContactInfo is longer than one line'],
  ])('%j is refused', (options, message) => {
    expect(() => optionChanges(options)).toThrow(message)
  })

  const node = { name: 'a', index: 0, group: 'a', role: 'relay', implementation: 'relish', tor: undefined, core: undefined, phase: 1, family: undefined, ipv6: false, region: undefined, torrc: [] } as const

  test('what relish cannot run with is refused, with the nearest name', () => {
    expect(() => changeTorrcOf(node, torrc, optionChanges({ BandwithRate: '1 MB' }), false)).toThrow(expect.objectContaining({ kind: 'config', hint: 'did you mean BandwidthRate?' }) as Error)
  })

  test('what may not change while a node runs is refused while it runs', () => {
    expect(() => changeTorrcOf(node, torrc, optionChanges({ KeepalivePeriod: '1 minute', PidFile: '/tmp/pid' }), true)).toThrow('PidFile may not change while the node runs')
  })
})
