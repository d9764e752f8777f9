/** `families`: of three hundred paths that each client would choose, none has two relays of one family (path-spec §2.2). */

import { isRelay } from '../network-types.ts'
import type { Check } from './check.ts'
import { consensusOf } from './circuits.ts'
import { askableClients, needsOwnClient, pathsChosenBy } from './paths-chosen.ts'

const pathsEach = 300
const port = 443

export const families: Check = {
  name: 'families',
  summary: `of ${pathsEach} paths that a client chooses none has two relays of one family`,
  tags: ['full', 'anonymity'],
  notFor: (network) => (network.nodes().some((node) => isRelay(node) && node.family !== undefined) ? needsOwnClient(network) : 'no relay of the network has a family'),
  async run({ network, clients, expect }) {
    const evidence: string[] = []
    for (const { name } of askableClients(network, clients)) {
      const nicknames = new Map(consensusOf(await network.inspect(name)).relays.map((relay) => [relay.fingerprint, relay.nickname]))
      const familyOf = (fingerprint: string): string | undefined => network.nodes().find((node) => node.name === nicknames.get(fingerprint))?.family
      const paths = await pathsChosenBy(network, name, port, pathsEach)
      let withFamilies = 0
      for (const path of paths) {
        const found = path.map(familyOf).filter((family) => family !== undefined)
        if (found.length > 0) withFamilies++
        const twice = found.find((family, index) => found.indexOf(family) !== index)
        expect(twice === undefined, `${name} would take ${path.map((hop) => nicknames.get(hop) ?? hop).join(' → ')}: two relays of the family ${twice}`)
      }
      expect(withFamilies > 0, `no path of ${paths.length} that ${name} chose has a relay with a family, so nothing was shown`)
      evidence.push(`${name}: ${paths.length} paths, ${withFamilies} with a relay that has a family, none with two of one`)
    }
    return evidence
  },
}
