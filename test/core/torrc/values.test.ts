import { describe, expect, test } from 'vitest'
import { hexDecode, hexEncode } from '../../../src/core/base/encoding.ts'
import { formatConfigValue, parseConfigText } from '../../../src/core/torrc/config-line.ts'
import { formatHashedPassword, hashPassword, parseHashedPassword, passwordMatches } from '../../../src/core/torrc/hashed-password.ts'
import { logLineTakes, parseLogLine } from '../../../src/core/torrc/log-line.ts'
import { parseRouterSet } from '../../../src/core/torrc/router-set.ts'
import { parseInterval, parseMemory, parseMillisecondInterval } from '../../../src/core/torrc/units.ts'

const line = (text: string) => {
  const [first] = parseConfigText(text)
  if (first === undefined) throw new Error('no line')
  return first
}

test('units', () => {
  expect(parseMemory('10')).toBe(10)
  expect(parseMemory('1.5 KB')).toBe(1536)
  expect(parseMemory('8kbits')).toBe(1024)
  expect(parseMemory('-1')).toBeUndefined()
  expect(parseMemory('99999999 TB')).toBeUndefined()
  expect(parseInterval('90')).toBe(90_000)
  expect(parseInterval('0.5 seconds')).toBe(0)
  expect(parseInterval('1 fortnight')).toBeUndefined()
  expect(parseMillisecondInterval('90')).toBe(90)
  expect(parseMillisecondInterval('1 month')).toBeUndefined()
})

describe('passwords', () => {
  // Made by `tor --hash-password foo`, C tor 0.4.9.11.
  const made = '16:F4988B08CFB606496053B5B05CAFF34321FAE4E45C8C1138F531ECF353'

  test('C tor’s hash is taken', () => {
    const hashed = parseHashedPassword(line(`HashedControlPassword ${made}`))
    expect(passwordMatches('foo', hashed)).toBe(true)
    expect(passwordMatches('fop', hashed)).toBe(false)
    expect(formatHashedPassword(hashPassword('foo', hashed.salt))).toBe(made)
  })

  test('long and empty passwords', () => {
    for (const password of ['', 'x'.repeat(70_000)]) {
      const hashed = hashPassword(password, hexDecode('0011223344556677'))
      expect(passwordMatches(password, hashed)).toBe(true)
      expect(hexEncode(hashed.digest)).toHaveLength(40)
    }
  })
})

describe('Log lines', () => {
  test('ranges and domains', () => {
    const log = parseLogLine(line('Log [circ,or]debug-info [~net]notice stderr'))
    expect(log.target).toEqual({ kind: 'stderr' })
    expect(logLineTakes(log, 'debug', 'circ')).toBe(true)
    expect(logLineTakes(log, 'debug', 'net')).toBe(false)
    expect(logLineTakes(log, 'warn', 'net')).toBe(false)
    expect(logLineTakes(log, 'warn', 'dir')).toBe(true)
    expect(logLineTakes(log, 'info', 'dir')).toBe(false)
  })

  test('targets', () => {
    expect(parseLogLine(line('Log notice')).target).toEqual({ kind: 'stdout' })
    expect(parseLogLine(line('Log warn-err file /a b/c')).target).toEqual({ kind: 'file', path: '/a b/c' })
    expect(() => parseLogLine(line('Log stdout'))).toThrow('no level')
    expect(() => parseLogLine(line('Log notice printer'))).toThrow()
  })
})

test('relay sets', () => {
  const set = parseRouterSet([line(`X Alpha, $${'ab'.repeat(20)}`), line('X 10.0.0.0/8:9000-9100, {De}')])
  const relay = (more: object) => ({ rsaIdentity: new Uint8Array(20), nickname: 'x', addresses: [], ...more })
  expect(set.contains(relay({ nickname: 'ALPHA' }))).toBe(true)
  expect(set.contains(relay({ rsaIdentity: hexDecode('ab'.repeat(20)) }))).toBe(true)
  expect(set.contains(relay({ addresses: [{ host: '10.9.9.9', port: 9001 }] }))).toBe(true)
  expect(set.contains(relay({ addresses: [{ host: '10.9.9.9', port: 80 }] }))).toBe(false)
  expect(set.contains(relay({ addresses: [{ host: '11.9.9.9', port: 9001 }] }))).toBe(false)
  expect(set.contains(relay({ country: 'de' }))).toBe(true)
  expect(parseRouterSet([line('X *')]).contains(relay({ addresses: [{ host: '::1', port: 1 }] }))).toBe(true)
  expect(parseRouterSet([]).isEmpty).toBe(true)
})

test('values survive being written and read', () => {
  for (const value of ['plain', 'with # hash', '"quoted"', 'back\\slash\\', ' spaces ', 'tab\tnewline\nend', 'Zoë ☃ \u{1f600}', '']) {
    const written = formatConfigValue(value)
    if (value !== '') expect(line(`ContactInfo ${written}\n`).value).toBe(value)
  }
})

test('malformed text is refused with its line', () => {
  expect(() => parseConfigText('A 1\nB "\\q"', 'f')).toThrow('invalid escape')
  expect(() => parseConfigText('A 1\n\0', 'f')).toThrow('zero byte')
  expect(() => parseConfigText('A "\\400"', 'f')).toThrow('invalid escape')
})
