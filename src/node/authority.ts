/**
 * A directory authority (dir-spec §3): what it knows of relays, its votes, and what comes of them. Puts the parts
 * together: relays (authority-relays.ts), the times of voting (authority-rounds.ts), the other authorities
 * (authority-peers.ts), and the pure decisions of core/dirvote.
 */

import { base64EncodeUnpadded, hexEncodeUpper, latin1Decode, latin1Encode } from '../core/base/encoding.ts'
import { asRelishError, RelishError } from '../core/base/errors.ts'
import { between, durationMs, wallFromSec, wallToSec, type MonotonicMs, type WallMs } from '../core/base/time.ts'
import { torVersion } from '../core/base/version.ts'
import { loadAuthorityKeys } from '../core/cert/authority-keys.ts'
import type { RelayKeys } from '../core/cert/relay-keys.ts'
import { sha256 } from '../core/crypto/hashes.ts'
import type { RsaPrivateKey } from '../core/crypto/rsa.ts'
import { buildVote, type VoteInput } from '../core/dirvote/build-vote.ts'
import { explainVote, type ExplainedRelay } from '../core/dirvote/explain-flags.ts'
import { emitSharedRandomState, parseSharedRandomState, SharedRandomState, type SharedRandomRecord } from '../core/dirvote/shared-random-state.ts'
import type { FlagRules } from '../core/dirvote/voted-relay.ts'
import type { VotingPeriod } from '../core/dirvote/voting-period.ts'
import type { VotingTiming } from '../core/dirvote/voting-schedule.ts'
import { parseAuthorityCertificate, verifyAuthorityCertificate, type AuthorityCertificate } from '../core/netdoc/authority-certificate.ts'
import { parseBandwidthFile } from '../core/netdoc/bandwidth-file.ts'
import { verifyConsensus } from '../core/netdoc/consensus.ts'
import { parseDetachedSignatures } from '../core/netdoc/detached-signatures.ts'
import type { ExtraInfo } from '../core/netdoc/extra-info.ts'
import { splitDocuments, type ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import { signVote, type Vote } from '../core/netdoc/vote.ts'
import type { TorOptions } from '../core/torrc/option-table.ts'
import type { Runtime } from '../runtime/index.ts'
import type { TraceSink } from '../runtime/trace.ts'
import { BANDWIDTH_FILE_AGE_MAX, BANDWIDTH_FILE_HEADERS_MAX } from './authority-limits.ts'
import { AuthorityPeers, votingAuthorities, type AuthorityPeer } from './authority-peers.ts'
import { AuthorityRelays } from './authority-relays.ts'
import { VotingRounds } from './authority-rounds.ts'
import { configuredVote, flagRules } from './authority-rules.ts'
import type { ChannelManager } from './channel-manager.ts'
import type { AuthorityDocuments, UploadResult } from './dir-authority-documents.ts'
import type { DirCache } from './dir-cache.ts'
import type { DirSources } from './dir-sources.ts'
import { readAnyVote, readConsensus, readLiveVote, sharedMicrodescriptorsOf, sharedSignatureTest } from './shared-documents.ts'

export interface AuthorityOptions {
  readonly runtime: Runtime
  readonly options: TorOptions
  readonly keys: RelayKeys
  readonly cache: DirCache
  readonly sources: DirSources
  /** Tests of relays dial through it. */
  readonly channels: Pick<ChannelManager, 'test'>
  /** Our vote for the next consensus is on its way. */
  readonly onVoted: () => void
  /** What the first vote still waits for, in words. */
  readonly onWaiting: (words: string) => void
}

export const sharedRandomFile = 'sr-state'

export class Authority {
  readonly certificate: AuthorityCertificate
  /** What the directory server serves and receives for us. */
  readonly documents: AuthorityDocuments
  readonly #parts: AuthorityOptions
  readonly #runtime: Runtime
  #options: TorOptions
  readonly #cache: DirCache
  readonly #signingKey: RsaPrivateKey
  readonly #authorities: readonly AuthorityPeer[]
  readonly #relays: AuthorityRelays
  readonly #peers: AuthorityPeers
  readonly #rounds: VotingRounds
  readonly #sharedRandom: SharedRandomState | undefined
  readonly #startedAt: MonotonicMs
  #ownDescriptor: ServerDescriptor | undefined
  #bandwidthFileText: string | undefined

  /** Reads the authority's keys. Throws `config` or `bad-document` when they are missing, malformed or run out. */
  constructor(parts: AuthorityOptions) {
    const { runtime, options, cache, keys, channels } = parts
    this.#parts = parts
    this.#runtime = runtime
    this.#options = options
    this.#cache = cache
    this.#startedAt = runtime.monotonicNow()
    const { certificate, signingKey } = readCertificate(runtime)
    this.certificate = certificate
    this.#signingKey = signingKey
    cache.addCertificates([certificate])
    this.#authorities = votingAuthorities(options)
    const identities = new Set(this.#authorities.map((authority) => authority.identityFingerprint))
    if (!identities.has(certificate.identityFingerprint)) {
      throw new RelishError('config', `no DirAuthority line has v3ident=${certificate.identityFingerprint}, which is this authority`)
    }
    const ownFingerprint = hexEncodeUpper(keys.rsaFingerprint)
    this.#peers = new AuthorityPeers(
      runtime,
      parts.sources,
      this.#authorities.filter((authority) => authority.identityFingerprint !== certificate.identityFingerprint),
    )
    this.#relays = new AuthorityRelays({
      runtime,
      options: () => this.#options,
      cache,
      ownFingerprint,
      authorityFingerprints: new Set(this.#authorities.map((authority) => authority.fingerprint)),
      testLink: (target, onOutcome) => channels.test(target, onOutcome),
      onChange: () => this.#relaysChanged(),
    })
    this.#sharedRandom = options.AuthDirSharedRandomness ? this.#loadSharedRandom(identities) : undefined
    this.#rounds = new VotingRounds({
      runtime,
      authorities: identities,
      signer: { identityFingerprint: certificate.identityFingerprint, signingKey },
      timing: () => this.#timing(),
      startOffset: options.TestingV3AuthVotingStartOffset,
      immediate: options.TestingV3AuthVoteWhenRelays > 0,
      lastValidAfter: () => cache.consensus('ns')?.validAfter ?? wallFromSec(0),
      hasConsensus: () => this.#liveConsensus() !== undefined,
      isReady: () => this.#isReady(),
      makeVote: (validAfter) => this.#makeVote(validAfter),
      sharedRandom: () => ({ enabled: this.#sharedRandom !== undefined, fresh: this.#sharedRandom?.isFresh === true }),
      sendVote: (vote, isCurrent, onAbsent) => this.#sendVote(vote, isCurrent, onAbsent),
      sendSignatures: (period, isCurrent) => this.#sendSignatures(period, isCurrent),
      fetchVotes: (missing) => this.#fetchVotes(missing),
      fetchSignatures: () => this.#peers.fetchFromAll('/tor/status-vote/next/consensus-signatures.z', (text) => void this.#receiveSignatures(text)),
      publish: (period) => this.#publish(period),
    })
    this.documents = this.#makeDocuments()
    cache.listen({ consensusChanged: (consensus) => this.#consensusChanged(consensus.flavour, consensus) })
  }

  start(): void {
    this.#relays.start()
    this.#prepareSharedRandom()
    // The consensus from before a restart is still in force: nothing waits for a vote.
    if (this.#liveConsensus() !== undefined) this.#parts.onVoted()
  }

  stop(): void {
    this.#rounds.stop()
    this.#relays.stop()
    this.#peers.stop()
  }

  /** Options that changed while running. */
  reconfigure(options: TorOptions): void {
    this.#options = options
  }

  /** SIGHUP: reads `approved-routers` again. */
  reload(): void {
    this.#relays.reload()
  }

  /** Our own documents, when they are made and each time they change. A vote needs them: rounds begin with the first. */
  handleOwnDocuments(descriptor: ServerDescriptor, extraInfo: ExtraInfo | undefined): void {
    const isFirst = this.#ownDescriptor === undefined
    this.#ownDescriptor = descriptor
    if (extraInfo !== undefined) this.#cache.addExtraInfos([extraInfo])
    this.#relays.setOwnDescriptor(descriptor)
    if (isFirst) this.#rounds.start()
  }

  /** Holds a vote now instead of on schedule. Throws `refused` unless TestingV3AuthVoteWhenRelays is set. */
  voteNow(): void {
    if (this.#options.TestingV3AuthVoteWhenRelays === 0) {
      throw new RelishError('refused', 'this authority votes on schedule: TestingV3AuthVoteWhenRelays is not set')
    }
    this.#rounds.voteNow()
  }

  /** The votes of the round under way, or else of the one before: texts. */
  votes(): string[] {
    const current = this.#rounds.periods().find((period) => period.votes.length > 0) ?? this.#rounds.previous
    return current?.votes.map((vote) => vote.text) ?? []
  }

  // Relays

  #rules(): FlagRules {
    const uptime = between(this.#startedAt, this.#runtime.monotonicNow())
    return flagRules(this.#options, uptime, this.#cache.consensus('ns')?.params ?? new Map())
  }

  #relaysChanged(): void {
    this.#rounds.considerVoting()
  }

  #isReady(): boolean {
    const wanted = this.#options.TestingV3AuthVoteWhenRelays
    if (this.#ownDescriptor === undefined) return false
    const { running, unreached } = this.#relays.readiness(this.#rules())
    if (running >= wanted) return true
    const unreachedWords = unreached.length === 0 ? '' : `; not reached yet: ${unreached.slice(0, 5).join(', ')}`
    this.#parts.onWaiting(`descriptors of relays that can be reached: ${running} of ${wanted}${unreachedWords}`)
    return false
  }

  // Votes

  #liveConsensus() {
    const consensus = this.#cache.consensus('ns')
    const now = this.#runtime.wallNow()
    return consensus !== undefined && consensus.validAfter <= now && now <= consensus.validUntil ? consensus : undefined
  }

  /** dir-spec §3.4: the consensus in force says how long its round is; the configuration does while there is none. */
  #timing(): VotingTiming {
    const consensus = this.#liveConsensus()
    if (consensus === undefined) {
      const { TestingV3AuthInitialVotingInterval, TestingV3AuthInitialVoteDelay, TestingV3AuthInitialDistDelay } = this.#options
      return { interval: TestingV3AuthInitialVotingInterval, voteDelay: TestingV3AuthInitialVoteDelay, distDelay: TestingV3AuthInitialDistDelay }
    }
    return {
      interval: between(consensus.validAfter, consensus.freshUntil),
      voteDelay: durationMs(consensus.votingDelay.voteSec * 1000),
      distDelay: durationMs(consensus.votingDelay.distSec * 1000),
    }
  }

  #makeVote(validAfter: WallMs): Vote {
    const own = this.#ownDescriptor
    if (own === undefined) throw new RelishError('unavailable', 'we have no descriptor of our own yet')
    const now = this.#runtime.wallNow()
    if (this.certificate.expires < now) throw new RelishError('config', "our authority certificate has expired: make a new one with relish-gencert")
    const rules = this.#rules()
    this.#relays.noteDown(rules)
    this.#sharedRandom?.prepare(validAfter, this.#timing().interval)
    const bandwidth = this.#readBandwidthFile(now)
    const input: VoteInput = {
      now,
      validAfter,
      ...configuredVote(this.#options, this.certificate, own),
      rules,
      relays: this.#relays.votedRelays(bandwidth?.measured ?? new Map()),
      enoughMtbf: this.#relays.enoughMtbf,
      sharedRandom: this.#sharedRandom?.vote(),
      bandwidthFile: bandwidth,
      microdescriptorsOf: (descriptor) => sharedMicrodescriptorsOf(this.#runtime, descriptor),
    }
    const { trace } = this.#runtime
    if (trace !== undefined) traceVote(trace, input)
    const built = buildVote(input)
    this.#cache.addMicrodescriptors(built.microdescriptors)
    return signVote(built.content, this.certificate, this.#signingKey, (text) => readAnyVote(this.#runtime, text))
  }

  /** Which flags a relay would get in a vote made now, and why. Throws `unavailable` for one that is not known. */
  explainRelay(fingerprint: string): { readonly thresholds: string } & ExplainedRelay {
    const now = this.#runtime.wallNow()
    const measured = this.#readBandwidthFile(now)?.measured ?? new Map<string, number>()
    const { thresholds, relays } = explainVote({ relays: this.#relays.votedRelays(measured), rules: this.#rules(), enoughMtbf: this.#relays.enoughMtbf, now })
    const relay = relays.find((one) => one.fingerprint === fingerprint)
    if (relay === undefined) throw new RelishError('unavailable', 'this authority holds no descriptor of that relay')
    return { thresholds, ...relay }
  }

  #sendVote(vote: Vote, isCurrent: () => boolean, onAbsent: (identity: string) => void): void {
    this.#peers.upload('/tor/post/vote', vote.text, 'vote', isCurrent, (peer) => onAbsent(peer.identityFingerprint))
    this.#saveSharedRandom()
    this.#parts.onVoted()
  }

  #sendSignatures(period: VotingPeriod, isCurrent: () => boolean): void {
    const signatures = period.detachedSignatures()
    if (signatures !== undefined) this.#peers.upload('/tor/post/consensus-signature', signatures, 'signatures', isCurrent)
  }

  #fetchVotes(missing: readonly string[]): void {
    if (missing.length === 0) return
    this.#runtime.log.write('notice', 'dir', `We're missing votes from ${missing.length} authorities. Asking every other authority for a copy.`)
    this.#peers.fetchFromAll(`/tor/status-vote/next/${missing.join('+')}.z`, (text) => void this.#receiveVotes(text, false))
  }

  /** One or more votes, one behind the other. */
  #receiveVotes(text: string, posted: boolean): UploadResult {
    let result: UploadResult = { status: 200, reason: 'ok' }
    const texts = splitDocuments(text, 'network-status-version').slice(0, this.#authorities.length)
    if (texts.length === 0) return { status: 400, reason: 'Unable to parse vote' }
    for (const one of texts) {
      const outcome = answering(() => this.#receiveVote(one, posted))
      if (outcome.status > result.status) result = outcome
    }
    return result
  }

  #receiveVote(text: string, posted: boolean): void {
    const vote = readLiveVote(this.#runtime, text, this.#runtime.wallNow())
    const { identityFingerprint } = vote.source
    const authority = this.#authorities.find((one) => one.identityFingerprint === identityFingerprint)
    if (authority === undefined) throw new RelishError('refused', 'Vote not from a recognized v3 authority')
    this.#cache.addCertificates([vote.certificate])
    if (this.#sharedRandom?.addCommits(identityFingerprint, vote.sharedRandomCommits) === true) this.#saveSharedRandom()
    this.#rounds.handleVote(vote, posted)
    this.#fetchDescriptors(vote, authority)
  }

  /** Descriptors that another authority votes on and we have never seen. */
  #fetchDescriptors(vote: Vote, authority: AuthorityPeer): void {
    if (authority.identityFingerprint === this.certificate.identityFingerprint) return
    const missing = vote.relays.filter((relay) => {
      const held = this.#cache.serverDescriptorOf(relay.fingerprint)
      return held === undefined || (held.published < relay.published && this.#cache.serverDescriptor(hexEncodeUpper(relay.descriptorDigest)) === undefined)
    })
    const digests = missing.map((relay) => hexEncodeUpper(relay.descriptorDigest))
    for (let at = 0; at < digests.length; at += 64) {
      this.#peers.fetch(authority, `/tor/server/d/${digests.slice(at, at + 64).join('+')}.z`, (text) => void this.#relays.receive(text))
    }
  }

  #receiveSignatures(text: string): UploadResult {
    return answering(() => this.#rounds.handleSignatures(parseDetachedSignatures(text)))
  }

  /** Whether the consensus is signed by enough and was taken. */
  #publish(period: VotingPeriod): boolean {
    const texts = { ns: period.consensusText('ns'), microdesc: period.consensusText('microdesc') }
    if (texts.ns === undefined || texts.microdesc === undefined) return false
    const now = this.#runtime.wallNow()
    const checked = [texts.microdesc, texts.ns].map((text) => {
      try {
        return verifyConsensus(readConsensus(this.#runtime, text), this.#cache.trusted, this.#cache.certificateOf, now, sharedSignatureTest(this.#runtime))
      } catch (thrown) {
        this.#runtime.log.write('warn', 'dir', asRelishError(thrown).message)
        return undefined
      }
    })
    if (checked.includes(undefined)) return false
    this.#runtime.log.write('notice', 'dir', 'Consensus published.')
    for (const consensus of checked) if (consensus !== undefined) this.#cache.setConsensus(consensus)
    return true
  }

  #consensusChanged(flavour: string, consensus: { readonly validAfter: WallMs } & Pick<Vote, 'sharedRandomPrevious' | 'sharedRandomCurrent'>): void {
    if (flavour !== 'ns') return
    this.#sharedRandom?.acceptConsensus(consensus.sharedRandomPrevious, consensus.sharedRandomCurrent)
    this.#rounds.handleConsensus(consensus.validAfter)
    this.#prepareSharedRandom()
  }

  // Shared randomness

  #loadSharedRandom(identities: ReadonlySet<string>): SharedRandomState {
    const content = this.#runtime.files.read(sharedRandomFile)
    let record: SharedRandomRecord | undefined
    try {
      record = content === undefined ? undefined : parseSharedRandomState(latin1Decode(content))
    } catch (thrown) {
      this.#runtime.log.write('warn', 'dir', `Starting without ${sharedRandomFile}: ${asRelishError(thrown).message}`)
    }
    const rng = this.#runtime.rng('shared random')
    const options = { identityFingerprint: this.certificate.identityFingerprint, authorities: identities, rng }
    return new SharedRandomState(options, this.#runtime.wallNow(), this.#timing().interval, record)
  }

  /** Votes of others for the next round may come before ours: their commits are judged by the phase of that round. */
  #prepareSharedRandom(): void {
    const scheduled = this.#rounds.scheduledAt
    // A first round off the schedule comes before the schedule's, and prepares for itself.
    const prepares = this.#options.TestingV3AuthVoteWhenRelays === 0 || this.#liveConsensus() !== undefined
    if (scheduled !== undefined && prepares) this.#sharedRandom?.prepare(scheduled, this.#timing().interval)
    this.#saveSharedRandom()
  }

  #saveSharedRandom(): void {
    if (this.#sharedRandom === undefined) return
    const text = emitSharedRandomState(this.#sharedRandom.record(), torVersion, this.#runtime.wallNow())
    try {
      this.#runtime.files.write(sharedRandomFile, latin1Encode(text))
    } catch (thrown) {
      this.#runtime.log.write('warn', 'dir', `Unable to write ${sharedRandomFile}: ${asRelishError(thrown).message}; will try again with the next vote`)
    }
  }

  // The bandwidth file

  /** Reads `V3BandwidthsFile`. A file that cannot be used leaves a vote without measurements. */
  #readBandwidthFile(now: WallMs): { measured: ReadonlyMap<string, number>; headers: string; digest: string } | undefined {
    const path = this.#options.V3BandwidthsFile
    if (path === undefined) return undefined
    const content = this.#runtime.files.read(fromDataDirectory(this.#options.DataDirectory, path))
    this.#bandwidthFileText = content === undefined ? undefined : latin1Decode(content)
    if (content === undefined || this.#bandwidthFileText === undefined) {
      this.#runtime.log.write('warn', 'config', `Can't open bandwidth file at configured location: ${path}`)
      return undefined
    }
    const digest = base64EncodeUnpadded(sha256(content))
    try {
      const file = parseBandwidthFile(this.#bandwidthFileText)
      if (wallToSec(now) - file.timestampSec > BANDWIDTH_FILE_AGE_MAX / 1000) throw new RelishError('unavailable', 'the measurements are stale')
      const headers = [`timestamp=${file.timestampSec}`, ...[...file.headers].map(([name, value]) => `${name}=${value}`)]
      const measured = new Map(file.relays.filter((relay) => relay.vote).map((relay) => [relay.fingerprint, relay.bandwidth]))
      // A header with a space would end the words of the vote's line.
      return { measured, headers: headers.filter((header) => !header.includes(' ')).slice(0, BANDWIDTH_FILE_HEADERS_MAX).join(' '), digest }
    } catch (thrown) {
      this.#runtime.log.write('warn', 'dirserv', `Bandwidth file: ${asRelishError(thrown).message}`)
      return { measured: new Map(), headers: '', digest }
    }
  }

  // What the directory server asks for

  #makeDocuments(): AuthorityDocuments {
    const periodsOf = (which: 'next' | 'current'): VotingPeriod[] =>
      which === 'next' ? this.#rounds.periods() : this.#rounds.previous === undefined ? [] : [this.#rounds.previous]
    const voteOf = (which: 'next' | 'current', identity: string): string | undefined =>
      periodsOf(which).flatMap((period) => period.voteOf(identity) ?? [])[0]?.text
    const pending = (): VotingPeriod | undefined => this.#rounds.periods().find((period) => period.isComputed)
    return {
      ownVote: (which) => voteOf(which, this.certificate.identityFingerprint),
      voteByIdentity: voteOf,
      voteByDigest: (which, digest) => periodsOf(which).flatMap((period) => period.voteByDigest(digest) ?? [])[0]?.text,
      pendingConsensus: (flavour) => pending()?.consensusText(flavour),
      // Also of the last round: an authority that comes late still learns who signed.
      detachedSignatures: () => (pending() ?? this.#rounds.previous)?.detachedSignatures(),
      bandwidthFile: () => this.#bandwidthFileText,
      receiveDescriptors: (text) => this.#relays.receive(text),
      receiveVote: (text) => this.#receiveVotes(text, true),
      receiveSignatures: (text) => this.#receiveSignatures(text),
    }
  }
}

/** The authority's keys and certificate. Throws `config` or `bad-document` when they are missing, malformed or run out. */
export function readCertificate(runtime: Pick<Runtime, 'files' | 'wallNow'>): { certificate: AuthorityCertificate; signingKey: RsaPrivateKey } {
  const files = loadAuthorityKeys(runtime.files)
  let certificate: AuthorityCertificate
  try {
    certificate = verifyAuthorityCertificate(parseAuthorityCertificate(files.certificate))
  } catch (thrown) {
    throw asRelishError(thrown).within('keys/authority_certificate')
  }
  if (hexEncodeUpper(files.signingKey.publicKey.fingerprint()) !== certificate.signingKeyFingerprint) {
    throw new RelishError('config', 'keys/authority_certificate certifies another key than keys/authority_signing_key')
  }
  if (certificate.expires < runtime.wallNow()) {
    throw new RelishError('config', 'keys/authority_certificate has expired', { hint: 'make a new one with relish-gencert --reuse' })
  }
  return { certificate, signingKey: files.signingKey }
}

/** Answers an upload: 200, or 400 and why not. */
function answering(action: () => void): UploadResult {
  try {
    action()
    return { status: 200, reason: 'ok' }
  } catch (thrown) {
    const error = asRelishError(thrown)
    if (error.kind === 'bug') throw error
    return { status: 400, reason: error.message }
  }
}

/** A configured path as the node's file store wants it: relative to the data directory. */
function fromDataDirectory(dataDirectory: string | undefined, path: string): string {
  if (!path.startsWith('/') || dataDirectory === undefined) return path
  const depth = dataDirectory.split('/').filter((part) => part !== '').length
  return path.startsWith(`${dataDirectory}/`) ? path.slice(dataDirectory.length + 1) : `${'../'.repeat(depth)}${path.slice(1)}`
}

/** Why each relay gets the flags that it gets. */
function traceVote(trace: TraceSink, input: VoteInput): void {
  const { validAfter } = input
  const { thresholds, relays } = explainVote(input)
  trace.emit({ event: 'decision.thresholds', validAfter, relays: relays.length, thresholds })
  for (const { fingerprint, nickname, flags } of relays) {
    const given = flags.filter((flag) => flag.given).map((flag) => flag.flag)
    trace.emit({ event: 'decision.flags', validAfter, fingerprint, nickname, flags: given, missing: flags.filter((flag) => !flag.given) })
  }
}
