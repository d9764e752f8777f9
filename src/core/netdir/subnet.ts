/**
 * Subnets as path selection counts them: two relays within one IPv4 /16 or one IPv6 /32 are taken for neighbours
 * (path-spec §2.2; the IPv6 rule is C tor's).
 */

import { parseIp } from '../ident/address.ts'

/** Whether the first `bits` bits of two addresses agree. False for addresses of different families. */
export function sharePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  if (a.length !== b.length) return false
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false
  const left = bits & 7
  return left === 0 || ((a[whole] ?? 0) ^ (b[whole] ?? 0)) >> (8 - left) === 0
}

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

/** Whether two relays have an address in one /16 (IPv4) or /32 (IPv6). */
export function inSameSubnet(a: readonly { readonly host: string }[], b: readonly { readonly host: string }[]): boolean {
  const keys = subnetKeys(b)
  return subnetKeys(a).some((key) => keys.includes(key))
}
