/** Views of networks that exist only in a test: relays with the flags, weights, policies and families the test is about. */

import { hexEncodeUpper } from '../../src/core/base/encoding.ts'
import { hours, later, wallFromSec, type WallMs } from '../../src/core/base/time.ts'
import { sha1 } from '../../src/core/crypto/hashes.ts'
import { NetDir, type NetDirSource } from '../../src/core/netdir/net-dir.ts'
import { normalizeFamilyMember } from '../../src/core/netdir/family.ts'
import type { ExitPolicyView, RelayDescriptor, RelayStatus } from '../../src/core/netdir/relay.ts'
import { subnetKeys } from '../../src/core/netdir/subnet.ts'
import { ProtocolList } from '../../src/core/netdoc/protocol-list.ts'

export interface MadeUpRelay {
  readonly nickname: string
  /** Default: what every good relay has. */
  readonly flags?: readonly string[]
  /** Kilobytes a second; default 1000. */
  readonly bandwidth?: number | undefined
  /** Default: an address in a /16 of its own. */
  readonly addresses?: readonly { readonly host: string; readonly port: number }[]
  /** Ports let out; default none. */
  readonly exitsTo?: readonly number[] | 'all'
  readonly family?: readonly string[]
  readonly familyIds?: readonly string[]
  readonly guardFraction?: number
  readonly noDescriptor?: boolean
}

export const goodFlags = ['Running', 'Valid', 'Stable', 'Fast', 'V2Dir', 'Guard', 'HSDir']
export const exitFlags = [...goodFlags, 'Exit']

const encoder = new TextEncoder()
export const madeUpIdentity = (nickname: string): Uint8Array => new Uint8Array(sha1(encoder.encode(nickname)))
export const madeUpFingerprint = (nickname: string): string => hexEncodeUpper(madeUpIdentity(nickname))

function policy(exitsTo: MadeUpRelay['exitsTo']): ExitPolicyView {
  if (exitsTo === undefined) return { rejectsAll: true, compare: () => 'rejected' }
  return { rejectsAll: false, compare: (_, port) => (exitsTo === 'all' || exitsTo.includes(port) ? 'probably-accepted' : 'rejected') }
}

export const networkStart: WallMs = wallFromSec(1_700_000_000)

export function madeUpNetwork(
  relays: readonly MadeUpRelay[],
  more: { readonly parameters?: Record<string, number>; readonly weights?: Record<string, number>; readonly validAfter?: WallMs } = {},
): NetDir {
  const validAfter = more.validAfter ?? networkStart
  const descriptors = new Map<string, RelayDescriptor>()
  const statuses = relays.map((relay, i): RelayStatus => {
    const fingerprint = madeUpFingerprint(relay.nickname)
    if (relay.noDescriptor !== true) {
      descriptors.set(fingerprint, {
        ed25519Identity: new Uint8Array(32).fill(i + 1),
        ntorOnionKey: new Uint8Array(32).fill(i + 1),
        family: (relay.family ?? []).map(normalizeFamilyMember),
        familyIds: relay.familyIds ?? [],
        exitPolicy: policy(relay.exitsTo),
      })
    }
    const addresses = relay.addresses ?? [{ host: `10.${i}.0.1`, port: 9001 }]
    return {
      nickname: relay.nickname,
      fingerprint,
      rsaIdentity: madeUpIdentity(relay.nickname),
      addresses,
      subnets: subnetKeys(addresses),
      dirPort: 0,
      flags: new Set(relay.flags ?? (relay.exitsTo === undefined ? goodFlags : exitFlags)),
      bandwidthKilobytes: 'bandwidth' in relay ? relay.bandwidth : 1000,
      guardFractionPercent: relay.guardFraction,
      protocols: ProtocolList.parse('Link=4-5 Relay=2-4'),
      descriptorDigest: fingerprint,
    }
  })
  const source: NetDirSource = {
    flavour: 'microdesc',
    validAfter,
    freshUntil: later(validAfter, hours(1)),
    validUntil: later(validAfter, hours(3)),
    parameters: new Map(Object.entries(more.parameters ?? {})),
    bandwidthWeights: new Map(Object.entries(more.weights ?? {})),
    sharedRandom: { current: undefined, previous: undefined },
    relays: statuses,
  }
  return NetDir.build(source, (status) => descriptors.get(status.fingerprint))
}

/** Weights as a network gives them whose exits are scarce: exits are kept for exiting. */
export const scarceExitWeights: Record<string, number> = {
  Wgg: 6000, Wgm: 6000, Wgd: 0,
  Wmg: 4000, Wmm: 10_000, Wme: 0, Wmd: 0,
  Weg: 10_000, Wem: 10_000, Wee: 10_000, Wed: 10_000,
  Wgb: 10_000, Wmb: 10_000, Web: 10_000, Wdb: 10_000,
  Wbg: 4000, Wbm: 10_000, Wbe: 0, Wbd: 0,
}

export const noFamilies = { enforceDistinctSubnets: true, nodeFamilies: [] } as const

export const noRules = {
  ...noFamilies,
  entryNodes: undefined, middleNodes: undefined, exitNodes: undefined, excludeNodes: undefined, excludeExitNodes: undefined,
  pathsNeeded: undefined, strictNodes: false, longLivedPorts: new Set<number>(), useEntryGuards: true, ownFingerprint: undefined,
} as const

/** A set of relays by nickname. */
export const named = (...nicknames: string[]) => ({ contains: (relay: { readonly nickname?: string }): boolean => nicknames.includes(relay.nickname ?? '') })
