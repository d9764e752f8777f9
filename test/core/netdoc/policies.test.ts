import { describe, expect, test } from 'vitest'
import { RelishError } from '../../../src/core/base/errors.ts'
import { configuredExitPolicy, defaultPolicy, reducedPolicy } from '../../../src/core/netdoc/configured-exit-policy.ts'
import { ExitPolicy } from '../../../src/core/netdoc/exit-policy.ts'
import { maxPolicyRules } from '../../../src/core/netdoc/limits.ts'
import { PortPolicy } from '../../../src/core/netdoc/port-policy.ts'
import { ProtocolList } from '../../../src/core/netdoc/protocol-list.ts'
import { parseServerDescriptors } from '../../../src/core/netdoc/server-descriptor.ts'
import { parseVote } from '../../../src/core/netdoc/vote.ts'
import { captured } from './vectors.ts'

describe('exit policies', () => {
  test('the first rule that matches decides, and accept is the last resort', () => {
    const policy = ExitPolicy.parse('reject 10.0.0.0/8:*, accept *:80, accept 192.0.2.0/255.255.255.128:1-100, reject6 [2001:db8::]/32:443,reject *4:*')
    expect(policy.allows('10.1.2.3', 80)).toBe(false)
    expect(policy.allows('11.1.2.3', 80)).toBe(true)
    expect(policy.allows('192.0.2.127', 100)).toBe(true)
    expect(policy.allows('192.0.2.128', 100)).toBe(false)
    expect(policy.allows('2001:db8::1', 80)).toBe(true)
    expect(policy.allows('2001:db8:ffff::1', 443)).toBe(false)
    expect(policy.allows('2001:db9::1', 443)).toBe(true)
    expect(policy.allows('nonsense', 80)).toBe(false)
    expect(policy.rejectsAll(4)).toBe(false)
    expect(ExitPolicy.rejectAll.rejectsAll(4) && ExitPolicy.rejectAll.rejectsAll(6)).toBe(true)
  })

  test('answers about ports while the address is not known', () => {
    const policy = ExitPolicy.parse('reject 18.0.0.0/8:*,accept *:80,reject *:25,accept 19.0.0.0/8:22,reject *:*')
    expect(policy.verdictForPort(80)).toBe('probably-accepted')
    expect(policy.verdictForPort(25)).toBe('rejected')
    expect(policy.verdictForPort(22, 4)).toBe('probably-rejected')
    expect(policy.verdictForPort(22, 6)).toBe('rejected')
    expect(policy.verdictForPort(80, 6)).toBe('accepted')
    expect(policy.mightAllowPort(4, 80)).toBe(true)
  })

  test('private stands for the networks that C tor means', () => {
    const policy = ExitPolicy.parse('reject private:*,accept *:*')
    for (const address of ['0.1.2.3', '127.0.0.1', '10.0.0.1', '172.31.255.255', '192.168.1.1', '169.254.0.1', '::1', 'fe80::1', 'fc00::1', 'ff02::1', 'fec0::1']) {
      expect([address, policy.allows(address, 80)]).toEqual([address, false])
    }
    for (const address of ['1.1.1.1', '172.32.0.0', '192.169.0.0', '2001:db8::1']) expect([address, policy.allows(address, 80)]).toEqual([address, true])
  })

  test.each(['accept', 'permit *:80', 'accept 1.2.3.4:80-70', 'accept 1.2.3:80', 'accept 1.2.3.4/33:*', 'accept 1.2.3.4/255.0.255.0:*', 'reject6 1.2.3.4:*', 'accept *:99999', 'accept [::1:80', 'accept6 *4:*'])(
    'refuses %j as configuration',
    (text) => {
      expect(() => ExitPolicy.parse(text)).toThrow(RelishError)
    },
  )

  test('has a limit on rules', () => {
    expect(() => ExitPolicy.parse(Array(maxPolicyRules + 1).fill('reject 1.2.3.4:1').join(','))).toThrow(/at most/)
  })

  test('lines are those of descriptors', () => {
    const policy = ExitPolicy.parse('accept 1.2.3.4:80,reject 1.0.0.0/8:1-65535,accept6 [::1]/64:70-71,reject *:*')
    expect(policy.toLines()).toEqual(['accept 1.2.3.4:80', 'reject 1.0.0.0/8:*', 'accept6 [::1]/64:70-71', 'reject *:*', 'reject6 *:*'])
  })
})

