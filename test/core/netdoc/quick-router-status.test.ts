/** The quick reader of relay entries reads what authorities write, and never anything else than the careful one. */

import { describe, expect, test } from 'vitest'
import { base64EncodeUnpadded, hexEncodeUpper, latin1Decode, latin1Encode } from '../../../src/core/base/encoding.ts'
import { randomBelow, randomChoice, SeededRng, type Rng } from '../../../src/core/base/rng.ts'
import { wallFromSec } from '../../../src/core/base/time.ts'
import { canonicalIp } from '../../../src/core/ident/address.ts'
import { parseConsensus } from '../../../src/core/netdoc/consensus.ts'
import { PortPolicy } from '../../../src/core/netdoc/port-policy.ts'
import { ProtocolList } from '../../../src/core/netdoc/protocol-list.ts'
import { emitRouterStatus, type RouterStatus } from '../../../src/core/netdoc/router-status.ts'
import { mutate } from '../../fuzz/mutate.ts'
import { compareReaders } from '../../support/quick-and-careful.ts'
import { captured } from './vectors.ts'

const flavours = ['ns', 'microdesc'] as const
const protocols = ['Cons=1-2 Link=1-5 Relay=2-4', 'Link=4-5'].map((text) => ProtocolList.parse(text))
const policies = [PortPolicy.rejectAll, PortPolicy.acceptAll, new PortPolicy(true, [{ low: 80, high: 80 }, { low: 443, high: 445 }])]
const flagSets = [['Fast', 'Running', 'Valid'], ['Exit', 'Running', 'Valid']].map((flags) => new Set(flags))

/** An IPv6 address in some spelling, with zeros more often than chance has them. */
function ipv6Text(rng: Rng): string {
  const groups = Array.from({ length: 8 }, () => (randomBelow(rng, 2) === 0 ? 0 : randomBelow(rng, 0x10000) >> (4 * randomBelow(rng, 4))))
  const text = groups.map((group) => group.toString(16))
  switch (randomBelow(rng, 5)) {
    case 0:
      return text.join(':')
    case 1: {
      const at = randomBelow(rng, 9)
      return `${text.slice(0, at).join(':')}::${text.slice(at + randomBelow(rng, 5)).join(':')}`
    }
    case 2:
      return groups.map((group) => group.toString(16).padStart(1 + randomBelow(rng, 4), '0')).join(':')
    default:
      return canonicalIp(text.join(':')) ?? ''
  }
}

/** As authorities write it where `plain`; else what the table allows as well. */
function entry(rng: Rng, i: number, flavour: 'ns' | 'microdesc', plain: boolean): string {
  const rsaIdentity = rng.bytes(20)
  const status: { -readonly [Key in keyof RouterStatus]: RouterStatus[Key] } = {
    nickname: `relay${i}`, rsaIdentity, fingerprint: hexEncodeUpper(rsaIdentity), published: wallFromSec(2_145_916_800 + (plain ? 0 : randomBelow(rng, 2))),
    address: [...rng.bytes(4)].join('.'), orPort: randomBelow(rng, 65536), dirPort: randomBelow(rng, 2) * 80, orAddresses: [],
    flags: randomChoice(rng, flagSets) ?? new Set(), version: `Tor 0.4.${8 + randomBelow(rng, 2)}.1`, protocols: randomChoice(rng, protocols) ?? ProtocolList.empty,
    bandwidth: randomBelow(rng, 2 ** 20), unmeasured: randomBelow(rng, 2) === 0,
  }
  if (flavour === 'microdesc') status.microdescriptorDigest = base64EncodeUnpadded(rng.bytes(32))
  else {
    status.descriptorDigest = rng.bytes(20)
    status.exitPolicy = randomChoice(rng, policies) ?? PortPolicy.rejectAll
  }
  const text = emitRouterStatus(status, flavour)
  if (plain) return randomBelow(rng, 2) === 0 ? text : text.replace('\n', `\na [2001:db8::${(i + 1).toString(16)}]:9001\n`)
  const addresses = Array.from({ length: randomBelow(rng, 3) }, () => `\na [${ipv6Text(rng)}]:${randomBelow(rng, 70_000)}`)
  const lines = text.replace('\n', `${addresses.join('')}\n`).split('\n')
  if (randomBelow(rng, 4) === 0) lines.splice(1 + randomBelow(rng, lines.length - 1), 1)
  return lines.join('\n').replace('Bandwidth=', randomBelow(rng, 8) === 0 ? 'GuardFraction=7 Bandwidth=' : 'Bandwidth=')
}

const entries = (rng: Rng, count: number, flavour: 'ns' | 'microdesc', plain: boolean): string =>
  Array.from({ length: count }, (_, i) => entry(rng, i, flavour, plain)).join('')

