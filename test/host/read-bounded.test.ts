import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readTextBounded } from '../../src/host/read-bounded.ts'

const folder = mkdtempSync(join(tmpdir(), 'relish-read-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each([
  [0, 10, 0],
  [10, 10, 10],
  [11, 10, 11],
  [1_000_000, 10, 11],
  [200_000, 200_000, 200_000],
])('of %i bytes, at most %i wanted, it reads %i', (size, max, read) => {
  const path = join(folder, 'file')
  writeFileSync(path, 'x'.repeat(size))
  expect(readTextBounded(path, max)).toBe('x'.repeat(read))
})

test('what cannot be read throws', () => {
  expect(() => readTextBounded(join(folder, 'absent'), 10)).toThrow('ENOENT')
  expect(() => readTextBounded(folder, 10)).toThrow('EISDIR')
})
