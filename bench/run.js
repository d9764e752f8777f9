/**
 * The whole product against the clock, and against C tor where it is installed: starts, streams through three hops in two
 * networks of the same shape that run at the same time and are measured by turns, circuits, memory, and the inner loops alone.
 *
 *     npm run bench [-- --smoke] [-- --runs N] [-- --only GROUP,…] [-- --json FILE] [-- --dist FOLDER]
 *
 * Prints medians with the least and the greatest value, and writes the same as JSON. What counts on a machine that does other
 * work is the ratio of two figures of one run, and processor time. `--dist` names another build to measure. Groups: starts, inline,
 * simulation, streams, path, consensus, growth.
 */

import { build } from 'esbuild'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { childrenCpuSec, cpuSecOf, hasTor, memoryOf, relish, up, upFile, writeNetwork } from './networks.js'
import { Report } from './report.js'
import { firstByte, makeSink, roundTrips, transfer } from './streams.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values: options } = parseArgs({
  options: { smoke: { type: 'boolean' }, runs: { type: 'string' }, json: { type: 'string' }, only: { type: 'string' }, dist: { type: 'string', default: 'dist' } },
})
const program = join(root, options.dist, 'relish.js')
const smoke = options.smoke === true
const runs = Number(options.runs ?? (smoke ? 1 : 5))
/** Of one transfer: of a network's first, as a short test has them, and of one that has run for a while. */
const coldMegabytes = smoke ? 1 : 16
const megabytes = smoke ? 1 : 40
/** What runs before the latter, each way, in every network alike: V8 needs some 100 MB until it has optimized what it will. */
const warmUpSec = smoke ? 0 : 5
const trips = smoke ? 5 : 50
const circuits = smoke ? 4 : 24

const scratch = mkdtempSync(join(tmpdir(), 'relish-bench-'))
const report = new Report()
const range = (count) => Array.from({ length: count }, (_, i) => i)

/** `relish test basic`, of which a first one in a directory makes keys and a second one finds them; by turns with it, once for each new keys, the same nodes run by C tor. */
async function starts() {
  const kinds = smoke
    ? [{ world: 'processes', genesis: 'warm' }]
    : ['processes', 'inline'].flatMap((world) => ['cold', 'warm'].map((genesis) => ({ world, genesis })))
  for (const { world, genesis } of kinds) {
    report.group(`start of basic, ${world}, genesis ${genesis}`)
    const found = { 'no keys': [], 'keys exist': [] }
    const withTor = []
    for (const i of range(runs)) {
      const directory = join(scratch, `start-${world}-${genesis}-${i}`)
      for (const values of Object.values(found)) values.push(await timedTest('basic', '--dir', directory, '--world', world, '--genesis', genesis))
      rmSync(directory, { recursive: true, force: true })
      // C tor votes by its own timetable: its first consensus cannot be made for it, and all its nodes are processes.
      if (world === 'processes' && genesis === 'cold' && hasTor()) withTor.push(await timedTest(writeNetwork(scratch, 'start-tor', 5, 'tor'), '--dir', join(scratch, `start-tor-${i}`)))
    }
    for (const [keys, values] of Object.entries(found)) addStart(keys, values, world === 'inline' ? 0.7 : genesis === 'warm' ? 1.0 : keys === 'no keys' ? 2.0 : 1.5)
    if (withTor.length === 0) continue
    addStart('C tor, no keys', withTor)
    report.addRatio('relish / C tor: no keys, in all', found['no keys'].map(({ totalMs }) => totalMs), withTor.map(({ totalMs }) => totalMs))
  }
}

async function timedTest(network, ...args) {
  const before = childrenCpuSec()
  const { times } = JSON.parse(await relish(program, 'test', network, '--json', ...args))
  return { ...times, cpuMs: (childrenCpuSec() - before) * 1000 }
}

function addStart(name, found, target) {
  const seconds = (field) => found.map((each) => each[field] / 1000)
  report.add(`${name}: in all`, 's', seconds('totalMs'), target)
  report.add(`${name}: until ready`, 's', seconds('bootstrapMs'))
  report.add(`${name}: checks`, 's', seconds('checksMs'))
  report.add(`${name}: processor time`, 's', seconds('cpuMs'))
}

