import { describe, expect, test } from 'vitest'
import { hexDecode } from '../../../src/core/base/encoding.ts'
import {
  formatEd25519Identity, formatFingerprint, formatSpacedFingerprint, isNickname, parseEd25519Identity, parseFingerprint, parseRelayName,
} from '../../../src/core/ident/fingerprint.ts'

const digits = 'F35FAD8160A55D9B1425F7A82C8874264F3FB0F2'

describe('fingerprints', () => {
  test('all written forms are read', () => {
    const identity = hexDecode(digits)
    expect(formatFingerprint(identity)).toBe(digits)
    expect(formatSpacedFingerprint(identity)).toBe('F35F AD81 60A5 5D9B 1425 F7A8 2C88 7426 4F3F B0F2')
    for (const text of [digits, digits.toLowerCase(), `$${digits}`, formatSpacedFingerprint(identity)]) expect(parseFingerprint(text)).toEqual(identity)
  })

  test.each(['', digits.slice(1), `${digits}0`, `${digits.slice(1)}g`, `$$${digits}`])('%j is refused', (text) =>
    expect(parseFingerprint(text)).toBeUndefined(),
  )

  test('Ed25519 identities', () => {
    const text = 'VdVSTEWNoJ/hjvfes3n8pyazH/C0r7/wvYIsx+Zzoyw'
    const identity = parseEd25519Identity(text)
    expect(identity?.length).toBe(32)
    expect(formatEd25519Identity(identity ?? new Uint8Array())).toBe(text)
    expect(parseEd25519Identity(`${text}=`)).toEqual(identity)
    expect(parseEd25519Identity(text.slice(1))).toBeUndefined()
  })

  test('relay names', () => {
    expect(parseRelayName(`$${digits}=alice`)).toEqual({ kind: 'fingerprint', identity: hexDecode(digits), nickname: 'alice' })
    expect(parseRelayName(`$${digits}~alice`)).toEqual({ kind: 'fingerprint', identity: hexDecode(digits), nickname: 'alice' })
    expect(parseRelayName(digits)).toEqual({ kind: 'fingerprint', identity: hexDecode(digits), nickname: undefined })
    expect(parseRelayName('alice')).toEqual({ kind: 'nickname', nickname: 'alice' })
    for (const text of ['', 'a-b', `$${digits}=`, `$${digits}=a-b`, 'a'.repeat(20)]) expect(parseRelayName(text)).toBeUndefined()
    expect(isNickname('a'.repeat(19))).toBe(true)
  })
})
