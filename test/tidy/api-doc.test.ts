import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { apiDocument, undocumented } from './api-doc.ts'
import { root } from './source.ts'

let types: string
beforeAll(async () => {
  types = mkdtempSync(join(tmpdir(), 'relish-api-'))
  await promisify(execFile)(process.execPath, [join(root, 'build.js'), types, '--types-only'])
})
afterAll(() => rmSync(types, { recursive: true, force: true }))

test('docs/API.md says what the package exports', async () => {
  await expect(apiDocument(types)).toMatchFileSnapshot(join(root, 'docs/API.md'))
})

test('every function, class and type that is exported has a comment', () => {
  expect(undocumented(types)).toEqual([])
})