async function simulation() {
  report.group('simulation of basic')
  const found = []
  for (const _ of range(runs)) {
    const before = childrenCpuSec()
    const result = JSON.parse(await relish(program, 'sim', smoke ? 'basic-min' : 'basic', '--seed', '1', '--json'))
    found.push({ ...result, cpuSec: childrenCpuSec() - before })
  }
  report.add('in all', 's', found.map(({ realMs }) => realMs / 1000))
  report.add('processor time', 's', found.map(({ cpuSec }) => cpuSec))
  report.add('events a second of processor time', '/s', found.map(({ events, cpuSec }) => events / cpuSec))
}

/** Measures every network in turn, `runs` times; `measure` answers a value. Answers the values of each network. */
async function byTurns(networks, measure) {
  const found = networks.map(() => [])
  for (const i of range(runs)) for (const [index, network] of networks.entries()) found[index].push(await measure(network, i))
  return found
}

function addAll(networks, name, unit, found, target, ratioTarget) {
  for (const [index, network] of networks.entries()) report.add(`${network.name}: ${name}`, unit, found[index], index === 0 ? target : undefined)
  if (networks.length > 1) report.addRatio(`relish / C tor: ${name}`, found[0], found[1], ratioTarget)
}

/** Networks that run now: they end with this program, however it ends. */
const networks = []
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void Promise.allSettled(networks.map(({ down }) => down())).then(() => {
    rmSync(scratch, { recursive: true, force: true })
    process.exit(130)
  }))
}

async function streams() {
  const sink = await makeSink()
  try {
    networks.push(await up(program, scratch, 'relish', 'relish'))
    if (hasTor()) networks.push(await up(program, scratch, 'C tor', 'tor'))
    else console.log('C tor is not installed: nothing to compare with')
    report.group('resident memory, idle')
    memory(networks, 70)
    report.group(`the first streams of a network, ${coldMegabytes} MB at a time`)
    await transfers(networks, 'one stream down, code cold', sink, 'down', 1, 1, { target: '≥50', ratioTarget: '≥5', megabytes: coldMegabytes })
    await transfers(networks, 'one stream up, code cold', sink, 'up', 1, 1, { ratioTarget: '≥5', megabytes: coldMegabytes })
    for (const network of networks) for (const direction of ['down', 'up']) await warmUp(network, sink, direction)
    report.group(`streams of a network that has run for a while, ${megabytes} MB at a time`)
    await transfers(networks, 'one stream down', sink, 'down', 1, 1, { target: '≥50', ratioTarget: '≥5' })
    await transfers(networks, 'one stream up', sink, 'up', 1, 1, { ratioTarget: '≥5' })
    await transfers(networks, 'four streams down', sink, 'down', 4, 1)
    await transfers(networks, 'twenty streams down over two clients', sink, 'down', 20, 2)
    report.group('latency and circuits')
    addAll(networks, 'round trip of one byte', 'ms', await byTurns(networks, ({ clients }) => roundTrips(clients[0], sink, trips)), 1.0, 0.2)
    addAll(networks, 'first byte for a new user', 'ms', await byTurns(networks, ({ clients }, i) => firstByte(clients[0], sink, `first-${i}`)))
    const all = async ({ clients }, i) => {
      const startMs = performance.now()
      await Promise.all(range(circuits).map((user) => firstByte(clients[0], sink, `many-${i}-${user}`)))
      return circuits / ((performance.now() - startMs) / 1000)
    }
    addAll(networks, `circuits a second, ${circuits} new users at once`, '/s', await byTurns(networks, all))
    report.group('resident memory, after that load')
    memory(networks)
    if (!smoke) await streamGrowth(networks, sink)
  } finally {
    sink.close()
    for (const network of networks.splice(0)) await network.down()
  }
}

/** Both clients' streams and the paths that they have. */
async function warmUp({ clients }, sink, direction) {
  const startMs = performance.now()
  while (performance.now() - startMs < warmUpSec * 1000) for (const client of clients) await transfer([client], sink, direction, 10, 1)
}

