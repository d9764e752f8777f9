/**
 * Makes `dist`: each program as one file, and beside it V8's compiled code from a run of a small network, since ten nodes
 * that compile the same functions are a large part of a network's start.
 *
 * node build.js [FOLDER] [--no-warm-up] [--programs-only] [--types-only]
 *     FOLDER: another one than dist, for a build beside one that is in use
 *     --programs-only: without the library; --types-only: nothing but the declarations of the library
 */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { buildLibrary, writeTypes } from './src/build/library.js'
import { compiledValidators } from './src/build/validators.js'
import { assembledWasm } from './src/build/wasm.js'

const root = fileURLToPath(new URL('.', import.meta.url))
const programs = ['relish', 'relish-tor', 'relish-gencert']

/** Bundles the programs into `folder`, without compiled code, and what the library consists of in the same way. */
async function bundlePrograms(folder, withLibrary) {
  rmSync(folder, { recursive: true, force: true })
  const sources = new Map(programs.map((name) => [name, `src/cli/${name}.ts`]))
  if (withLibrary) sources.set('library', 'src/library/index.ts')
  await build({
    entryPoints: [...sources].map(([name, source]) => ({ in: join(root, source), out: name })),
    outdir: join(folder, 'programs'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    legalComments: 'none',
    // A program is one function expression, which the loader calls much as Node.js calls a CommonJS module.
    banner: { js: '(function (exports, require, module, __filename, __import) { const __module = { get url() { return require("node:url").pathToFileURL(__filename).href } };' },
    footer: { js: '})' },
    define: { 'import.meta.url': '__module.url' },
    plugins: [compiledValidators, assembledWasm],
  })
  for (const name of sources.keys()) {
    const path = join(folder, 'programs', `${name}.js`)
    // A script cannot import; its loader can, for those who name modules of their own.
    const program = readFileSync(path, 'latin1').replaceAll(/\bimport\(/g, '__import(')
    // By its last line compiled code is known to be of this bundle (src/cli/compiled-code.cjs).
    writeFileSync(path, `${program}// ${createHash('sha256').update(program).digest('hex').slice(0, 16)}\n`, 'latin1')
  }
  // For other builds that run nodes of this one: see src/seam.
  await build({ entryPoints: { core: join(root, 'src/seam/core-seam.ts') }, outdir: folder, bundle: true, format: 'cjs', platform: 'node', target: 'node20', sourcemap: 'linked', legalComments: 'none', plugins: [assembledWasm] })
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }\n')
  copyFileSync(join(root, 'src/cli/compiled-code.cjs'), join(folder, 'compiled-code.js'))
  for (const name of programs) copyFileSync(join(root, 'src/cli/program-loader.cjs'), join(folder, `${name}.js`))
  if (withLibrary) copyFileSync(join(root, 'src/library/library-loader.cjs'), join(folder, 'library.js'))
}

/**
 * Runs the smallest network, each program keeping what it compiled: voted for, and with its first consensus made for it, as often
 * as there are roles of nodes; simulated and inline, for what only a process needs that runs nodes; and once by the library, in one
 * process. Without it, starts are slower and nothing else.
 */
async function keepCompiledCode(folder, withLibrary) {
  const runDirectory = mkdtempSync(join(tmpdir(), 'relish-build-'))
  try {
    const test = ['test', 'basic-min', '--dir', runDirectory, '--genesis']
    const runs = [[...test, 'cold'], [...test, 'warm'], [...test, 'cold', '--clean'], ['sim', 'basic-min'], ['test', 'basic-min', '--world', 'inline', '--dir', runDirectory, '--clean']].map((args) => [join(folder, 'relish.js'), ...args])
    if (withLibrary) runs.push(['--input-type=module', '--eval', libraryWarmUp, join(folder, 'library/index.js')])
    for (const args of runs) {
      await promisify(execFile)(process.execPath, args, { env: { ...process.env, RELISH_CODE_CACHE: 'write' } })
      keepLargest(join(folder, 'programs'))
    }
  } catch (error) {
    process.stderr.write(`build: the programs work, but start slowly, since no network could be run for the warm-up: ${error instanceof Error ? error.message : error}\n`)
  } finally {
    rmSync(runDirectory, { recursive: true, force: true })
  }
}

/**
 * Of what several processes of a program have compiled the largest, from which the next run's processes start: so the roles of
 * nodes come in one after another.
 */
function keepLargest(programs) {
  const size = (name) => statSync(join(programs, name), { throwIfNoEntry: false })?.size ?? 0
  for (const name of readdirSync(programs)) {
    const cache = /^(.+\.cache)\.\d+$/.exec(name)?.[1]
    if (cache === undefined) continue
    if (size(name) > size(cache)) renameSync(join(programs, name), join(programs, cache))
    else rmSync(join(programs, name))
  }
}

/** What most users of the library do. */
const libraryWarmUp = `
  import { pathToFileURL } from 'node:url'
  const { launch } = await import(pathToFileURL(process.argv[1]).href)
  const net = await launch('basic-min', { world: 'inline' })
  const sink = await net.sink()
  await (await net.client().fetch(sink.url('/'))).text()
  await net.verify({ only: ['echo'] })
  await net.close()
`

const args = process.argv.slice(2)
const folder = resolve(args.find((one) => !one.startsWith('--')) ?? 'dist')
if (args.includes('--types-only')) {
  await writeTypes(folder)
} else {
  const withLibrary = !args.includes('--programs-only')
  await bundlePrograms(folder, withLibrary)
  if (withLibrary) await buildLibrary(folder)
  if (!args.includes('--no-warm-up')) await keepCompiledCode(folder, withLibrary)
}
