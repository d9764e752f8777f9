/** Gives every node of a network its address and its ports, and keeps them from everybody else until the node has them. */

import { RelishError } from '../../core/base/errors.ts'
import { hasIpv6Loopback, reservePort, type AddressBlock, type ReservedPort } from '../addresses.ts'
import { allOrNone } from '../all-or-none.ts'
import { nodesPerMachineMax } from '../limits.ts'
import { isRelay, type ResolvedNetwork, type ResolvedNode } from '../network-types.ts'
import type { NodePlacement } from '../placement.ts'
import type { PortRecord, RunDirectory } from '../run-directory.ts'

type PortName = keyof PortRecord

export interface PlacedWithPorts {
  readonly placement: NodePlacement
  readonly reserved: readonly ReservedPort[]
}

/** `before` are ports of the last start, used again where nobody has taken them. */
export async function placeNode(node: ResolvedNode, network: ResolvedNetwork, block: AddressBlock, directory: RunDirectory, before: PortRecord): Promise<PlacedWithPorts> {
  const host = block.nodeHost(node.index)
  const host6 = node.ipv6 && isRelay(node) ? '::1' : undefined
  const wanted: [PortName, string][] = []
  if (isRelay(node)) wanted.push(['orPort', host])
  if (host6 !== undefined) wanted.push(['orPort6', host6])
  if (node.role === 'authority') wanted.push(['dirPort', host])
  if (node.role === 'client') wanted.push(['socksPort', host])
  if (network.options.controlPorts || node.implementation === 'tor') wanted.push(['controlPort', host])
  const reserved = await allOrNone(
    wanted.map(async ([name, address]) => {
      const known = before[name]
      const port = (known === undefined ? undefined : await reservePort(address, known).catch(() => undefined)) ?? (await reservePort(address))
      return [name, port] as const
    }),
    ([, port]) => port.release(),
  )
  const portOf = (name: PortName): number | undefined => reserved.find(([one]) => one === name)?.[1].port
  return {
    placement: {
      node,
      host,
      host6,
      orPort: portOf('orPort'),
      orPort6: portOf('orPort6'),
      dirPort: portOf('dirPort'),
      socksPort: portOf('socksPort'),
      controlPort: portOf('controlPort'),
      dataDirectory: directory.nodeDirectory(node.name),
    },
    reserved: reserved.map(([, port]) => port),
  }
}

export const portsOf = (placed: NodePlacement): PortRecord => ({
  orPort: placed.orPort,
  orPort6: placed.orPort6,
  dirPort: placed.dirPort,
  socksPort: placed.socksPort,
  controlPort: placed.controlPort,
})

/** Whether a node is where it was at the last start. */
export const samePorts = (now: PortRecord, before: PortRecord | undefined): boolean =>
  before !== undefined && (['orPort', 'orPort6', 'dirPort'] as const).every((name) => now[name] === before[name])

/** Binds a placed node's ports again, before a restart. */
export async function reserveAgain(placed: NodePlacement): Promise<ReservedPort[]> {
  const wanted: [string, number | undefined][] = [
    [placed.host, placed.orPort],
    [placed.host6 ?? '::1', placed.orPort6],
    [placed.host, placed.dirPort],
    [placed.host, placed.socksPort],
    [placed.host, placed.controlPort],
  ]
  const reserved: ReservedPort[] = []
  for (const [host, port] of wanted) {
    if (port === undefined) continue
    try {
      reserved.push(await reservePort(host, port))
    } catch (error) {
      for (const other of reserved) other.release()
      throw error
    }
  }
  return reserved
}

/** Throws `unavailable` when the network needs something that this machine lacks. */
export function checkMachine(network: ResolvedNetwork): void {
  if (network.nodes.length > nodesPerMachineMax) {
    throw new RelishError('config', `${network.nodes.length} nodes are more than the ${nodesPerMachineMax} one machine can give addresses to`, { hint: 'in simulation there may be more: relish sim' })
  }
  if (network.nodes.some((node) => node.ipv6) && !hasIpv6Loopback()) {
    throw new RelishError('unavailable', `${network.name} uses IPv6, but nothing can listen on ::1 here`, {
      hint: 'switch IPv6 on for the loopback interface (in a container: sysctl net.ipv6.conf.lo.disable_ipv6=0)',
    })
  }
}
