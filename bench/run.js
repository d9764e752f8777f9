/**
 * The whole product against the clock, and against C tor where it is installed: starts of `basic`, the simulated start,
 * resident memory, and streams through three hops in two networks of the same shape, one of relish and one of C tor,
 * that run at the same time and are measured by turns.
 *
 *     npm run bench [-- --smoke] [-- --runs N] [-- --json FILE]
 *
 * Prints a table of medians with the least and the greatest value, and writes the same as JSON. What counts on a machine
 * that does other work is the ratio of two figures of one run, and processor time.
 */

import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { makeSink, roundTrips, transfer } from './streams.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const program = join(root, 'dist/relish.js')
const { values: options } = parseArgs({ options: { smoke: { type: 'boolean' }, runs: { type: 'string' }, json: { type: 'string' } } })
const smoke = options.smoke === true
const runs = Number(options.runs ?? (smoke ? 1 : 5))
const megabytes = smoke ? 1 : 16
const trips = smoke ? 5 : 50

const scratch = mkdtempSync(join(tmpdir(), 'relish-bench-'))
const run = promisify(execFile)
const relish = async (...args) => (await run(process.execPath, [program, ...args], { maxBuffer: 1 << 26 })).stdout
const rows = []

/** One figure, from the values of its runs. */
function add(name, unit, values) {
  const sorted = [...values].sort((a, b) => a - b)
  const row = { name, unit, median: sorted[(sorted.length - 1) >> 1], least: sorted[0], greatest: sorted.at(-1), runs: sorted.length }
  rows.push(row)
  const figure = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
  console.log(`${name.padEnd(48)} ${figure(row.median).padStart(8)} ${unit.padEnd(5)} (${figure(row.least)}–${figure(row.greatest)}, ${row.runs} runs)`)
}

/** Seconds of processor time of children that have ended, and of theirs (proc(5): cutime and cstime, in ticks of 10 ms). */
function childrenCpuSec() {
  const fields = readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /, '').split(' ')
  return (Number(fields[13]) + Number(fields[14])) / 100
}

const cpuSecOf = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function starts() {
  const cold = { totalMs: [], bootstrapMs: [], checksMs: [], cpu: [] }
  const warm = { totalMs: [], bootstrapMs: [], checksMs: [], cpu: [] }
  for (let i = 0; i < runs; i++) {
    const directory = join(scratch, `start-${i}`)
    for (const kind of [cold, warm]) {
      const before = childrenCpuSec()
      const { times } = JSON.parse(await relish('test', 'basic', '--json', '--dir', directory))
      kind.cpu.push(childrenCpuSec() - before)
      for (const name of ['totalMs', 'bootstrapMs', 'checksMs']) kind[name].push(times[name] / 1000)
    }
    rmSync(directory, { recursive: true, force: true })
  }
  for (const [name, kind] of Object.entries({ 'no keys': cold, 'keys exist': warm })) {
    add(`test basic, ${name}: in all`, 's', kind.totalMs)
    add(`test basic, ${name}: start`, 's', kind.bootstrapMs)
    add(`test basic, ${name}: checks`, 's', kind.checksMs)
    add(`test basic, ${name}: processor time`, 's', kind.cpu)
  }
}

async function simulation() {
  const elapsed = []
  const cpu = []
  for (let i = 0; i < runs; i++) {
    const before = childrenCpuSec()
    const startMs = performance.now()
    await relish('sim', 'basic', '--seed', '1')
    elapsed.push((performance.now() - startMs) / 1000)
    cpu.push(childrenCpuSec() - before)
  }
  add('sim basic: in all', 's', elapsed)
  add('sim basic: processor time', 's', cpu)
}

/** Sums of resident memory: RSS counts shared pages once for every process, PSS once for all. */
function memory(name, nodes) {
  const sum = (file, field) => nodes.reduce((total, { state }) => total + Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${state.pid}/${file}`, 'utf8'))?.[1] ?? 0), 0) / 1000
  add(`${name}: resident memory of ${nodes.length} nodes (RSS)`, 'MB', [sum('status', 'VmRSS')])
  add(`${name}: the same, shared pages once (PSS)`, 'MB', [sum('smaps_rollup', 'Pss')])
}

/** A network that runs until `down`. */
async function up(name, network) {
  const directory = join(scratch, name)
  await relish('up', network, '--detach', '--dir', directory)
  const { nodes } = JSON.parse(await relish('status', '--json', '--dir', directory))
  const { socks } = JSON.parse(await relish('join', '--json', '--dir', directory))
  const [host, port] = socks[0].address.split(':')
  return { name, nodes, socks: { host, port: Number(port) }, down: () => relish('down', '--dir', directory) }
}

function networkFile(implementation) {
  const path = join(scratch, `${implementation}.yaml`)
  writeFileSync(path, `defaults: { implementation: ${implementation} }\nnodes:\n  - { role: authority, name: auth, count: 3 }\n  - { role: exit, count: 3 }\n  - { role: client, count: 1 }\n`)
  return path
}

/** The same measurements of several networks, by turns. */
async function streams(networks) {
  const sink = await makeSink()
  const cases = {
    'one stream down': async ({ socks }) => megabytes / (await transfer(socks, sink, 'down', megabytes, 1)),
    'one stream up': async ({ socks }) => megabytes / (await transfer(socks, sink, 'up', megabytes, 1)),
    'four streams down, together': async ({ socks }) => megabytes / (await transfer(socks, sink, 'down', megabytes / 4, 4)),
    'round trip of one byte': async ({ socks }) => roundTrips(socks, sink, trips),
  }
  for (const [name, measure] of Object.entries(cases)) {
    const found = networks.map(() => [])
    const cpu = networks.map(() => [])
    for (let i = 0; i < runs; i++) {
      for (const [index, network] of networks.entries()) {
        const before = network.nodes.reduce((sum, { state }) => sum + cpuSecOf(state.pid), 0)
        found[index].push(await measure(network))
        const spent = network.nodes.reduce((sum, { state }) => sum + cpuSecOf(state.pid), 0) - before
        cpu[index].push((spent / megabytes) * 1000)
      }
    }
    const unit = name.startsWith('round') ? 'ms' : 'MB/s'
    for (const [index, network] of networks.entries()) {
      add(`${network.name}: ${name}`, unit, found[index])
      if (unit === 'MB/s') add(`${network.name}: processor time of that`, 's/GB', cpu[index])
    }
    if (networks.length > 1) add(`relish / C tor: ${name}`, '×', found[0].map((value, i) => value / found[1][i]))
  }
  sink.close()
}

function hasTor() {
  try {
    execFileSync('tor', ['--version'])
    return true
  } catch {
    return false
  }
}

console.log(`load ${loadavg().map((value) => value.toFixed(1)).join(' ')}; ${runs} runs of each; median (least–greatest)`)
const running = []
try {
  await starts()
  await simulation()
  const basic = await up('basic', 'basic')
  memory('basic', basic.nodes)
  await basic.down()
  running.push(await up('relish', networkFile('relish')))
  if (hasTor()) running.push(await up('C tor', networkFile('tor')))
  else console.log('C tor is not installed: nothing to compare streams with')
  for (const network of running) memory(network.name, network.nodes)
  await streams(running)
} finally {
  for (const network of running) await network.down()
  rmSync(scratch, { recursive: true, force: true })
}
const file = options.json ?? join(root, 'bench/result.json')
writeFileSync(file, `${JSON.stringify({ date: new Date().toISOString(), node: process.version, load: loadavg(), rows }, undefined, 2)}\n`)
console.log(`written: ${file}`)
