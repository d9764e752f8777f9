import { expect, test } from 'vitest'
import { allOrNone } from '../../src/testnet/all-or-none.ts'

test('all of them, in order', async () => {
  expect(await allOrNone([Promise.resolve(1), Promise.resolve(2)], () => { throw new Error('nothing is undone') })).toEqual([1, 2])
})

test('when one fails, what others come to later is undone, too', async () => {
  const undone: number[] = []
  const late = new Promise<number>((resolve) => { setImmediate(() => { resolve(3) }) })
  await expect(allOrNone([Promise.resolve(1), Promise.reject(new Error('no port')), late], (value) => undone.push(value))).rejects.toThrow('no port')
  expect(undone).toEqual([1, 3])
})
