/** The values of `ConsensusParams`: network parameters an authority votes for. dir-spec §3.4.1, "params". */

import { configError, type ConfigLine } from './config-line.ts'

export interface ConsensusParam {
  readonly name: string
  /** A signed 32-bit number. */
  readonly value: number
}

/** All parameters of all lines, sorted by name; a later one of the same name wins. Throws `config`. */
export function parseConsensusParams(lines: readonly ConfigLine[]): ConsensusParam[] {
  const values = new Map<string, number>()
  for (const line of lines) {
    for (const item of line.value.split(/\s+/).filter((word) => word !== '')) {
      const match = /^([^=\s]+)=(-?\d{1,10})$/.exec(item)
      const value = Number(match?.[2])
      if (match?.[1] === undefined || value < -0x8000_0000 || value > 0x7fff_ffff) {
        throw configError(`${line.keyword}: expected NAME=NUMBER, not "${item}"`, line.position)
      }
      values.set(match[1], value)
    }
  }
  return [...values].map(([name, value]) => ({ name, value })).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}
