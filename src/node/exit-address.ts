/** Which address of a name an exit connects to, and what it tells about how long names are good for. tor-spec §6.2. */

import { BeginFlags } from '../core/cell/stream-messages.ts'
import { isIpv6 } from '../core/ident/address.ts'
import { DNS_TTL_LONG_SEC, DNS_TTL_SHORT_SEC } from './limits.ts'

/**
 * The first address of the family that BEGIN's flags and `IPv6Exit` prefer among those they allow; undefined when none
 * is allowed. An address that was asked for literally passes the same way, as C tor has it.
 */
export function chooseAddress(addresses: readonly string[], flags: number, ipv6Exit: boolean): string | undefined {
  const ipv4Okay = (flags & BeginFlags.IPV4_NOT_OKAY) === 0
  const only = addresses.length === 1 ? addresses[0] : undefined
  // A client that names an IPv6 address means it, whatever the flags say.
  const ipv6Okay = ipv6Exit && ((flags & BeginFlags.IPV6_OKAY) !== 0 || (only !== undefined && isIpv6(only)))
  const ipv4 = ipv4Okay ? addresses.find((address) => !isIpv6(address)) : undefined
  const ipv6 = ipv6Okay ? addresses.find(isIpv6) : undefined
  return (flags & BeginFlags.IPV6_PREFERRED) !== 0 ? (ipv6 ?? ipv4) : (ipv4 ?? ipv6)
}

/** Short or long: the exact time would tell when somebody else asked (C tor, dns_clip_ttl). */
export const clipTtl = (ttlSec: number): number => (ttlSec <= DNS_TTL_SHORT_SEC ? DNS_TTL_SHORT_SEC : DNS_TTL_LONG_SEC)
