/**
 * Warnings and errors that nodes log in networks of both kinds, and why each is nobody's mistake on the wire. Whatever
 * is not here fails the test. `docs/INTEROP.md` has this list as a table.
 */

import { existsSync, readFileSync } from 'node:fs'
import type { Implementation } from '../../src/testnet/network-types.ts'

export interface AllowedLine {
  readonly by: Implementation
  readonly pattern: RegExp
  readonly reason: string
}

export const allowedLines: readonly AllowedLine[] = Object.freeze([
  { by: 'tor', pattern: /^TestingTorNetwork is set\./, reason: 'said of every node of a private network' },
  { by: 'tor', pattern: /^You have used DirAuthority or AlternateDirAuthority/, reason: 'said of every node of a private network' },
  { by: 'tor', pattern: /^You are running Tor as root\./, reason: 'said where tests run as root, as in containers' },
  { by: 'tor', pattern: /^Your log may contain sensitive information/, reason: 'our templates switch SafeLogging off, so that addresses can be read' },
  { by: 'tor', pattern: /^V3AuthVotingInterval is very low\./, reason: 'votes come as often as C tor can, so that nobody waits' },
  { by: 'tor', pattern: /^Cannot open fingerprint file .*approved-routers/, reason: 'an authority without a list of relays that it rejects; "That\'s ok", it says itself' },
  { by: 'tor', pattern: /^(?:SR: Unable to read SR state file|Could not open) ".*sr-state"/, reason: 'an authority that starts for the first time has no shared-random state yet' },
  { by: 'tor', pattern: /^Your application \(using socks[45]/, reason: 'checks ask for plain addresses on purpose' },
  { by: 'tor', pattern: /^Socks version 71 not recognized\./, reason: 'the check socks-matrix speaks HTTP to a SOCKS port on purpose' },
  {
    by: 'tor',
    pattern: /^Received http status code 404 \("Not found"\) from server \S+ while fetching consensus directory\./,
    reason: 'a node asked for a consensus before the first one was there',
  },
  {
    by: 'tor',
    pattern: /^No available nodes when trying to choose node\. Failing\./,
    reason: 'a C tor client that has a consensus, and no descriptors yet, tries its first internal circuit; it says so also with C tor alone',
  },
  { by: 'tor', pattern: /^You specified a relay "\w+" by name/, reason: 'the test pins clients to relays by nickname' },
  { by: 'tor', pattern: /^You have asked to exclude certain relays/, reason: 'the test keeps a client away from some relays' },
  { by: 'relish', pattern: /^with StrictNodes, ExcludeNodes may make/, reason: 'the test keeps a client away from some relays' },
  { by: 'relish', pattern: /^Your application \(using socks[45]/, reason: 'checks ask for plain addresses on purpose' },
  { by: 'relish', pattern: /^SOCKS request refused: HTTP spoken to a SOCKS port$/, reason: 'the check socks-matrix speaks HTTP to a SOCKS port on purpose' },
])

/** A node's log, whole, and who wrote it. */
export interface NodeLog {
  readonly node: string
  readonly by: Implementation
  readonly text: string
}

/** A node that was never started has no log; why not is told by whoever waited for it. */
export const readNodeLog = (node: string, by: Implementation, file: string): NodeLog => ({ node, by, text: existsSync(file) ? readFileSync(file, 'utf8') : '' })

/** Warnings and errors of a network's nodes that neither the list nor `isReturnToGuard` explains. C tor's logs are at level `info`. */
export function unexplained(logs: readonly NodeLog[]): string[] {
  return logs.flatMap(({ node, by, text }) => {
    const problems = text.split('\n').filter((line) => /\[(?:warn|err)\] /.test(line))
    return problems.flatMap((line, i) => {
      const message = messageOf(line)
      if (allowedLines.some((allowed) => allowed.by === by && allowed.pattern.test(message))) return []
      const inPair = (first: string | undefined, second: string | undefined): boolean => by === 'tor' && first !== undefined && second !== undefined && isReturnToGuard(first, second, text, logs)
      if (inPair(line, problems[i + 1]) || inPair(problems[i - 1], line)) return []
      return [`${node} (${by}) logs: ${line}`]
    })
  })
}

const messageOf = (line: string): string => line.replace(/^.*?\[(?:warn|err)\] (?:\{\w+\} )?/, '')

/**
 * C tor prepares circuits for onion services without keeping its guard out of their end (`guards_choose_guard` in
 * `entrynodes.c`), so that some are A, B, A; then B refuses, and says these two lines, one behind the other. They are
 * accepted where a node of C tor tells in its log of sending exactly that extension, at that time: from other nodes, ours
 * above all, they would be somebody's mistake. It is so in networks of C tor alone, too.
 */
function isReturnToGuard(first: string, second: string, refuser: string, logs: readonly NodeLog[]): boolean {
  if (messageOf(first) !== 'Client asked me to extend back to the previous hop.') return false
  if (messageOf(second) !== 'connection_edge_process_relay_cell (away from origin) failed.') return false
  const middle = /identity key fingerprint is '\w+ ([0-9A-F]{40})'/.exec(refuser)?.[1]
  const refusedAt = timeOf(first)
  const origin = new RegExp(`^.* internal (?:\\([a-z, -]+\\) )?circ \\(length 3, last hop \\w+\\): \\$([0-9A-F]{40})\\(open\\) \\$${middle ?? 'none'}\\(open\\) \\$\\1\\(closed\\)`, 'gm')
  return logs.some(({ by, text }) => by === 'tor' && [...text.matchAll(origin)].some(([line]) => Math.abs(refusedAt - timeOf(line)) < returnTakesMs))
}

/** Between the sending of an extension and its refusal one hop away, on a busy machine. */
const returnTakesMs = 5_000

/** Of the day, in milliseconds. */
function timeOf(line: string): number {
  const [, hours, minutes, seconds] = /(\d\d):(\d\d):(\d\d\.\d{3})/.exec(line) ?? []
  return (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000
}
