/** Whether a relay tells without making a new descriptor that the one from before its restart is still right. */

import { expect, test } from 'vitest'
import { durationMs, later, hours, wallMs } from '../../src/core/base/time.ts'
import { ed25519Generate } from '../../src/core/crypto/ed25519.ts'
import { formatEd25519Identity } from '../../src/core/ident/fingerprint.ts'
import { SeededRng } from '../../src/core/base/rng.ts'
import { makeOwnDocuments, ownAddresses, ownExitPolicy, stillSays, type OwnDocumentsInput } from '../../src/node/own-descriptor.ts'
import { readTorrc } from '../../src/testnet/option-changes.ts'
import { testRelay } from '../support/relay-credentials.ts'

const now = wallMs(Date.UTC(2026, 0, 1, 12))
const familyKey = ed25519Generate(new SeededRng('family'))
const keys = { ...testRelay('own descriptor', now).keys, familyKeys: [familyKey] }

function input(lines: string, changed: Partial<OwnDocumentsInput> = {}): OwnDocumentsInput {
  const { options } = readTorrc(`Nickname mine\nORPort 10.1.2.3:9001\nDataDirectory /nowhere\n${lines}`, 'mine')
  const addresses = ownAddresses(options, { portOf: (spec) => spec.port })
  return {
    options, keys, addresses, exitPolicy: ownExitPolicy(options, addresses), published: now, uptime: durationMs(0), observedBandwidth: 0,
    statistics: [], hibernating: false, isDirectory: true, ...changed,
  }
}

const everything = `
  ORPort [fd00::1]:9001
  ContactInfo Zoë <zoe@example.org>
  ExitRelay 1
  IPv6Exit 1
  ExitPolicy accept *:80, reject6 [fd00::]/8:*, accept6 *:443, reject 10.0.0.0/8:1-1024, accept *:*
  MyFamily ${'$'}${'A'.repeat(40)}, Friend
  FamilyId ${formatEd25519Identity(familyKey.publicKey)}
  BandwidthRate 2 MB
  MaxAdvertisedBandwidth 1 MB
`

test.each(['', 'ExitRelay 1', 'ExitPolicy accept6 *:*', 'ExitRelay 1\nReducedExitPolicy 1', everything])('with the same options it is: %s', (lines) => {
  const { descriptor } = makeOwnDocuments(input(lines))
  expect(stillSays(descriptor, input(lines))).toBe(true)
  expect(stillSays(descriptor, input(lines, { published: later(now, hours(2)), uptime: hours(2) }))).toBe(true)
})

test.each([
  ['the contact', 'ContactInfo other'],
  ['an address', 'ORPort [fd00::2]:9001'],
  ['the policy', 'ExitRelay 1\nExitPolicy accept *:80, reject *:*'],
  ['the rate', 'BandwidthRate 3 MB'],
  ['the family', 'MyFamily Friend'],
  ['the certified family', `FamilyId ${formatEd25519Identity(familyKey.publicKey)}`],
])('%s may have changed', (_what, line) => {
  expect(stillSays(makeOwnDocuments(input('')).descriptor, input(line))).toBe(false)
  expect(stillSays(makeOwnDocuments(input(line)).descriptor, input(line))).toBe(true)
})

test('other keys are another descriptor', () => {
  const { descriptor } = makeOwnDocuments(input(''))
  const other = testRelay('another', now).keys
  expect(stillSays(descriptor, input('', { keys: { ...keys, ntorOnionKey: other.ntorOnionKey } }))).toBe(false)
  expect(stillSays(descriptor, input('', { keys: { ...keys, tapOnionKey: other.tapOnionKey } }))).toBe(false)
})
