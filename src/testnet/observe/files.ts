/** Files that a run may leave in its directory, and those that nobody should have left there. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { lastWordsKept, leftFilesShown } from '../limits.ts'

/** What nodes, C tor's too, and the runner keep; see run-directory.ts. */
const expectedAtTop = /^(network\.yaml|resolv\.conf|run\.json|lock|supervisor\.log|control\.sock|nodes|observer|genesis.*|trace.*)$/
const expectedOfNode =
  /^(torrc(\..*)?|node\.log|stderr\.log|keys|state|lock|fingerprint(-ed25519)?|cached-.*|unverified-.*|past-consensuses|diff-cache|router-stability|sr-state|key-pinning-(journal|entries)|approved-routers|v3-status-votes|signed-consensuses|networkstatus-bridges|bw_accounting|control_auth_cookie|control-port|hashed-fingerprint|stats|hs.*|hidden.*|consensus-transparency(-\w+)?|trace.*)$/

/** Names, relative to `directory`, that are neither in `before` nor expected; temporary files wherever they are. */
export function strayFiles(directory: string, before: ReadonlySet<string>): string[] {
  const found = [...filesOf(directory)].filter((name) => {
    if (before.has(name)) return false
    if (name.endsWith('.tmp')) return true
    const parts = name.split('/')
    return parts[0] === 'nodes' ? parts.length === 3 && !expectedOfNode.test(parts[2] ?? '') : parts.length === 1 && !expectedAtTop.test(name)
  })
  return found.length <= leftFilesShown ? found : [...found.slice(0, leftFilesShown), `and ${found.length - leftFilesShown} more`]
}

/** All files and folders below a folder, three levels deep: what a node has in its data directory. */
export function filesOf(directory: string): Set<string> {
  const found = new Set<string>()
  const visit = (folder: string, depth: number): void => {
    if (depth > 3 || !existsSync(folder)) return
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      found.add(relative(directory, path))
      if (entry.isDirectory()) visit(path, depth + 1)
    }
  }
  visit(directory, 1)
  return found
}

/** What a node's program printed, which is nothing as long as all is well. */
export function wordsOnStandardError(file: string): string[] {
  if (!existsSync(file) || statSync(file).size === 0) return []
  return readFileSync(file, 'utf8').split('\n').filter((line) => line.trim() !== '' && !logLineOfTor.test(line)).slice(-lastWordsKept)
}

/** C tor logs there until it has opened its log file. */
const logLineOfTor = /^\w{3} \d\d \d\d:\d\d:\d\d\.\d{3} \[(?:warn|notice|info|debug)\] /
