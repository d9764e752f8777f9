/**
 * How simulations grow: real time, processor time and memory of networks of more and more relays until `echo` has passed,
 * and of a week of `basic` with a consensus each hour.
 *
 * node bench/simulation.js [--sizes 10,100,300] [--days 7]        the programs in `dist` must be built
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const program = fileURLToPath(new URL('../dist/relish.js', import.meta.url))
const { values: options } = parseArgs({ options: { sizes: { type: 'string', default: '10,100,300' }, days: { type: 'string', default: '7' } } })
const folder = mkdtempSync(join(tmpdir(), 'relish-bench-'))

/** One run: seconds on the clock, seconds of processor time, and the most memory it held. */
function measure(args) {
  return new Promise((resolve, reject) => {
    const beganMs = performance.now()
    const child = spawn(process.execPath, ['--max-old-space-size=16000', program, 'sim', ...args, '--json'], { stdio: ['ignore', 'pipe', 'ignore'] })
    let printed = ''
    child.stdout.on('data', (chunk) => (printed += chunk))
    const usage = { cpuSec: 0, peakMegabytes: 0 }
    const look = () => {
      try {
        const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
        usage.cpuSec = (Number(fields[11]) + Number(fields[12])) / 100
        usage.peakMegabytes = Math.max(usage.peakMegabytes, Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024)
      } catch {
        // It has ended.
      }
    }
    const timer = setInterval(look, 50)
    child.once('error', reject)
    child.once('close', (code) => {
      clearInterval(timer)
      if (code === 0) resolve({ sec: (performance.now() - beganMs) / 1000, ...usage, run: JSON.parse(printed) })
      else reject(new Error(`relish sim ${args.join(' ')} ended with ${code}`))
    })
  })
}

const row = (name, { sec, cpuSec, peakMegabytes, run }) =>
  console.log(`${name.padEnd(34)} ${sec.toFixed(1).padStart(7)} s  ${cpuSec.toFixed(1).padStart(7)} s of processor time  ${peakMegabytes.toFixed(0).padStart(6)} MB  ${run.events} events`)

const network = (relays) => {
  const path = join(folder, `relays-${relays}.yaml`)
  const exits = Math.ceil((relays - 3) * 0.3)
  writeFileSync(
    path,
    `options: { progressSec: 3000 }\nnodes:\n  - { role: authority, name: auth, count: 3 }\n  - { role: relay, count: ${relays - 3 - exits} }\n  - { role: exit, count: ${exits} }\n  - { role: client, count: ${Math.max(1, Math.floor(relays / 5))} }\n`,
  )
  return path
}

try {
  for (const relays of options.sizes.split(',').map(Number)) row(`${relays} relays, ${Math.max(1, Math.floor(relays / 5))} clients`, await measure([network(relays), '--only', 'echo']))
  const hourly = ['auth.torrc.V3AuthVotingInterval=1 hour', 'auth.torrc.V3AuthVoteDelay=5 minutes', 'auth.torrc.V3AuthDistDelay=5 minutes'].flatMap((setting) => ['--set', setting])
  if (Number(options.days) > 0) row(`${options.days} days of basic`, await measure(['basic', '--only', 'echo', '--for', `${options.days}d`, ...hourly]))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
