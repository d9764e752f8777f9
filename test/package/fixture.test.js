// Tests of somebody else's, with the fixture for vitest.
import { describe, expect } from 'vitest'
import { torTest } from 'tor-relish/vitest'

const test = torTest('basic-min')
const names = new Set()

describe('one network for the file', () => {
  for (const word of ['first', 'second']) {
    test(`${word} test`, async ({ tor }) => {
      const sink = await tor.sink()
      await (await tor.client().fetch(sink.url(`/${word}`))).text()
      expect(sink.visits.map((visit) => visit.path)).toEqual([`/${word}`])
      names.add(tor.directory)
      expect(names.size).toBe(1)
    })
  }
})
