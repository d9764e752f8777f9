/**
 * Addresses and ports that no other network on this machine has.
 *
 * On Linux all of 127.0.0.0/8 is loopback. A network claims two bytes B.C by listening on 127.255.B.C, which the
 * operating system allows once and undoes when the process ends in any way; its node i is then 127.(i+1).B.C. Every
 * node has a /16 of its own, and servers see which exit came. Elsewhere every node is 127.0.0.1.
 *
 * A port is chosen by binding port 0. The socket stays bound, and is handed to the node as an inherited descriptor, so
 * that nobody else can take the port in between, and connections that come early wait in its backlog.
 */

import { randomInt } from 'node:crypto'
import { connect, createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { RelishError } from '../core/base/errors.ts'
import { addressClaimTriesMax } from './limits.ts'

/** Port of the claim's socket; any fixed one would do, since only claims listen on 127.255.x.y. */
const claimPort = 9339

export interface AddressBlock {
  /** The two claimed bytes, as in `12.34`; undefined where all nodes share 127.0.0.1. */
  readonly bytes: string | undefined
  readonly distinct: boolean
  nodeHost(index: number): string
  readonly observerHost: string
  release(): Promise<void>
}

/** Claims the bytes `preferred` if they are free, or others. Throws `unavailable` where nobody could reach them. */
export async function claimAddressBlock(preferred?: string, platform: NodeJS.Platform = process.platform): Promise<AddressBlock> {
  if (platform === 'linux') {
    for (let attempt = 0; attempt < addressClaimTriesMax; attempt++) {
      const bytes = attempt === 0 && preferred !== undefined ? preferred : `${randomInt(256)}.${randomInt(1, 255)}`
      const claim = await tryListen(claimPort, `127.255.${bytes}`)
      if (claim === 'in-use') continue
      if (claim === 'no-such-address') break
      if (!hasAddress((address) => address.startsWith('127.')) && (await isUnreachable(claimPort, `127.255.${bytes}`))) {
        await closeServer(claim)
        throw new RelishError('unavailable', 'the loopback interface is down: nothing can reach 127.0.0.1 here', { hint: 'as in a new network namespace; `ip link set lo up` switches it on' })
      }
      return {
        bytes,
        distinct: true,
        nodeHost: (index) => `127.${index + 1}.${bytes}`,
        observerHost: `127.254.${bytes}`,
        release: () => closeServer(claim),
      }
    }
  }
  return { bytes: undefined, distinct: false, nodeHost: () => '127.0.0.1', observerHost: '127.0.0.1', release: () => Promise.resolve() }
}

/** A bound listening socket that waits to be handed to a node. */
export interface ReservedPort {
  readonly host: string
  readonly port: number
  /** Descriptor for a child process to inherit; undefined where that is impossible (Windows). */
  readonly fd: number | undefined
  /** Closes our copy. Without a child that inherited it, the port is free again. */
  release(): void
}

/** Binds `port` of `host`, or a free one for 0. Throws `local-io` if it is taken. */
export async function reservePort(host: string, port = 0): Promise<ReservedPort> {
  const server = await tryListen(port, host)
  if (server === 'in-use') throw new RelishError('local-io', `port ${port} of ${host} is taken by another program`)
  if (server === 'no-such-address') throw new RelishError('local-io', `this machine has no address ${host}`)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new RelishError('bug', 'a TCP listener without an address')
  // Node.js has no public way to a listening socket's descriptor; this field has been there in every version.
  const fd = (server as unknown as { _handle?: { fd?: number } })._handle?.fd
  return {
    host,
    port: address.port,
    fd: fd !== undefined && fd >= 0 ? fd : undefined,
    release: () => void server.close(),
  }
}

async function tryListen(port: number, host: string): Promise<Server | 'in-use' | 'no-such-address'> {
  // Whoever connects before a node has the socket is turned away, and tries again.
  const server = createServer((socket) => socket.destroy())
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve('in-use')
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT' || error.code === 'EINVAL') resolve('no-such-address')
      else reject(new RelishError('local-io', `cannot listen on ${host}:${port}: ${error.message}`, { cause: error }))
    })
    server.listen({ port, host, exclusive: true, backlog: 511 }, () => resolve(server))
  })
}

const closeServer = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()))

/** Whether this machine has ::1. Asked without listening there, for which Node.js compiles a large regular expression before the first node starts. */
export const hasIpv6Loopback = (): boolean => hasAddress((address) => address === '::1')

function hasAddress(wanted: (address: string) => boolean): boolean {
  try {
    return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => wanted(address)))
  } catch {
    // Some sandboxes tell nobody their addresses.
    return false
  }
}

/** Linux lets one listen where nothing arrives. */
const isUnreachable = (port: number, host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host }, () => {
      socket.destroy()
      resolve(false)
    }).once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ENETUNREACH'))
  })
