/** Processes, sockets and descriptors of this machine, from Linux's /proc. Elsewhere there is nothing to see, and nothing is found. */

import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

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

/** IPv4 addresses on which somebody listens, as `host:port`. */
export function listenersOn(hosts: ReadonlySet<string>): string[] {
  return read('/proc/net/tcp')
    .split('\n')
    .flatMap((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/)
      const [host = '', port = ''] = local.split(':')
      // 0A: LISTEN. The address is a number in the machine's order.
      const address = [...Buffer.from(host, 'hex').reverse()].join('.')
      return state === '0A' && hosts.has(address) ? [`${address}:${Number.parseInt(port, 16)}`] : []
    })
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
