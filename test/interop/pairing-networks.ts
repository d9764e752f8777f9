/**
 * The networks of the pairing matrix: for each direction one in which the other implementation is guard, middle, exit,
 * directory cache and client, and three in which it is one, two or all of the authorities.
 */

import type { Implementation } from '../../src/testnet/network-types.ts'

/** In `subject among other`, `subject` has the role and `other` is everywhere else. */
export interface Direction {
  readonly subject: Implementation
  readonly other: Implementation
}

export const directions: readonly Direction[] = [
  { subject: 'tor', other: 'relish' },
  { subject: 'relish', other: 'tor' },
]

export const relayRoles = ['client', 'guard', 'middle', 'exit', 'directory cache'] as const
export const authorityRoles = ['one of three authorities', 'two of three authorities', 'all three authorities'] as const
export type Role = (typeof relayRoles)[number] | (typeof authorityRoles)[number]

/** Which client's circuits show that the node has its role, and where in them the node must be. */
export const pinned: readonly { readonly role: Role; readonly client: string; readonly hop: number; readonly node: string }[] = [
  { role: 'guard', client: 'viaguard', hop: 0, node: 'guard' },
  { role: 'middle', client: 'viamiddle', hop: 1, node: 'middle' },
  { role: 'exit', client: 'viaexit', hop: 2, node: 'exit' },
]
/** The subject's client keeps to the other's relays. */
export const ownClient = 'client'
/** The relay that serves a client all directory documents. */
export const cacheNode = 'guard'

export function relayNetwork({ subject, other }: Direction): string {
  const authorities = 'auth1,auth2,auth3'
  const exits = 'otherexit1,otherexit2'
  return `
nodes:
  - { role: authority, name: auth, count: 3, implementation: ${other} }
  - { role: exit, name: otherexit, count: 2, implementation: ${other} }
  - { role: relay, name: guard, implementation: ${subject} }
  - { role: relay, name: middle, implementation: ${subject} }
  - { role: exit, name: exit, implementation: ${subject} }
  - { role: client, name: viaguard, implementation: ${other}, torrc: { EntryNodes: guard, ExitNodes: '${exits}' } }
  - { role: client, name: viamiddle, implementation: ${other}, torrc: { EntryNodes: '${authorities}', MiddleNodes: middle, ExitNodes: '${exits}' } }
  - { role: client, name: viaexit, implementation: ${other}, torrc: { EntryNodes: '${authorities}', ExitNodes: exit } }
  - { role: client, name: ${ownClient}, implementation: ${subject}, torrc: { ExcludeNodes: 'guard,middle,exit', StrictNodes: 1 } }
options: { progressSec: 60 }
`
}

export function authorityNetwork({ subject, other }: Direction, count: number): string {
  const others = count === 3 ? '' : `  - { role: authority, name: auth, count: ${3 - count}, implementation: ${other} }\n`
  return `
nodes:
${others}  - { role: authority, name: own, count: ${count}, implementation: ${subject} }
  - { role: exit, name: exit, count: 3, implementation: ${other} }
  - { role: client, name: client, count: 2, implementation: ${other} }
options: { progressSec: 60 }
`
}
