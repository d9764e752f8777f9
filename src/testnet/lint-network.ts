/** What a resolved network can never do, found before anything is started, with the reason and the place in the file. */

import { lookUpKeyword } from '../core/torrc/option-table.ts'
import { suggestion } from '../core/base/nearest.ts'
import { canonicalIp } from '../core/ident/address.ts'
import { internetRegions } from '../sim/link-model.ts'
import { rateOf } from './link-settings.ts'
import type { Diagnostic } from './diagnostic.ts'
import { isRelay, type Implementation, type LinkFields, type NetworkFile, type ResolvedNetwork, type ResolvedNode } from './network-types.ts'
import type { SourceMap, YamlPath } from './parse-network.ts'
import { torrcLines } from './resolve-network.ts'

/** A client builds circuits of three different relays. */
const hopsOfACircuit = 3

export function lintNetwork(file: NetworkFile, network: ResolvedNetwork, source: SourceMap): Diagnostic[] {
  return [...lintRelays(network, source), ...lintPhases(network, file, source), ...lintOptions(network, file, source), ...lintLinks(network, file, source), ...lintNames(file, source)]
}

function lintRelays(network: ResolvedNetwork, source: SourceMap): Diagnostic[] {
  const found: Diagnostic[] = []
  const complain = (severity: Diagnostic['severity'], message: string, ...notes: string[]): void => {
    found.push(source.complain(['nodes'], 'key', severity, message, notes))
  }
  const count = (role: ResolvedNode['role']): number => network.nodes.filter((node) => node.role === role).length
  const relays = network.nodes.filter(isRelay)
  if (count('authority') === 0) {
    complain('error', 'the network has no authority', 'authorities vote on the list of relays; without one nobody learns of any relay', 'add: - { role: authority, name: auth, count: 3 }')
  } else if (count('authority') === 2) {
    complain('warning', 'two authorities need each other', 'a consensus takes more than half of the authorities: with two of them, losing one stops the network; three do better')
  }
  if (count('exit') === 0) {
    complain('error', 'the network has no exit', 'no stream can leave it, so clients never count as bootstrapped', 'add: - { role: exit, count: 3 }')
  }
  if (relays.length < hopsOfACircuit) {
    complain('error', `the network has ${relays.length} usable relay${relays.length === 1 ? '' : 's'}`, `a circuit takes ${hopsOfACircuit} different relays (authorities are relays too)`)
  } else {
    const groups = new Set(relays.map((node) => node.family ?? `node ${node.name}`))
    if (groups.size < hopsOfACircuit) {
      complain('error', `families leave no path: the relays are only ${groups.size} famil${groups.size === 1 ? 'y' : 'ies'}`, `a circuit takes at most one relay of each family, and needs ${hopsOfACircuit}`)
    }
  }
  if (count('client') === 0) complain('warning', 'the network has no client', 'it will start, but there is nobody to run checks from')
  return found
}

function lintPhases(network: ResolvedNetwork, file: NetworkFile, source: SourceMap): Diagnostic[] {
  const found: Diagnostic[] = []
  const phases = [...new Set(network.nodes.map((node) => node.phase))].sort((a, b) => a - b)
  const authorities = network.nodes.filter((node) => node.role === 'authority')
  const first = phases[0]
  if (first === undefined || phases.length < 2) return found
  const early = network.nodes.filter((node) => node.phase === first)
  const complain = (message: string, ...notes: string[]): void => {
    const index = file.nodes.findIndex((group) => group.phase !== undefined)
    found.push(source.complain(index < 0 ? ['nodes'] : ['nodes', index, 'phase'], index < 0 ? 'key' : 'value', 'error', message, notes))
  }
  const earlyAuthorities = early.filter((node) => node.role === 'authority').length
  if (authorities.length > 0 && earlyAuthorities * 2 <= authorities.length) {
    complain(`phase ${first} has ${earlyAuthorities} of ${authorities.length} authorities`, 'nothing of a later phase starts before the first is ready, and that takes a consensus signed by more than half of the authorities')
  }
  if (early.filter(isRelay).length < hopsOfACircuit && early.some((node) => node.role === 'client')) {
    complain(`clients of phase ${first} have fewer than ${hopsOfACircuit} relays to use`, 'they become ready only when they can build a circuit; put them in a later phase')
  }
  if (!early.some((node) => node.role === 'exit') && early.some((node) => node.role === 'client')) {
    complain(`clients of phase ${first} have no exit to use`, 'put them, or the exits, in another phase')
  }
  return found
}

