/**
 * Log messages in C tor's form, to where `Log` lines say: `Nov 22 09:58:27.825 [notice] text`. Written at once and
 * synchronously, so that nothing is lost when the process ends.
 */

import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { RelishError } from '../../core/base/errors.ts'
import { logLineTakes, type LogLevelName, type LogLine } from '../../core/torrc/log-line.ts'
import type { TorOptions } from '../../core/torrc/option-table.ts'
import type { Log, LogLevel } from '../../runtime/index.ts'
import type { Quietness } from './command-line.ts'
import { expandHome } from './load-config.ts'

/** One `Log` line, opened. */
interface Sink {
  readonly line: LogLine
  readonly descriptor: number
  readonly closes: boolean
}

export interface LogOptions {
  readonly options: Pick<TorOptions, 'Log' | 'LogMessageDomains' | 'ProtocolWarnings' | 'LogTimeGranularity' | 'TruncateLogFile'>
  readonly quietness: Quietness
  /** Standard output is gone. */
  readonly isDaemon: boolean
  readonly wallNow: () => number
}

export class NodeLog implements Log {
  #sinks: readonly Sink[] = []
  #domains = false
  #warnsOfBreaches = false
  #granularityMs = 1000
  #wallNow: () => number = () => Date.now()
  readonly #followers = new Set<{ readonly levels: ReadonlySet<LogLevel>; readonly listener: (level: LogLevel, message: string) => void }>()
  /** Decisions of `enabled`, which is asked for every message. */
  #decisions = new Map<string, boolean>()

  /** Before the configuration is known: what matters goes to standard output. */
  constructor(quietness: Quietness) {
    this.#sinks = defaultSinks(quietness)
  }

  /** Opens what the configuration asks for. Throws `local-io`; then everything stays as it was. */
  configure(settings: LogOptions): void {
    const { options } = settings
    const old = this.#sinks
    const opened: Sink[] = []
    try {
      for (const line of options.Log) {
        const sink = openSink(line, options.TruncateLogFile, settings.isDaemon)
        if (sink !== undefined) opened.push(sink)
      }
    } catch (error) {
      closeSinks(opened)
      throw error
    }
    const usesDefault = options.Log.length === 0 && !settings.isDaemon
    this.#sinks = usesDefault ? defaultSinks(settings.quietness) : opened
    this.#domains = options.LogMessageDomains
    this.#warnsOfBreaches = options.ProtocolWarnings
    this.#granularityMs = Math.max(1, options.LogTimeGranularity)
    this.#wallNow = settings.wallNow
    this.#decisions = new Map()
    closeSinks(old)
  }

  enabled(asked: LogLevel, domain: string): boolean {
    const level = this.#levelOf(asked, domain)
    const key = `${level}/${domain}`
    let answer = this.#decisions.get(key)
    if (answer === undefined) {
      answer = this.#sinks.some((sink) => logLineTakes(sink.line, level, domain)) || [...this.#followers].some(({ levels }) => levels.has(level))
      this.#decisions.set(key, answer)
    }
    return answer
  }

  write(asked: LogLevel, domain: string, message: string): void {
    if (!this.enabled(asked, domain)) return
    const level = this.#levelOf(asked, domain)
    const text = `${this.#time()} [${levelName(level)}] ${this.#domains ? `{${domain.toUpperCase()}} ` : ''}${escapeControl(bounded(message))}\n`
    for (const sink of this.#sinks) if (logLineTakes(sink.line, level, domain)) writeTo(sink, text)
    for (const { levels, listener } of this.#followers) if (levels.has(level)) listener(level, message)
  }

  /** Messages of these levels go to `listener` too. */
  follow(levels: ReadonlySet<LogLevel>, listener: (level: LogLevel, message: string) => void): { close(): void } {
    const follower = { levels, listener }
    this.#followers.add(follower)
    this.#decisions = new Map()
    return {
      close: () => {
        this.#followers.delete(follower)
        this.#decisions = new Map()
      },
    }
  }

  /** SIGUSR2: every sink takes debug messages from now on. */
  setDebug(): void {
    this.#sinks = this.#sinks.map((sink) => ({ ...sink, line: { ...sink.line, ranges: [everything] } }))
    this.#decisions = new Map()
  }

  /** Closes and opens files again: after log rotation. */
  close(): void {
    closeSinks(this.#sinks)
    this.#sinks = []
    this.#decisions = new Map()
  }

  /** What peers do wrong is told in the domain `protocol` at level info, or, with ProtocolWarnings, as a warning. */
  #levelOf(level: LogLevel, domain: string): LogLevel {
    return this.#warnsOfBreaches && domain === 'protocol' && level === 'info' ? 'warn' : level
  }

  /** Local time, as in C tor. */
  #time(): string {
    const now = Math.floor(this.#wallNow() / this.#granularityMs) * this.#granularityMs
    const date = new Date(now)
    const two = (value: number): string => String(value).padStart(2, '0')
    const month = months[date.getMonth()] ?? ''
    return `${month} ${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`
  }
}

/** Characters of one message, as in C tor. */
const messageMax = 10_000
const bounded = (message: string): string => (message.length <= messageMax ? message : `${message.slice(0, messageMax)}[...truncated]`)

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const everything = { from: 'debug', to: 'error', domains: undefined } as const
const levelName = (level: LogLevelName): string => (level === 'error' ? 'err' : level)

/** What is logged without `Log` lines: notices, with --hush warnings, with --quiet nothing. */
function defaultSinks(quietness: Quietness): Sink[] {
  if (quietness === 'silent') return []
  const from = quietness === 'hush' ? 'warn' : 'notice'
  return [{ line: { ranges: [{ from, to: 'error', domains: undefined }], target: { kind: 'stdout' } }, descriptor: 1, closes: false }]
}

function openSink(line: LogLine, truncate: boolean, isDaemon: boolean): Sink | undefined {
  const { target } = line
  switch (target.kind) {
    case 'stdout':
      return isDaemon ? undefined : { line, descriptor: 1, closes: false }
    case 'stderr':
      return isDaemon ? undefined : { line, descriptor: 2, closes: false }
    case 'syslog':
      // Refused when the configuration is checked.
      return undefined
    case 'file': {
      const path = expandHome(target.path)
      try {
        const descriptor = openSync(path, 'a', 0o600)
        if (truncate) ftruncateSync(descriptor)
        return { line, descriptor, closes: true }
      } catch (cause) {
        throw new RelishError('local-io', `cannot open log file ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
      }
    }
  }
}

function closeSinks(sinks: readonly Sink[]): void {
  for (const sink of sinks) if (sink.closes) closeSync(sink.descriptor)
}

function writeTo(sink: Sink, text: string): void {
  try {
    writeSync(sink.descriptor, text)
  } catch {
    // A full disk, or a pipe whose reader has gone: a node does not end for its log.
  }
}

/** Peers' words may be in a message: no control characters reach a terminal. */
const escapeControl = (text: string): string =>
  text.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
