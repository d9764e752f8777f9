/**
 * The network as one of several checks that run side by side sees it: with the nodes that were there when it began and those that
 * it adds itself. A node that another check adds for itself is not ready yet, or gone the next moment.
 */

import type { RunningNetwork } from '../backend/backend.ts'
import { replaced } from './replaced.ts'

export function networkOfOne(network: RunningNetwork): RunningNetwork {
  const names = new Set(network.nodes().map((node) => node.name))
  return replaced(network, {
    nodes: () => network.nodes().filter((node) => names.has(node.name)),
    addNode: (extra) => {
      names.add(extra.name)
      return network.addNode(extra)
    },
  })
}
