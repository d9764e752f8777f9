/** An authority's vote from what it knows (dir-spec §3.4): everything but the signature. */

import { bytesCompare } from '../base/encoding.ts'
import { wallFromSec, wallToSec, type DurationMs, type WallMs } from '../base/time.ts'
import { makeMicrodescriptor, firstMethodWithFamilyIds, type Microdescriptor } from '../netdoc/microdescriptor.ts'
import type { DirectorySource, SharedRandomValue } from '../netdoc/network-status.ts'
import { ProtocolList } from '../netdoc/protocol-list.ts'
import type { VoteRouterStatus } from '../netdoc/router-status.ts'
import type { ServerDescriptor } from '../netdoc/server-descriptor.ts'
import type { SharedRandomCommit, VoteContent } from '../netdoc/vote.ts'
import { MAX_CONSENSUS_METHOD, MIN_CONSENSUS_METHOD } from './limits.ts'
import { compareText } from './order-statistics.ts'
import { findSybils, isRunning, knownFlags, publishesIpv6, relayFlags } from './relay-flags.ts'
import { computeThresholds, formatThresholds, MAX_DESCRIPTOR_AGE_SEC, type FlagThresholds } from './thresholds.ts'
import { advertisedBandwidth, type FlagRules, type VotedRelay } from './voted-relay.ts'
import { compareVersionText, versionOfPlatform } from './tor-version.ts'

/** What this authority says of shared randomness; undefined when it takes no part. */
export interface SharedRandomVote {
  readonly commits: readonly SharedRandomCommit[]
  readonly previous: SharedRandomValue | undefined
  readonly current: SharedRandomValue | undefined
}

export interface VoteInput {
  readonly now: WallMs
  /** When the consensus to vote for becomes valid. */
  readonly validAfter: WallMs
  /** `V3AuthVotingInterval`, `V3AuthNIntervalsValid`, `V3AuthVoteDelay`, `V3AuthDistDelay`. */
  readonly interval: DurationMs
  readonly intervalsValid: number
  readonly voteDelay: DurationMs
  readonly distDelay: DurationMs
  readonly source: DirectorySource
  readonly rules: FlagRules
  readonly relays: readonly VotedRelay[]
  /** Whether mean times between failures have been observed for long enough. */
  readonly enoughMtbf: boolean
  /** Recommended versions as configured; undefined unless `VersioningAuthoritativeDirectory`. */
  readonly clientVersions: readonly string[] | undefined
  readonly serverVersions: readonly string[] | undefined
  /** `ConsensusParams`, and with them `AuthDirMaxServersPerAddr`. */
  readonly params: ReadonlyMap<string, number>
  readonly sharedRandom: SharedRandomVote | undefined
  /** Header words of the bandwidth file and the SHA-256 of all of it, unpadded base64. */
  readonly bandwidthFile: { readonly headers: string; readonly digest: string } | undefined
  /** `microdescriptorsOf`, from which an authority that votes again and again keeps what it got. */
  readonly microdescriptorsOf?: (descriptor: ServerDescriptor) => readonly MethodMicrodescriptor[]
}

export interface BuiltVote {
  readonly content: VoteContent
  /** The microdescriptors the vote refers to, for serving. */
  readonly microdescriptors: readonly Microdescriptor[]
  /** Fingerprints of the relays that share an address with too many others. */
  readonly sybils: ReadonlySet<string>
  readonly running: ReadonlySet<string>
}

/** The protocols C tor 0.4.9.11 votes for; see `protover_get_recommended_client_protocols` and its kin. */
const recommendedClientProtocols = ProtocolList.parse(
  'Cons=2 Desc=2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4 HSRend=2 Link=4-5 Microdesc=2 Relay=2-4',
)
const recommendedRelayProtocols = ProtocolList.parse(
  'Cons=2 Desc=2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=2 Link=4-5 LinkAuth=3 Microdesc=2 Relay=2-4',
)
const requiredClientProtocols = ProtocolList.parse('Cons=2 Desc=2 FlowCtrl=1 Link=4 Microdesc=2 Relay=2')

