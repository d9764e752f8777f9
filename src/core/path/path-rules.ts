/** What the configuration says about paths, in the form path selection asks for. */

import type { FamilyRules } from '../netdir/family.ts'
import type { DirectoryInfoRules } from '../netdir/directory-info.ts'
import type { RelaySet } from '../netdir/relay-set.ts'
import type { Relay } from '../netdir/relay.ts'

/** Names are those of the torrc options; an option that is not set is undefined. */
export interface PathRules extends FamilyRules, DirectoryInfoRules {
  readonly excludeNodes: RelaySet | undefined
  readonly excludeExitNodes: RelaySet | undefined
  readonly strictNodes: boolean
  readonly longLivedPorts: ReadonlySet<number>
  readonly useEntryGuards: boolean
  /** This node's own fingerprint when it is a relay: it does not stand in its own paths. */
  readonly ownFingerprint: string | undefined
}

export const isExcluded = (relay: Relay, rules: PathRules): boolean =>
  relay.fingerprint === rules.ownFingerprint || (rules.excludeNodes?.contains(relay) ?? false)

/** Whether a relay may end a path (path-spec §2.2.1, §2.2.2), apart from what its policy says. */
export function mayBeExit(relay: Relay, rules: PathRules): boolean {
  if (isExcluded(relay, rules) || relay.flags.has('BadExit')) return false
  if (rules.excludeExitNodes?.contains(relay) === true) return false
  return rules.exitNodes?.contains(relay) ?? true
}

/** What core/guard samples from (guard-spec §4.2). */
export function passesGuardFilter(relay: Relay, rules: PathRules): boolean {
  return !isExcluded(relay, rules) && (rules.entryNodes?.contains(relay) ?? true)
}
