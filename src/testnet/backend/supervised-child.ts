/**
 * A child process from its start to its end, whichever program it is: it prints to a file, its descriptor 3 is one end of a
 * socket pair, and it is asked to end before it is made to.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { PassThrough, type Duplex } from 'node:stream'
import { lastWordsKept, stopGraceMs } from '../limits.ts'

export interface SupervisedChildOptions {
  readonly program: readonly [string, ...string[]]
  readonly args: readonly string[]
  /** What it prints goes here. */
  readonly outputFile: string
  /** Descriptors of this process that it gets as 4, 5 and so on. */
  readonly inherited?: readonly number[]
  /** Environment variables; this process's own if absent. */
  readonly environment?: NodeJS.ProcessEnv | undefined
  /** Called once, when it has ended or could not be started. `reason` is undefined if it was asked to end. */
  readonly onEnd: (reason: string | undefined) => void
}

export class SupervisedChild {
  readonly pid: number | undefined
  /** Our end of its descriptor 3. */
  readonly pipe: Duplex
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #asked = false
  #running = true

  constructor({ program: [command, ...first], args, outputFile, inherited = [], environment, onEnd }: SupervisedChildOptions) {
    const output = openSync(outputFile, 'w', 0o600)
    try {
      this.#child = spawn(command, [...first, ...args], {
        stdio: ['ignore', output, output, 'pipe', ...inherited],
        // Its own process group, so that Ctrl-C reaches the runner alone, and the runner stops nodes in order.
        detached: process.platform !== 'win32',
        ...(environment === undefined ? {} : { env: environment }),
      })
    } finally {
      closeSync(output)
    }
    this.pid = this.#child.pid
    // Where this process has no descriptors left there are none at all, and `error` says so in a moment.
    const { stdio } = this.#child as { readonly stdio?: ChildProcess['stdio'] }
    this.pipe = (stdio?.[3] as Duplex | undefined) ?? new PassThrough()
    this.#ended = new Promise((resolve) => {
      const finish = (reason: string): void => {
        if (!this.#running) return
        this.#running = false
        onEnd(this.#asked ? undefined : reason)
        resolve()
      }
      this.#child.once('error', (error) => finish(`could not be started: ${error.message}`))
      this.#child.once('exit', (code, signal) => finish(signal === null ? `exit status ${code}` : `signal ${signal}`))
    })
  }

  get isRunning(): boolean {
    return this.#running
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
    await this.#ended
    clearTimeout(killer)
  }

  async kill(): Promise<void> {
    if (!this.#running) return
    this.#asked = true
    this.#child.kill('SIGKILL')
    await this.#ended
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

/** Why it ended, and below it what it said last. */
export const withWords = (reason: string, words: readonly string[]): string =>
  words.length === 0 ? reason : `${reason}; its last words:\n${words.map((line) => `    ${line}`).join('\n')}`
