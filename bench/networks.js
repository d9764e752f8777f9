/** Networks that run beside the benchmark, and what their processes have used. */

import { execFile, execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Runs the built program; a failed check is not the benchmark's business, no output is. */
export async function relish(program, ...args) {
  try {
    return (await execute(process.execPath, [program, ...args], { maxBuffer: 1 << 26 })).stdout
  } catch (thrown) {
    if (typeof thrown.stdout === 'string' && thrown.stdout.startsWith('{')) return thrown.stdout
    throw thrown
  }
}

export function hasTor() {
  try {
    execFileSync('tor', ['--version'])
    return true
  } catch {
    return false
  }
}

/** The file of a network of three authorities, so many exits and two clients, all of one implementation; answers its path. */
export function writeNetwork(scratch, name, exits, implementation) {
  const file = join(scratch, `${name}.yaml`)
  writeFileSync(file, `defaults: { implementation: ${implementation} }\nnodes:\n  - { role: authority, name: auth, count: 3 }\n  - { role: exit, count: ${exits} }\n  - { role: client, count: 2 }\n`)
  return file
}

/** A network until `down`, with three exits. */
export async function up(program, scratch, name, implementation) {
  return upFile(program, scratch, name, writeNetwork(scratch, implementation, 3, implementation))
}

export async function upFile(program, scratch, name, file) {
  const directory = join(scratch, name)
  await relish(program, 'up', file, '--detach', '--dir', directory)
  const { nodes } = JSON.parse(await relish(program, 'status', '--json', '--dir', directory))
  const { socks } = JSON.parse(await relish(program, 'join', '--json', '--dir', directory))
  const clients = socks.map(({ address }) => ({ host: address.split(':')[0], port: Number(address.split(':')[1]) }))
  return { name, nodes: nodes.map((node) => ({ name: node.name, role: node.role, pid: node.state.pid })), clients, down: () => relish(program, 'down', '--dir', directory) }
}

const statOf = (path) => readFileSync(path, 'utf8').replace(/^.*\) /, '').split(' ')

/** Seconds of processor time (proc(5): utime and stime, in ticks of 10 ms). */
export function cpuSecOf({ pid }) {
  const fields = statOf(`/proc/${pid}/stat`)
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** The same of children of this process that have ended, and of theirs. */
export function childrenCpuSec() {
  const fields = statOf('/proc/self/stat')
  return (Number(fields[13]) + Number(fields[14])) / 100
}

/** Megabytes of resident memory: `rss` counts shared pages in every process, `pss` once for all. */
export function memoryOf({ pid }) {
  const read = (file, field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1] ?? 0) / 1000
  return { rss: read('status', 'VmRSS'), pss: read('smaps_rollup', 'Pss') }
}
