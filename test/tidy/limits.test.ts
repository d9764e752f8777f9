import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isLimitsFile, limitsDocument, limitsOf } from './limits.ts'
import { parseSource, readSources, root } from './source.ts'

const files = readSources().filter(isLimitsFile)

test('every limit has a comment', async () => {
  const limits = (await Promise.all(files.map(limitsOf))).flat()
  expect(limits.length).toBeGreaterThan(100)
  expect(limits.filter((limit) => limit.meaning === '')).toEqual([])
})

test('docs/LIMITS.md lists every limit as the source has it', async () => {
  await expect(await limitsDocument(files)).toMatchFileSnapshot(join(root, 'docs/LIMITS.md'))
})

test('reads comments and values', async () => {
  const file = parseSource('core/torrc/limits.ts', (files.find((one) => one.path === 'core/torrc/limits.ts') ?? { text: '' }).text)
  const limits = await limitsOf(file)
  expect(limits[0]).toEqual({ name: 'includeDepthMax', value: '31', file: 'core/torrc/limits.ts', meaning: 'Depth of files that include files, as in C tor.' })
  expect(limits.find((limit) => limit.name === 'configFileBytesMax')?.value).toBe('8 MiB')
})
