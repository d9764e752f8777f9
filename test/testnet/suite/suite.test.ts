import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { builtInCheckNames, defaultCheckNames } from '../../../src/testnet/checks/names.ts'
import { loadSuite, readSuite } from '../../../src/testnet/suite/load-suite.ts'
import { loadSuiteChecks, parseShard } from '../../../src/testnet/suite/select-checks.ts'
import type { Selection } from '../../../src/testnet/suite/suite.ts'

const folder = mkdtempSync(join(tmpdir(), 'relish-suites-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const module = join(folder, 'mine.mjs')
writeFileSync(module, "export const name = 'mine'\nexport const tags = ['shop']\nexport default () => ['x']\n")

const namesOf = async (suite: string, selection: Selection = {}, networkChecks: readonly string[] = defaultCheckNames): Promise<string[]> =>
  (await loadSuiteChecks(loadSuite(suite, {}), networkChecks, selection)).checks.map((check) => check.name)

describe('suites that are built in', () => {
  test('default is what the network file names', async () => {
    expect(await namesOf('default')).toEqual([...defaultCheckNames])
    expect(await namesOf('default', {}, ['path', 'echo'])).toEqual(['path', 'echo'])
  })

  test('smoke is the checks with that tag', async () => {
    expect(await namesOf('smoke')).toEqual(['echo', 'exit-seen', 'path', 'consensus'])
  })

  test('full is all there are, and modules of the network file; what disturbs comes last', async () => {
    expect(await namesOf('full', {}, ['echo', module])).toEqual([
      ...builtInCheckNames.filter((name) => !['guards-restart', 'identity-restart', 'relay-killed', 'authority-majority', 'authority-minority'].includes(name)),
      'mine',
      'guards-restart', 'identity-restart', 'relay-killed', 'authority-majority', 'authority-minority',
    ])
  })

  test('checks of one\'s own have tags of their own', async () => {
    expect(await namesOf('full', { only: ['shop'] }, ['echo', module])).toEqual(['mine'])
    expect(await namesOf('default', { skip: ['tag:shop'] }, ['echo', module])).toEqual(['echo'])
    await expect(namesOf('full', { only: ['tag:smok'] })).rejects.toMatchObject({ hint: expect.stringContaining('did you mean "smoke"?') as string })
  })

  test('another name gets the nearest', () => {
    expect(() => loadSuite('smok', {})).toThrow(expect.objectContaining({ kind: 'config', hint: expect.stringContaining('did you mean "smoke"?') as string }))
    expect(() => loadSuite('./none.yaml', {})).toThrow('there is no suite file ./none.yaml')
  })
})

describe('selections', () => {
  test.each<[string, Selection, string[]]>([
    ['names', { only: ['path', 'echo'] }, ['echo', 'path']],
    ['tags', { only: ['tag:directory'] }, ['consensus', 'promises', 'majority-rule', 'authority-majority', 'authority-minority']],
    ['a tag that is no name needs no prefix', { only: ['recovery'] }, ['relay-killed', 'authority-majority', 'authority-minority']],
    ['a word that is both is a name', { only: ['policy'] }, ['policy']],
    ['skipped by name and tag', { only: ['tag:policy', 'smoke'], skip: ['policies', 'tag:directory'] }, ['echo', 'exit-seen', 'path', 'policy']],
    ['a module', { only: [module] }, ['mine']],
  ])('%s', async (_what, selection, expected) => {
    expect(await namesOf('full', selection)).toEqual(expected)
  })

  test.each<[Selection, RegExp]>([
    [{ only: ['ecko'] }, /there is no check and no tag "ecko"/],
    [{ skip: ['tag:nothing'] }, /no check has the tag "nothing"/],
    [{ only: ['echo'], skip: ['echo'] }, /no check is left of the suite full/],
  ])('%j is refused', async (selection, message) => {
    await expect(namesOf('full', selection)).rejects.toThrow(message)
  })

  test('shards share all checks out, each once', async () => {
    const parts = await Promise.all([1, 2, 3].map((index) => namesOf('full', { shard: { index, count: 3 } })))
    expect(parts.flat().sort()).toEqual([...builtInCheckNames].sort())
    expect(Math.max(...parts.map((part) => part.length)) - Math.min(...parts.map((part) => part.length))).toBeLessThanOrEqual(1)
  })

  test.each(['0/2', '3/2', '1', 'a/b', '1/0'])('%s is no shard', (text) => {
    expect(() => parseShard(text)).toThrow(/is no shard/)
  })
})

describe('suite files', () => {
  const read = (text: string) => readSuite(text, join(folder, 'nightly.yaml'), {})

  test('say all that a suite is', () => {
    expect(read(`description: every night\nchecks: [tag:smoke, bulk, ./mine.mjs]\nskip: [path]\nretries: 2\npatienceSec: 5\nmemoryMb: 200\nexpectedWarnings: ['^clock']`)).toEqual({
      name: 'nightly', description: 'every night', checks: ['tag:smoke', 'bulk', module], skip: ['path'], retries: 2, patienceMs: 5000, memoryMb: 200, expectedWarnings: [/^clock/],
    })
  })

  test('run', async () => {
    const suite = await loadSuiteChecks(read('checks: [tag:smoke, ./mine.mjs]\nskip: [echo]'), [], {})
    expect(suite.checks.map((check) => check.name)).toEqual(['exit-seen', 'path', 'consensus', 'mine'])
  })

  test.each([
    ['checks: [ecko]', /nightly\.yaml:1:10: error: there is no check and no tag "ecko"[^]*did you mean "echo"\?/],
    ['checks: [./none.mjs]', /there is no check module \.\/none\.mjs/],
    ['checks: [echo]\nretrys: 1', /nightly\.yaml:2:1: error: unknown setting "retrys"[^]*did you mean "retries"\?/],
    ['checks: [echo]\nretries: -1', /"retries" must be >= 0/],
    ["checks: [echo]\nexpectedWarnings: ['(']", /nightly\.yaml:2:20: error: not a regular expression/],
    ['skip: [echo]', /"checks" is missing/],
    ['checks: [', /not valid YAML/],
  ])('%j is refused with its place', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })
})
