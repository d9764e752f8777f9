import { expect, test } from 'vitest'
import { addressOfArpaName, arpaName } from '../../src/node/arpa-name.ts'

test.each([
  ['192.0.2.1', '1.2.0.192.in-addr.arpa'],
  ['2001:db8::567:89ab', 'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'],
])('%s is %s and back', (address, name) => {
  expect(arpaName(address)).toBe(name)
  expect(addressOfArpaName(name.toUpperCase())).toBe(address)
})

test('other names stand for no address', () => {
  expect(arpaName('example.com')).toBeUndefined()
  for (const name of ['example.com', '2.0.192.in-addr.arpa', '256.2.0.192.in-addr.arpa', '1.2.ip6.arpa', 'in-addr.arpa', `${'g.'.repeat(32)}ip6.arpa`]) {
    expect(addressOfArpaName(name), name).toBeUndefined()
  }
})
