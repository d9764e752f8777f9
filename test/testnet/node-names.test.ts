import { expect, test } from 'vitest'
import { noSuchNode } from '../../src/testnet/node-names.ts'

test('a name that nobody has: what was meant, or the first there are', () => {
  expect(noSuchNode('exti1', ['auth1', 'exit1'])).toMatchObject({ kind: 'config', message: 'there is no node exti1', hint: 'did you mean exit1?' })
  expect(noSuchNode('bob', ['auth1', 'exit1']).hint).toBe('nodes: auth1, exit1')
  expect(noSuchNode('nobody', Array.from({ length: 200 }, (_, index) => `relay${index}`), 'node or relay')).toMatchObject({ message: 'there is no node or relay nobody', hint: expect.stringMatching(/relay11 and 188 more$/) as string })
})
