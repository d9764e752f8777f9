import { expect, test } from 'vitest'
import { excerpt, firstDifference } from './consensus-watch.ts'

const document = (flags: string, footer = 'Wbd=0'): string =>
  `network-status-version 3\nparams a=1\nr one AAAA d t 127.0.0.1 1 0\ns Fast\nr two BBBB d t 127.0.0.2 1 0\ns ${flags}\ndirectory-footer\nbandwidth-weights ${footer}\n`

test('a divergence is told with its line, its relay and the votes', () => {
  expect(firstDifference(document('Fast'), document('Fast'))).toBeUndefined()
  const difference = firstDifference(document('Fast'), document('Fast Guard'))
  expect(difference).toEqual({ line: 6, one: 's Fast', other: 's Fast Guard', relay: 'r two BBBB d t 127.0.0.2 1 0' })
  if (difference === undefined) return
  expect(excerpt(document('Exit'), difference)).toBe('r two BBBB d t 127.0.0.2 1 0\ns Exit\ndirectory-footer\nbandwidth-weights Wbd=0\n')
  expect(excerpt('network-status-version 3\nr one AAAA d\n', difference)).toBe('(does not list it)')
})

test('one above or below the relays is told with the header of the votes', () => {
  const above = firstDifference(document('Fast'), document('Fast').replace('a=1', 'a=2'))
  expect(above).toEqual({ line: 2, one: 'params a=1', other: 'params a=2', relay: undefined })
  if (above !== undefined) expect(excerpt(document('Fast'), above)).toBe('network-status-version 3\nparams a=1\n')
  expect(firstDifference(document('Fast'), document('Fast', 'Wbd=1'))).toEqual({ line: 8, one: 'bandwidth-weights Wbd=0', other: 'bandwidth-weights Wbd=1', relay: undefined })
  expect(firstDifference(document('Fast'), `${document('Fast')}more\n`)?.other).toBe('more')
})
