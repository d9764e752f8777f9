/** Compiled code that a user's processes keep where V8 refuses the build's (src/cli/compiled-code.cjs). */

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'

const loader = fileURLToPath(new URL('../../src/cli/compiled-code.cjs', import.meta.url))
let folder: string
let caches: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'relish-compiled-'))
  caches = join(folder, 'cache/tor-relish')
  writeBundle('0123456789abcdef', 'what it does')
  writeFileSync(join(folder, 'bundle.js.cache'), 'of another version')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const writeBundle = (name: string, says: string) => writeFileSync(join(folder, 'bundle.js'), `(function () { return ${JSON.stringify(says)} })\n// ${name}\n`)

/** What a new process has of the bundle. */
async function run(environment: NodeJS.ProcessEnv = {}, flags: string[] = []): Promise<string> {
  const program = `process.stdout.write(require(process.argv[1]).runCompiled(process.argv[2])())`
  const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache'), ...environment }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, '--eval', program, loader, join(folder, 'bundle.js')], { env })
  expect(stderr).toBe('')
  return stdout
}

test('kept for each bundle and set of flags, taken over, and written again only for what is new', async () => {
  expect(await run()).toBe('what it does')
  const [kept = ''] = readdirSync(caches)
  expect(kept).toMatch(/^bundle-0123456789abcdef-[0-9a-f]+\.cache$/)
  const past = new Date(2026, 0, 1)
  utimesSync(join(caches, kept), past, past)
  expect(await run()).toBe('what it does')
  expect(statSync(join(caches, kept)).mtime).toEqual(past)

  await run({}, ['--no-opt'])
  // V8 would take compiled code of a bundle of the same length.
  writeBundle('fedcba9876543210', 'does it what')
  expect(await run()).toBe('does it what')
  expect(readdirSync(caches)).toHaveLength(3)
})

test('nothing is kept where V8 takes the code of the build, or the build has none', async () => {
  await run({ RELISH_CODE_CACHE: 'write' })
  const [made = ''] = readdirSync(folder).filter((name) => /\.cache\.\d+$/.test(name))
  rmSync(join(folder, 'bundle.js.cache'))
  await run()
  renameSync(join(folder, made), join(folder, 'bundle.js.cache'))
  await run()
  expect(existsSync(caches)).toBe(false)
})

test('where nothing can be written, or somebody has no home, all is as without it', async () => {
  writeFileSync(join(folder, 'file'), '')
  expect(await run({ XDG_CACHE_HOME: join(folder, 'file/below') })).toBe('what it does')
  expect(await run({ XDG_CACHE_HOME: '', HOME: '/dev/null' })).toBe('what it does')
})

test('the oldest go, and what a process left unfinished', async () => {
  mkdirSync(caches, { recursive: true })
  for (let age = 1; age <= 30; age++) {
    writeFileSync(join(caches, `old-${age}`), '')
    utimesSync(join(caches, `old-${age}`), 1e9 - age, 1e9 - age)
  }
  await run()
  const left = readdirSync(caches)
  expect(left).toHaveLength(25)
  expect(left).toContain('old-24')
  expect(left).not.toContain('old-25')
})
