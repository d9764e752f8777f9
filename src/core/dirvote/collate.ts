/**
 * Which entries of several votes are about one relay (dir-spec §3.8.0.1): an identity pair listed by more than half of
 * all authorities comes first, an RSA identity alone second. The counterpart of C tor's `dircollate.c`.
 */

import { bytesCompare, hexEncode } from '../base/encoding.ts'
import type { VoteRouterStatus } from '../netdoc/router-status.ts'

export interface CollatedEntry {
  readonly entry: VoteRouterStatus
  /** Which vote it comes from. */
  readonly vote: number
  /** Whether it lists the Ed25519 identity that most authorities list with this RSA identity. */
  readonly ed25519Agreed: boolean
}

/** The entries about one relay, in the order of votes. */
export type CollatedRelay = readonly CollatedEntry[]

/** Relays listed by more than half of `totalAuthorities`, ascending by RSA identity. */
export function collateVotes(relaysOfVotes: readonly (readonly VoteRouterStatus[])[], totalAuthorities: number): CollatedRelay[] {
  const byRsa = new Map<string, (VoteRouterStatus | undefined)[]>()
  relaysOfVotes.forEach((relays, vote) => {
    for (const relay of relays) {
      let entries = byRsa.get(relay.fingerprint)
      if (entries === undefined) byRsa.set(relay.fingerprint, (entries = new Array<undefined>(relaysOfVotes.length).fill(undefined)))
      entries[vote] = relay
    }
  })
  const majority = totalAuthorities / 2
  const collated: CollatedRelay[] = []
  for (const entries of byRsa.values()) {
    const identity = agreedEd25519(entries, majority)
    const members: CollatedEntry[] = []
    entries.forEach((entry, vote) => {
      if (entry === undefined) return
      const agrees = identity !== undefined && ed25519Key(entry) === identity
      // A vote that says nothing of Ed25519 is about the same relay; one that names another key is not.
      if (identity === undefined || agrees || entry.ed25519Identity === undefined) members.push({ entry, vote, ed25519Agreed: agrees })
    })
    if (identity !== undefined || members.length > majority) collated.push(members)
  }
  return collated.sort((a, b) => bytesCompare(identityOf(a), identityOf(b)))
}

/** The Ed25519 identity, or `none`, that more than `majority` of the entries list. */
function agreedEd25519(entries: readonly (VoteRouterStatus | undefined)[], majority: number): string | undefined {
  const counts = new Map<string, number>()
  for (const entry of entries) {
    const key = entry === undefined ? undefined : ed25519Key(entry)
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  for (const [key, count] of counts) if (count > majority) return key
  return undefined
}

function ed25519Key(entry: VoteRouterStatus): string | undefined {
  const identity = entry.ed25519Identity
  return identity === undefined || identity === 'none' ? identity : hexEncode(identity)
}

function identityOf(relay: CollatedRelay): Uint8Array {
  return relay[0]?.entry.rsaIdentity ?? new Uint8Array(0)
}
