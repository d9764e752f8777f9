/** Gathers what is to be known of a node at one moment (`NodeInspection`) from its parts. Changes nothing. */

import { hexEncode, hexEncodeUpper } from '../core/base/encoding.ts'
import { versionText } from '../core/base/version.ts'
import type { GuardTime } from '../core/guard/guard-sample.ts'
import type { ConsensusUnverified } from '../core/netdoc/consensus.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import { isAuthority, isRelay } from '../core/torrc/validate.ts'
import type { ConsensusInspection, NodeInspection } from '../runtime/events.ts'
import type { SocketAddress } from '../runtime/index.ts'
import type { BootstrapStatus } from './bootstrap-status.ts'
import type { ChannelManager } from './channel-manager.ts'
import type { DirCache } from './dir-cache.ts'
import type { NetworkView } from './network-view.ts'
import type { NodeStages } from './node-stages.ts'
import type { OriginCircuits } from './origin-circuit.ts'
import type { Relay } from './relay.ts'

/** The parts there are; those that come with the keys are absent before. */
export interface InspectedParts {
  readonly now: GuardTime
  readonly options: TorOptions
  readonly stages: NodeStages
  readonly bootstrap: BootstrapStatus
  readonly listeners: readonly { readonly listener: string; readonly address: SocketAddress }[]
  readonly warnings: readonly string[]
  readonly channels?: ChannelManager
  readonly circuits?: OriginCircuits
  readonly cache?: DirCache
  readonly view?: NetworkView
  readonly descriptors?: { readonly wanted: number; readonly held: number }
  readonly relay?: Relay
}

export function inspectNode(parts: InspectedParts): NodeInspection {
  const { options, stages, bootstrap, relay, cache } = parts
  const { waitingFor } = stages
  return {
    nickname: options.Nickname ?? 'Unnamed',
    version: versionText,
    roles: rolesOf(options, relay),
    ...(relay === undefined ? {} : { fingerprint: hexEncodeUpper(relay.keys.rsaFingerprint), ed25519: hexEncode(relay.keys.ed25519Identity) }),
    stage: stages.stage,
    ...(waitingFor === undefined ? {} : { waitingFor }),
    bootstrap: { progress: bootstrap.progress, tag: bootstrap.tag, summary: bootstrap.summary },
    listeners: [...parts.listeners],
    consensus: [cache?.consensus('ns'), cache?.consensus('microdesc')].flatMap((consensus) => (consensus === undefined ? [] : [inspectConsensus(consensus)])),
    descriptors: parts.descriptors ?? { wanted: 0, held: 0 },
    guards: parts.view?.guards.inspect(parts.now).map(({ fingerprint, nickname, state }) => ({ fingerprint, nickname, state })) ?? [],
    channels: parts.channels?.inspect() ?? [],
    circuits: [...(parts.circuits?.inspect() ?? []), ...(relay?.circuits.inspect() ?? [])],
    warnings: [...parts.warnings],
  }
}

export function rolesOf(options: TorOptions, relay: Relay | undefined): NodeInspection['roles'] {
  const roles: NodeInspection['roles'][number][] = []
  if (isAuthority(options)) roles.push('authority')
  if (isRelay(options)) roles.push(options.BridgeRelay ? 'bridge' : 'relay')
  if (relay?.exitPolicy !== undefined && !(relay.exitPolicy.rejectsAll(4) && relay.exitPolicy.rejectsAll(6))) roles.push('exit')
  if (options.SocksPort.length > 0) roles.push('client')
  return roles
}

/** Takes unverified ones too: whoever asks a node of another implementation relies on that node's own check. */
export function inspectConsensus(consensus: ConsensusUnverified): ConsensusInspection {
  return {
    flavour: consensus.flavour,
    validAfter: consensus.validAfter,
    freshUntil: consensus.freshUntil,
    validUntil: consensus.validUntil,
    digest: hexEncode(consensus.flavour === 'ns' ? consensus.sha1 : consensus.sha256),
    method: consensus.consensusMethod,
    relays: consensus.relays.map((relay) => ({
      nickname: relay.nickname,
      fingerprint: relay.fingerprint,
      address: relay.address,
      orPort: relay.orPort,
      flags: [...relay.flags],
    })),
    signers: consensus.signatures.map((signature) => signature.identityFingerprint),
  }
}
