import { describe, expect, test } from 'vitest'
import { emitRelayHistories, parseRelayHistories } from '../../../src/core/dirvote/relay-history-file.ts'
import { RelayHistories } from '../../../src/core/dirvote/relay-history.ts'

const t0 = 1_700_000_000
const [up, down] = ['A'.repeat(40), 'B'.repeat(40)] as const
const hour = 3600

function watched(): RelayHistories {
  const histories = new RelayHistories()
  histories.noteReachable(up, '192.0.2.1:9001', t0, 60)
  histories.noteReachable(down, '192.0.2.2:9001', t0 + hour, 60)
  histories.discountOld(t0)
  histories.noteUnreachable(down, t0 + 3 * hour, t0 + 3 * hour)
  return histories
}

const text = [
  'format 2', 'stored-at 2023-11-15 03:13:20', 'tracked-since 2023-11-14 22:13:20', 'last-downrated 2023-11-14 22:13:20', 'data',
  `R ${up}`, '+MTBF 0 0.00000 S=2023-11-14 22:13:20', '+WFU 0 0',
  `R ${down}`, '+MTBF 7200 1.00000', '+WFU 7200 7200 S=2023-11-15 01:13:20', '.', '',
].join('\n')

describe('the file of histories', () => {
  test('is written as C tor does', () => {
    expect(emitRelayHistories(watched(), t0 + 5 * hour)).toBe(text)
  })

  test('read at once, it says the same', () => {
    expect(emitRelayHistories(parseRelayHistories(text, t0 + 5 * hour), t0 + 5 * hour)).toBe(text)
  })

  test('time in which nobody watched is left out', () => {
    const later = t0 + 15 * hour
    const histories = parseRelayHistories(text, later)
    expect(histories.of(up).uptime(later)).toBe(5 * hour)
    expect(histories.of(down).weightedFractionalUptime(later)).toBe(0.5)
    expect(histories.hasEnough(later)).toBe(true)
  })

  test('runs do not begin before the watch, and times of the future are none', () => {
    const change = (from: string, to: string): RelayHistories => parseRelayHistories(text.replace(from, to), t0 + 5 * hour)
    expect(change('0.00000 S=2023-11-14 22:13:20', '0.00000 S=2023-11-14 20:00:00').of(up).runningSinceSec).toBe(t0)
    expect(change('0.00000 S=2023-11-14 22:13:20', '0.00000 S=2023-11-15 09:00:00').of(up).runningSinceSec).toBeUndefined()
    expect(change('tracked-since 2023-11-14', 'tracked-since 2033-11-14').trackingSinceSec).toBe(t0 + 5 * hour)
  })

  test('lines that are wrong are passed over, files that are no such file are refused', () => {
    const histories = parseRelayHistories(text.replace('+MTBF 7200 1.00000', '+MTBF x y').replace(`R ${up}`, 'R nobody'), t0 + 5 * hour)
    expect([...histories.entries()].map(([fingerprint]) => fingerprint)).toEqual([down])
    expect(histories.of(down).weightedRunLength).toBe(0)
    expect(histories.of(down).weightedUptime).toBe(7200)
    expect([...parseRelayHistories('format 2\nstored-at 2023-11-15 03:13:20\n', t0).entries()]).toEqual([])
    expect(() => parseRelayHistories(text.replace('format 2', 'format 3'), t0)).toThrow('format 2')
    expect(() => parseRelayHistories('', t0)).toThrow('format 2')
    expect(() => parseRelayHistories(text.replace(/^stored-at.*$/m, ''), t0)).toThrow('stored-at')
  })
})
