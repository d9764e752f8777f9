import { describe, expect, test } from 'vitest'
import { parseCondition, type TracedEvent } from '../../../src/testnet/debug/condition.ts'

const extended: TracedEvent = { t: 1500, node: 'client1', event: 'relay.received', circuit: 4, hop: 0, command: 'EXTENDED2', stream: 0, length: 64, body: { reason: 'DONE' } }
const begun: TracedEvent = { t: 9, node: 'client1', event: 'circuit.begin', circuit: 5, purpose: 'general', path: ['AA', 'BB'] }

describe('conditions on events', () => {
  test.each([
    ['cell.command == EXTENDED2', true],
    ['cell.command == EXTEND2', false],
    ['relay.command == "EXTENDED2" && node == client1', true],
    ['link.command == EXTENDED2', false],
    ['event == relay.received', true],
    ["event != 'relay.sent'", true],
    ['circuit == 4', true],
    ['circuit > 4 || length >= 64', true],
    ['!(t < 1000) && hop', true],
    ['purpose', false],
    ['purpose != general', false],
    ['body.reason == DONE', true],
    ['cell.body.reason == DONE', true],
    ['body.constructor', false],
  ])('%s', (text, holds) => {
    expect(parseCondition(text)(extended)).toBe(holds)
  })

  test('a list has what one of its items is', () => {
    expect(parseCondition('circuit.path == BB')(begun)).toBe(true)
    expect(parseCondition('circuit.path == CC')(begun)).toBe(false)
    expect(parseCondition('circuit.purpose == general && circuit == 5')(begun)).toBe(true)
  })

  test.each(['', 'cell.command =', 'cell.command == (', 'process.exit()', 'a["b"] == 1', 'a + b', '5 == circuit', 'x'.repeat(3000)])('no condition: %s', (text) => {
    expect(() => parseCondition(text)).toThrow(expect.objectContaining({ kind: 'config' }) as Error)
  })
})