export function buildVote(input: VoteInput): BuiltVote {
  const { rules, now } = input
  const relays = withUniqueEd25519Keys(input.relays).sort((a, b) => bytesCompare(a.descriptor.rsaIdentity, b.descriptor.rsaIdentity))
  const running = new Set(relays.filter((relay) => isRunning(relay, rules, now)).map((relay) => relay.descriptor.fingerprint))
  const sybils = findSybils(relays, running, rules.maxRelaysPerAddress)
  for (const relay of relays) if (sybils.has(relay.descriptor.fingerprint)) relay.history.makePessimal(wallToSec(now))
  const thresholds = computeThresholds({ relays, running, sybils, rules, enoughMtbf: input.enoughMtbf, now })
  const microdescriptors: Microdescriptor[] = []
  const made = input.microdescriptorsOf ?? microdescriptorsOf
  const statuses = relays
    .filter((relay) => wallToSec(relay.descriptor.published) >= wallToSec(now) - MAX_DESCRIPTOR_AGE_SEC)
    .map((relay) => {
      const { fingerprint } = relay.descriptor
      const flags = relayFlags(relay, running.has(fingerprint), sybils.has(fingerprint), thresholds, rules, now)
      const entries = made(relay.descriptor)
      microdescriptors.push(...entries.map((entry) => entry.microdescriptor))
      return voteRouterStatus(relay, flags, entries, rules, now)
    })
  return { content: voteContent(input, statuses, thresholds), microdescriptors, sybils, running }
}

function voteContent(input: VoteInput, relays: readonly VoteRouterStatus[], thresholds: FlagThresholds): VoteContent {
  const validAfterSec = wallToSec(input.validAfter)
  const intervalSec = Math.floor(input.interval / 1000)
  const { sharedRandom } = input
  return {
    consensusMethods: Array.from({ length: MAX_CONSENSUS_METHOD - MIN_CONSENSUS_METHOD + 1 }, (_, i) => MIN_CONSENSUS_METHOD + i),
    published: wallFromSec(wallToSec(input.now)),
    validAfter: wallFromSec(validAfterSec),
    freshUntil: wallFromSec(validAfterSec + intervalSec),
    validUntil: wallFromSec(validAfterSec + intervalSec * input.intervalsValid),
    votingDelay: { voteSec: Math.floor(input.voteDelay / 1000), distSec: Math.floor(input.distDelay / 1000) },
    ...(input.clientVersions === undefined ? {} : { clientVersions: sortedVersions(input.clientVersions) }),
    ...(input.serverVersions === undefined ? {} : { serverVersions: sortedVersions(input.serverVersions) }),
    recommendedRelayProtocols,
    recommendedClientProtocols,
    requiredRelayProtocols: recommendedRelayProtocols,
    requiredClientProtocols,
    knownFlags: knownFlags(input.rules),
    flagThresholds: formatThresholds(thresholds),
    params: new Map([...input.params].sort(([a], [b]) => compareText(`${a}=`, `${b}=`))),
    ...(input.bandwidthFile === undefined
      ? {}
      : { bandwidthFileHeaders: input.bandwidthFile.headers, bandwidthFileDigest: `sha256=${input.bandwidthFile.digest}` }),
    source: input.source,
    sharedRandomParticipates: sharedRandom !== undefined,
    sharedRandomCommits: sharedRandom?.commits ?? [],
    ...(sharedRandom?.previous === undefined ? {} : { sharedRandomPrevious: sharedRandom.previous }),
    ...(sharedRandom?.current === undefined ? {} : { sharedRandomCurrent: sharedRandom.current }),
    relays,
  }
}

function sortedVersions(versions: readonly string[]): string[] {
  const sorted = versions.filter((version) => version !== '').sort(compareVersionText)
  return sorted.filter((version, i) => i === 0 || compareVersionText(version, sorted[i - 1] as string) !== 0)
}

