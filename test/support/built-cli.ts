/** The program `relish`, bundled as `build.js` does, so that tests run it as users do without a build of their own. */

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface BuiltCli {
  readonly path: string
  /** The node program, to be named in RELISH_TOR. */
  readonly torPath: string
  readonly gencertPath: string
  /** Runs it to its end. */
  run(args: readonly string[], options?: { cwd?: string; env?: Record<string, string> }): Promise<Finished>
  /** Starts it; the caller ends it. `stdout` is a descriptor to write to, instead of the child's own pipe. */
  start(args: readonly string[], options?: { cwd?: string; env?: Record<string, string>; stdout?: number }): ChildProcess
  remove(): void
}

export async function buildCli(): Promise<BuiltCli> {
  const cache = join(root, 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  // Below the package, so that it finds the package's networks and templates.
  const folder = mkdtempSync(join(cache, 'relish-test-'))
  await promisify(execFile)(process.execPath, [join(root, 'build.js'), folder, '--no-warm-up', '--programs-only'], { cwd: root })
  const path = join(folder, 'relish.js')
  const start: BuiltCli['start'] = (args, { cwd = root, env = {}, stdout } = {}) =>
    spawn(process.execPath, [path, ...args], { cwd, stdio: ['ignore', stdout ?? 'pipe', 'pipe'], env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env } })
  return {
    path,
    torPath: join(folder, 'relish-tor.js'),
    gencertPath: join(folder, 'relish-gencert.js'),
    start,
    run: (args, options) =>
      new Promise((resolve, reject) => {
        const child = start(args, options)
        let stdout = ''
        let stderr = ''
        child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')))
        child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')))
        child.once('error', reject)
        child.once('close', (code) => resolve({ code, stdout, stderr }))
      }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Processes whose command line contains `text`, from /proc. */
export async function processesWith(text: string): Promise<number[]> {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(text) && !/^State:\s+Z/m.test(readFileSync(`/proc/${name}/status`, 'utf8'))
      } catch {
        return false
      }
    })
    .map(Number)
}
