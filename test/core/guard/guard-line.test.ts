import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { wallFromSec } from '../../../src/core/base/time.ts'
import { formatGuardLine, parseGuardLine } from '../../../src/core/guard/guard.ts'
import { formatStateFile, parseStateFile, replaceStateLines } from '../../../src/core/guard/state-file.ts'

const now = wallFromSec(1_700_000_000)
/** Written by C tor; see the README beside it. */
const stateOfTor = readFileSync(new URL('../../vectors/ctor-state/state', import.meta.url), 'latin1')
const guardsOfTor = parseStateFile(stateOfTor).filter((line) => line.keyword === 'Guard').map((line) => line.value)

describe('guard lines', () => {
  test('of C tor are read, and written back as they were', () => {
    expect(guardsOfTor).toHaveLength(5)
    const parsed = guardsOfTor.map((text) => parseGuardLine(text, now, 99))
    expect(parsed.map((line) => line && formatGuardLine(line.selection, line.sampledIndex, line.guard))).toEqual(guardsOfTor)
    expect(parsed[0]).toMatchObject({
      selection: 'default',
      sampledIndex: 0,
      guard: { fingerprint: '396B3131D49AC2C183DFB7B6091C62AE7ACFF0A7', nickname: 'auth1', sampledBy: '0.4.9.11', listed: true, confirmedIndex: 2, reachable: 'maybe' },
    })
    expect(parsed[4]?.guard.confirmedOn).toBeUndefined()
  })

  test('keep what this program does not know, and repeated fields', () => {
    const text = 'in=default rsa_id=7EA6EAD6FD83083C538F44038BBFA077587DD755 sampled_on=2026-11-14T03:02:11 sampled_idx=3 listed=0 unlisted_since=2026-11-15T00:00:00 colour=blue word in=other'
    const line = parseGuardLine(text, now, 99)
    expect(line?.selection).toBe('default')
    expect(line?.guard.extra).toBe('colour=blue word in=other')
    expect(line && formatGuardLine('default', 3, line.guard)).toBe(
      'in=default rsa_id=7EA6EAD6FD83083C538F44038BBFA077587DD755 sampled_on=2026-11-14T03:02:11 sampled_idx=3 unlisted_since=2026-11-15T00:00:00 listed=0 colour=blue word in=other',
    )
  })

  test.each([
    ['', undefined], ['rsa_id=7EA6EAD6FD83083C538F44038BBFA077587DD755', undefined], ['in=default', undefined],
    ['in=default rsa_id=7EA6', undefined], ['in= rsa_id=7EA6EAD6FD83083C538F44038BBFA077587DD755', undefined],
  ])('without selection or identity are none: %j', (text, expected) => {
    expect(parseGuardLine(text, now, 99)).toBe(expected)
  })

  test('with bad times and indices are mended', () => {
    const line = parseGuardLine('in=default rsa_id=7ea6ead6fd83083c538f44038bbfa077587dd755 sampled_on=2026-13-40T00:00:00 sampled_idx=-1 confirmed_idx=2 confirmed_on=soon', now, 99)
    expect(line).toMatchObject({ sampledIndex: 2, guard: { fingerprint: '7EA6EAD6FD83083C538F44038BBFA077587DD755', sampledOn: now, confirmedIndex: 2, confirmedOn: now, listed: false } })
    expect(parseGuardLine('in=default rsa_id=7ea6ead6fd83083c538f44038bbfa077587dd755 confirmed_idx=1e3', now, 99)).toMatchObject({ sampledIndex: 99, guard: { confirmedIndex: undefined } })
  })
})

describe('state files', () => {
  test('of C tor keep their other lines and places', () => {
    const lines = parseStateFile(stateOfTor)
    const written = formatStateFile(replaceStateLines(lines, 'Guard', ['in=default x=1']), 'relish 0.1.0', now)
    const expected = stateOfTor
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#') && !/^(TorVersion|LastWritten) /.test(line))
      .flatMap((line, i, all) => (!line.startsWith('Guard ') ? [line] : all[i - 1]?.startsWith('Guard ') === true ? [] : ['Guard in=default x=1']))
    expect(written.split('\n')).toEqual([
      '# Tor state file last generated on 2023-11-14 22:13:20 UTC', '# Other times below are in UTC', '# You *do not* need to edit this file.', '',
      ...expected, 'TorVersion relish 0.1.0', 'LastWritten 2023-11-14 22:13:20', '',
    ])
    expect(parseStateFile(written).filter((line) => line.keyword === 'Guard')).toEqual([{ keyword: 'Guard', value: 'in=default x=1' }])
  })

  test('of other programs are no reason to fail', () => {
    expect(parseStateFile('\0\0\nÿ\n= =\nWord\nWord  value with words  \r\n')).toEqual([{ keyword: 'Word', value: 'value with words' }])
  })
})