function lintLinks(network: ResolvedNetwork, file: NetworkFile, source: SourceMap): Diagnostic[] {
  const found: Diagnostic[] = []
  if (file.links === undefined || typeof file.links === 'string') return found
  const regions = [...network.nodes.flatMap((node) => node.region ?? []), ...(network.links.preset === 'internet' ? internetRegions : [])]
  const words = [...new Set(['*', ...regions, ...network.nodes.flatMap((node) => [node.group, node.name])])]
  const settings: readonly { readonly path: YamlPath; readonly fields: LinkFields }[] = [
    { path: ['links'], fields: file.links },
    ...(file.links.between ?? []).map((fields, index) => ({ path: ['links', 'between', index], fields })),
  ]
  for (const { path, fields } of settings) {
    if (fields.bandwidth !== undefined && (rateOf(fields.bandwidth) ?? 0) <= 0) found.push(source.complain([...path, 'bandwidth'], 'value', 'error', `"${fields.bandwidth}" is no amount of bytes`, ['as in 5 MB, 512 KB, 100 MBits, or a number']))
  }
  for (const [index, { ends }] of (file.links.between ?? []).entries()) {
    for (const [side, end] of ends.entries()) {
      if (words.includes(end)) continue
      found.push(source.complain(['links', 'between', index, 'ends', side], 'value', 'error', `no node, group or region is called "${end}"`, suggestion(end, words)))
    }
  }
  return found
}

function lintNames(file: NetworkFile, source: SourceMap): Diagnostic[] {
  return Object.entries(file.names ?? {}).flatMap(([name, answer]) =>
    (typeof answer === 'string' ? [] : answer).flatMap((address, index) => (canonicalIp(address) === undefined ? [source.complain(['names', name, index], 'value', 'error', `"${address}" is not an IP address`)] : [])),
  )
}

/** Options that a run decides: an address or file of the network file's choosing would not be where the rest looks for it. */
export const ownedOptions: Readonly<Record<string, string>> = {
  datadirectory: 'the run directory has one folder for each node',
  nickname: 'the name of the node is its nickname',
  orport: 'ports are chosen free at every start',
  dirport: 'ports are chosen free at every start',
  socksport: 'ports are chosen free at every start',
  controlport: 'ports are chosen free at every start; `options: { controlPorts: true }` gives one to every node',
  dirauthority: "the authorities' keys are made for this network",
  address: 'every node has an address of its own',
  outboundbindaddress: 'every node has an address of its own',
  testingeventsfd: 'it is how relish talks to the node',
  testinglistenfd: 'it is how relish hands over listening sockets',
  runasdaemon: 'relish watches its nodes as child processes',
}

