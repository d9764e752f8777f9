/** Two of the violations, with the checks that cost little: that the table still works. All of it: `npm run test:violations`. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { builtInCheckNames } from '../../src/testnet/checks/names.ts'
import { runViolated } from './run.ts'
import { violations } from './violations.ts'

const costly = ['bulk', 'relay-killed', 'authority-minority', 'authority-majority']

test.each(violations)('what is to be changed for $check is there, once', ({ changes }) => {
  for (const { file, from } of changes ?? []) {
    const source = readFileSync(join(fileURLToPath(new URL('../..', import.meta.url)), file), 'utf8')
    expect(source.split(from), `${file}: ${from}`).toHaveLength(2)
  }
})

test.each(['majority-rule', 'guards-restart'])('%s', async (name) => {
  const violation = violations.find((one) => one.check === name)
  expect(violation).toBeDefined()
  if (violation === undefined) return
  const outcomes = await runViolated(`smoke ${name}`, violation, builtInCheckNames.filter((check) => !costly.includes(check)))
  expect(outcomes.filter((one) => one.kind === 'failed')).toEqual([expect.objectContaining({ name, reason: expect.stringMatching(violation.reason) as string })])
})
