/**
 * The documents a network would have after its first vote, computed from everybody's keys and options instead: by the same
 * functions that relays and authorities use, for descriptors, votes, consensus and signatures alike.
 *
 * No node has tested another one yet: each relay counts as reached. Measured bandwidths are left to the first real vote.
 */

import { bytesCompare, hexDecode } from '../../core/base/encoding.ts'
import { RelishError } from '../../core/base/errors.ts'
import type { Rng } from '../../core/base/rng.ts'
import { durationMs, wallFromSec, wallToSec, type WallMs } from '../../core/base/time.ts'
import type { RelayKeys } from '../../core/cert/relay-keys.ts'
import type { RsaPrivateKey } from '../../core/crypto/rsa.ts'
import { buildVote, microdescriptorsOf } from '../../core/dirvote/build-vote.ts'
import { computeConsensus } from '../../core/dirvote/consensus.ts'
import { RelayHistories } from '../../core/dirvote/relay-history.ts'
import { SharedRandomState } from '../../core/dirvote/shared-random-state.ts'
import type { VotedRelay } from '../../core/dirvote/voted-relay.ts'
import type { AuthorityCertificate } from '../../core/netdoc/authority-certificate.ts'
import {
  assembleConsensus, emitUnsignedConsensus, signConsensus, verifyConsensus, type Consensus, type ConsensusContent,
} from '../../core/netdoc/consensus.ts'
import type { Microdescriptor } from '../../core/netdoc/microdescriptor.ts'
import { signVote } from '../../core/netdoc/vote.ts'
import type { TorOptions } from '../../core/torrc/option-table.ts'
import { ApprovedRouters, configuredVote, flagRules, judge } from '../../node/authority-rules.ts'
import { makeOwnDocuments, ownAddresses, ownExitPolicy, type OwnDocuments } from '../../node/own-descriptor.ts'
import { readConsensus, rememberOwnDocuments, sharedSignatureTest } from '../../node/shared-documents.ts'
import type { Runtime } from '../../runtime/index.ts'

/** A relay of the first consensus, and what it says of itself. */
export interface FirstRelay {
  readonly name: string
  readonly options: TorOptions
  /** Of authorities. */
  readonly authority: { readonly certificate: AuthorityCertificate; readonly signingKey: RsaPrivateKey } | undefined
  /** For its commitment to a shared random value. */
  readonly rng: Rng
  readonly own: OwnDocuments
  /** Every vote says the same of them. */
  readonly microdescriptors: ReturnType<typeof microdescriptorsOf>
}

export interface FirstDocuments {
  readonly certificates: readonly AuthorityCertificate[]
  readonly consensuses: { readonly ns: Consensus; readonly microdesc: Consensus }
  readonly microdescriptors: readonly Microdescriptor[]
  /** Of all relays. */
  readonly own: readonly OwnDocuments[]
  /** What each authority knows of shared randomness, by name; absent where it takes no part. */
  readonly sharedRandom: ReadonlyMap<string, SharedRandomState>
  readonly histories: RelayHistories
}

type FirstAuthority = FirstRelay & { readonly authority: NonNullable<FirstRelay['authority']> }

/** Throws `config` for options that cannot be carried out. */
export function makeFirstRelay(relay: Pick<FirstRelay, 'name' | 'options' | 'authority' | 'rng'>, keys: RelayKeys, now: WallMs): FirstRelay {
  const own = ownDocuments(relay.options, keys, wallFromSec(wallToSec(now)))
  return { ...relay, own, microdescriptors: microdescriptorsOf(own.descriptor) }
}

