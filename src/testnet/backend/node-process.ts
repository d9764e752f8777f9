/**
 * One node as a child process: `node dist/relish-tor.js -f torrc`, with a socket pair as descriptor 3 on which it sends
 * events and takes commands, and its listening sockets from descriptor 4 on. When this process ends in any way the
 * operating system closes the pair, and the node, reading end of file, ends too.
 */

import { RelishError } from '../../core/base/errors.ts'
import { formatAddressPort } from '../../core/ident/address.ts'
import type { NodeCommand, NodeEvent } from '../../runtime/events.ts'
import type { ReservedPort } from '../addresses.ts'
import { readJsonLines, writeJsonLine } from '../json-lines.ts'
import { commandTimeoutMs } from '../limits.ts'
import type { NodeChild, NodeChildCallbacks } from './node-child.ts'
import { lastWords, SupervisedChild, withWords } from './supervised-child.ts'

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
  readonly #options: NodeProcessOptions
  readonly #child: SupervisedChild
  readonly #pending = new Map<number, PendingCommand>()
  #nextId = 1

  /** Starts it. The caller closes its copies of the listeners right after, in the same turn. */
  constructor(options: NodeProcessOptions) {
    this.#options = options
    const inherited = options.listeners.filter((listener) => listener.fd !== undefined)
    this.#child = new SupervisedChild({
      program: options.program,
      args: [
        '-f', options.torrc,
        '--TestingEventsFd', '3',
        ...inherited.flatMap((listener, index) => [index === 0 ? '--TestingListenFd' : '+TestingListenFd', `${formatAddressPort(listener)}=${index + 4}`]),
      ],
      outputFile: options.errorFile,
      inherited: inherited.map((listener) => listener.fd as number),
      environment: options.environment,
      onEnd: (reason) => this.#handleEnd(reason),
    })
    this.#child.pipe.on('error', () => undefined)
    readJsonLines(this.#child.pipe, (value) => this.#receive(value), () => undefined)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  command(command: NodeCommand): Promise<unknown> {
    if (!this.#child.isRunning) return Promise.reject(new RelishError('unavailable', `${this.#options.name} does not run`))
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id)
        reject(new RelishError('timeout', `${this.#options.name} did not answer \`${command.command}\` within ${commandTimeoutMs / 1000} s`))
      }, commandTimeoutMs)
      this.#pending.set(id, { resolve, reject, timer })
      writeJsonLine(this.#child.pipe, { id, ...command })
    })
  }

  signal(signal: 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2'): void {
    this.#child.signal(signal)
  }

  stop(): Promise<void> {
    return this.#child.stop()
  }

  kill(): Promise<void> {
    return this.#child.kill()
  }

  #handleEnd(reason: string | undefined): void {
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer)
      pending.reject(new RelishError('unavailable', `${this.#options.name} ended before it answered`))
    }
    this.#pending.clear()
    this.#options.onExit(reason === undefined ? undefined : withWords(reason, lastWords(this.#options.errorFile)))
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
}