describe('summaries of exit policies', () => {
  test.each([
    ['accept *:*', 'accept 1-65535'],
    ['reject *:*', 'reject 1-65535'],
    ['accept *:80,accept *:443,reject *:*', 'accept 80,443'],
    ['reject *:25,accept *:*', 'reject 25'],
    // Adjoining ranges become one.
    ['accept *:10-20,accept *:21-30,reject *:*', 'accept 10-30'],
    // Private networks do not count, whatever their size.
    ['reject private:*,accept *:80,reject *:*', 'accept 80'],
    // One /7 is the most that may be rejected.
    ['reject 18.0.0.0/7:80,accept *:80,reject *:*', 'accept 80'],
    ['reject 18.0.0.0/7:80,reject 30.0.0.0/32:80,accept *:80,reject *:*', 'reject 1-65535'],
    // Accepting one network is not accepting the port.
    ['accept 18.0.0.0/8:80,reject *:*', 'reject 1-65535'],
    // The shorter of both lists, and accept where they are as long.
    ['reject *:1,accept *:2,reject *:3,accept *:*', 'reject 1,3'],
    ['accept *:1-32767,reject *:*', 'accept 1-32767'],
  ])('%s is %s', (text, summary) => {
    expect(ExitPolicy.parse(text).summary(4).text).toBe(summary)
  })

  test('IPv6 counts in /64 networks, up to one /16', () => {
    expect(ExitPolicy.parse('reject [2001::]/16:80,accept *6:80,reject *:*').summary(6).text).toBe('accept 80')
    expect(ExitPolicy.parse('reject [2001::]/15:80,accept *6:80,reject *:*').summary(6).text).toBe('reject 1-65535')
    expect(ExitPolicy.parse('reject [2001::]/16:80,reject [2002::1]:80,accept *6:80,reject *:*').summary(6).text).toBe('accept 80')
    expect(ExitPolicy.parse('accept *4:80,reject *:*').summary(6).text).toBe('reject 1-65535')
  })

  test('long lists are cut where C tor cuts them', () => {
    // Alternating ports make both lists too long.
    const rules = Array.from({ length: 2000 }, (_, i) => `${i % 2 === 0 ? 'accept' : 'reject'} *:${i + 10000}`)
    const { text } = ExitPolicy.parse(`${rules.join(',')},accept *:*`).summary(4)
    expect(text.length).toBeLessThanOrEqual(1000)
    expect(text.startsWith('accept 1-10000,10002,')).toBe(true)
    expect(text.endsWith(',')).toBe(false)
  })

  test('are those that C tor votes for the policies of a captured network', () => {
    const vote = parseVote(captured('vote-auth1'))
    for (const descriptor of parseServerDescriptors(captured('server-descriptors'))) {
      const entry = vote.relays.find((relay) => relay.fingerprint === descriptor.fingerprint)
      expect(descriptor.exitPolicy.summary(4).text).toBe(entry?.exitPolicy?.text)
    }
  })
})

describe('configured exit policies', () => {
  const base = { lines: [], ipv6Exit: false, rejectPrivate: true, ownAddresses: ['192.0.2.1'], last: 'default' } as const

  test('put own and private addresses first and the default last', () => {
    const policy = configuredExitPolicy({ ...base, lines: ['accept *:25'] })
    expect(policy.allows('192.0.2.1', 80)).toBe(false)
    expect(policy.allows('10.0.0.1', 80)).toBe(false)
    expect(policy.allows('192.0.2.2', 25)).toBe(true)
    expect(policy.allows('192.0.2.2', 119)).toBe(false)
    expect(policy.allows('2001:db8::1', 80)).toBe(false)
    expect(configuredExitPolicy({ ...base, ipv6Exit: true }).allows('2001:db8::1', 80)).toBe(true)
    expect(configuredExitPolicy({ ...base, rejectPrivate: false }).allows('10.0.0.1', 80)).toBe(true)
    expect(configuredExitPolicy({ ...base, last: 'reduced' }).allows('192.0.2.2', 6660)).toBe(true)
    expect(configuredExitPolicy({ ...base, last: 'reduced' }).allows('192.0.2.2', 25)).toBe(false)
    expect(configuredExitPolicy({ ...base, last: 'reject' }).rejectsAll(4)).toBe(true)
    expect(ExitPolicy.parse(defaultPolicy).rules.length).toBe(22)
    expect(ExitPolicy.parse(reducedPolicy).allows('192.0.2.2', 443)).toBe(true)
  })

  test('drop rules that are never reached or not needed', () => {
    const policy = configuredExitPolicy({ ...base, rejectPrivate: false, lines: ['reject 1.0.0.0/8:80,reject 1.2.3.4:80,accept 5.6.7.8:90,accept *:90,reject *:*'] })
    expect(policy.toLines()).toEqual(['reject6 *:*', 'accept *:90', 'reject *:*'])
  })
})

describe('port policies', () => {
  test('parse, answer and skip what they do not know', () => {
    expect(PortPolicy.parse('accept 80,443,1000-2000')?.allows(1500)).toBe(true)
    expect(PortPolicy.parse('reject 25')?.allows(26)).toBe(true)
    expect(PortPolicy.parse('accept x,80')?.ranges).toEqual([{ low: 80, high: 80 }])
    expect(PortPolicy.parse('reject 1-65535')?.rejectsAll).toBe(true)
    for (const text of ['accept', 'accept ', 'permit 80', 'accept 80-70', 'accept 0', 'accept 65536', 'accept 80;81', 'accept 8x']) expect(PortPolicy.parse(text)).toBeUndefined()
  })
})

describe('protocol lists', () => {
  test('parse, answer and print', () => {
    const list = ProtocolList.parse('Link=1-5 Relay=1-2,4 Desc= Cons=2')
    expect(list.supports('Link', 5) && list.supports('Relay', 4) && list.supports('Cons', 2)).toBe(true)
    expect(list.supports('Link', 6) || list.supports('Relay', 3) || list.supports('Desc', 1) || list.supports('Other', 1)).toBe(false)
    expect(list.supportsOrLater('Relay', 3)).toBe(true)
    expect(list.supportsOrLater('Relay', 5)).toBe(false)
    expect(list.toString()).toBe('Link=1-5 Relay=1-2,4 Desc= Cons=2')
    const missing = list.missingFrom(ProtocolList.parse('Link=2-3 Cons=1-9'))
    expect(missing).toEqual([
      { name: 'Link', ranges: [{ low: 1, high: 1 }, { low: 4, high: 5 }] },
      { name: 'Relay', ranges: [{ low: 1, high: 2 }, { low: 4, high: 4 }] },
    ])
  })

  test.each(['Link', '=1', 'Link=a', 'Link=2-1', 'Link=1,1', 'Link=3,2', 'Link=64', 'Link=1-', 'Link=-1', 'Link=1.5', 'Link=1e1', 'Li nk=1', 'L!=1', `${'a'.repeat(101)}=1`])('refuses %j', (text) => {
    expect(() => ProtocolList.parse(text)).toThrow(RelishError)
  })
})
