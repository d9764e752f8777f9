/** One rule of an exit policy, and the networks that `private` stands for. Policies are lists of rules: exit-policy.ts. */

import { bytesEqual } from '../base/encoding.ts'
import { parseIp } from '../ident/address.ts'
import type { PortRange } from './port-policy.ts'

export interface PolicyRule {
  readonly accepts: boolean
  /** A `*` of a torrc is two rules, one for each family. */
  readonly family: 4 | 6
  /** Network address, 4 or 16 bytes; all zero where `prefixBits` is 0. */
  readonly address: Uint8Array
  readonly prefixBits: number
  readonly ports: PortRange
}

/** Whether the first `bits` bits agree. */
export function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false
  const left = bits & 7
  if (left === 0) return true
  const mask = (0xff00 >> left) & 0xff
  return (((a[whole] as number) ^ (b[whole] as number)) & mask) === 0
}

/** What `private` stands for in C tor 0.4.9 (policies.c). */
const privateNetworks: readonly (readonly [address: string, bits: number])[] = Object.freeze([
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['127.0.0.0', 8],
  ['192.168.0.0', 16],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['::', 8],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
  ['::', 127],
])

export function privateRules(accepts: boolean, ports: PortRange): PolicyRule[] {
  return privateNetworks.flatMap(([text, prefixBits]) => {
    const address = parseIp(text)
    return address === undefined ? [] : [{ accepts, family: address.length === 4 ? (4 as const) : (6 as const), address, prefixBits, ports }]
  })
}

/** Whether a rule is about exactly one of the networks of `private`. */
export function isPrivateNetwork(rule: PolicyRule): boolean {
  return privateNetworks.some(([text, bits]) => {
    const address = parseIp(text)
    return bits === rule.prefixBits && address !== undefined && bytesEqual(address, rule.address)
  })
}
