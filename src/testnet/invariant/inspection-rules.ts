/** What must hold of nodes as they show themselves when asked: `queues` at any moment, `released` when nothing goes on. */

import { CIRCUIT_QUEUE_CELLS_MAX, CIRCUITS_PER_CHANNEL_MAX } from '../../node/limits.ts'
import type { NodeInspection } from '../../runtime/events.ts'
import type { Report } from './violation.ts'

export interface InspectedNode {
  readonly name: string
  readonly host: string
  readonly inspection: NodeInspection
}

export function checkQueues(node: InspectedNode, report: Report): void {
  const { circuits, channels } = node.inspection
  for (const circuit of circuits) {
    if (circuit.queuedCells > CIRCUIT_QUEUE_CELLS_MAX) report('queues', node.name, `circuit ${circuit.id} has ${circuit.queuedCells} cells waiting; ${CIRCUIT_QUEUE_CELLS_MAX} are the most`)
  }
  for (const channel of channels) {
    if (channel.circuits > CIRCUITS_PER_CHANNEL_MAX) report('queues', node.name, `channel ${channel.id} has ${channel.circuits} circuits; ${CIRCUITS_PER_CHANNEL_MAX} are the most`)
  }
}

/** Circuits on links between these nodes that only one end of the link knows, as `node holds circuit id with peer`. */
export function unmatchedCircuits(nodes: readonly InspectedNode[]): Map<string, string> {
  const hosts = new Map(nodes.map((node) => [node.host, node.name]))
  const held = new Map<string, string>()
  for (const { name, inspection } of nodes) {
    for (const circuit of inspection.circuits) {
      if (circuit.state !== 'open') continue
      for (const side of [circuit.previous, circuit.next]) {
        const peer = side === undefined ? undefined : hosts.get(side.remote.host)
        if (side !== undefined && peer !== undefined && peer !== name) held.set(`${name} ${peer} ${side.circuitId}`, `circuit ${circuit.id}, id ${side.circuitId} on the link with ${peer}, is not known there`)
      }
    }
  }
  // Circuits that are being built are known to one end first, so they count for the other end's sake only.
  const known = new Set<string>()
  for (const { name, inspection } of nodes) {
    for (const circuit of inspection.circuits) {
      for (const side of [circuit.previous, circuit.next]) if (side !== undefined) known.add(`${name} ${hosts.get(side.remote.host)} ${side.circuitId}`)
    }
  }
  return new Map([...held].filter(([key]) => {
    const [name, peer, id] = key.split(' ')
    return !known.has(`${peer} ${name} ${id}`)
  }))
}
