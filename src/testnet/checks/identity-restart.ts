/** `identity-restart`: a relay that ends and starts again is the same relay: identities, nickname, place in the consensus. */

import { formatAddressPort } from '../../core/ident/address.ts'
import type { NodeInspection } from '../../runtime/events.ts'
import type { Check } from './check.ts'
import { consensusOf } from './circuits.ts'
import { restart } from './disturb.ts'
import { isRelay, type ResolvedNode } from '../network-types.ts'
import { runningNodes } from '../running-nodes.ts'

export const identityRestart: Check = {
  name: 'identity-restart',
  summary: 'relays keep their identities and ports over a restart',
  tags: ['full', 'operation'],
  disturbs: true,
  async run({ network, expect }) {
    const evidence: string[] = []
    for (const node of oneOfEachKind(runningNodes(network).filter(isRelay))) {
      const before = identityOf(await network.inspect(node.name))
      await restart(network, [node.name])
      const inspection = await network.inspect(node.name)
      for (const [what, value] of Object.entries(before)) expect.equal(identityOf(inspection)[what], value, `${what} of ${node.name} after a restart`)
      const listed = consensusOf(inspection).relays.find((relay) => relay.nickname === node.name)
      expect.equal(listed?.fingerprint, before['fingerprint'], `fingerprint of ${node.name} in the consensus that it holds after a restart`)
      evidence.push(`${node.name} (${node.role}): ${before['fingerprint']}, ed25519 ${before['ed25519']?.slice(0, 16)}…, at ${before['OR port']}, before and after`)
    }
    return evidence
  },
}

/** The last of each role and program: relays that others depend on less than on the first. */
function oneOfEachKind(nodes: readonly ResolvedNode[]): ResolvedNode[] {
  const kinds = new Map(nodes.map((node) => [`${node.role} ${node.implementation}`, node]))
  return [...kinds.values()]
}

function identityOf(inspection: NodeInspection): { readonly [what: string]: string | undefined } {
  const or = inspection.listeners.filter((one) => one.listener === 'or').map((one) => formatAddressPort(one.address))
  return { fingerprint: inspection.fingerprint, ed25519: inspection.ed25519, nickname: inspection.nickname, 'OR port': or.sort().join(', ') }
}
