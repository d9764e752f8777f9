/** Kinds of values that several parts of the table share. */

import { allLines, type ValueKind } from '../option-spec.ts'
import { parsePortLines, type PortSpec, type PortUse } from '../port-spec.ts'
import { emptyRouterSet, parseAddressPattern, parseRouterSet, type AddressPattern, type RouterSet } from '../router-set.ts'
import { configError } from '../config-line.ts'

export const routerSet: ValueKind<RouterSet> = allLines('RouterList', emptyRouterSet, parseRouterSet, (set) => set.text)
export const ports = (use: PortUse): ValueKind<readonly PortSpec[]> =>
  allLines<readonly PortSpec[]>('Dependent', [], (lines) => parsePortLines(lines, use))
/** Address patterns with commas between them (`10.0.0.0/8, 192.168.1.1:*`), as authorities name relays by address. */
export const addressPatternLines: ValueKind<readonly AddressPattern[]> = allLines<readonly AddressPattern[]>('LineList', [], (lines) =>
  lines.flatMap((line) =>
    line.value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map((item) => {
        const pattern = parseAddressPattern(item)
        if (pattern === undefined) throw configError(`${line.keyword}: cannot read "${item}" as an address pattern`, line.position)
        return pattern
      }),
  ),
)
