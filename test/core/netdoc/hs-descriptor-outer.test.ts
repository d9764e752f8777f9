/** What a directory checks of onion-service descriptors: one that C tor published, and many that are wrong in one place. */

import { describe, expect, test } from 'vitest'
import { base64EncodeUnpadded } from '../../../src/core/base/encoding.ts'
import { RelishError, type ErrorKind } from '../../../src/core/base/errors.ts'
import { SeededRng } from '../../../src/core/base/rng.ts'
import { days, hours, later, minutes, parseIsoTime, wallMs, type WallMs } from '../../../src/core/base/time.ts'
import { CertType } from '../../../src/core/cert/ed25519-cert.ts'
import { ed25519Generate } from '../../../src/core/crypto/ed25519.ts'
import { parseHsDescriptorOuter, signHsDescriptorOuter, verifyHsDescriptorOuter } from '../../../src/core/netdoc/hs-descriptor-outer.ts'
import { captured } from './vectors.ts'

const publishedByTor = captured('hs-descriptor')
const capturedAt = parseIsoTime('2026-11-22 11:16:00') as WallMs

const rng = new SeededRng('descriptors')
const blindedKey = ed25519Generate(rng)
const signingKey = ed25519Generate(rng)
const now = wallMs(1_800_000_000_000)
const content = { lifetimeMinutes: 180, revisionCounter: 42n, superencrypted: rng.bytes(500), certificateExpires: later(now, hours(54)) }
const ours = signHsDescriptorOuter(content, blindedKey, signingKey)

function refusal(text: string, at = now): ErrorKind | undefined {
  try {
    verifyHsDescriptorOuter(parseHsDescriptorOuter(text), at)
    return undefined
  } catch (error) {
    if (error instanceof RelishError) return error.kind
    throw error
  }
}

describe('descriptors from outside', () => {
  test('one of C tor is read and verified', () => {
    const descriptor = verifyHsDescriptorOuter(parseHsDescriptorOuter(publishedByTor), capturedAt)
    expect(descriptor.lifetime).toBe(minutes(180))
    expect(descriptor.revisionCounter).toBe(383163153n)
    expect(descriptor.superencrypted.length).toBeGreaterThan(10_000)
    expect(descriptor.signingKeyCertificate.type).toBe(CertType.HS_BLINDED_SIGNING)
    expect(base64EncodeUnpadded(descriptor.blindedKey)).toBe(base64EncodeUnpadded(descriptor.signingKeyCertificate.signingKey as Uint8Array))
    expect(descriptor.text).toBe(publishedByTor)
  })

  test('ours say what they were made of', () => {
    const descriptor = verifyHsDescriptorOuter(parseHsDescriptorOuter(ours), now)
    expect(descriptor).toMatchObject({ lifetime: hours(3), revisionCounter: 42n })
    expect(descriptor.superencrypted).toEqual(content.superencrypted)
    expect(descriptor.blindedKey).toEqual(blindedKey.publicKey)
  })

  test('counters have 64 bits', () => {
    const greatest = (1n << 64n) - 1n
    expect(parseHsDescriptorOuter(signHsDescriptorOuter({ ...content, revisionCounter: greatest }, blindedKey, signingKey)).revisionCounter).toBe(greatest)
    expect(refusal(ours.replace('revision-counter 42', `revision-counter ${greatest + 1n}`))).toBe('bad-document')
    expect(refusal(ours.replace('revision-counter 42', 'revision-counter -1'))).toBe('bad-document')
  })

  test.each([
    ['another version', (text: string) => text.replace('hs-descriptor 3', 'hs-descriptor 2')],
    ['a lifetime of more than 12 hours', (text: string) => text.replace('lifetime 180', 'lifetime 721')],
    ['a second counter', (text: string) => text.replace('revision-counter 42\n', 'revision-counter 42\nrevision-counter 43\n')],
    ['no certificate', (text: string) => text.replace(/descriptor-signing-key-cert[^]*-----END ED25519 CERT-----\n/, '')],
    ['nothing inside', (text: string) => text.replace(/(BEGIN MESSAGE-----\n)[^]*(-----END MESSAGE)/, '$1AAAA\n$2')],
    ['something behind the signature', (text: string) => `${text}more 1\n`],
    ['something in front', (text: string) => `more 1\n${text}`],
    ['no signature', (text: string) => text.replace(/\nsignature .*\n/, '\n')],
  ])('%s is refused', (_, change) => {
    const changed = change(ours)
    expect(changed).not.toBe(ours)
    expect(refusal(changed)).toBe('bad-document')
  })

  test('what was changed after it was signed is refused', () => {
    expect(refusal(ours.replace('revision-counter 42', 'revision-counter 43'))).toBe('bad-signature')
    expect(refusal(ours.replace('lifetime 180', 'lifetime 720'))).toBe('bad-signature')
    expect(refusal(publishedByTor.replace('lifetime 180', 'lifetime 181'), capturedAt)).toBe('bad-signature')
  })

  test('what another key has signed is refused', () => {
    const other = signHsDescriptorOuter(content, blindedKey, ed25519Generate(rng))
    const signature = /\nsignature .*\n/.exec(other)?.[0] ?? ''
    expect(refusal(ours.replace(/\nsignature .*\n/, signature))).toBe('bad-signature')
  })

  test('a certificate that has expired is refused', () => {
    expect(refusal(ours, later(now, hours(53)))).toBeUndefined()
    expect(refusal(ours, later(now, days(3)))).toBe('bad-document')
  })
})
