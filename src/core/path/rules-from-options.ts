/** Path rules from a torrc (tor(1), the options named below). */

import type { RelaySet } from '../netdir/relay-set.ts'
import type { TorOptions } from '../torrc/option-table.ts'
import { parseRouterSet, type RouterSet } from '../torrc/router-set.ts'
import type { PathRules } from './path-rules.ts'

export type PathOptions = Pick<
  TorOptions,
  | 'EntryNodes' | 'ExitNodes' | 'MiddleNodes' | 'ExcludeNodes' | 'ExcludeExitNodes' | 'StrictNodes' | 'NodeFamily' | 'EnforceDistinctSubnets'
  | 'PathsNeededToBuildCircuits' | 'LongLivedPorts' | 'UseEntryGuards'
>

/** `ownFingerprint`: this node's, when it is a relay. */
export function pathRules(options: PathOptions, ownFingerprint: string | undefined): PathRules {
  return {
    entryNodes: set(options.EntryNodes),
    middleNodes: set(options.MiddleNodes),
    exitNodes: set(options.ExitNodes),
    excludeNodes: set(options.ExcludeNodes),
    excludeExitNodes: set(options.ExcludeExitNodes),
    strictNodes: options.StrictNodes,
    enforceDistinctSubnets: options.EnforceDistinctSubnets,
    // Each line is a family of its own.
    nodeFamilies: options.NodeFamily.map((value) => parseRouterSet([{ keyword: 'NodeFamily', value, command: 'replace', position: {} }])),
    pathsNeeded: options.PathsNeededToBuildCircuits < 0 ? undefined : Math.min(Math.max(options.PathsNeededToBuildCircuits, 0.25), 0.95),
    longLivedPorts: new Set(options.LongLivedPorts),
    useEntryGuards: options.UseEntryGuards,
    ownFingerprint,
  }
}

const set = (value: RouterSet): RelaySet | undefined => (value.isEmpty ? undefined : value)

/** Consensus parameters that options of the same meaning replace; options at 0 leave the consensus its say. */
export function parameterOverrides(options: Pick<TorOptions, 'NumEntryGuards' | 'NumPrimaryGuards' | 'NumDirectoryGuards' | 'GuardLifetime'>): ReadonlyMap<string, number> {
  const overrides = new Map<string, number>()
  if (options.NumPrimaryGuards > 0) overrides.set('guard-n-primary-guards', options.NumPrimaryGuards)
  if (options.NumEntryGuards > 0) overrides.set('guard-n-primary-guards-to-use', options.NumEntryGuards)
  if (options.NumDirectoryGuards > 0) overrides.set('guard-n-primary-dir-guards-to-use', options.NumDirectoryGuards)
  if (options.GuardLifetime > 0) overrides.set('guard-lifetime-days', Math.floor(options.GuardLifetime / 86_400_000))
  return overrides
}
