import { expect, test } from 'vitest'
import { chooseAddress, clipTtl } from '../../src/node/exit-address.ts'

const both = ['2001:db8::1', '192.0.2.1']
const [ipv6Okay, ipv4Not, ipv6First] = [1, 2, 4] as const

test.each([
  ['IPv4 unless told otherwise', both, 0, true, '192.0.2.1'],
  ['IPv4 though IPv6 is okay', both, ipv6Okay, true, '192.0.2.1'],
  ['IPv6 when preferred', both, ipv6Okay | ipv6First, true, '2001:db8::1'],
  ['IPv6 when IPv4 is not', both, ipv6Okay | ipv4Not, true, '2001:db8::1'],
  ['IPv4 at an exit without IPv6, whatever is preferred', both, ipv6Okay | ipv6First, false, '192.0.2.1'],
  ['nothing, when the one is refused and the other impossible', both, ipv6Okay | ipv4Not, false, undefined],
  ['the only address there is, though its family was not named', ['2001:db8::1'], 0, true, '2001:db8::1'],
  ['nothing for no address', [], 7, true, undefined],
])('%s', (_, addresses, flags, ipv6Exit, expected) => {
  expect(chooseAddress(addresses, flags, ipv6Exit)).toBe(expected)
})

test('a time to live is told as short or long', () => {
  expect([0, 1, 300, 301, 90_000].map(clipTtl)).toEqual([300, 300, 300, 3600, 3600])
})
