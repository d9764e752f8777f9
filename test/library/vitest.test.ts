import { describe, expect, test, vi } from 'vitest'
import { getCurrentTest } from 'vitest/suite'
import { torTest } from '../../src/library/vitest.ts'

const { made, limitMs } = vi.hoisted(() => ({ limitMs: 50, made: [] as { readonly name: string; readonly during: string | undefined; closed: boolean }[] }))
vi.mock('../../src/library/launch.ts', () => ({
  launch: (name: string) => {
    const network = { name, during: getCurrentTest()?.name, closed: false, close: () => Promise.resolve(void (network.closed = true)) }
    made.push(network)
    if (name === 'broken') return Promise.reject(new Error('it does not come up'))
    return name === 'slow' ? new Promise((resolve) => setTimeout(resolve, 4 * limitMs, network)) : Promise.resolve(network)
  },
}))

const perFile = torTest('for a file')
const perWorker = torTest('for a worker', { scope: 'worker' })
const perTest = torTest('for a test', { scope: 'test' })
const slow = torTest('slow', { scope: 'test' })
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

describe('a network for each test that takes long', () => {
  slow('does not count against the limit of its time', { timeout: limitMs }, ({ tor }) => {
    expect(tor).toMatchObject({ name: 'slow', closed: false })
  })

  test('is for tests of its own only', () => {
    expect(made.filter((one) => one.name === 'slow')).toEqual([expect.objectContaining({ closed: true })])
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
