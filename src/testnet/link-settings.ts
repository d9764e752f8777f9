/** What a network file says of links, as the model that a simulation asks: the preset, then all pairs, then some. */

import { parseMemory } from '../core/torrc/units.ts'
import { internetLinks, internetRegions, loopbackLinks, type LinkEnd, type LinkModel, type LinkSettings } from '../sim/link-model.ts'
import type { LinkFields, ResolvedNetwork, ResolvedNode } from './network-types.ts'

/** `observer`: the machine of whoever watches; its applications run beside the clients, its servers somewhere. */
export function linkModelOf(network: ResolvedNetwork, observer: string): LinkModel {
  const { preset, between = [], ...everywhere } = network.links
  const base = preset === 'internet' ? internetLinks : loopbackLinks
  const nodes = new Map(network.nodes.map((node) => [node.name, node]))
  const isApplication = (one: LinkEnd, other: LinkEnd): boolean => one.name === observer && nodes.get(other.name)?.role === 'client'
  const matches = (word: string, end: LinkEnd): boolean => word === '*' || word === end.name || word === end.region || word === nodes.get(end.name)?.group
  return (from, to) => {
    if (isApplication(from, to) || isApplication(to, from)) return loopbackLinks(from, to)
    const pairs = between.filter(({ ends: [a = '', b = ''] }) => (matches(a, from) && matches(b, to)) || (matches(b, from) && matches(a, to)))
    return [everywhere, ...pairs].reduce(changed, base(from, to))
  }
}

/** The node's region; where the preset has regions, nodes without one are spread over them. */
export const regionOf = (node: ResolvedNode, network: ResolvedNetwork): string =>
  node.region ?? (network.links.preset === 'internet' ? (internetRegions[node.index % internetRegions.length] ?? 'eu') : 'local')

function changed(settings: LinkSettings, fields: LinkFields): LinkSettings {
  return {
    latencyMs: fields.latencyMs ?? settings.latencyMs,
    // Jitter that came with another latency would say nothing of this one.
    jitterMs: fields.jitterMs ?? (fields.latencyMs === undefined ? settings.jitterMs : 0),
    bytesPerSecond: rateOf(fields.bandwidth) ?? settings.bytesPerSecond,
    queueBytes: fields.queueBytes ?? settings.queueBytes ?? 0,
    dialLoss: fields.loss ?? settings.dialLoss,
  }
}

/** Bytes a second; undefined if absent, or not an amount: the lint has said so. */
export const rateOf = (bandwidth: LinkFields['bandwidth']): number | undefined => (typeof bandwidth === 'string' ? parseMemory(bandwidth) : bandwidth)
