/** The values of `MapAddress`: requested addresses that are rewritten before anything else looks at them. tor(1). */

import { configError, type ConfigLine } from './config-line.ts'

export interface AddressMapping {
  /** Lower case. A leading `*.` stands for the name behind it and all names below. */
  readonly from: string
  /** A name or address; with `*.` in front when `from` has it: the part before the suffix is kept. */
  readonly to: string
}

/** Throws `config`. */
export function parseAddressMap(lines: readonly ConfigLine[]): AddressMapping[] {
  return lines.map((line) => {
    const [from, to, ...more] = line.value.split(/\s+/).filter((word) => word !== '')
    if (from === undefined || to === undefined || more.length > 0) throw configError(`${line.keyword}: expected two addresses`, line.position)
    if (to.startsWith('*.') && !from.startsWith('*.')) {
      throw configError(`${line.keyword}: "${to}" keeps what "${from}" does not leave open`, line.position)
    }
    return { from: from.toLowerCase(), to: to.toLowerCase() }
  })
}
