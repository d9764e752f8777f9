/**
 * The values of `Log`: which messages go where. `Log notice stdout`, `Log info-warn file /tmp/x`,
 * `Log [circ,or]debug notice stderr`. Writing messages is the host's business. tor(1), "Log".
 */

import { nearest } from '../base/nearest.ts'
import { configError, type ConfigLine } from './config-line.ts'

/** From the most to the least urgent; the order of ranges. */
export const logLevels = ['error', 'warn', 'notice', 'info', 'debug'] as const
export type LogLevelName = (typeof logLevels)[number]

/** C tor's logging domains, in lower case. */
export const logDomains = [
  'general', 'crypto', 'net', 'config', 'fs', 'protocol', 'mm', 'http', 'app', 'control', 'circ', 'rend', 'bug', 'dir', 'dirserv', 'or',
  'edge', 'acct', 'hist', 'handshake', 'heartbeat', 'channel', 'sched', 'guard', 'consdiff', 'dos', 'process', 'pt', 'btrack', 'mesg',
] as const

export type LogTarget =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'stderr' }
  | { readonly kind: 'syslog' }
  | { readonly kind: 'file'; readonly path: string }

export interface LogRange {
  /** The least urgent level that is logged. */
  readonly from: LogLevelName
  /** The most urgent level that is logged. */
  readonly to: LogLevelName
  /** Undefined: all domains. */
  readonly domains: ReadonlySet<string> | undefined
}

export interface LogLine {
  /** A message is logged if any range takes it. */
  readonly ranges: readonly LogRange[]
  readonly target: LogTarget
}

/** Throws `config`. */
export function parseLogLine(line: ConfigLine): LogLine {
  const scanner = { rest: line.value.trim() }
  const ranges: LogRange[] = []
  let unqualified = 0
  while (scanner.rest !== '') {
    let domains: ReadonlySet<string> | undefined
    if (scanner.rest.startsWith('[')) domains = takeDomains(scanner, line)
    else unqualified++
    if (/^(file|stderr|stdout|syslog)(\s|$)/i.test(scanner.rest)) break
    if (unqualified > 1) throw configError('Log: two ranges without domains, or an unknown target', line.position, logShape)
    const word = /^\S+/.exec(scanner.rest)?.[0] ?? ''
    scanner.rest = scanner.rest.slice(word.length).trimStart()
    ranges.push({ ...parseRange(word, line), domains })
  }
  if (ranges.length === 0) throw configError('Log: no level given', line.position, logShape)
  return { ranges, target: parseTarget(scanner.rest, line) }
}

const logShape = 'the form is: LEVEL[-LEVEL] [stdout | stderr | syslog | file PATH], with [DOMAIN,…] in front of a range if wanted'

function takeDomains(scanner: { rest: string }, line: ConfigLine): ReadonlySet<string> | undefined {
  const close = scanner.rest.indexOf(']')
  if (close < 0) throw configError('Log: "[" without "]"', line.position, logShape)
  const names = scanner.rest.slice(1, close).split(',').map((name) => name.trim().toLowerCase())
  scanner.rest = scanner.rest.slice(close + 1).trimStart()
  const wanted = new Set<string>()
  const unwanted = new Set<string>()
  for (const name of names) {
    if (name === '*') {
      for (const domain of logDomains) wanted.add(domain)
      continue
    }
    const negated = name.startsWith('~')
    const domain = negated ? name.slice(1) : name
    if (!(logDomains as readonly string[]).includes(domain)) {
      const near = nearest(domain, logDomains)
      throw configError(`Log: unknown domain "${domain}"`, line.position, near === undefined ? `known are ${logDomains.join(', ')}` : `did you mean ${near}?`)
    }
    ;(negated ? unwanted : wanted).add(domain)
  }
  // Only exclusions mean: all but these.
  if (wanted.size === 0) for (const domain of logDomains) wanted.add(domain)
  for (const domain of unwanted) wanted.delete(domain)
  return wanted.size === logDomains.length ? undefined : wanted
}

function parseRange(word: string, line: ConfigLine): { from: LogLevelName; to: LogLevelName } {
  const dash = word.indexOf('-')
  const from = parseLogLevel(dash < 0 ? word : word.slice(0, dash))
  const to = dash < 0 ? 'error' : parseLogLevel(word.slice(dash + 1))
  if (from === undefined || to === undefined) {
    throw configError(`Log: unknown level in "${word}"`, line.position, 'levels are debug, info, notice, warn, err')
  }
  return { from, to }
}

/** `err` and `warning` are accepted, in either case. */
export function parseLogLevel(text: string): LogLevelName | undefined {
  const name = text.toLowerCase()
  if (name === 'err') return 'error'
  if (name === 'warning') return 'warn'
  return logLevels.find((level) => level === name)
}

function parseTarget(rest: string, line: ConfigLine): LogTarget {
  const [kind, ...path] = rest.split(/\s+/)
  switch ((kind ?? '').toLowerCase()) {
    case '':
    case 'stdout':
      if (path.length === 0) return { kind: 'stdout' }
      break
    case 'stderr':
      if (path.length === 0) return { kind: 'stderr' }
      break
    case 'syslog':
      if (path.length === 0) return { kind: 'syslog' }
      break
    case 'file': {
      const name = rest.slice(4).trim()
      if (name !== '') return { kind: 'file', path: name }
      break
    }
    default:
  }
  throw configError(`Log: cannot read target "${rest}"`, line.position, logShape)
}

/** Whether `line` takes a message. */
export function logLineTakes(line: LogLine, level: LogLevelName, domain: string): boolean {
  const urgency = logLevels.indexOf(level)
  return line.ranges.some(
    (range) =>
      urgency <= logLevels.indexOf(range.from) &&
      urgency >= logLevels.indexOf(range.to) &&
      (range.domains === undefined || range.domains.has(domain)),
  )
}
