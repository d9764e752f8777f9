/** Paths that a client would choose now, many at once, for checks of how it chooses. */

import type { RunningNetwork } from '../backend/backend.ts'
import type { CheckClient } from './client.ts'

/** Clients that can be asked: C tor tells only of circuits that it builds. */
export const askableClients = (network: RunningNetwork, clients: readonly CheckClient[]): CheckClient[] => clients.filter((client) => network.nodes().some((node) => node.name === client.name && node.implementation === 'relish'))

/** Why no client can be asked, if so. */
export const needsOwnClient = (network: RunningNetwork): string | undefined =>
  network.nodes().some((node) => node.role === 'client' && node.implementation === 'relish') ? undefined : 'every client is C tor, which tells only of circuits that it builds'

/** Fingerprints, first hop first. */
export const pathsChosenBy = async (network: RunningNetwork, client: string, port: number, count: number): Promise<readonly (readonly string[])[]> =>
  (await network.command(client, { command: 'choose-paths', port, count })) as readonly (readonly string[])[]
