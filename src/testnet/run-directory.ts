/**
 * The run directory of a network: `.relish/NAME`, or the one the user names. Everything a run writes is below it:
 *
 *     network.yaml    the network file as written        run.json       what it resolves to, and where it was placed
 *     resolv.conf     the name server that exits ask      control.sock   the running network's control socket
 *     supervisor.log  what a detached run says            nodes/NAME/    a node's torrc, data directory and log
 *     traces/         what each node records              trace.jsonl    all of it, merged when the run ends
 *     inline/         the run directory of `relish test --world inline`
 *
 * One run uses a directory at a time. On Linux the lock is an abstract socket, which the operating system gives to one
 * process and takes back when it ends in any way; elsewhere a file names the owner's process.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { RelishError } from '../core/base/errors.ts'
import type { WallMs } from '../core/base/time.ts'
import { consensusFiles, consensusTimes } from './consensus-files.ts'
import type { ResolvedNetwork } from './network-types.ts'
import { shellWord } from './shell-word.ts'

export interface RunRecord {
  /** Layout of this file. */
  readonly version: 1
  readonly network: ResolvedNetwork
  /** The claimed address bytes, to be claimed again by the next start. */
  readonly addressBytes: string | undefined
  /** Ports of the last start by node name, to be used again where they are free. */
  readonly ports: { readonly [node: string]: PortRecord }
}

export interface PortRecord {
  readonly orPort?: number | undefined
  readonly orPort6?: number | undefined
  readonly dirPort?: number | undefined
  readonly socksPort?: number | undefined
  readonly controlPort?: number | undefined
}

export const defaultRunDirectory = (name: string): string => resolve('.relish', name)

export class RunDirectory {
  readonly path: string

  constructor(path: string) {
    this.path = resolve(path)
  }

  get networkFile(): string {
    return join(this.path, 'network.yaml')
  }
  get resolvConf(): string {
    return join(this.path, 'resolv.conf')
  }
  get supervisorLog(): string {
    return join(this.path, 'supervisor.log')
  }
  /** Parts of a trace, `NODE.jsonl`. */
  get traces(): string {
    return join(this.path, 'traces')
  }
  get trace(): string {
    return join(this.path, 'trace.jsonl')
  }
  get inline(): string {
    return join(this.path, 'inline')
  }
  nodeDirectory(name: string): string {
    return join(this.path, 'nodes', name)
  }
  torrc(name: string): string {
    return join(this.nodeDirectory(name), 'torrc')
  }
  nodeLog(name: string): string {
    return join(this.nodeDirectory(name), 'node.log')
  }
  nodeErrors(name: string): string {
    return join(this.nodeDirectory(name), 'stderr.log')
  }

  /** Makes the directory and the folders of its nodes. C tor insists on mode 0700. */
  make(nodes: readonly string[]): void {
    for (const name of nodes) {
      mkdirSync(join(this.nodeDirectory(name), 'keys'), { recursive: true, mode: 0o700 })
    }
    mkdirSync(this.path, { recursive: true, mode: 0o700 })
  }

  readRecord(): RunRecord | undefined {
    const path = join(this.path, 'run.json')
    if (!existsSync(path)) return undefined
    try {
      const record = JSON.parse(readFileSync(path, 'utf8')) as RunRecord
      if (record.version !== 1) throw new RelishError('config', `it has layout ${String(record.version)}`)
      return record
    } catch (error) {
      throw new RelishError('config', `${path} is not a record of this version of relish: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
        hint: `remove ${this.path} to start afresh`,
      })
    }
  }

  /** All of it or, where there is no room, none: one that is cut off would be in the way of every later run. */
  writeRecord(record: RunRecord): void {
    const path = join(this.path, 'run.json')
    writeFileSync(`${path}.tmp`, JSON.stringify(record, undefined, 2) + '\n')
    renameSync(`${path}.tmp`, path)
  }

  /** Removes directory documents that nodes have kept: they say where relays were, or what was so then. Keys and guards stay. */
  forgetDocuments(): void {
    for (const directory of this.#nodeDirectories()) {
      for (const file of readdirSync(directory)) {
        if (/^(cached|unverified)-/.test(file) && file !== 'cached-certs') rmSync(join(directory, file), { recursive: true, force: true })
      }
    }
  }

  /**
   * Whether a consensus that a node has kept is over, in the last of its rounds, or of a clock that was ahead. Authorities would vote at once
   * and everybody else begin with the old one, as Tor allows for a day: some would hold it still when checks ask.
   */
  hasOldConsensus(now: WallMs): boolean {
    const kept = this.#nodeDirectories().flatMap((directory) => consensusFiles.map((file) => join(directory, file)))
    return kept.filter((file) => existsSync(file)).some((file) => {
      const times = consensusTimes(readFileSync(file, 'latin1'))
      // What is no consensus its node will not take for one.
      return times !== undefined && (times.validAfter > now || now + (times.freshUntil - times.validAfter) > times.validUntil)
    })
  }

  /** Forgets where nodes were: for a run that has other addresses each time, and keeps no record of them. */
  forgetPlaces(): void {
    rmSync(join(this.path, 'run.json'), { force: true })
    this.forgetDocuments()
  }

  /** Of nodes of earlier runs, too. */
  #nodeDirectories(): string[] {
    const nodes = join(this.path, 'nodes')
    return existsSync(nodes) ? readdirSync(nodes).map((name) => join(nodes, name)) : []
  }

  /** Forgets nodes' files: keys, state, logs. */
  clear(): void {
    for (const name of ['nodes', 'traces', 'inline', 'run.json', 'network.yaml', 'resolv.conf', 'supervisor.log']) rmSync(join(this.path, name), { recursive: true, force: true })
  }
}

export interface RunLock {
  release(): Promise<void>
}

/** Throws `refused` when another run has the directory. */
export async function lockRunDirectory(directory: RunDirectory, platform: NodeJS.Platform = process.platform): Promise<RunLock> {
  mkdirSync(directory.path, { recursive: true, mode: 0o700 })
  const real = realpathSync(directory.path)
  return platform === 'linux' ? lockBySocket(real) : lockByFile(real)
}

const inUse = (path: string): RelishError =>
  new RelishError('refused', `${path} is in use by another run`, {
    hint: `stop it with \`relish down --dir ${shellWord(path)}\`, or give this run another directory with --dir`,
  })

async function lockBySocket(path: string): Promise<RunLock> {
  const name = `\0relish-run-${createHash('sha256').update(path).digest('hex').slice(0, 32)}`
  const server = createServer((socket) => socket.destroy())
  server.unref()
  await new Promise<void>((done, fail) => {
    server.once('error', (error: NodeJS.ErrnoException) => fail(error.code === 'EADDRINUSE' ? inUse(path) : error))
    server.listen(name, done)
  })
  return { release: () => new Promise((done) => server.close(() => done())) }
}

async function lockByFile(path: string): Promise<RunLock> {
  const file = join(path, 'lock')
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(file, `${process.pid}\n`, { flag: 'wx' })
      return { release: () => Promise.resolve(rmSync(file, { force: true })) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const owner = Number(readFileSync(file, 'utf8'))
      if (isAlive(owner)) throw inUse(path)
      rmSync(file, { force: true })
    }
  }
  throw inUse(path)
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
