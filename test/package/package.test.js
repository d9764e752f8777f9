/**
 * The package as others get it: packed, installed into an empty project, and used from JavaScript, TypeScript and test
 * runners. Takes what it needs from npm's cache, and from the registry if it is not there. The package is built before.
 */

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = async (program, args, cwd) => {
  // A test runner below another one reports to it, unless it is told that it is alone.
  const { NODE_TEST_CONTEXT: _context, NODE_OPTIONS: _options, ...env } = process.env
  const { stdout, stderr } = await promisify(execFile)(program, args, { cwd, env: { ...env, XDG_CACHE_HOME: join(project, 'cache') }, maxBuffer: 1 << 26 })
  return { stdout, stderr }
}

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

let project
before(async () => {
  project = mkdtempSync(join(tmpdir(), 'relish-package-'))
  const packed = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], root)
  const [{ filename, files }] = JSON.parse(packed.stdout)
  for (const part of ['dist/relish.js', 'dist/library/index.js', 'dist/library.js', 'dist/programs/library.js.cache', 'dist/types/library/index.d.ts', 'networks/basic.yaml', 'templates/common.torrc', 'docs/API.md']) {
    assert.ok(files.some((file) => file.path === part), `the package has ${part}`)
  }
  assert.ok(!files.some((file) => /^(src|test)\//.test(file.path)), 'sources and tests stay here')
  for (const { path } of files.filter((file) => file.path.startsWith('dist/'))) {
    assert.ok(!readFileSync(join(root, path), 'latin1').includes(root.replace(/\/$/, '')), `${path} does not name the folder it was built in`)
  }
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const tools = ['vitest', 'typescript', '@types/node'].map((name) => `${name}@${devDependencies[name]}`)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', `./${filename}`, ...tools], project)
  for (const name of ['consumer.js', 'consumer.ts', 'fixture.test.js', 'orphans.js']) cpSync(join(root, 'test/package', name), join(project, name))
  cpSync(join(root, 'docs/examples/tor-http-client'), join(project, 'example'), { recursive: true })
})
after(() => rmSync(project, { recursive: true, force: true }))

test('a program in JavaScript has a network in every world, and ends by itself; the library prints nothing', async () => {
  assert.deepEqual(await run(process.execPath, ['consumer.js'], project), { stdout: '', stderr: '' })
})

for (const [module, moduleResolution] of [['NodeNext', 'NodeNext'], ['ESNext', 'Bundler']]) {
  test(`a program in TypeScript is checked against the declarations, which are found as ${moduleResolution} looks for them`, async () => {
    const compilerOptions = { strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true, target: 'ES2022', lib: ['ES2022', 'ESNext.Disposable'], module, moduleResolution, types: ['node'], noEmit: true }
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }))
    await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], project)
  })
}

test('a program in CommonJS requires it', async () => {
  const { stdout, stderr } = await run(process.execPath, ['--input-type=commonjs', '--eval', "console.log(typeof require('tor-relish').launch)"], project)
  assert.deepEqual({ stdout, stderr }, { stdout: 'function\n', stderr: '' })
})

test('stack traces name the sources where Node.js is asked to; under other flags of V8 the library compiles anew', async () => {
  const program = "import { launch } from 'tor-relish'; await launch('nodes: 1\\n').catch((error) => console.log(error.stack))"
  const stackWith = async (flag) => (await run(process.execPath, [flag, '--input-type=module', '--eval', program], project)).stdout
  assert.match(await stackWith('--enable-source-maps'), /src\/library\/launch\.ts:\d+/)
  assert.match(await stackWith('--no-opt'), /programs\/library\.js:\d+/)
})

test('no process outlives a program that is killed', { skip: process.platform === 'win32' }, async () => {
  const child = spawn(process.execPath, ['orphans.js'], { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = await once(child.stdout, 'data')
  const pids = JSON.parse(said)
  assert.equal(pids.filter(isAlive).length, 6)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const deadline = AbortSignal.timeout(10_000)
  // Nobody tells of the end of processes that are not ours any more.
  while (pids.some(isAlive)) {
    deadline.throwIfAborted()
    await setTimeout(10)
  }
})

test('the fixture of vitest', () => run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'fixture', '--reporter=dot'], project))

test('the example application with the fixture of node:test', () => run(process.execPath, ['--test', 'example/page-title.test.js'], project))

test('the commands', async () => {
  assert.match((await run(process.execPath, ['node_modules/.bin/relish', 'list'], project)).stdout, /basic-min/)
  assert.match((await run(process.execPath, ['node_modules/.bin/relish-tor', '--version'], project)).stdout, /Tor/)
})