async function transfers(networks, name, sink, direction, count, clientCount, { target, ratioTarget, megabytes: size = megabytes } = {}) {
  const cpu = networks.map(() => [])
  const fairness = networks.map(() => [])
  const byNode = networks.map(({ nodes }) => nodes.map(() => 0))
  const found = await byTurns(networks, async (network) => {
    const index = networks.indexOf(network)
    const before = network.nodes.map(cpuSecOf)
    const { seconds, fairness: fair } = await transfer(network.clients.slice(0, clientCount), sink, direction, size / count, count)
    const used = network.nodes.map((node, i) => ((cpuSecOf(node) - before[i]) / size) * 1000)
    used.forEach((value, i) => (byNode[index][i] += value / runs))
    cpu[index].push(used.reduce((sum, value) => sum + value, 0))
    if (count > 1) fairness[index].push(fair)
    return size / seconds
  })
  addAll(networks, name, 'MB/s', found, target, ratioTarget)
  addAll(networks, `processor time of all nodes, ${name}`, 's/GB', cpu, undefined, 1)
  for (const [index, network] of networks.entries()) {
    report.add(`${network.name}: the last stream’s part when the first is done`, '', fairness[index], index === 0 ? '≥0.5' : undefined)
    if (count > 1) continue
    for (const [i, node] of network.nodes.entries()) if (byNode[index][i] > 1) report.add(`${network.name}: of that, ${node.name}`, 's/GB', [byNode[index][i]])
  }
}

function memory(networks, target) {
  for (const { name, nodes } of networks) {
    for (const role of new Set(nodes.map((node) => node.role))) {
      const found = nodes.filter((node) => node.role === role).map(memoryOf)
      report.add(`${name}: ${role}, RSS`, 'MB', found.map(({ rss }) => rss), name === 'relish' && role === 'exit' ? target : undefined)
      report.add(`${name}: ${role}, shared pages once (PSS)`, 'MB', found.map(({ pss }) => pss))
    }
  }
}

async function streamGrowth(networks, sink) {
  report.group('growth: streams down at once, together')
  for (const count of [1, 2, 4, 8, 16, 32]) {
    const found = await byTurns(networks, async ({ clients }) => megabytes / (await transfer(clients.slice(0, 1), sink, 'down', megabytes / count, count)).seconds)
    addAll(networks, `${count} streams`, 'MB/s', found)
  }
}

/** What a program that imports the library waits for, in a process that does nothing else, and what each node adds to its memory. */
async function inline() {
  const launched = (network, ...set) => JSON.parse(execFileSync(process.execPath, [join(root, 'bench/inline.js'), join(root, options.dist, 'library/index.js'), network, ...set], { encoding: 'utf8' }))
  for (const network of smoke ? ['basic-min'] : ['basic-min', 'basic']) {
    report.group(`library: launch('${network}', { world: 'inline' })`)
    const found = range(runs).map(() => launched(network))
    report.add('ready', 's', found.map(({ launchMs }) => launchMs / 1000), 1.0)
    report.add('import and ready', 's', found.map(({ importMs, launchMs }) => (importMs + launchMs) / 1000))
    report.add('ready and echo passed', 's', found.map(({ launchMs, echoMs }) => (launchMs + echoMs) / 1000), 0.7)
    report.add('the same, processor time', 's', found.map(({ cpuMs }) => cpuMs / 1000))
    report.add('close', 's', found.map(({ closeMs }) => closeMs / 1000), 0.1)
  }
  report.group('library: resident memory, inline, ready')
  const points = []
  for (const exits of smoke ? [3, 5] : [3, 5, 15, 35]) {
    const found = range(Math.min(runs, 3)).map(() => launched('basic', `exit=${exits}`))
    points.push(...found.map(({ nodes, readyMb }) => [nodes, readyMb]))
    report.add(`${exits + 5} nodes`, 'MB', found.map(({ readyMb }) => readyMb))
    if (exits === 5) report.add('before they are launched', 'MB', found.map(({ beforeMb }) => beforeMb))
  }
  report.add('each further node (least squares)', 'MB', [slopeOf(points)], 3)
}

