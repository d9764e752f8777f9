/**
 * Many networks at once, which must not get in each other's way: networks of processes started at the same moment, round
 * after round, and test files that each have a network of their own, as many at a time as the machine has cores. Ends with 1
 * if one of them does not come up, or sees what belongs to another.
 *
 * node test/parallel/run.js [--networks 20] [--rounds 10] [--files 40] [--build dist]
 */

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs, promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({ options: { networks: { type: 'string', default: '20' }, rounds: { type: 'string', default: '10' }, files: { type: 'string', default: '40' }, build: { type: 'string', default: join(root, 'dist') } } })
const library = resolve(values.build, 'library')
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`

/** Starts networks of processes at once, goes through each, and looks that nobody came from another one. */
async function atOnce(count) {
  const { launch } = await import(pathToFileURL(join(library, 'index.js')).href)
  const launched = await Promise.allSettled(Array.from({ length: count }, () => launch('basic-min', { world: 'processes' })))
  const networks = launched.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failures = launched.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  try {
    const used = await Promise.allSettled(
      networks.map(async (net) => {
        const sink = await net.sink()
        await (await net.client().fetch(sink.url('/'))).text()
        if (sink.visits.length !== 1 || sink.leaks().length > 0) throw new Error(`${sink.visits.length} visits, ${sink.leaks().length} of others`)
      }),
    )
    failures.push(...used.flatMap((one) => (one.status === 'rejected' ? [one.reason] : [])))
  } finally {
    await Promise.all(networks.map((net) => net.close()))
  }
  return failures
}

const testFile = (world) => `
import { expect } from 'vitest'
import { torTest } from ${JSON.stringify(pathToFileURL(join(library, 'vitest.js')).href)}

const test = torTest('basic-min', { world: '${world}' })
test('goes through its own network', async ({ tor }) => {
  const sink = await tor.sink()
  await (await tor.client().fetch(sink.url('/mine'))).text()
  expect(sink.visits.map((visit) => [visit.path, visit.role])).toEqual([['/mine', 'exit']])
  expect(sink.leaks()).toEqual([])
}, 120_000)
`

/** Every fourth file has a network of processes. */
async function inFiles(count) {
  const cache = join(root, 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'relish-parallel-'))
  try {
    for (let index = 0; index < count; index++) writeFileSync(join(folder, `network-${index}.test.js`), testFile(index % 4 === 3 ? 'processes' : 'inline'))
    writeFileSync(join(folder, 'vitest.config.js'), 'export default { test: { hookTimeout: 120_000 } }\n')
    await promisify(execFile)(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder, '--reporter=dot'], { cwd: folder })
    return []
  } catch (error) {
    return [new Error(`${error.stdout ?? ''}${error.stderr ?? error.message}`)]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

let failed = 0
async function report(words, work) {
  const startMs = performance.now()
  const failures = await work()
  failed += failures.length
  console.log(`${words}: ${failures.length === 0 ? 'all well' : `${failures.length} failed`}, ${seconds(performance.now() - startMs)}`)
  for (const failure of failures) console.log(failure instanceof Error ? failure.message : failure)
}

for (let round = 1; round <= Number(values.rounds); round++) await report(`${values.networks} networks of processes at once, round ${round}`, () => atOnce(Number(values.networks)))
if (Number(values.files) > 0) await report(`${values.files} test files with a network each`, () => inFiles(Number(values.files)))
process.exitCode = failed === 0 ? 0 : 1