/** `now`: as for each of them. `runtime`: of nodes that will read them in this process. Throws `unavailable` without an authority. */
export function makeFirstDocuments(relays: readonly FirstRelay[], now: WallMs, runtime: Pick<Runtime, 'memory'>): FirstDocuments {
  const authorities = relays.filter((relay): relay is FirstAuthority => relay.authority !== undefined)
  if (authorities.length === 0) throw new RelishError('unavailable', 'the first consensus needs an authority')
  const nowSec = wallToSec(now)
  const published = wallFromSec(nowSec)
  const own = relays.map((relay) => relay.own)
  const histories = new RelayHistories()
  for (const { descriptor } of own) histories.noteReachable(descriptor.fingerprint, `${descriptor.address}:${descriptor.orPort}`, nowSec, 0)

  const sharedRandom = makeSharedRandom(authorities, published)
  const madeOf = new Map(relays.map((relay) => [relay.own.descriptor, relay.microdescriptors]))
  const microdescriptors = new Map<string, Microdescriptor>()
  const votes = authorities.map((authority) => {
    const { options } = authority
    const built = buildVote({
      now: published,
      validAfter: published,
      ...configuredVote(options, authority.authority.certificate, authority.own.descriptor),
      rules: flagRules(options, durationMs(0), new Map()),
      relays: relays.map((relay) => votedRelay(relay, authority, authorities, { histories, now })),
      enoughMtbf: histories.hasEnough(nowSec),
      sharedRandom: sharedRandom.get(authority.name)?.vote(),
      bandwidthFile: undefined,
      microdescriptorsOf: (descriptor) => madeOf.get(descriptor) ?? microdescriptorsOf(descriptor),
    })
    for (const one of built.microdescriptors) microdescriptors.set(one.digestBase64, one)
    return signVote(built.content, authority.authority.certificate, authority.authority.signingKey)
  })
  // Each has heard the others' votes.
  for (const state of sharedRandom.values()) for (const vote of votes) state.addCommits(vote.source.identityFingerprint, vote.sharedRandomCommits)
  const computed = computeConsensus({ votes, totalAuthorities: authorities.length, sharedRandomEnabled: sharedRandom.size > 0, sharedRandomIsFresh: false })
  const consensuses = { ns: signed(computed.ns, authorities, now, runtime), microdesc: signed(computed.microdesc, authorities, now, runtime) }
  for (const one of own) rememberOwnDocuments(runtime, one)
  for (const state of sharedRandom.values()) state.acceptConsensus(consensuses.ns.sharedRandomPrevious, consensuses.ns.sharedRandomCurrent)
  return {
    certificates: authorities.map((one) => one.authority.certificate),
    consensuses,
    microdescriptors: [...microdescriptors.values()],
    own,
    sharedRandom,
    histories,
  }
}

function ownDocuments(options: TorOptions, keys: RelayKeys, published: WallMs): OwnDocuments {
  const addresses = ownAddresses(options, { portOf: (spec) => spec.port })
  return makeOwnDocuments({
    options,
    keys,
    addresses,
    exitPolicy: ownExitPolicy(options, addresses),
    published,
    uptime: durationMs(0),
    observedBandwidth: 0,
    statistics: [],
    hibernating: false,
    isDirectory: options.DirCache || options.AuthoritativeDirectory,
  })
}

function votedRelay(
  relay: FirstRelay,
  voter: FirstAuthority,
  authorities: readonly FirstAuthority[],
  known: { readonly histories: RelayHistories; readonly now: WallMs },
): VotedRelay {
  const { descriptor } = relay.own
  return {
    descriptor,
    judgement: judge(descriptor, new ApprovedRouters('', () => undefined), voter.options),
    history: known.histories.of(descriptor.fingerprint),
    isSelf: relay.name === voter.name,
    isAuthority: authorities.some((one) => one.name === relay.name),
    reachedAt: known.now,
    reachedIpv6At: known.now,
    measuredBandwidth: undefined,
  }
}

/** Prepared for the first vote, with a commitment of its own where it is time for one. */
function makeSharedRandom(authorities: readonly FirstAuthority[], validAfter: WallMs): ReadonlyMap<string, SharedRandomState> {
  const identities = new Set(authorities.map((one) => one.authority.certificate.identityFingerprint))
  return new Map(
    authorities
      .filter((one) => one.options.AuthDirSharedRandomness)
      .map((one) => {
        const interval = one.options.V3AuthVotingInterval
        const state = new SharedRandomState({ identityFingerprint: one.authority.certificate.identityFingerprint, authorities: identities, rng: one.rng }, validAfter, interval)
        state.prepare(validAfter, interval)
        return [one.name, state]
      }),
  )
}

/** With every authority's signature, verified as any node verifies it. */
function signed(content: ConsensusContent, authorities: readonly FirstAuthority[], now: WallMs, runtime: Pick<Runtime, 'memory'>): Consensus {
  const unsigned = emitUnsignedConsensus(content)
  const inOrder = [...authorities].sort((a, b) => bytesCompare(identityOf(a), identityOf(b)))
  const signatures = inOrder.map(({ authority }) => signConsensus(unsigned, content.flavour, authority.certificate.identityFingerprint, authority.signingKey))
  const certificates = new Map(authorities.map(({ authority: { certificate } }) => [certificate.identityFingerprint, certificate]))
  const parsed = readConsensus(runtime, assembleConsensus(unsigned, signatures))
  return verifyConsensus(parsed, new Set(certificates.keys()), (identity) => certificates.get(identity), now, sharedSignatureTest(runtime))
}

const identityOf = (one: FirstAuthority): Uint8Array => hexDecode(one.authority.certificate.identityFingerprint)