/** Of the straight line that is nearest to the points. */
function slopeOf(points) {
  const mean = (i) => points.reduce((sum, point) => sum + point[i], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  return points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
}

/** The start of networks of growing size: in one process, whose processor time is that of all nodes, and with a process for each node. */
async function nodeGrowth() {
  const sizes = smoke ? [5] : [5, 15, 35]
  const repeats = range(Math.min(runs, 3))
  report.group('growth: nodes, inline, genesis warm, until ready and one echo')
  for (const exits of sizes) {
    const cpu = []
    for (const i of repeats) {
      const before = childrenCpuSec()
      await relish(program, 'test', 'basic', '--json', '--dir', join(scratch, `grow-${exits}-${i}`), '--world', 'inline', '--genesis', 'warm', '--only', 'echo', '--set', `exit=${exits}`)
      cpu.push(childrenCpuSec() - before)
    }
    report.add(`${exits + 5} nodes: processor time`, 's', cpu)
  }
  report.group('growth: nodes, a process each, genesis cold, until ready')
  for (const exits of sizes) {
    const found = []
    for (const i of repeats) {
      const file = writeNetwork(scratch, `grow-${exits}`, exits, 'relish')
      const startMs = performance.now()
      const network = await upFile(program, scratch, `grow-processes-${exits}-${i}`, file)
      networks.push(network)
      const elapsed = (performance.now() - startMs) / 1000
      const sum = (values) => values.reduce((all, value) => all + value, 0)
      const memory = network.nodes.map(memoryOf)
      found.push({ elapsed, cpu: sum(network.nodes.map(cpuSecOf)), rss: sum(memory.map(({ rss }) => rss)), pss: sum(memory.map(({ pss }) => pss)) })
      networks.splice(networks.indexOf(network), 1)
      await network.down()
    }
    const values = (field) => found.map((each) => each[field])
    report.add(`${exits + 5} nodes: until ready`, 's', values('elapsed'))
    report.add(`${exits + 5} nodes: processor time of the nodes`, 's', values('cpu'))
    report.add(`${exits + 5} nodes: resident memory, RSS`, 'MB', values('rss'))
    report.add(`${exits + 5} nodes: resident memory, shared pages once (PSS)`, 'MB', values('pss'))
  }
}

/** Bundles a benchmark of the core and answers what runs it. */
async function bundled(name) {
  const file = join(scratch, `${name}.mjs`)
  await build({ entryPoints: [join(root, 'bench', `${name}.ts`)], bundle: true, platform: 'node', format: 'esm', outfile: file, logLevel: 'error' })
  return (...args) => execFileSync(process.execPath, [file, ...args], { encoding: 'latin1' })
}

async function cellPath() {
  report.group('cells in memory, no sockets')
  const run = await bundled('relay-path')
  const found = range(smoke ? 1 : 3).map(() => JSON.parse(run('--json')))
  for (const { name } of found[0]) {
    const nsPerCell = found.map((rows) => rows.find((row) => row.name === name).nsPerCell)
    report.add(name, 'MB/s', nsPerCell.map((ns) => 509e3 / ns), name.startsWith('middle') ? '≥500' : undefined)
    report.add(`${name}, cells a second`, '/s', nsPerCell.map((ns) => 1e9 / ns))
  }
}

async function consensus() {
  report.group('reading and verifying a consensus')
  const run = await bundled('consensus')
  for (const relays of smoke ? [1000] : [1000, 2000, 4000, 8000]) {
    const file = join(scratch, `consensus-${relays}`)
    run('make', String(relays), file)
    const found = range(runs).map(() => JSON.parse(run('read', file)))
    report.add(`${relays} relays, first time in a process`, 'ms', found.map(({ coldMs }) => coldMs), relays === 8000 ? 150 : undefined)
    report.add(`${relays} relays, first time, processor time`, 'ms', found.map(({ coldCpuMs }) => coldCpuMs))
    report.add(`${relays} relays, warm`, 'ms', found.map(({ warmMs }) => warmMs), relays === 8000 ? 150 : undefined)
  }
}

const groups = { path: cellPath, consensus, starts, inline, simulation, streams, growth: nodeGrowth }
console.log(`load ${loadavg().map((value) => value.toFixed(1)).join(' ')}; ${runs} runs of each; median (least–greatest)`)
try {
  const wanted = options.only?.split(',') ?? Object.keys(groups)
  for (const name of wanted) await groups[name]()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
report.write(options.json ?? join(root, 'bench/result.json'))
