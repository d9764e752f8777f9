/**
 * Which of some processes has a socket, from Linux's /proc: the evidence of who connected where addresses do not tell.
 * C tor leaves from 127.0.0.1 for every server on loopback, whatever OutboundBindAddress says.
 */

import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { parseIp } from '../core/ident/address.ts'
import type { SocketAddress } from '../runtime/index.ts'

export type Transport = 'tcp' | 'udp'

/** The process among `pids` with a socket whose own end is `local`; undefined if none has, or where there is no /proc. */
export function ownerOfSocket(local: SocketAddress, transport: Transport, pids: Iterable<number>): number | undefined {
  const inodes = inodesOf(local, transport)
  if (inodes.size === 0) return undefined
  for (const pid of pids) {
    for (const target of linksOf(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
      if (inode !== undefined && inodes.has(inode)) return pid
    }
  }
  return undefined
}

/** proc(5), /proc/net/tcp: `sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …`, addresses in hex. */
function inodesOf(local: SocketAddress, transport: Transport): ReadonlySet<string> {
  const address = parseIp(local.host)
  const found = new Set<string>()
  if (address === undefined) return found
  const port = local.port.toString(16).toUpperCase().padStart(4, '0')
  // A datagram socket that is bound to no address sends from whichever fits.
  const wanted = new Set([`${hexWords(address)}:${port}`, ...(transport === 'udp' ? [`${'0'.repeat(address.length * 2)}:${port}`] : [])])
  for (const line of linesOf(`/proc/net/${transport}${address.length === 4 ? '' : '6'}`)) {
    const fields = line.trim().split(/\s+/)
    const inode = fields[9]
    if (inode !== undefined && inode !== '0' && wanted.has(fields[1] ?? '')) found.add(inode)
  }
  return found
}

/** Words of four bytes in the order of the machine: the kernel prints them as numbers. */
function hexWords(address: Uint8Array): string {
  let text = ''
  for (let at = 0; at < address.length; at += 4) {
    text += Buffer.from(address.subarray(at, at + 4)).reverse().toString('hex').toUpperCase()
  }
  return text
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'latin1').split('\n').slice(1)
  } catch {
    return []
  }
}

function linksOf(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((name) => {
      try {
        return [readlinkSync(`${folder}/${name}`)]
      } catch {
        return []
      }
    })
  } catch {
    return []
  }
}
