/**
 * One node as a child process: `node dist/relish-tor.js -f torrc`, with a socket pair as descriptor 3 on which it sends
 * events and takes commands, and its listening sockets from descriptor 4 on. When this process ends in any way the
 * operating system closes the pair, and the node, reading end of file, ends too.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { RelishError } from '../../core/base/errors.ts'
import { formatAddressPort } from '../../core/ident/address.ts'
import type { NodeCommand, NodeEvent } from '../../runtime/events.ts'
import type { ReservedPort } from '../addresses.ts'
import { readJsonLines, writeJsonLine } from '../json-lines.ts'
import { commandTimeoutMs, lastWordsKept, stopGraceMs } from '../limits.ts'
import type { NodeChild, NodeChildCallbacks } from './node-child.ts'

export interface NodeProcessOptions extends NodeChildCallbacks {
  readonly name: string
  /** Program and its first arguments, as in `['node', 'dist/relish-tor.js']`. */
  readonly program: readonly [string, ...string[]]
  readonly torrc: string
  /** What it prints goes here; the end of it says why it died. */
  readonly errorFile: string
  readonly listeners: readonly ReservedPort[]
  /** Environment variables; this process's own if absent. */
  readonly environment: NodeJS.ProcessEnv | undefined
}

interface PendingCommand {
  resolve(result: unknown): void
  reject(error: RelishError): void
  readonly timer: NodeJS.Timeout
}

export class NodeProcess implements NodeChild {
  readonly pid: number | undefined
  readonly #options: NodeProcessOptions
  readonly #child: ChildProcess
  readonly #pipe: Duplex
  readonly #pending = new Map<number, PendingCommand>()
  readonly #exited: Promise<void>
  #nextId = 1
  #asked = false
  #running = true

  /** Starts it. The caller closes its copies of the listeners right after, in the same turn. */
  constructor(options: NodeProcessOptions) {
    this.#options = options
    const [command, ...first] = options.program
    const inherited = options.listeners.filter((listener) => listener.fd !== undefined)
    const args = [
      ...first,
      '-f', options.torrc,
      '--TestingEventsFd', '3',
      ...inherited.flatMap((listener, index) => [index === 0 ? '--TestingListenFd' : '+TestingListenFd', `${formatAddressPort(listener)}=${index + 4}`]),
    ]
    const output = openSync(options.errorFile, 'w', 0o600)
    try {
      this.#child = spawn(command, args, {
        stdio: ['ignore', output, output, 'pipe', ...inherited.map((listener) => listener.fd as number)],
        // Its own process group, so that Ctrl-C reaches the runner alone, and the runner stops nodes in order.
        detached: process.platform !== 'win32',
        ...(options.environment === undefined ? {} : { env: options.environment }),
      })
    } finally {
      closeSync(output)
    }
    this.pid = this.#child.pid
    this.#pipe = this.#child.stdio[3] as Duplex
    this.#pipe.on('error', () => undefined)
    readJsonLines(this.#pipe, (value) => this.#receive(value), () => undefined)
    this.#exited = new Promise((resolve) => {
      const finish = (reason: string): void => {
        if (!this.#running) return
        this.#running = false
        for (const pending of this.#pending.values()) {
          clearTimeout(pending.timer)
          pending.reject(new RelishError('unavailable', `${options.name} ended before it answered`))
        }
        this.#pending.clear()
        options.onExit(this.#asked ? undefined : this.#withLastWords(reason))
        resolve()
      }
      this.#child.once('error', (error) => finish(`could not be started: ${error.message}`))
      this.#child.once('exit', (code, signal) => finish(signal === null ? `exit status ${code}` : `signal ${signal}`))
    })
  }

  command(command: NodeCommand): Promise<unknown> {
    if (!this.#running) return Promise.reject(new RelishError('unavailable', `${this.#options.name} does not run`))
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id)
        reject(new RelishError('timeout', `${this.#options.name} did not answer \`${command.command}\` within ${commandTimeoutMs / 1000} s`))
      }, commandTimeoutMs)
      this.#pending.set(id, { resolve, reject, timer })
      writeJsonLine(this.#pipe, { id, ...command })
    })
  }

  signal(signal: 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2'): void {
    if (this.#running) this.#child.kill(signal)
  }

  /** SIGTERM, then SIGKILL. Resolves when it is gone. */
  async stop(): Promise<void> {
    if (!this.#running) return
    this.#asked = true
    this.#child.kill('SIGTERM')
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), stopGraceMs)
    await this.#exited
    clearTimeout(killer)
  }

  async kill(): Promise<void> {
    if (!this.#running) return
    this.#asked = true
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  #receive(value: unknown): void {
    if (typeof value !== 'object' || value === null) return
    const message = value as { kind?: unknown; id?: unknown; ok?: unknown; result?: unknown; error?: unknown }
    if (message.kind !== 'reply') {
      if (typeof message.kind === 'string') this.#options.onEvent(value as NodeEvent)
      return
    }
    const pending = typeof message.id === 'number' ? this.#pending.get(message.id) : undefined
    if (pending === undefined) return
    this.#pending.delete(message.id as number)
    clearTimeout(pending.timer)
    if (message.ok === true) pending.resolve(message.result)
    else pending.reject(new RelishError('refused', `${this.#options.name}: ${String(message.error)}`))
  }

  #withLastWords(reason: string): string {
    const words = lastWords(this.#options.errorFile)
    return words.length === 0 ? reason : `${reason}; its last words:\n${words.map((line) => `    ${line}`).join('\n')}`
  }
}

/** The end of what a process printed. */
export function lastWords(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').filter((line) => line !== '').slice(-lastWordsKept)
  } catch {
    return []
  }
}
