/** The table tells the truth: an option that it says is used is read somewhere, and no other is. */

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { OptionSpec } from '../../../src/core/torrc/option-spec.ts'
import { optionNames, optionTable } from '../../../src/core/torrc/option-table.ts'

const source = join(import.meta.dirname, '../../../src')

/** All of src that may read options: the table itself and its checks do not count, bending options to one truth does. */
function readers(folder: string): string {
  return readdirSync(folder, { withFileTypes: true })
    .map((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return path.endsWith('core/torrc') ? readFileSync(join(path, 'normalize.ts'), 'utf8') : readers(path)
      return entry.name.endsWith('.ts') ? readFileSync(path, 'utf8') : ''
    })
    .join('\n')
}

test('options are used if and only if the table says so', () => {
  const text = readers(source)
  const wrong = optionNames.flatMap((name) => {
    const used = new RegExp(`\\b(options|Options|config|[a-z]Options)\\.${name}\\b|\\b${name}\\b[^\\n]*\\} = |[^(]'${name}'`).test(text)
    const { kind } = (optionTable[name] as OptionSpec<unknown>).support
    if (kind === 'used' && !used) return [`${name} is said to be used, and nothing reads it`]
    if (kind !== 'used' && used) return [`${name} is read, and said to be ${kind}`]
    return []
  })
  expect(wrong).toEqual([])
})

test('every reason is a reason', () => {
  for (const name of optionNames) {
    const spec = optionTable[name] as OptionSpec<unknown>
    expect(spec.description, name).toMatch(/^\S.{8,}[^.]$/)
    if (spec.support.kind !== 'used') expect(spec.support.why.length, name).toBeGreaterThan(8)
  }
})
