/** Nodes that C tor runs: which worlds can have them, and what must be there before a network with some is started. */

import { RelishError } from '../../core/base/errors.ts'
import type { ResolvedNetwork, ResolvedNode } from '../network-types.ts'
import { torVersion, usualTorProgram } from '../tor-program.ts'
import type { World } from './backend.ts'

export const isForeign = (node: ResolvedNode): boolean => node.implementation !== 'relish'

export const programOf = (node: ResolvedNode): string => node.tor ?? usualTorProgram

/** Throws `config` if the network has nodes that cannot live in this world. */
export function refuseForeign(network: ResolvedNetwork, world: World): void {
  const foreign = network.nodes.find(isForeign)
  if (foreign === undefined) return
  throw new RelishError('config', `${foreign.name} is to be run by C tor, which is a process of its own and cannot be part of a network whose world is ${world}`, {
    hint: 'use the process world: relish up, relish test',
  })
}

/** Versions by program. Throws `unavailable` unless every program that the nodes need is there and new enough. */
export async function checkPrograms(network: Pick<ResolvedNetwork, 'nodes'>): Promise<ReadonlyMap<string, string>> {
  const users = new Map<string, string>()
  for (const node of network.nodes.filter(isForeign)) if (!users.has(programOf(node))) users.set(programOf(node), node.name)
  return new Map(await Promise.all([...users].map(async ([program, node]) => [program, await torVersion(program, node)] as const)))
}
