/**
 * Subnets as path selection counts them: two relays within one IPv4 /16 or one IPv6 /32 are taken for neighbours
 * (path-spec §2.2; the IPv6 rule is C tor's).
 */

/** Address as 4 or 16 bytes; undefined for text that is neither IPv4 nor IPv6. */
export function ipBytes(host: string): Uint8Array | undefined {
  return host.includes(':') ? ipv6Bytes(host) : ipv4Bytes(host)
}

function ipv4Bytes(host: string): Uint8Array | undefined {
  const parts = host.split('.')
  if (parts.length !== 4) return undefined
  const out = new Uint8Array(4)
  for (const [i, part] of parts.entries()) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined
    out[i] = Number(part)
  }
  return out
}

function ipv6Bytes(host: string): Uint8Array | undefined {
  const halves = host.split('::')
  if (halves.length > 2) return undefined
  const head = ipv6Groups(halves[0] ?? '')
  const tail = halves.length === 2 ? ipv6Groups(halves[1] ?? '') : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 16 - head.length - tail.length
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail])
}

/** The bytes of colon-separated groups, the last of which may be a dotted IPv4 address. */
function ipv6Groups(text: string): number[] | undefined {
  if (text === '') return []
  const out: number[] = []
  const groups = text.split(':')
  for (const [i, group] of groups.entries()) {
    if (group.includes('.')) {
      const embedded = i === groups.length - 1 ? ipv4Bytes(group) : undefined
      if (embedded === undefined) return undefined
      out.push(...embedded)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined
      const value = Number.parseInt(group, 16)
      out.push(value >> 8, value & 255)
    }
  }
  return out
}

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
    const bytes = ipBytes(host)
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
