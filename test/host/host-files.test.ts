import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { utf8Encode } from '../../src/core/base/encoding.ts'
import { RelishError } from '../../src/core/base/errors.ts'
import { HostFiles } from '../../src/host/host-files.ts'

let folder: string
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'relish-files-')), 'data')
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

const modeOf = (path: string): number => statSync(join(folder, path)).mode & 0o777

it('gives files and folders the modes of C tor', () => {
  const files = new HostFiles(folder)
  files.write('keys/secret', utf8Encode('s'))
  files.write('fingerprint', utf8Encode('f'), 0o644)
  files.append('log', utf8Encode('l'))
  expect([modeOf(''), modeOf('keys'), modeOf('keys/secret'), modeOf('fingerprint'), modeOf('log')]).toEqual([0o700, 0o700, 0o600, 0o644, 0o600])
})

it('replaces a file whatever a crash left behind, and leaves nothing beside it', () => {
  const files = new HostFiles(folder)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'state.tmp'), 'half', { mode: 0o666 })
  chmodSync(join(folder, 'state.tmp'), 0o666)
  files.write('state', utf8Encode('whole'))
  expect(readdirSync(folder)).toEqual(['state'])
  expect(modeOf('state')).toBe(0o600)
})

it('names the file in its errors', () => {
  const files = new HostFiles(folder)
  files.write('a', utf8Encode('x'))
  for (const attempt of [() => files.write('a/b', utf8Encode('x')), () => files.read(''), () => files.remove('.')]) {
    expect(attempt).toThrow(RelishError)
    expect(attempt).toThrow(folder)
  }
})
