/** A network file with everything left open filled in: groups become nodes, defaults and overrides are merged, check paths made absolute. */

import { dirname, resolve } from 'node:path'
import { suggestion } from '../core/base/nearest.ts'
import type { Diagnostic } from './diagnostic.ts'
import { nodesPerNetworkMax } from './limits.ts'
import type { NetworkFile, NodeGroup, NodeSettings, RawTorrc, ResolvedNetwork, ResolvedNode } from './network-types.ts'
import type { SourceMap } from './parse-network.ts'

export interface Resolution {
  readonly network: ResolvedNetwork
  readonly diagnostics: readonly Diagnostic[]
}

/**
 * `path` is the file's own, for relative check paths; `name` names the network if the file does not. `checkNames` are
 * the built-in checks, and those of a file that lists none.
 */
export function resolveNetwork(file: NetworkFile, path: string, name: string, source: SourceMap, checkNames: { readonly builtIn: readonly string[]; readonly usual: readonly string[] }): Resolution {
  const builtInChecks = checkNames.builtIn
  const diagnostics: Diagnostic[] = []
  const nodes: ResolvedNode[] = []
  const taken = new Map<string, number>()
  const foreignAuthorities = file.nodes.some((group) => group.role === 'authority' && [group, ...Object.values(group.each ?? {})].some((one) => (one.implementation ?? group.implementation ?? file.defaults?.implementation) === 'tor'))
  file.nodes.forEach((group, groupIndex) => {
    const names = nodeNames(group)
    for (const other of Object.keys(group.each ?? {})) {
      if (names.includes(other)) continue
      diagnostics.push(source.complain(['nodes', groupIndex, 'each', other], 'key', 'error', `no node of this group is named "${other}"`, [`its nodes: ${names.join(', ')}`, ...suggestion(other, names)]))
    }
    for (const nodeName of names) {
      const before = taken.get(nodeName.toLowerCase())
      if (before !== undefined) {
        diagnostics.push(source.complain(['nodes', groupIndex, group.name === undefined ? 'role' : 'name'], 'value', 'error', `two nodes would be named "${nodeName}"`, [`the other is in group ${before + 1}; give one of the groups another name`]))
        continue
      }
      taken.set(nodeName.toLowerCase(), groupIndex)
      nodes.push(resolveNode(nodeName, nodes.length, group, file.defaults ?? {}, { foreignAuthorities, folder: dirname(path) }))
    }
  })
  if (nodes.length > nodesPerNetworkMax) diagnostics.push(source.complain(['nodes'], 'value', 'error', `${nodes.length} nodes are more than the ${nodesPerNetworkMax} a network can have`, []))

  const checks: string[] = []
  for (const [index, check] of (file.checks ?? checkNames.usual).entries()) {
    if (check.includes('/') || /\.[cm]?js$/.test(check)) {
      checks.push(resolve(dirname(path), check))
    } else if (builtInChecks.includes(check)) {
      checks.push(check)
    } else {
      diagnostics.push(source.complain(['checks', index], 'value', 'error', `there is no check "${check}"`, [`built in: ${builtInChecks.join(', ')}`, 'a module of your own is a path, as in ./my-check.js', ...suggestion(check, builtInChecks)]))
    }
  }
  const network: ResolvedNetwork = {
    name: file.name ?? name,
    description: file.description ?? '',
    source: path,
    nodes,
    params: file.params ?? {},
    options: { progressSec: file.options?.progressSec ?? 30, controlPorts: file.options?.controlPorts ?? false, distinctSubnets: file.options?.distinctSubnets ?? true },
    links: typeof file.links === 'string' ? { preset: file.links } : (file.links ?? {}),
    names: file.names ?? {},
    checks,
    genesis: file.genesis,
  }
  return { network, diagnostics }
}

/** The network with this build of relish for every node that relish runs. */
export function withCore(network: ResolvedNetwork, path: string): ResolvedNetwork {
  const core = resolve(path)
  return { ...network, nodes: network.nodes.map((node) => (node.implementation === 'relish' ? { ...node, core } : node)) }
}

function nodeNames(group: NodeGroup): string[] {
  const start = group.name ?? group.role
  if (group.count === undefined) return [start]
  return Array.from({ length: group.count }, (_, index) => `${start}${index + 1}`)
}

function resolveNode(name: string, index: number, group: NodeGroup, defaults: NodeSettings, file: { readonly foreignAuthorities: boolean; readonly folder: string }): ResolvedNode {
  const own = group.each?.[name] ?? {}
  const pick = <Key extends keyof NodeSettings>(key: Key): NodeSettings[Key] => own[key] ?? group[key] ?? defaults[key]
  const implementation = pick('implementation') ?? 'relish'
  // C tor asks for a first consensus ever more rarely, and keeps one that misses relays until it is nearly too old: its
  // clients, and those of authorities that vote by the clock, start when there is one that lists everybody.
  const usualPhase = group.role === 'client' && (implementation === 'tor' || file.foreignAuthorities) ? 2 : 1
  const program = pick('tor')
  const core = pick('core')
  const skewSec = pick('clockSkewSec') ?? 0
  return {
    name,
    index,
    group: group.name ?? group.role,
    role: group.role,
    implementation,
    // A name is looked for on the PATH; a path is the file's, as those of checks are.
    tor: program?.includes('/') === true ? resolve(file.folder, program) : program,
    core: core === undefined || implementation !== 'relish' ? undefined : resolve(file.folder, core),
    phase: pick('phase') ?? usualPhase,
    family: pick('family'),
    ipv6: pick('ipv6') ?? false,
    region: pick('region'),
    torrc: [...(skewSec === 0 ? [] : [`TestingClockOffset ${skewSec}`]), ...[defaults.torrc, group.torrc, own.torrc].flatMap(torrcLines)],
  }
}

/** Raw torrc settings as lines; comments and empty lines of a block are left out. */
export function torrcLines(raw: RawTorrc | undefined): string[] {
  if (raw === undefined) return []
  if (typeof raw === 'string') {
    return raw
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
  }
  return Object.entries(raw).flatMap(([option, value]) => {
    const values = Array.isArray(value) ? value : [value]
    return values.map((one: string | number | boolean) => `${option} ${typeof one === 'boolean' ? (one ? '1' : '0') : String(one)}`)
  })
}
