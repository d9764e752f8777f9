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
  {
    by: 'tor',
    pattern: /^Client asked me to extend back to the previous hop|^connection_edge_process_relay_cell \(away from origin\) failed\./,
    reason: 'C tor prepares internal circuits whose last relay is their guard when few relays are Stable; it says so also with C tor alone (`relish test tor-only`)',
  },
  { by: 'tor', pattern: /^You specified a relay "\w+" by name/, reason: 'the test pins clients to relays by nickname' },
  { by: 'tor', pattern: /^You have asked to exclude certain relays/, reason: 'the test keeps a client away from some relays' },
  { by: 'relish', pattern: /^with StrictNodes, ExcludeNodes may make/, reason: 'the test keeps a client away from some relays' },
  { by: 'relish', pattern: /^Your application \(using socks[45]/, reason: 'checks ask for plain addresses on purpose' },
  { by: 'relish', pattern: /^SOCKS request refused: HTTP spoken to a SOCKS port$/, reason: 'the check socks-matrix speaks HTTP to a SOCKS port on purpose' },
])

/** Warnings and errors of a node's log that the list does not have. */
export function unexplained(file: string, node: string, by: Implementation): string[] {
  // A node that was never started has no log; why not is told by whoever waited for it.
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8').split('\n').flatMap((line) => {
    const message = /\[(?:warn|err)\] (?:\{\w+\} )?(.*)$/.exec(line)?.[1]
    if (message === undefined || allowedLines.some((allowed) => allowed.by === by && allowed.pattern.test(message))) return []
    return [`${node} (${by}) logs: ${line}`]
  })
}