function lintOptions(network: ResolvedNetwork, file: NetworkFile, source: SourceMap): Diagnostic[] {
  const found: Diagnostic[] = []
  const usual = file.defaults?.implementation ?? 'relish'
  const settings: { path: YamlPath; torrc: readonly string[]; role: ResolvedNode['role'] | undefined; implementation: Implementation }[] = [
    { path: ['defaults', 'torrc'], torrc: torrcLines(file.defaults?.torrc), role: undefined, implementation: network.nodes.every((node) => node.implementation === 'tor') ? 'tor' : 'relish' },
    ...file.nodes.flatMap((group, index) => [
      { path: ['nodes', index, 'torrc'], torrc: torrcLines(group.torrc), role: group.role, implementation: group.implementation ?? usual },
      ...Object.entries(group.each ?? {}).map(([name, own]) => ({
        path: ['nodes', index, 'each', name, 'torrc'],
        torrc: torrcLines(own.torrc),
        role: group.role,
        implementation: own.implementation ?? group.implementation ?? usual,
      })),
    ]),
  ]
  for (const { path, torrc, role, implementation } of settings) {
    for (const line of torrc) {
      const [option = '', ...rest] = line.replace(/^[+/]/, '').split(/\s+/)
      const value = rest.join(' ').replace(/^"(.*)"$/, '$1')
      const complain = (message: string, ...notes: string[]): void => {
        found.push(source.complain([...path, option], 'key', 'error', message, notes))
      }
      const owned = ownedOptions[option.toLowerCase()]
      if (owned !== undefined) complain(`${option} is set by relish itself`, owned)
      const meaning = lookUpKeyword(option)
      // C tor has options that relish does not know; it judges its own nodes' torrcs itself.
      if (meaning.kind === 'unknown' && implementation === 'relish') {
        complain(`there is no option "${option}"`, ...(meaning.suggestion === undefined ? [] : [`did you mean "${meaning.suggestion}"?`]), 'all options: relish-tor --list-torrc-options')
      }
      // Rules of an exit policy count in order: one after others may well reject all the rest.
      const isLaterRule = option.toLowerCase() === 'exitpolicy' && line !== torrc.find((other) => /^[+/]?exitpolicy\s/i.test(other))
      const contradiction = role === undefined || isLaterRule ? undefined : contradictionOf(role, option.toLowerCase(), value)
      if (contradiction !== undefined) complain(`"${line}" contradicts the role ${role}`, contradiction)
    }
  }
  for (const [index, group] of file.nodes.entries()) {
    if (group.tor !== undefined && (group.implementation ?? file.defaults?.implementation ?? 'relish') === 'relish') {
      found.push(source.complain(['nodes', index, 'tor'], 'value', 'error', '"tor" names a program, but these nodes are run by relish', ['add: implementation: tor']))
    }
  }
  const skewed = network.nodes.find((node) => node.implementation === 'tor' && node.torrc.some((line) => line.startsWith('TestingClockOffset ')))
  if (skewed !== undefined) found.push(source.complain(['nodes'], 'key', 'error', `${skewed.name} cannot have a clock of its own`, ['clockSkewSec is for nodes that relish runs: C tor takes the clock of the machine']))
  for (const node of network.nodes) {
    if (node.role === 'client' && node.family !== undefined) {
      const index = file.nodes.findIndex((group) => (group.name ?? group.role) === node.group)
      found.push(source.complain(['nodes', index, 'family'], 'key', 'warning', `${node.name} is a client: only relays have families`, []))
      break
    }
  }
  return found
}

function contradictionOf(role: ResolvedNode['role'], option: string, value: string): string | undefined {
  const off = value === '0'
  if (role === 'exit' && option === 'exitrelay' && off) return 'an exit that lets nothing out is a relay: use role: relay'
  if (role === 'exit' && option === 'exitpolicy' && /^reject6?\s+\*:\*\s*$/.test(value)) return 'its first rule rejects everything; use role: relay'
  if (role === 'relay' && option === 'exitrelay' && value === '1') return 'a relay that lets streams out is an exit: use role: exit'
  if (role !== 'client' && option === 'clientonly' && value === '1') return 'a node that is only a client accepts no circuits: use role: client'
  if (role !== 'client' && option === 'publishserverdescriptor' && (off || value === '')) return 'a relay that does not publish its descriptor is in no consensus'
  if (role === 'authority' && (option === 'authoritativedirectory' || option === 'v3authoritativedirectory') && off) return 'use another role'
  if (role === 'client' && /^(authoritativedirectory|v3authoritativedirectory|exitrelay)$/.test(option) && value === '1') return 'use another role'
  if (option === 'testingtornetwork' && off) return 'loopback addresses and fast schedules are possible in testing networks only'
  if (option === 'disablenetwork' && value === '1') return 'the node would never start'
  return undefined
}
