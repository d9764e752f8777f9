/**
 * Runs what docs/DEBUGGING.md shows, in a folder of its own: blocks with a file's name are written, `sh` blocks run in order
 * (`sh fails`: its last command must not succeed), and each line of a `text` block must be in what the block above it
 * printed, with `…` for anything.
 *
 * node test/docs/run.js        the programs in `dist` must be built
 */

import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'relish-docs-'))

function fail(words) {
  console.error(`docs/DEBUGGING.md: ${words}`)
  process.exitCode = 1
  throw new Error(words)
}

const asPattern = (line) => new RegExp(line.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/ +/g, ' +')).join('.*'))

function runBlock(text, mustFail) {
  try {
    const printed = execFileSync('bash', ['-e', '-c', `exec 2>&1\n${text}`], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      timeout: 120_000,
      env: { ...process.env, RELISH: root, PATH: `${join(folder, '.bin')}:${process.env.PATH}` },
    })
    if (mustFail) fail(`this should have failed:\n${text}\nit printed:\n${printed}`)
    return printed
  } catch (error) {
    if (mustFail && typeof error.status === 'number') return error.stdout
    fail(`this failed:\n${text}\n${error.stdout ?? error}`)
  }
}

if (!existsSync(join(root, 'dist/relish.js'))) fail('the programs are not built: npm run build')
try {
  mkdirSync(join(folder, '.bin'))
  writeFileSync(join(folder, '.bin/relish'), `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'dist/relish.js')}" "$@"\n`)
  chmodSync(join(folder, '.bin/relish'), 0o755)
  let printed = ''
  let blocks = 0
  for (const [, info, text] of readFileSync(join(root, 'docs/DEBUGGING.md'), 'utf8').matchAll(/^```(\S.*)\n([\s\S]*?)^```$/gm)) {
    const [language, name] = info.split(' ')
    if (language === 'sh') {
      const began = performance.now()
      printed = runBlock(text, name === 'fails')
      blocks++
      console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${text.trim().split('\n').at(-1)}`)
    } else if (language === 'text') {
      for (const line of text.trim().split('\n')) if (!asPattern(line.trim()).test(printed)) fail(`nothing looks like\n  ${line}\nin\n${printed}`)
    } else if (name !== undefined) {
      writeFileSync(join(folder, name), text)
    }
  }
  console.log(`${blocks} blocks of docs/DEBUGGING.md do what it says`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
