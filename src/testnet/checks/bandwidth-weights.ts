/**
 * `bandwidth-weights`: of a thousand paths that a client chooses, exits and middles come as often as the consensus says
 * they should: in proportion to bandwidth times the weight of their flags in that position (path-spec §2.2, dir-spec
 * §3.8.3). What is expected is computed here, from the document's text, and not by the code that chooses.
 */

import type { ConsensusUnverified } from '../../core/netdoc/consensus.ts'
import type { RouterStatus } from '../../core/netdoc/router-status.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { runningAuthorities } from '../running-nodes.ts'
import type { Check } from './check.ts'
import { chiSquare } from './chi-square.ts'
import { askableClients, needsOwnClient, pathsChosenBy } from './paths-chosen.ts'
import { consensusHeldBy, consensusOfClient } from './promises.ts'

const pathsEach = 1000
const port = 443
/** So improbable that it is no chance: one run in ten million would fail by it. */
const probabilityMin = 1e-7
/** Cells of the test with fewer are put together: the distribution is no chi-square there. */
const expectedMin = 5

export const bandwidthWeights: Check = {
  name: 'bandwidth-weights',
  summary: `exits and middles of ${pathsEach} paths come as often as the weights of the consensus say`,
  tags: ['full', 'anonymity'],
  notFor: needsOwnClient,
  async run({ network, clients, expect }) {
    const { relays } = await consensusHeldBy(network, runningAuthorities(network).map((node) => node.name))
    const letsOut = new Set(relays.filter((relay) => relay.exitPolicy?.allows(port) === true).map((relay) => relay.fingerprint))
    const evidence: string[] = []
    for (const { name } of askableClients(network, clients)) {
      const { consensus, paths } = await choicesOf(network, name)
      for (const position of ['exit', 'middle'] as const) {
        const counts = countsOf(paths, position)
        const shares = position === 'exit' ? exitShares(consensus, letsOut, paths) : middleShares(network, name, consensus, paths)
        const strangers = [...counts.keys()].filter((fingerprint) => (shares.get(fingerprint) ?? 0) <= 0)
        expect(strangers.length === 0, `${name} chose ${strangers.map((one) => nicknameOf(consensus, one)).join(', ')} as ${position}, to which the consensus gives no weight there`)
        const cells = joinSmall([...shares].map(([fingerprint, expected]) => ({ observed: counts.get(fingerprint) ?? 0, expected })))
        if (cells.length < 2) {
          evidence.push(`${name}: there is only one choice of ${position}`)
          continue
        }
        const { statistic, degrees, probability } = chiSquare(cells.map((cell) => cell.observed), cells.map((cell) => cell.expected))
        const words = `${position}s of ${paths.length} paths: chi-square ${statistic.toFixed(1)} with ${degrees} degrees of freedom, p = ${probability.toPrecision(2)}`
        expect(probability > probabilityMin, `${name}: ${words}; ${furthest(consensus, shares, counts)}`)
        evidence.push(`${name}: ${words}; ${furthest(consensus, shares, counts)}`)
      }
    }
    return evidence
  },
}

/** Paths, and the consensus that they are chosen by: the authorities may have a newer one, and this client the next moment. */
async function choicesOf(network: RunningNetwork, client: string): Promise<{ readonly consensus: ConsensusUnverified; readonly paths: readonly (readonly string[])[] }> {
  const consensus = await consensusOfClient(network, client)
  const paths = await pathsChosenBy(network, client, port, pathsEach)
  const after = await consensusOfClient(network, client)
  return after.validAfter === consensus.validAfter ? { consensus, paths } : choicesOf(network, client)
}

const indexOf = { middle: 1, exit: 2 } as const

function countsOf(paths: readonly (readonly string[])[], position: 'exit' | 'middle'): Map<string, number> {
  const counts = new Map<string, number>()
  for (const path of paths) {
    const fingerprint = path[indexOf[position]] ?? ''
    counts.set(fingerprint, (counts.get(fingerprint) ?? 0) + 1)
  }
  return counts
}

