/** The values of `OutboundBindAddress` and its kin: at most one address of each family. tor(1). */

import { canonicalIp, isIpv6 } from '../ident/address.ts'
import { configError, type ConfigLine } from './config-line.ts'

export interface OutboundAddresses {
  readonly ipv4?: string
  readonly ipv6?: string
}

/** Throws `config`. */
export function parseOutboundLines(lines: readonly ConfigLine[]): OutboundAddresses {
  const found: { ipv4?: string; ipv6?: string } = {}
  for (const line of lines) {
    const address = canonicalIp(line.value)
    if (address === undefined) throw configError(`${line.keyword}: expected an IP address, not "${line.value}"`, line.position)
    const family = isIpv6(address) ? 'ipv6' : 'ipv4'
    if (found[family] !== undefined) throw configError(`${line.keyword}: a second address of the same family`, line.position)
    found[family] = address
  }
  return found
}
