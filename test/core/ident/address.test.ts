import { describe, expect, test } from 'vitest'
import { canonicalIp, formatAddressPort, formatIp, isPrivateIp, parseAddressPort, parseIp, parseIpv4, parseIpv6, parsePort } from '../../../src/core/ident/address.ts'

describe('IP addresses', () => {
  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['1::', '1::'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
    ['::ffff:102:304', '::ffff:1.2.3.4'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalIp(text)).toBe(canonical)
    const bytes = parseIp(canonical)
    expect(bytes === undefined ? undefined : formatIp(bytes)).toBe(canonical)
  })

  test.each(['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.-4', ' 1.2.3.4', '1.2.3.4 ', 'localhost', '0x1.2.3.4'])(
    '%j is no IPv4 address',
    (text) => expect(parseIpv4(text)).toBeUndefined(),
  )

  test.each([':', ':::', '1:2:3', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '::1::', '12345::', 'g::', '::1.2.3', '1.2.3.4::', '::%1', '[::1', ':1:2:3:4:5:6:7'])(
    '%j is no IPv6 address',
    (text) => expect(parseIpv6(text)).toBeUndefined(),
  )
})

describe('addresses with ports', () => {
  test.each([
    ['127.0.0.1:9001', '127.0.0.1', 9001],
    ['[::1]:9001', '::1', 9001],
    ['[2001:DB8::0]:65535', '2001:db8::', 65535],
  ])('%s', (text, host, port) => {
    expect(parseAddressPort(text)).toEqual({ host, port })
    expect(parseAddressPort(formatAddressPort({ host, port }))).toEqual({ host, port })
  })

  test.each(['127.0.0.1', '127.0.0.1:', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:9001x', '::1:9001', '[::1]9001', '[::1:9001', 'host:80', ':80'])(
    '%j is none',
    (text) => expect(parseAddressPort(text)).toBeUndefined(),
  )

  test('port 0 only where allowed', () => {
    expect(parsePort('0')).toBeUndefined()
    expect(parsePort('0', true)).toBe(0)
  })
})

describe('private addresses', () => {
  test.each([
    '0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.127.255.255', '127.0.0.1', '127.255.0.1', '169.254.1.1',
    '172.16.0.1', '172.31.255.255', '192.168.0.1', '::', '::1', 'fc00::1', 'fdff::1', 'fe80::1', 'febf::1', 'fec0::1', 'feff::1',
    '::ffff:10.0.0.1', 'not an address',
  ])('%s is private', (host) => expect(isPrivateIp(host)).toBe(true))

  test.each([
    '1.1.1.1', '9.255.255.255', '11.0.0.1', '100.63.255.255', '100.128.0.0', '126.1.1.1', '128.0.0.1', '169.253.1.1', '172.15.1.1',
    '172.32.0.1', '192.167.1.1', '192.169.1.1', '::2', '2001:db8::1', 'fb00::1', 'ff02::1', '::ffff:8.8.8.8',
  ])('%s is public', (host) => expect(isPrivateIp(host)).toBe(false))
})