describe.each(flavours)('%s', (flavour) => {
  test('all entries are read quickly whose shared lines were met before', () => {
    const rng = new SeededRng('quick entries')
    const { quick, careful } = compareReaders(`${entries(rng, 300, flavour, true)}directory-footer\n`, flavour)
    expect(careful).toBe(300)
    // At most one miss for each text of each kind of line.
    expect(quick).toBeGreaterThanOrEqual(300 - flagSets.length - 2 * protocols.length - policies.length)
  })

  test('entries that are read in other ways have the same value', () => {
    const rng = new SeededRng('other entries')
    let read = { quick: 0, careful: 0 }
    for (let i = 0; i < 100; i++) {
      const one = compareReaders(`${entries(rng, 10, flavour, true)}${entries(rng, 30, flavour, false)}directory-footer\n`, flavour)
      read = { quick: read.quick + one.quick, careful: read.careful + one.careful }
    }
    // Both ways come up.
    expect(read.quick).toBeGreaterThan(800)
    expect(read.careful - read.quick).toBeGreaterThan(300)
  })

  test('damaged entries are refused, or have the same value', () => {
    const rng = new SeededRng('damaged entries')
    let quick = 0
    for (let i = 0; i < 1500; i++) {
      const known = entries(rng, 6, flavour, true)
      const damaged = mutate(rng, [latin1Encode(entries(rng, 3, flavour, true))], 'text', 10_000)
      quick += compareReaders(`${known}${latin1Decode(damaged)}${entry(rng, 9, flavour, true)}directory-footer\n`, flavour).quick
    }
    expect(quick).toBeGreaterThan(3000)
  })

  test('captured documents, whole and damaged, have the same value', () => {
    const text = captured(`consensus-${flavour}`)
    expect(compareReaders(text, flavour).careful).toBe(parseConsensus(text).relays.length)
    const rng = new SeededRng('captured')
    for (let i = 0; i < 300; i++) compareReaders(latin1Decode(mutate(rng, [latin1Encode(text)], 'text', 100_000)), flavour)
  })
})

test('every byte of an entry that is known, changed to each of many', () => {
  const rng = new SeededRng('one byte')
  const taught = entry(rng, 1, 'microdesc', true).replace('\n', '\na [2001:db8::1]:9001\n')
  const text = `${taught}${taught}directory-footer\n`
  expect(compareReaders(text, 'microdesc')).toEqual({ quick: 1, careful: 2 })
  for (let at = taught.length; at < text.length; at++) {
    for (const byte of '\0\t\n :=019afgAZ]/+-\u0141') compareReaders(`${text.slice(0, at)}${byte}${text.slice(at + 1)}`, 'microdesc')
  }
})

test.each([
  [/relay1/, ['', 'a'.repeat(19), 'a'.repeat(20), 'under_score']],
  [/9001/, ['0', '00', '1', '65535', '65536', '009001', '099999', '0000000000000000', '']],
  [/ 80\n/, [' 0\n', ' 65535\n', ' 65536\n', ' 00000000080\n', ' 000000000000000000080\n', ' \n', ' 80 81\n', ' 80 \n']],
  [/10\.1\.2\.3/, ['0.0.0.0', '255.255.255.255', '256.1.1.1', '01.02.03.004', '0010.1.1.1', '1.2.3', '1.2.3.4.5', '1..2.3']],
  [/2001:db8::1/, ['::', '::1', '1::', '1:0::', '1::0:1', '::ffff:1.2.3.4', '::ffff:102:304', '1:2:3:4:5:6:7::', '1:2:3:4:5:6::', '1:2:3:4:5:6:7:8', '1:0:3:0:5:0:7:0', '1:2:3:4:5:6:7:8:9', '1:0:0:1::1', '1::1::1', 'A::1', '1:', '1:::1', '12345::']],
  [/=77/, ['=0', '=4294967295', '=4294967296', '=00000000077', '=000000000000000000077', '=-1', '=', '=77 Unmeasured=1', '=77 Unmeasured=2', '=77 Unmeasured=1 X=2', '=77  Unmeasured=1']],
])('what stands for %s', (pattern, words) => {
  const identity = 'A'.repeat(27)
  const known = `r relay1 ${identity} 2038-01-01 00:00:00 10.1.2.3 443 80\na [2001:db8::1]:9001\nm ${'b'.repeat(43)}\ns Fast\nv Tor 1\npr Link=5\nw Bandwidth=77\n`
  for (const word of words) {
    expect(known.replace(pattern, word)).not.toBe(known)
    expect(compareReaders(`${known}${known}${known.replace(pattern, word)}directory-footer\n`, 'microdesc').quick).toBeGreaterThan(0)
  }
})

test('a cursor that ends anywhere', () => {
  const known = entry(new SeededRng('ends'), 1, 'microdesc', true)
  const text = `${known}${known}${known}directory-footer\n`
  for (let end = known.length; end <= text.length; end++) compareReaders(text, 'microdesc', end)
})
