/** Each violation turns exactly its check red, of all there are. Runs as `npm run test:violations`. */

import { expect, test } from 'vitest'
import { builtInCheckNames, defaultCheckNames } from '../../src/testnet/checks/names.ts'
import { runViolated, type Outcome } from './run.ts'
import { measured, rich, violations } from './violations.ts'

const red = (outcomes: readonly Outcome[]): readonly Outcome[] => outcomes.filter((one) => one.kind === 'failed')

test.each([
  ['basic', {}],
  ['a network with families, policies and parameters', { network: rich }],
  ['relays of different bandwidth', { changes: [measured] }],
])('nothing is red without a violation: %s', async (name, order) => {
  expect(red(await runViolated(`none ${name}`, { changes: [], ...order }))).toEqual([])
})

test.each(violations.map((violation) => [violation.check, violation.what, violation] as const))('%s: %s', async (check, what, violation) => {
  const without = Object.keys(violation.without ?? {})
  const outcomes = await runViolated(`${check} ${what}`, violation, builtInCheckNames.filter((name) => !without.includes(name)))
  expect(red(outcomes).map((one) => `${one.name}: ${one.reason}`)).toEqual([expect.stringMatching(violation.reason)])
  expect(red(outcomes).map((one) => one.name)).toEqual([check])
})

test('every check that the tests of single checks do not break is among them', () => {
  expect([...new Set(violations.map((violation) => violation.check))]).toEqual(builtInCheckNames.filter((name) => !defaultCheckNames.includes(name)))
})