/** Of two relays with one Ed25519 identity only the one with the newer descriptor is voted on. */
function withUniqueEd25519Keys(relays: readonly VotedRelay[]): VotedRelay[] {
  const byKey = new Map<string, VotedRelay>()
  for (const relay of relays) {
    const key = relay.descriptor.ed25519Identity.join()
    const other = byKey.get(key)
    if (other === undefined || isNewer(relay, other)) byKey.set(key, relay)
  }
  return [...byKey.values()]
}

function isNewer(a: VotedRelay, b: VotedRelay): boolean {
  const difference = a.descriptor.published - b.descriptor.published
  return difference > 0 || (difference === 0 && bytesCompare(a.descriptor.digest, b.descriptor.digest) < 0)
}

export interface MethodMicrodescriptor {
  readonly methods: readonly number[]
  readonly microdescriptor: Microdescriptor
}

/** The microdescriptors of a relay: one for each run of consensus methods that make the same. */
export function microdescriptorsOf(descriptor: ServerDescriptor): readonly MethodMicrodescriptor[] {
  const made: { readonly methods: number[]; readonly microdescriptor: Microdescriptor }[] = []
  // From one of these methods to the next nothing about microdescriptors changes.
  const starts = [MIN_CONSENSUS_METHOD, firstMethodWithFamilyIds]
  starts.forEach((start, i) => {
    const microdescriptor = makeMicrodescriptor(descriptor, start)
    if (microdescriptor === undefined) return
    const end = starts[i + 1] ?? MAX_CONSENSUS_METHOD + 1
    const methods = Array.from({ length: end - start }, (_, offset) => start + offset)
    const last = made[made.length - 1]
    if (last !== undefined && last.microdescriptor.digestBase64 === microdescriptor.digestBase64) last.methods.push(...methods)
    else made.push({ methods, microdescriptor })
  })
  return made
}

function voteRouterStatus(
  relay: VotedRelay,
  flags: ReadonlySet<string>,
  microdescriptors: readonly MethodMicrodescriptor[],
  rules: FlagRules,
  now: WallMs,
): VoteRouterStatus {
  const { descriptor, history } = relay
  const nowSec = wallToSec(now)
  const version = descriptor.platform === undefined ? undefined : versionOfPlatform(descriptor.platform)
  const ipv6 = publishesIpv6(relay, rules, now) ? descriptor.orAddresses.find((address) => address.host.includes(':')) : undefined
  const measured = relay.measuredBandwidth
  return {
    nickname: descriptor.nickname,
    rsaIdentity: descriptor.rsaIdentity,
    fingerprint: descriptor.fingerprint,
    descriptorDigest: descriptor.digest,
    published: descriptor.published,
    address: descriptor.address,
    orPort: descriptor.orPort,
    dirPort: descriptor.dirPort,
    orAddresses: ipv6 === undefined ? [] : [ipv6],
    flags,
    ...(version === undefined ? {} : { version }),
    protocols: descriptor.protocols,
    bandwidth: Math.floor(advertisedBandwidth(descriptor) / 1000),
    unmeasured: false,
    // An authority's bandwidth is not to be spent on circuits, so its measurement is only recorded.
    ...(measured === undefined ? {} : flags.has('Authority') ? { measuredButAuthority: measured } : { measured }),
    exitPolicy: descriptor.exitPolicy.summary(4),
    ed25519Identity: descriptor.ed25519Identity,
    stats: [
      `wfu=${history.weightedFractionalUptime(nowSec).toFixed(6)}`,
      `tk=${Math.trunc(history.weightedTimeKnown(nowSec))}`,
      `mtbf=${history.meanTimeBetweenFailures(nowSec).toFixed(0)}`,
    ].join(' '),
    microdescriptors: microdescriptors.map((entry) => ({ methods: entry.methods, digest: entry.microdescriptor.digestBase64 })),
  }
}
