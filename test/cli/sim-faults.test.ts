/** `relish sim` with scenarios, faults and seeds: what it prints, and what its exit status says. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildCli, type BuiltCli } from '../support/built-cli.ts'

let cli: BuiltCli
let folder: string
beforeAll(async () => {
  cli = await buildCli()
  folder = mkdtempSync(join(tmpdir(), 'relish-sim-'))
  writeFileSync(join(folder, 'gone.yaml'), 'network: basic-min\ntraffic: false\ntimeline:\n  - { at: 1s, crash: exit }\n  - { at: 2s, expect: { every: exit, has: stopped } }\n  - { at: 2s, within: 1s, expect: { every: exit, has: ready } }\n')
})
afterAll(() => {
  cli.remove()
  rmSync(folder, { recursive: true, force: true })
})
const relish = (...args: string[]) => cli.run(args, { cwd: folder })

test('a scenario whose expectation fails says which, and ends with 1', async () => {
  const { code, stdout } = await relish('sim', 'gone.yaml')
  expect(code).toBe(1)
  expect(stdout).toMatch(/ok {7}exit has ended/)
  expect(stdout).toMatch(/FAILED {3}exit has all it needs .*: exit: it does not run/)
  expect(stdout).toMatch(/1 of 2 expectations met/)
})

test.each([
  ['a fault that is none', ['sim', 'basic-min', '--faults', '[{ at: 1s, crahs: exit }]'], /did you mean "crash"\?/],
  ['a check beside faults', ['sim', 'basic-min', '--faults', '--only', 'echo'], /--only has no meaning beside --faults/],
  ['a scenario with a mistake', ['validate', 'wrong.yaml'], /no node, group or role is called "exti"/],
])('%s ends with 2', async (_, args, words) => {
  writeFileSync(join(folder, 'wrong.yaml'), 'network: basic-min\ntimeline: [{ at: 1s, crash: exti }]\n')
  const { code, stderr } = await relish(...args)
  expect(code).toBe(2)
  expect(stderr).toMatch(words)
})

test('a process that runs seeds ends in the middle of one when the command that started it has ended', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli.path, 'sim-worker', 'basic-min'], { cwd: folder, encoding: 'utf8', input: '{"seed":"1","settings":[]}\n' })
  expect([status, stdout, stderr]).toEqual([0, '', ''])
})
