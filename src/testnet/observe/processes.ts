/** Processes, sockets and descriptors of this machine, from Linux's /proc. Elsewhere there is nothing to see, and nothing is found. */

import { closeSync, openSync, readFileSync, readdirSync, readlinkSync, readSync } from 'node:fs'

/** The kernel gives a page of such a file at most at a time. */
const pieceBytes = 4096

/** What is known of a process that runs. Zombies do not. */
export interface ProcessFacts {
  readonly pid: number
  /** Its process group: a node leads one, and what it starts belongs to it. */
  readonly group: number
  readonly command: string
}

export function processesOfGroups(groups: ReadonlySet<number>): ProcessFacts[] {
  return pids().flatMap((pid) => {
    // proc(5): pid (command) state ppid pgrp …; the command may have spaces and parentheses in it.
    const match = /^\d+ \(([^]*)\) (\S) \d+ (\d+) /.exec(read(`/proc/${pid}/stat`))
    const [, command = '', state, group] = match ?? []
    return state !== undefined && state !== 'Z' && state !== 'X' && groups.has(Number(group)) ? [{ pid, group: Number(group), command }] : []
  })
}

/** The most resident memory a process has had, in bytes; undefined when it is gone. */
export function peakMemoryOf(pid: number): number | undefined {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

/**
 * IPv4 addresses on which somebody listens, as `host:port`. The kernel tells of listening sockets first, and of the thousands that a
 * test has left in TIME_WAIT afterwards: those are not read.
 */
export function listenersOn(hosts: ReadonlySet<string>): string[] {
  const found: string[] = []
  for (const line of linesOf('/proc/net/tcp')) {
    const [number = '', local = '', , state] = line.trim().split(/\s+/)
    // The header.
    if (number === 'sl') continue
    // 0A: LISTEN. The address is a number in the machine's order.
    if (state !== '0A') break
    const [host = '', port = ''] = local.split(':')
    const address = [...Buffer.from(host, 'hex').reverse()].join('.')
    if (hosts.has(address)) found.push(`${address}:${Number.parseInt(port, 16)}`)
  }
  return found
}

/** Read as they are wanted; none of a file that is not there. */
function* linesOf(path: string): Generator<string> {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return
  }
  try {
    const piece = Buffer.alloc(pieceBytes)
    let begun = ''
    for (;;) {
      const length = readSync(file, piece)
      if (length === 0) break
      const lines = (begun + piece.toString('latin1', 0, length)).split('\n')
      begun = lines.pop() ?? ''
      yield* lines
    }
  } finally {
    closeSync(file)
  }
}

/** Files below `folder` that this process has open. */
export function openFilesBelow(folder: string): string[] {
  return list('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith(`${folder}/`) ? [target] : []
    } catch {
      return []
    }
  })
}

const pids = (): number[] => list('/proc').filter((name) => /^\d+$/.test(name)).map(Number)

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
