/**
 * relish under the other versions of Node.js that it is for. Each comes from npm into a folder of its own, outside the
 * dependencies, and has to
 *
 * - run the programs of `dist`, whose compiled code is another version's, and a build that it has made itself: every node comes up,
 *   all checks pass, nothing is deprecated, nothing is printed to stderr (as V8 does of options that it does not know);
 * - keep compiled code of its own for the user where it was given another version's, and take it over the next time;
 * - make of one seed the digest that the running version makes of it;
 * - pass the tests of what differs between versions: keys, certificates, compression, sockets.
 *
 * node test/versions/run.js [VERSION…]        `dist` must be built
 */

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const supported = ['20', '22', '24', '26']
const testFiles = ['test/core/crypto', 'test/core/cert', 'test/core/dirhttp', 'test/host']

const running = process.versions.node.split('.')[0]
const versions = process.argv.length > 2 ? process.argv.slice(2) : supported.filter((version) => version !== running)

// Below the package, so that builds find its networks and templates.
const cache = join(root, 'node_modules', '.cache')
mkdirSync(cache, { recursive: true })
const folder = mkdtempSync(join(cache, 'relish-versions-'))
const networks = mkdtempSync(join(tmpdir(), 'relish-versions-'))
const userCaches = join(networks, 'caches/tor-relish')

async function run(program, args, env = {}) {
  try {
    return await promisify(execFile)(program, args, { cwd: root, env: { ...process.env, XDG_CACHE_HOME: join(networks, 'caches'), ...env }, maxBuffer: 1 << 26 })
  } catch (error) {
    throw new Error(`${program} ${args.join(' ')}\n${error.stdout ?? ''}${error.stderr ?? ''}`, { cause: error })
  }
}

async function install(version) {
  const prefix = join(folder, `node-${version}`)
  // What the package `node` would choose and install by a script.
  const name = `node-${process.platform}-${process.arch}`
  await run('npm', ['install', '--prefix', prefix, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${version}`])
  return join(prefix, 'node_modules', name, 'bin/node')
}

async function digest(node, programs) {
  const { stdout } = await run(node, [join(programs, 'relish.js'), 'sim', 'basic', '--seed', '7'])
  return /^trace digest (\w+)$/m.exec(stdout)?.[1]
}

async function startNetwork(node, programs) {
  const { stderr } = await run(node, [join(programs, 'relish.js'), 'test', 'basic', '--dir', join(networks, 'basic'), '--clean'], { NODE_OPTIONS: '--throw-deprecation' })
  if (stderr !== '') throw new Error(`printed to stderr:\n${stderr}`)
}

/** What a process of `program` of another version's build has kept when it ended, V8 takes in the next one. */
async function takesWhatItKept(node, programs, program) {
  const named = new RegExp(`^${program}-[0-9a-f]{16}-[0-9a-f]+\\.cache$`)
  const kept = existsSync(userCaches) ? readdirSync(userCaches).filter((name) => named.test(name)) : []
  if (kept.length !== 1) throw new Error(`kept of ${program}: ${kept.length} caches instead of one`)
  const script = `
    const [source, cachedData] = process.argv.slice(1).map((path) => require('node:fs').readFileSync(path))
    console.log(new (require('node:vm').Script)(source.toString('latin1'), { cachedData }).cachedDataRejected)`
  const { stdout } = await run(node, ['--eval', script, join(programs, 'programs', `${program}.js`), join(userCaches, kept[0])])
  if (stdout !== 'false\n') throw new Error(`what was kept of ${program} is not taken over`)
  rmSync(join(userCaches, kept[0]))
}

async function runUnder(version, expectedDigest) {
  const node = await install(version)
  const { stdout } = await run(node, ['--version'])
  process.stdout.write(`Node.js ${stdout.trim()}: `)
  await startNetwork(node, join(root, 'dist'))
  for (const program of ['relish', 'relish-tor']) await takesWhatItKept(node, join(root, 'dist'), program)
  process.stdout.write('dist ran, ')

  const programs = join(folder, `build-${version}`)
  await run(node, [join(root, 'build.js'), programs, '--programs-only'])
  if (!existsSync(join(programs, 'programs/relish-tor.js.cache'))) throw new Error('the build has no compiled code')
  await startNetwork(node, programs)
  if (readdirSync(userCaches).length > 0) throw new Error('compiled code was kept beside that of the same version')
  await run(process.execPath, [join(programs, 'relish.js'), 'list'])
  await takesWhatItKept(process.execPath, programs, 'relish')
  process.stdout.write('a build of its own ran, ')

  const found = await digest(node, programs)
  if (found !== expectedDigest) throw new Error(`a simulation of seed 7 has the digest ${found} instead of ${expectedDigest}`)
  process.stdout.write('simulates the same, ')

  await run(node, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...testFiles])
  process.stdout.write('tests passed\n')
}

try {
  const expectedDigest = await digest(process.execPath, join(root, 'dist'))
  for (const version of versions) await runUnder(version, expectedDigest)
} catch (error) {
  process.stdout.write('failed\n')
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
  rmSync(networks, { recursive: true, force: true })
}
