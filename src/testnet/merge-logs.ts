/** Logs of a run's nodes as one: C tor's format in, entries in the order of time out. */

import { closeSync, existsSync, openSync, readFileSync, readSync, readdirSync, statSync, watchFile, unwatchFile } from 'node:fs'
import { join } from 'node:path'
import { LineSplitter } from './json-lines.ts'
import { noSuchNode } from './node-names.ts'
import type { RunDirectory } from './run-directory.ts'

export type EntryLevel = 'err' | 'warn' | 'notice' | 'info' | 'debug'

export interface LogEntry {
  /** As in the file: `Nov 22 09:34:23.123`. */
  readonly time: string
  readonly node: string
  readonly level: EntryLevel
  readonly message: string
}

export interface LogFilter {
  /** All nodes if empty. */
  readonly nodes: readonly string[]
  readonly level: EntryLevel
}

const levels: readonly EntryLevel[] = ['err', 'warn', 'notice', 'info', 'debug']
const followMs = 100

/** C tor writes no year; months are put in order so that a run over New Year's Eve alone is out of order. */
const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'

function parseLine(node: string, line: string): (LogEntry & { readonly key: string }) | undefined {
  const match = /^([A-Z][a-z]{2}) (\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) \[(err|warn|notice|info|debug)\] (.*)$/.exec(line)
  if (match === null) return undefined
  const [, month = '', day = '', clock = '', level, message = ''] = match
  return { key: `${String(months.indexOf(month)).padStart(2, '0')}${day}${clock}`, time: `${month} ${day} ${clock}`, node, level: level as EntryLevel, message }
}

export function mergedLogs(directory: RunDirectory, filter: LogFilter): LogEntry[] {
  const entries = chosenNodes(directory, filter).flatMap((node) => {
    const path = directory.nodeLog(node)
    if (!existsSync(path)) return []
    return entriesOf(node, readFileSync(path, 'utf8').split('\n'))
  })
  // Stable: messages of one millisecond stay in the order of their file.
  return entries.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).filter((entry) => passes(entry, filter)).map(({ key: _key, ...entry }) => entry)
}

const passes = (entry: LogEntry, filter: LogFilter): boolean => levels.indexOf(entry.level) <= levels.indexOf(filter.level)

/** A line that begins no message belongs to the one before it. */
function entriesOf(node: string, lines: readonly string[]): (LogEntry & { readonly key: string })[] {
  const entries: (LogEntry & { readonly key: string })[] = []
  for (const line of lines) {
    const entry = parseLine(node, line)
    const last = entries.at(-1)
    if (entry !== undefined) entries.push(entry)
    else if (line !== '' && last !== undefined) entries[entries.length - 1] = { ...last, message: `${last.message}\n    ${line}` }
  }
  return entries
}

function chosenNodes(directory: RunDirectory, filter: LogFilter): string[] {
  const folder = join(directory.path, 'nodes')
  const known = existsSync(folder) ? readdirSync(folder).sort() : []
  for (const name of filter.nodes) {
    if (!known.includes(name)) throw noSuchNode(name, known)
  }
  return filter.nodes.length > 0 ? [...filter.nodes] : known
}

/** Everything so far, then new messages as they come. */
export function followLogs(directory: RunDirectory, filter: LogFilter, onEntry: (entry: LogEntry) => void): { close(): void } {
  const closers = chosenNodes(directory, filter).map((node) => {
    const path = directory.nodeLog(node)
    const splitter = new LineSplitter()
    let offset = existsSync(path) ? statSync(path).size : 0
    const read = (): void => {
      const size = existsSync(path) ? statSync(path).size : 0
      if (size < offset) offset = 0
      if (size === offset) return
      const file = openSync(path, 'r')
      try {
        const buffer = Buffer.alloc(size - offset)
        const length = readSync(file, buffer, 0, buffer.length, offset)
        offset += length
        for (const entry of entriesOf(node, splitter.push(buffer.toString('utf8', 0, length)))) {
          const { key: _key, ...rest } = entry
          if (passes(rest, filter)) onEntry(rest)
        }
      } finally {
        closeSync(file)
      }
    }
    watchFile(path, { interval: followMs }, read)
    return () => unwatchFile(path, read)
  })
  for (const entry of mergedLogs(directory, filter)) onEntry(entry)
  return {
    close: () => {
      for (const close of closers) close()
    },
  }
}
