/**
 * `promises`: what the network file says of its nodes is what the consensus and the descriptors say: roles as flags,
 * consensus parameters, families, IPv6 addresses.
 */

import { parseConsensus, type ConsensusUnverified } from '../../core/netdoc/consensus.ts'
import { parseServerDescriptor, type ServerDescriptorUnverified } from '../../core/netdoc/server-descriptor.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { isRelay, type ResolvedNode } from '../network-types.ts'
import { runningAuthorities, runningNodes } from '../running-nodes.ts'
import type { Check } from './check.ts'
import { CheckFailure } from './expect.ts'

export const promises: Check = {
  name: 'promises',
  summary: 'roles, parameters, families and IPv6 addresses are in the consensus as in the network file',
  tags: ['full', 'directory'],
  besideOthers: true,
  async run({ network, expect }) {
    const consensus = await consensusHeldBy(network, runningAuthorities(network).map((node) => node.name))
    const evidence: string[] = []
    const relays = runningNodes(network).filter(isRelay)
    for (const node of relays) {
      const listed = expect.defined(consensus.relays.find((relay) => relay.nickname === node.name), `the consensus does not list ${node.name}`)
      for (const flag of flagsOf(node)) expect(listed.flags.has(flag), `the consensus lists ${node.name}, ${articleFor(node.role)}, without the flag ${flag}: ${[...listed.flags].join(' ')}`)
      // A policy that lets nothing out is what makes a relay none that exits (dir-spec §3.8.2); flags of test networks are given freely.
      const policy = listed.exitPolicy
      const letsOut = policy !== undefined && !policy.rejectsAll
      expect.equal(letsOut, node.role === 'exit', `whether ${node.name}, ${articleFor(node.role)}, lets streams out`)
      if (node.ipv6) expect(listed.orAddresses.some((address) => address.host.includes(':')), `the consensus has no IPv6 address of ${node.name}`)
    }
    evidence.push(`${relays.length} relays: ${[...new Set(relays.map((node) => node.role))].map((role) => `${relays.filter((node) => node.role === role).length} × ${role} with ${flagsOf({ role }).join(', ')}`).join('; ')}`)

    const promised = Object.entries(network.network.params)
    for (const [name, value] of promised) expect.equal(consensus.params.get(name), value, `consensus parameter ${name}`)
    if (promised.length > 0) evidence.push(`parameters: ${promised.map(([name, value]) => `${name}=${value}`).join(' ')}`)

    for (const family of new Set(relays.map((node) => node.family).filter((one) => one !== undefined))) {
      const members = relays.filter((node) => node.family === family && node.implementation === 'relish')
      for (const node of members) {
        const descriptor = await descriptorOf(network, node.name)
        const named = new Set(descriptor.family ?? [])
        for (const other of members) {
          if (other.name === node.name) continue
          const fingerprint = expect.defined(consensus.relays.find((relay) => relay.nickname === other.name), `the consensus does not list ${other.name}`).fingerprint
          expect([...named].some((member) => member.includes(fingerprint)), `the descriptor of ${node.name} does not name ${other.name}, of the same family ${family}`)
        }
      }
      evidence.push(`family ${family}: ${members.map((node) => node.name).join(', ')} name each other`)
    }
    return evidence
  },
}

const flagsOf = ({ role }: Pick<ResolvedNode, 'role'>): string[] => ['Running', 'Valid', ...(role === 'authority' ? ['Authority'] : []), ...(role === 'exit' ? ['Exit'] : [])]

const articleFor = (role: string): string => (/^[aeiou]/.test(role) ? `an ${role}` : `a ${role}`)

/** The ns flavour, which has policies. */
export async function consensusHeldBy(network: RunningNetwork, authorities: readonly string[]): Promise<ConsensusUnverified> {
  const [source] = authorities
  if (source === undefined) throw new CheckFailure('no authority runs')
  return parseConsensus(String(await network.command(source, { command: 'document', name: 'consensus' })))
}

/** The one that a client goes by, of either flavour: it may not have the authorities' newest yet. */
export async function consensusOfClient(network: RunningNetwork, client: string): Promise<ConsensusUnverified> {
  const held = (await network.inspect(client)).consensus.some((one) => one.flavour === 'microdesc')
  return parseConsensus(String(await network.command(client, { command: 'document', name: held ? 'consensus-microdesc' : 'consensus' })))
}

const descriptorOf = async (network: RunningNetwork, name: string): Promise<ServerDescriptorUnverified> => parseServerDescriptor(String(await network.command(name, { command: 'document', name: 'descriptor' })))
