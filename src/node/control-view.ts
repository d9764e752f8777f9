/** A node as the control port sees it, made of the node's parts. */

import { RelishError } from '../core/base/errors.ts'
import type { NodeInspection } from '../runtime/events.ts'
import type { ChannelManager } from './channel-manager.ts'
import type { Client } from './client.ts'
import type { ControlledNode } from './controlled-node.ts'
import type { DirCache } from './dir-cache.ts'
import type { DescriptorPublisher } from './dir-publisher.ts'
import type { NetworkView } from './network-view.ts'
import type { Node } from './node.ts'
import type { OriginCircuits } from './origin-circuit.ts'
import type { Relay } from './relay.ts'

/** What exists once the keys are there. */
export interface ControlledParts {
  readonly channels: ChannelManager
  readonly circuits: OriginCircuits
  readonly view: NetworkView
  readonly cache: DirCache
  readonly client: Client
  readonly relay: Relay | undefined
  readonly publisher: DescriptorPublisher | undefined
}

/** `parts` answers with undefined until they exist. */
export function controlView(node: Node, inspect: () => NodeInspection, parts: () => ControlledParts | undefined): ControlledNode {
  return {
    inspect,
    documents: () => parts()?.cache,
    ownDocuments: () => {
      const documents = parts()?.relay?.documents()
      return documents === undefined ? undefined : { descriptor: documents.descriptor, extraInfo: documents.extraInfo.text }
    },
    directoryInfo: () => parts()?.view.info,
    hasCircuit: () => parts()?.client.hasCircuit ?? false,
    addresses: () => {
      const own = parts()?.relay?.addresses
      if (own === undefined) return {}
      return { ipv4: own.orAddress.host, ...(own.orAddress6 === undefined ? {} : { ipv6: own.orAddress6.host }) }
    },
    isPublished: () => {
      const publisher = parts()?.publisher
      return publisher !== undefined && publisher.waitingFor().length === 0
    },
    traffic: () => parts()?.channels.traffic() ?? { read: 0, written: 0 },
    signal: (signal) => node.handleCommand({ command: 'signal', signal }, () => undefined),
    buildCircuit: (path, onDone) => {
      const client = parts()?.client
      if (client === undefined) onDone(new RelishError('unavailable', 'the node has not started yet'))
      else if (path !== undefined) client.buildCircuit(path, onDone)
      else client.circuits.build({ kind: 'internal', needs: { stable: false, fast: true } }, onDone)
    },
    closeCircuit: (id, onlyIfUnused) => {
      const circuit = parts()?.circuits.list().find((each) => each.id === id)
      if (circuit === undefined) return false
      if (!onlyIfUnused || circuit.streamCount === 0) circuit.close('asked to by a controller')
      return true
    },
  }
}
