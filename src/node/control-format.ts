/** Circuits, streams, links, guards and relays as lines of the control protocol (control-spec §4.1, dir-spec §3.4.1). */

import { base64Decode, base64EncodeUnpadded } from '../core/base/encoding.ts'
import { formatIsoTime, later, type DurationMs, type WallMs } from '../core/base/time.ts'
import { formatAddressPort } from '../core/ident/address.ts'
import type { RouterStatus } from '../core/netdoc/router-status.ts'
import type { ChannelInspection, CircuitInspection, NodeInspection, StreamInspection } from '../runtime/events.ts'
import type { ControlDocuments } from './controlled-node.ts'

/** Nicknames of relays by fingerprint. */
export type NicknameOf = (fingerprint: string) => string | undefined

export function nicknamesOf(documents: ControlDocuments | undefined): NicknameOf {
  const consensus = documents?.consensus('microdesc') ?? documents?.consensus('ns')
  const names = new Map(consensus?.relays.map((relay) => [relay.fingerprint, relay.nickname]))
  return (fingerprint) => names.get(fingerprint)
}

/** LongName of control-spec §2.4: `$FINGERPRINT~nickname`. */
export function longName(fingerprint: string, nicknameOf: NicknameOf): string {
  const nickname = nicknameOf(fingerprint)
  return nickname === undefined ? `$${fingerprint}` : `$${fingerprint}~${nickname}`
}

/** ISOTime2Frac of control-spec §2.4. */
export const formatIsoTime2Frac = (time: WallMs): string =>
  `${formatIsoTime(time).replace(' ', 'T')}.${String(Math.floor(time) % 1000).padStart(3, '0')}000`

export interface CircuitLine {
  readonly id: number
  readonly purpose: string
  /** Of the hops that have answered. */
  readonly path: readonly string[]
  readonly createdAt: WallMs
}

/** control-spec §4.1.1, without `650 CIRC`. `reason` and `remoteReason`: names of tor-spec §5.4. */
export function formatCircuit(circuit: CircuitLine, status: string, nicknameOf: NicknameOf, reasons: { reason?: string; remoteReason?: string } = {}): string {
  const parts = [String(circuit.id), status]
  if (circuit.path.length > 0) parts.push(circuit.path.map((fingerprint) => longName(fingerprint, nicknameOf)).join(','))
  parts.push(`BUILD_FLAGS=${circuit.purpose === 'directory' ? 'ONEHOP_TUNNEL,IS_INTERNAL,NEED_CAPACITY' : 'NEED_CAPACITY'}`)
  parts.push(`PURPOSE=${controlPurpose(circuit.purpose)}`, `TIME_CREATED=${formatIsoTime2Frac(circuit.createdAt)}`)
  if (reasons.reason !== undefined) parts.push(`REASON=${reasons.reason}`)
  if (reasons.remoteReason !== undefined) parts.push(`REMOTE_REASON=${reasons.remoteReason}`)
  return parts.join(' ')
}

function controlPurpose(purpose: string): string {
  switch (purpose) {
    case 'testing':
      return 'TESTING'
    case 'controller':
      return 'CONTROLLER'
    default:
      return 'GENERAL'
  }
}

/** Lines of `GETINFO circuit-status`. */
export function circuitStatus(inspection: NodeInspection, now: WallMs, nicknameOf: NicknameOf): string[] {
  return originCircuits(inspection).map((circuit) => {
    const createdAt = later(now, -circuit.ageMs as DurationMs)
    const built = circuit.state === 'open'
    const line = { id: circuit.id, purpose: circuit.purpose ?? 'general', path: built ? (circuit.path ?? []) : [], createdAt }
    return formatCircuit(line, built ? 'BUILT' : 'LAUNCHED', nicknameOf)
  })
}

export const originCircuits = (inspection: NodeInspection): CircuitInspection[] =>
  inspection.circuits.filter((circuit) => circuit.role === 'origin' && circuit.state !== 'closing')

/** Stream ids are unique within a circuit; controllers want them unique within the node. */
export const controlStreamId = (circuit: number, stream: number): number => circuit * 65_536 + stream

/** Lines of `GETINFO stream-status`. */
export function streamStatus(inspection: NodeInspection): string[] {
  return originCircuits(inspection).flatMap((circuit) =>
    circuit.streams.map((stream) => `${controlStreamId(circuit.id, stream.streamId)} ${streamState(stream)} ${circuit.id} ${streamTarget(stream)}`),
  )
}

const streamState = (stream: StreamInspection): string => (stream.state === 'open' ? 'SUCCEEDED' : stream.state === 'connecting' ? 'SENTCONNECT' : 'CLOSED')
const streamTarget = (stream: StreamInspection): string => (stream.target.includes(':') ? stream.target : '(Tor_internal):0')

/** Lines of `GETINFO orconn-status` (control-spec §4.1.3). */
export function linkStatus(inspection: NodeInspection, nicknameOf: NicknameOf): string[] {
  return inspection.channels.map((channel) => `${linkName(channel, nicknameOf)} ${channel.state === 'open' ? 'CONNECTED' : channel.initiator ? 'LAUNCHED' : 'NEW'}`)
}

export const linkName = (channel: Pick<ChannelInspection, 'fingerprint' | 'remote'>, nicknameOf: NicknameOf): string =>
  channel.fingerprint === undefined ? formatAddressPort(channel.remote) : longName(channel.fingerprint, nicknameOf)

/** Lines of `GETINFO entry-guards`. */
export function guardStatus(inspection: NodeInspection): string[] {
  return inspection.guards.map((guard) => {
    const status = guard.state.includes('unreachable') ? 'down' : guard.state.includes('reachable') ? 'up' : 'never-connected'
    return `$${guard.fingerprint}~${guard.nickname} ${status}`
  })
}

/** A relay as `GETINFO ns/…` gives it: the r, a, s and w lines of dir-spec §3.4.1. */
export function formatRouterStatus(relay: RouterStatus): string {
  // The microdesc flavour has no descriptor digest; C tor shows the beginning of the microdescriptor's instead.
  const digest = relay.descriptorDigest ?? microdescriptorDigest(relay.microdescriptorDigest)
  const r = [
    relay.nickname, base64EncodeUnpadded(relay.rsaIdentity), base64EncodeUnpadded(digest), formatIsoTime(relay.published), relay.address,
    relay.orPort, relay.dirPort,
  ]
  const lines = [`r ${r.join(' ')}`]
  for (const address of relay.orAddresses) lines.push(`a ${formatAddressPort(address)}`)
  lines.push(`s ${[...relay.flags].join(' ')}`)
  if (relay.bandwidth !== undefined) lines.push(`w Bandwidth=${relay.bandwidth}${relay.unmeasured ? ' Unmeasured=1' : ''}`)
  return lines.map((line) => `${line}\n`).join('')
}

function microdescriptorDigest(digest: string | undefined): Uint8Array {
  return digest === undefined ? new Uint8Array(20) : base64Decode(digest).subarray(0, 20)
}

