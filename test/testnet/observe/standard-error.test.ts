/** What counts as words on a node's standard error. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { wordsOnStandardError } from '../../../src/testnet/observe/files.ts'

test("C tor's first log lines do not, and its errors and anybody's crash do", () => {
  const folder = mkdtempSync(join(tmpdir(), 'relish-stderr-'))
  const file = join(folder, 'stderr.log')
  writeFileSync(
    file,
    [
      'Nov 22 14:38:38.798 [notice] Read configuration file "torrc".',
      'Nov 22 14:38:38.807 [warn] TestingTorNetwork is set.',
      'Nov 22 14:38:38.807 [err] Reading config failed',
      'TypeError: undefined is not a function',
      '',
    ].join('\n'),
  )
  expect(wordsOnStandardError(file)).toEqual(['Nov 22 14:38:38.807 [err] Reading config failed', 'TypeError: undefined is not a function'])
  expect(wordsOnStandardError(join(folder, 'none'))).toEqual([])
  rmSync(folder, { recursive: true, force: true })
})
