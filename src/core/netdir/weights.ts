/**
 * How much a relay counts in a position of a path: its consensus bandwidth times the consensus' bandwidth weights
 * (dir-spec §3.8.3, path-spec §2.2 and §5.1).
 *
 * Not a selection: which relays may stand in a position at all is decided in core/relaysel.
 */

import type { NetworkParameters } from './parameters.ts'
import { isBadExit, type RelayStatus } from './relay.ts'

/** `directory`: for BEGIN_DIR requests that do not go through a guard. */
export type Position = 'guard' | 'middle' | 'exit' | 'directory' | 'unweighted'

interface PositionWeights {
  readonly guard: number
  readonly middle: number
  readonly exit: number
  readonly both: number
  readonly directoryGuard: number
  readonly directoryMiddle: number
  readonly directoryExit: number
  readonly directoryBoth: number
}

/** Bytes a second for a relay whose bandwidth the consensus does not state: C tor's arbitrary choice. */
const bandwidthWhenUnknown = 30_000
const bandwidthMax = 0x7fff_ffff

const neutral: PositionWeights = {
  guard: 1, middle: 1, exit: 1, both: 1, directoryGuard: 1, directoryMiddle: 1, directoryExit: 1, directoryBoth: 1,
}

/** Names of the weights for guards, unflagged relays, exits and relays that are both (path-spec §2.2). */
const names = {
  // C tor gives an exit without the Guard flag no weight as a guard, and there is no name for such a weight.
  guard: ['Wgg', 'Wgm', undefined, 'Wgd'],
  middle: ['Wmg', 'Wmm', 'Wme', 'Wmd'],
  exit: ['Weg', 'Wem', 'Wee', 'Wed'],
  directory: ['Wbg', 'Wbm', 'Wbe', 'Wbd'],
} as const

export class BandwidthWeights {
  readonly #positions: ReadonlyMap<Position, PositionWeights>
  readonly #useGuardFraction: boolean

  /** `values`: the consensus' `bandwidth-weights` line; empty where there is none. */
  constructor(values: ReadonlyMap<string, number>, parameters: NetworkParameters) {
    const scale = parameters.get('bwweightscale')
    this.#useGuardFraction = parameters.get('UseGuardFraction') === 1
    this.#positions = new Map<Position, PositionWeights>([
      ['guard', positionWeights('guard', values, scale)],
      ['middle', positionWeights('middle', values, scale)],
      ['exit', positionWeights('exit', values, scale)],
      ['directory', positionWeights('directory', values, scale)],
      ['unweighted', neutral],
    ])
  }

  /** A non-negative number in proportion to which the relay is chosen for the position. */
  of(relay: RelayStatus, position: Position): number {
    return this.#weigh(relay, this.#positions.get(position) ?? neutral, position)
  }

  #weigh(relay: RelayStatus, weights: PositionWeights, position: Position): number {
    const kilobytes = relay.bandwidthKilobytes
    const bandwidth = kilobytes === undefined ? bandwidthWhenUnknown : Math.min(kilobytes * 1000, bandwidthMax)
    const isGuard = relay.flags.has('Guard')
    const isExit = relay.flags.has('Exit') && !isBadExit(relay)
    const isDirectory = relay.flags.has('V2Dir')

    const asUnflagged = isExit
      ? weights.exit * (isDirectory ? weights.directoryExit : 1)
      : weights.middle * (isDirectory ? weights.directoryMiddle : 1)
    if (!isGuard) return bandwidth * asUnflagged
    const asGuard = isExit
      ? weights.both * (isDirectory ? weights.directoryBoth : 1)
      : weights.guard * (isDirectory ? weights.directoryGuard : 1)
    // path-spec §5.1 (prop236): a relay that became a guard lately counts as a guard in part.
    if (relay.guardFractionPercent === undefined || !this.#useGuardFraction || position === 'guard') return bandwidth * asGuard
    const fraction = Math.min(relay.guardFractionPercent, 100) / 100
    return bandwidth * (fraction * asGuard + (1 - fraction) * asUnflagged)
  }
}

function positionWeights(position: keyof typeof names, values: ReadonlyMap<string, number>, scale: number): PositionWeights {
  const [guard, middle, exit, both] = names[position]
  const wanted = [guard, middle, exit, both, 'Wgb', 'Wmb', 'Web', 'Wdb']
  const found = wanted.map((name, i) => {
    if (position === 'directory' && i >= 4) return scale
    return name === undefined ? 0 : values.get(name)
  })
  // SPEC-DIFF: path-spec §2.2 has a missing weight count as 10000; C tor ignores all of them if one is missing or negative.
  const [g, m, e, b, dg, dm, de, db] = found.map((value) => (value === undefined || value < 0 ? undefined : Math.min(value, scale) / scale))
  if (g === undefined || m === undefined || e === undefined || b === undefined) return neutral
  if (dg === undefined || dm === undefined || de === undefined || db === undefined) return neutral
  return { guard: g, middle: m, exit: e, both: b, directoryGuard: dg, directoryMiddle: dm, directoryExit: de, directoryBoth: db }
}
