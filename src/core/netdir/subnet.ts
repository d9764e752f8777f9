/**
 * Subnets as path selection counts them: two relays within one IPv4 /16 or one IPv6 /32 are taken for neighbours
 * (path-spec §2.2; the IPv6 rule is C tor's).
 */

import { parseIp } from '../ident/address.ts'

/** The subnets an address list touches: keys that are equal exactly when two addresses are neighbours. */
export function subnetKeys(addresses: readonly { readonly host: string }[]): readonly string[] {
  const keys: string[] = []
  for (const { host } of addresses) {
    const bytes = parseIp(host)
    if (bytes === undefined || bytes.every((byte) => byte === 0)) continue
    keys.push(bytes.length === 4 ? `4:${bytes[0]}.${bytes[1]}` : `6:${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`)
  }
  return keys
}
