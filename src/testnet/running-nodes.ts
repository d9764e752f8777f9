/** Which nodes of a network run. */

import type { RunningNetwork } from './backend/backend.ts'
import type { ResolvedNode } from './network-types.ts'

export const isRunning = (network: RunningNetwork, name: string): boolean => network.status(name).state.kind === 'running'

export const runningNodes = (network: RunningNetwork): ResolvedNode[] => network.nodes().filter((node) => isRunning(network, node.name))

export const runningAuthorities = (network: RunningNetwork): ResolvedNode[] => runningNodes(network).filter((node) => node.role === 'authority')
