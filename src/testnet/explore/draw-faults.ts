/** Faults drawn from a seed: each from a stream of its own, so that one more does not change the others. */

import { must } from '../../core/base/assert.ts'
import { randomBelow, randomChoice, SeededRng, shuffled, type Rng } from '../../core/base/rng.ts'
import { isVoteMisbehaviour, misbehaviours, type Fault, type TimedFault } from '../fault/fault.ts'
import { drawnFaultsMax, faultLastsMaxMs, faultPhaseMs } from '../limits.ts'
import { isRelay, type ResolvedNetwork } from '../network-types.ts'

export function drawFaults(network: ResolvedNetwork, seed: string): readonly TimedFault[] {
  const rng = new SeededRng(`${seed}\nfaults`)
  const count = 1 + randomBelow(rng, drawnFaultsMax)
  return Array.from({ length: count }, (_, index) => drawFault(network, rng.derive(`fault ${index}`))).sort((a, b) => a.atMs - b.atMs)
}

function drawFault(network: ResolvedNetwork, rng: Rng): TimedFault {
  const fault = must(randomChoice(rng, drawers), 'there are kinds of faults')(network, rng)
  return { atMs: randomBelow(rng, faultPhaseMs), forMs: fault.kind === 'drop' ? undefined : 1000 + randomBelow(rng, faultLastsMaxMs - 1000), fault }
}

type Drawer = (network: ResolvedNetwork, rng: Rng) => Fault

const anyNode: (network: ResolvedNetwork, rng: Rng) => string = (network, rng) => must(randomChoice(rng, network.nodes), 'a network has nodes').name

/** Two nodes, or one and everybody else. */
function anyEnds(network: ResolvedNetwork, rng: Rng): readonly [string, string] {
  const [one, other] = shuffled(rng, network.nodes)
  return [must(one, 'a network has nodes').name, randomBelow(rng, 2) === 0 || other === undefined ? '*' : other.name]
}

const drawers: readonly Drawer[] = Object.freeze([
  (network, rng) => ({ kind: 'crash', node: anyNode(network, rng) }),
  (network, rng) => ({ kind: 'pause', node: anyNode(network, rng) }),
  (network, rng) => {
    const names = shuffled(rng, network.nodes).map((node) => node.name)
    const at = 1 + randomBelow(rng, Math.max(1, names.length - 1))
    return { kind: 'partition', sides: [names.slice(0, at), names.slice(at)] }
  },
  (network, rng) => ({ kind: 'slow', ends: anyEnds(network, rng), latencyMs: 1 + randomBelow(rng, 3000), bytesPerSecond: randomBelow(rng, 2) === 0 ? undefined : 2000 + randomBelow(rng, 200_000) }),
  (network, rng) => ({ kind: 'drop', ends: anyEnds(network, rng) }),
  (network, rng) => ({ kind: 'clock', node: anyNode(network, rng), jumpSec: (randomBelow(rng, 2) === 0 ? 1 : -1) * must(randomChoice(rng, [1, 30, 600, 4000, 90_000]), 'a list of jumps') }),
  (network, rng) => ({ kind: 'disk-full', node: anyNode(network, rng) }),
  (network, rng) => {
    const relays = network.nodes.filter(isRelay)
    const how = must(randomChoice(rng, misbehaviours), 'there are misbehaviours')
    const able = isVoteMisbehaviour(how) ? relays.filter((node) => node.role === 'authority') : relays
    return { kind: 'misbehave', node: must(randomChoice(rng, able), 'a network has authorities').name, how, every: 1 + randomBelow(rng, 50) }
  },
] satisfies Drawer[])
