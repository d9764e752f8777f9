/**
 * Which relays count as run by one operator, so that no path holds two of them (path-spec §2.2): relays in one subnet,
 * relays that declare each other (`family`), relays with a family id in common (prop321), and what the user says
 * (`NodeFamily`).
 */

import type { NetworkParameters } from './parameters.ts'
import type { RelaySet } from './relay-set.ts'
import type { Relay } from './relay.ts'

export interface FamilyRules {
  /** `EnforceDistinctSubnets`. */
  readonly enforceDistinctSubnets: boolean
  /** `NodeFamily` lines. */
  readonly nodeFamilies: readonly RelaySet[]
}

/** A `family` member in the form this module compares: `$` and 40 upper-case hex digits, or a lower-case nickname. */
export function normalizeFamilyMember(member: string): string {
  const identity = /^\$?([0-9a-fA-F]{40})(?:[~=].*)?$/.exec(member)
  return identity?.[1] === undefined ? member.toLowerCase() : `$${identity[1].toUpperCase()}`
}

/** Whether `a` lists `b`. Familyhood needs both directions (dir-spec §2.1.1, `family`). */
function declares(a: Relay, b: Relay): boolean {
  const family = a.descriptor?.family
  if (family === undefined || family.length === 0) return false
  return family.includes(`$${b.fingerprint}`) || family.includes(b.nickname.toLowerCase())
}

function shareFamilyId(a: Relay, b: Relay): boolean {
  const ids = b.descriptor?.familyIds
  if (ids === undefined || ids.length === 0) return false
  return a.descriptor?.familyIds.some((id) => ids.includes(id)) ?? false
}

/** Whether the two may not stand in one path. True for a relay and itself. */
export function inSameFamily(a: Relay, b: Relay, rules: FamilyRules, parameters: NetworkParameters): boolean {
  if (a.fingerprint === b.fingerprint) return true
  if (rules.enforceDistinctSubnets && a.subnets.some((key) => b.subnets.includes(key))) return true
  if (declares(a, b) && declares(b, a) && parameters.get('use-family-lists') === 1) return true
  if (shareFamilyId(a, b) && parameters.get('use-family-ids') === 1) return true
  return rules.nodeFamilies.some((set) => set.contains(a) && set.contains(b))
}