/** dir-spec §3.8.3: weights by what a relay could be used for elsewhere. Without any bandwidth all count the same. */
function weightOf(consensus: ConsensusUnverified, relay: RouterStatus, position: 'exit' | 'middle'): number {
  const flags = (relay.flags.has('Exit') && !relay.flags.has('BadExit') ? 2 : 0) + (relay.flags.has('Guard') ? 1 : 0)
  const name = position === 'exit' ? ['Wem', 'Weg', 'Wee', 'Wed'][flags] : ['Wmm', 'Wmg', 'Wme', 'Wmd'][flags]
  return (relay.bandwidth ?? 0) * (consensus.bandwidthWeights.get(name ?? '') ?? 0)
}

/** What each of `candidates` is expected to get of one choice. */
function sharesOf(consensus: ConsensusUnverified, candidates: readonly RouterStatus[], position: 'exit' | 'middle'): [string, number][] {
  const weights = candidates.map((relay) => weightOf(consensus, relay, position))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return candidates.map((relay, i) => [relay.fingerprint, total > 0 ? (weights[i] ?? 0) / total : 1 / candidates.length])
}

/** `letsOut`: fingerprints of relays whose policy has room for the port, of which not every flavour of the consensus tells. */
function exitShares(consensus: ConsensusUnverified, letsOut: ReadonlySet<string>, paths: readonly (readonly string[])[]): Map<string, number> {
  const exits = consensus.relays.filter((relay) => isUsable(relay) && letsOut.has(relay.fingerprint))
  return new Map(sharesOf(consensus, exits, 'exit').map(([fingerprint, share]) => [fingerprint, share * paths.length]))
}

/** Given what stands at both ends of each path: neither of them, nor one of their families or subnets. */
function middleShares(network: RunningNetwork, client: string, consensus: ConsensusUnverified, paths: readonly (readonly string[])[]): Map<string, number> {
  const distinctSubnets = /^EnforceDistinctSubnets 1$/m.test(network.torrcOf(client))
  const related = (a: RouterStatus, b: RouterStatus): boolean => {
    const family = (relay: RouterStatus): string | undefined => network.nodes().find((node) => node.name === relay.nickname)?.family
    const subnet = (relay: RouterStatus): string => relay.address.split('.').slice(0, 2).join('.')
    return a.fingerprint === b.fingerprint || (family(a) !== undefined && family(a) === family(b)) || (distinctSubnets && subnet(a) === subnet(b))
  }
  const expected = new Map<string, number>()
  const known = new Map<string, [string, number][]>()
  for (const [first = '', , last = ''] of paths) {
    const key = `${first} ${last}`
    const ends = consensus.relays.filter((relay) => relay.fingerprint === first || relay.fingerprint === last)
    const shares = known.get(key) ?? sharesOf(consensus, consensus.relays.filter((relay) => isUsable(relay) && !ends.some((end) => related(relay, end))), 'middle')
    known.set(key, shares)
    for (const [fingerprint, share] of shares) expected.set(fingerprint, (expected.get(fingerprint) ?? 0) + share)
  }
  return expected
}

const isUsable = (relay: RouterStatus): boolean => relay.flags.has('Running') && relay.flags.has('Valid') && relay.flags.has('Fast')

interface Cell {
  readonly observed: number
  readonly expected: number
}

function joinSmall(cells: readonly Cell[]): Cell[] {
  const large = cells.filter((cell) => cell.expected >= expectedMin)
  const small = cells.filter((cell) => cell.expected > 0 && cell.expected < expectedMin)
  if (small.length === 0) return large
  const joined = small.reduce((sum, cell) => ({ observed: sum.observed + cell.observed, expected: sum.expected + cell.expected }), { observed: 0, expected: 0 })
  return [...large, joined]
}

const nicknameOf = (consensus: ConsensusUnverified, fingerprint: string): string => consensus.relays.find((relay) => relay.fingerprint === fingerprint)?.nickname ?? fingerprint

function furthest(consensus: ConsensusUnverified, expected: ReadonlyMap<string, number>, counts: ReadonlyMap<string, number>): string {
  const [worst] = [...expected].sort((a, b) => Math.abs((counts.get(b[0]) ?? 0) - b[1]) - Math.abs((counts.get(a[0]) ?? 0) - a[1]))
  return worst === undefined ? '' : `furthest off is ${nicknameOf(consensus, worst[0])}: ${counts.get(worst[0]) ?? 0} times, expected ${worst[1].toFixed(1)}`
}
