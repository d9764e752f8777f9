import { describe, expect, test, vi } from 'vitest'
import { getCurrentTest } from 'vitest/suite'
import { torTest } from '../../src/library/vitest.ts'

const { made } = vi.hoisted(() => ({ made: [] as { readonly name: string; readonly during: string | undefined; closed: boolean }[] }))
vi.mock('../../src/library/launch.ts', () => ({
  launch: (name: string) => {
    const network = { name, during: getCurrentTest()?.name, closed: false, close: () => Promise.resolve(void (network.closed = true)) }
    made.push(network)
    return name === 'broken' ? Promise.reject(new Error('it does not come up')) : Promise.resolve(network)
  },
}))

const perFile = torTest('for a file')
const perWorker = torTest('for a worker', { scope: 'worker' })
const perTest = torTest('for a test', { scope: 'test' })
const broken = torTest('broken')

describe.each([['file', perFile], ['worker', perWorker]] as const)('one network for a %s', (scope, torred) => {
  torred('is there before the first test, whose time is its own', ({ tor }) => {
    expect(tor).toMatchObject({ name: `for a ${scope}`, during: undefined, closed: false })
  })

  torred('is one and the same', ({ tor }) => {
    expect(made.filter((one) => one.name === `for a ${scope}`)).toEqual([tor])
    expect(tor).toMatchObject({ closed: false })
  })
})

describe('one network for each test', () => {
  perTest('is started by the first', ({ tor }) => {
    expect(tor).toMatchObject({ during: 'is started by the first', closed: false })
  })

  perTest('is another for the second, and that of the first is closed', ({ tor }) => {
    expect(made.filter((one) => one.name === 'for a test')).toEqual([expect.objectContaining({ closed: true }), tor])
  })
})

describe('a network that does not come up', () => {
  test('is no matter of tests that do not ask for it', () => {
    expect(made.filter((one) => one.name === 'broken')).toHaveLength(1)
  })

  broken.fails('fails those that do', ({ tor }) => {
    expect(tor).toBeDefined()
  })
})
