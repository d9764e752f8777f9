import { describe, expect, test } from 'vitest'
import { hexDecode } from '../../../src/core/base/encoding.ts'
import { Reader } from '../../../src/core/bytes/reader.ts'
import { Writer } from '../../../src/core/bytes/writer.ts'
import { linkSpecifiersOf, linkTargetOf, readLinkSpecifiers, writeLinkSpecifiers, type LinkSpecifier } from '../../../src/core/ident/link-specifier.ts'
import { drillMessage, expectRefused } from '../../support/codec-drill.ts'

const decode = (bytes: Uint8Array): LinkSpecifier[] => {
  const reader = new Reader(bytes)
  const value = readLinkSpecifiers(reader)
  reader.finish('link specifiers')
  return value
}
const encode = (value: LinkSpecifier[]): Uint8Array => {
  const writer = new Writer()
  writeLinkSpecifiers(writer, value)
  return writer.finish()
}
const rsa = hexDecode('0102030405060708090a0b0c0d0e0f1011121314')
const ed25519 = new Uint8Array(32).fill(7)

drillMessage('link specifiers', { encode, decode }, [
  {
    label: 'all known kinds',
    value: linkSpecifiersOf({
      rsaIdentity: rsa,
      ed25519Identity: ed25519,
      addresses: [{ host: '::1', port: 1 }, { host: '127.0.0.1', port: 9001 }],
    }),
    bytes: hexDecode(`04 00067f0000012329 0214${'0102030405060708090a0b0c0d0e0f1011121314'} 0320${'07'.repeat(32)} 0112${'00'.repeat(15)}010001`.replace(/ /g, '')),
    lengthFields: [{ offset: 0, size: 1 }, { offset: 2, size: 1 }, { offset: 10, size: 1 }, { offset: 32, size: 1 }],
  },
  { label: 'an unknown kind', value: [{ kind: 'unknown', type: 0xf0, body: hexDecode('aabb') }], bytes: hexDecode('01f002aabb') },
  { label: 'an unknown kind without a body', value: [{ kind: 'unknown', type: 4, body: hexDecode('') }] },
  { label: 'none', value: [] },
])

describe('link specifiers', () => {
  test('a repeated identity is refused, a repeated address is not', () => {
    const identity: LinkSpecifier = { kind: 'legacy-identity', identity: rsa }
    expectRefused(decode, encode([identity, identity]))
    const address: LinkSpecifier = { kind: 'address', address: { host: '1.2.3.4', port: 5 } }
    expect(decode(encode([address, address]))).toEqual([address, address])
  })

  test('a known kind of another length is refused', () => {
    expectRefused(decode, hexDecode('01000501020304ff'))
    expectRefused(decode, hexDecode('0100070102030400ff00'))
  })

  test('a target needs the legacy identity and an address', () => {
    const target = { rsaIdentity: rsa, ed25519Identity: ed25519, addresses: [{ host: '1.2.3.4', port: 5 }] }
    expect(linkTargetOf(linkSpecifiersOf(target))).toEqual(target)
    expect(linkTargetOf([{ kind: 'legacy-identity', identity: rsa }])).toBeUndefined()
    expect(linkTargetOf([{ kind: 'address', address: { host: '1.2.3.4', port: 5 } }])).toBeUndefined()
  })
})
