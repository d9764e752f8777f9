/** What checks read out of `inspect`: which circuit carries a stream, and which relays are on it. */

import { formatIsoTime, wallMs } from '../../core/base/time.ts'
import { formatAddressPort } from '../../core/ident/address.ts'
import type { CircuitInspection, ConsensusInspection, NodeInspection } from '../../runtime/events.ts'
import type { SocketAddress } from '../../runtime/index.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { isRelay } from '../network-types.ts'
import { runningNodes } from '../running-nodes.ts'
import { CheckFailure } from './expect.ts'

/** The client's circuit with an open stream to `target`. Throws `CheckFailure` if there is none. */
export async function circuitOfStream(network: RunningNetwork, client: string, target: SocketAddress): Promise<CircuitInspection> {
  const words = formatAddressPort(target)
  const inspection = await network.inspect(client)
  const circuit = inspection.circuits.find((one) => one.role === 'origin' && one.streams.some((stream) => stream.target === words))
  if (circuit !== undefined) return circuit
  const streams = inspection.circuits.flatMap((one) => one.streams.map((stream) => stream.target))
  throw new CheckFailure(`${client} shows no circuit for its stream to ${words}`, words, streams.join(', ') || 'no streams')
}

/** Fingerprints of the circuit's hops, first to last. */
export function pathOf(client: string, circuit: CircuitInspection): readonly string[] {
  if (circuit.path === undefined || circuit.path.length === 0) throw new CheckFailure(`${client} does not say which relays circuit ${circuit.id} has`)
  return circuit.path
}

/** The newest consensus a node holds; the microdescriptor flavour if it has both. Throws if it has none. */
export function consensusOf(inspection: NodeInspection): ConsensusInspection {
  const sorted = [...inspection.consensus].sort((a, b) => b.validAfter - a.validAfter || (a.flavour === 'microdesc' ? -1 : 1))
  const newest = sorted[0]
  if (newest === undefined) throw new CheckFailure(`${inspection.nickname} holds no consensus`)
  return newest
}

/** A time of a consensus, as documents have it. */
export const timeText = (ms: number): string => formatIsoTime(wallMs(ms))

/** Names of the relays that run, by fingerprint. Relays that were stopped on purpose are left out. */
export async function relaysByFingerprint(network: RunningNetwork): Promise<ReadonlyMap<string, string>> {
  const running = runningNodes(network).filter(isRelay)
  const inspections = await Promise.all(running.map((node) => network.inspect(node.name)))
  return new Map(inspections.flatMap((one) => (one.fingerprint === undefined ? [] : [[one.fingerprint, one.nickname] as const])))
}

export const namesOf = (path: readonly string[], names: ReadonlyMap<string, string>): string => path.map((hop) => names.get(hop) ?? `${hop.slice(0, 8)}…`).join(' → ')
