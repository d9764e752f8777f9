/**
 * Fetches consensuses (dir-spec §4.4, §5.1), whole or as diffs: when there is none, when the held one is due for replacement,
 * and again until a majority of the authorities' signatures holds, for which `CertificateClient` brings what is missing.
 */

import { asRelishError, RelishError } from '../core/base/errors.ts'
import { latin1Decode } from '../core/base/encoding.ts'
import { randomUnit } from '../core/base/rng.ts'
import { durationMs, hours, later, seconds, type DurationMs, type MonotonicMs, type WallMs } from '../core/base/time.ts'
import { checkConsensusSignatures, verifyConsensus, type Consensus, type ConsensusFlavour, type ConsensusUnverified } from '../core/netdoc/consensus.ts'
import { isConsensusDiff } from '../core/netdoc/consensus-diff.ts'
import type { HttpHeader } from '../core/dirhttp/message.ts'
import { NetworkParameters } from '../core/netdir/parameters.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import type { DirCache } from './dir-cache.ts'
import { CertificateClient } from './dir-certificate-client.ts'
import { CACHE_STARTS_AFTER, CLOCK_LOOK_INTERVAL, DIR_EXCHANGE_TIMEOUT, FIRST_CONSENSUS_WAIT } from './dir-limits.ts'
import { DownloadSchedule, paceFor } from './dir-schedule.ts'
import { rememberFailed, type DirSource, type DirSources } from './dir-sources.ts'
import type { DirResponse, DirTarget } from './dir-transport.ts'
import { applyDiff, digestForDiffs, readConsensus, sharedSignatureTest } from './shared-documents.ts'

/** A flavour being kept up to date. */
interface Flavour {
  readonly name: ConsensusFlavour
  readonly schedule: DownloadSchedule
  readonly avoid: Set<string>
  /** Received, waiting for certificates. */
  pending: ConsensusUnverified | undefined
  /** Who gave it. */
  giver: DirTarget | undefined
  request: { cancel(): void } | undefined
  timer: Timer | undefined
  /** What is kept for others alone has time at the start. */
  readonly notBefore: MonotonicMs
  /** When the held consensus is to be replaced. */
  refreshAt: WallMs | undefined
  /** An upper layer knows that there is news: due now, until some directory says what it has. */
  asked: boolean
  /** A diff was of no use: the next request is for the whole consensus. */
  wholeOnly: boolean
}

export class ConsensusClient {
  readonly #runtime: Runtime
  readonly #cache: DirCache
  readonly #sources: DirSources
  readonly #flavours: readonly Flavour[]
  readonly #certificates: CertificateClient
  readonly #onFailure: (words: string) => void
  readonly #testing: boolean
  #stopped = false

  /** `onFailure`: in words, why an attempt to get a consensus gave none. */
  constructor(runtime: Runtime, cache: DirCache, sources: DirSources, testing: boolean, onFailure: (words: string) => void = () => undefined) {
    this.#runtime = runtime
    this.#onFailure = onFailure
    this.#testing = testing
    this.#cache = cache
    this.#sources = sources
    const { roles } = sources
    const names: readonly ConsensusFlavour[] = roles.caches ? ['microdesc', 'ns'] : [roles.usableFlavour]
    const rng = runtime.rng('directory schedule')
    const now = runtime.monotonicNow()
    this.#flavours = names.map((name) => ({
      name,
      notBefore: name === roles.usableFlavour || roles.votes ? now : later(now, CACHE_STARTS_AFTER),
      schedule: new DownloadSchedule(paceFor(testing, roles.votes), rng),
      avoid: new Set(),
      pending: undefined,
      giver: undefined,
      request: undefined,
      timer: undefined,
      refreshAt: undefined,
      asked: false,
      wholeOnly: false,
    }))
    this.#certificates = new CertificateClient(runtime, cache, sources, testing, () => this.#missingCertificates())
    cache.listen({
      // Also those an authority made itself.
      consensusChanged: (consensus) => this.#consensusHeld(consensus),
      certificatesChanged: () => this.#retryPending(),
    })
  }

  start(): void {
    for (const flavour of this.#flavours) {
      const held = this.#cache.consensus(flavour.name)
      if (held !== undefined) flavour.refreshAt = this.#refreshTime(held)
      this.#update(flavour)
    }
    this.#certificates.start()
  }

  stop(): void {
    this.#stopped = true
    for (const flavour of this.#flavours) {
      flavour.request?.cancel()
      flavour.timer?.cancel()
    }
    this.#certificates.stop()
  }

  /** In words, what is missing; undefined when a live consensus of the usable flavour is held. */
  waitingFor(): string | undefined {
    const usable = this.#flavours.find((flavour) => flavour.name === this.#sources.roles.usableFlavour)
    const held = this.#cache.consensus(this.#sources.roles.usableFlavour)
    if (held !== undefined && held.validUntil > this.#runtime.wallNow()) return undefined
    if (usable?.pending !== undefined) return `certificates for a consensus that is held`
    return held === undefined ? 'a consensus signed by a majority of the authorities' : 'a consensus that is still valid'
  }

  /**
   * Asks now, whatever the schedule says: an upper layer knows that there is news. Goes on asking, as the schedule has it,
   * until a directory has answered.
   */
  fetchNow(): void {
    for (const flavour of this.#flavours) {
      flavour.asked = true
      if (flavour.request === undefined && flavour.pending === undefined) this.#fetch(flavour)
    }
  }

  #update(flavour: Flavour): void {
    if (this.#stopped || flavour.request !== undefined || flavour.pending !== undefined) return
    flavour.timer?.cancel()
    flavour.timer = this.#runtime.setTimer(durationMs(Math.min(this.#delayUntilFetch(flavour), CLOCK_LOOK_INTERVAL)), () => {
      flavour.timer = undefined
      if (this.#delayUntilFetch(flavour) > 0) this.#update(flavour)
      else this.#fetch(flavour)
    })
  }

  #delayUntilFetch(flavour: Flavour): DurationMs {
    const now = this.#runtime.monotonicNow()
    return durationMs(Math.max(flavour.schedule.waitFrom(now), flavour.asked ? 0 : this.#dueIn(flavour, now)))
  }

  #dueIn(flavour: Flavour, now: MonotonicMs): number {
    return flavour.refreshAt === undefined ? Math.ceil(flavour.notBefore - now) : Math.ceil(flavour.refreshAt - this.#runtime.wallNow())
  }

  #fetch(flavour: Flavour): void {
    if (this.#stopped || flavour.request !== undefined) return
    const source = this.#sources.forConsensus(flavour.avoid)
    if (source === undefined) {
      flavour.schedule.failed(this.#runtime.monotonicNow())
      this.#update(flavour)
      return
    }
    // Who asks again from here on may know of news that the answer to this request has not.
    const { asked } = flavour
    flavour.asked = false
    const held = this.#cache.consensus(flavour.name)
    const path = flavour.name === 'ns' ? 'consensus' : 'consensus-microdesc'
    const target = `/tor/status-vote/current/${path}/${this.#signerList()}`
    flavour.request = source.transport.send(source.target, { method: 'GET', target, headers: this.#headers(flavour, held), timeout: DIR_EXCHANGE_TIMEOUT }, {
      onResponse: (response) => {
        flavour.request = undefined
        source.succeeded()
        this.#received(flavour, source, response, held, asked)
      },
      onFailed: (error) => {
        flavour.request = undefined
        source.failed()
        this.#log(`No ${flavour.name} consensus from ${source.target.name}: ${error.message}`)
        this.#onFailure(`${source.target.name} cannot be asked: ${error.message}`)
        this.#failed(flavour, source, asked)
      },
    })
  }

  /** dir-spec §4.4: the authorities we trust, by the first three bytes of their fingerprints, in order. */
  #signerList(): string {
    return [...this.#cache.trusted].map((identity) => identity.slice(0, 6)).sort().join('+')
  }

  /** What is held need not come again, and what has changed is enough (dir-spec §4.5.2). */
  #headers(flavour: Flavour, held: Consensus | undefined): HttpHeader[] {
    // In a test network the first one is about to be made. Who makes it itself is only told of one made before.
    if (held === undefined) return this.#testing && !this.#sources.roles.votes ? [{ name: 'Prefer', value: `wait=${FIRST_CONSENSUS_WAIT / 1000}` }] : []
    const ifNewer = { name: 'If-Modified-Since', value: new Date(held.validAfter).toUTCString() }
    // param-spec §5: directories have no diffs from consensuses that are older.
    const oldest = this.#runtime.wallNow() - hours(new NetworkParameters(held.params).get('try-diff-for-consensus-newer-than'))
    if (flavour.wholeOnly || held.validAfter < oldest) return [ifNewer]
    return [ifNewer, { name: 'X-Or-Diff-From-Consensus', value: digestForDiffs(this.#runtime, held.text) }]
  }

  /** `base`: the consensus that was held when the request went out. `asked`: it went out since `fetchNow` was called. */
  #received(flavour: Flavour, source: DirSource, response: DirResponse, base: Consensus | undefined, asked: boolean): void {
    if (response.status !== 200) {
      this.#log(`No ${flavour.name} consensus from ${source.target.name}: ${response.status} ${response.reason}`)
      this.#onFailure(`${source.target.name} answers ${response.status} ${response.reason}`)
      this.#failed(flavour, source, asked && response.status !== 304)
      return
    }
    try {
      const parsed = readConsensus(this.#runtime, this.#wholeText(flavour, latin1Decode(response.body), base))
      if (parsed.flavour !== flavour.name) throw new RelishError('bad-document', `it is of flavour ${parsed.flavour}`)
      const held = this.#cache.consensus(flavour.name)
      if (held !== undefined && parsed.validAfter <= held.validAfter) throw new RelishError('unavailable', 'it is no newer than ours')
      flavour.pending = parsed
      flavour.giver = source.target
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      this.#log(`The ${flavour.name} consensus from ${source.target.name} is not used: ${error.message}`)
      this.#onFailure(`that of ${source.target.name} is of no use: ${error.message}`)
      this.#failed(flavour, source, asked && error.kind !== 'unavailable')
      return
    }
    flavour.avoid.clear()
    this.#check(flavour)
  }

  /** A consensus as it is, or what a diff makes of `base`. */
  #wholeText(flavour: Flavour, text: string, base: Consensus | undefined): string {
    flavour.wholeOnly = false
    if (!isConsensusDiff(text)) return text
    flavour.wholeOnly = true
    if (base === undefined) throw new RelishError('bad-document', 'it is a diff from a consensus we do not have')
    const whole = applyDiff(this.#runtime, base.text, text)
    flavour.wholeOnly = false
    this.#runtime.trace?.emit({ event: 'directory.diff', flavour: flavour.name, diffBytes: text.length, consensusBytes: whole.length })
    this.#log(`A diff of ${text.length} bytes made a ${flavour.name} consensus of ${whole.length} bytes`)
    return whole
  }

  /** `asked`: whether there is news is still to be found out. */
  #failed(flavour: Flavour, source: DirSource, asked: boolean): void {
    flavour.asked ||= asked
    rememberFailed(flavour.avoid, source.target.fingerprint)
    if (flavour.avoid.size >= this.#sources.authorities.length) flavour.avoid.clear()
    flavour.schedule.failed(this.#runtime.monotonicNow())
    this.#update(flavour)
  }

  /** Verifies what is pending, or fetches the certificates that lacks. */
  #check(flavour: Flavour): void {
    const { pending } = flavour
    if (pending === undefined) return
    const now = this.#runtime.wallNow()
    let verified: Consensus
    try {
      verified = verifyConsensus(pending, this.#cache.trusted, this.#cache.certificateOf, now, sharedSignatureTest(this.#runtime))
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      if (error.kind === 'unavailable') {
        this.#certificates.fetchMissing(flavour.giver)
        return
      }
      this.#runtime.log.write('warn', 'dir', `A ${pending.flavour} consensus is not used: ${error.message}`)
      this.#onFailure(`one is of no use: ${error.message}`)
      flavour.pending = undefined
      flavour.schedule.failed(this.#runtime.monotonicNow())
      this.#update(flavour)
      return
    }
    flavour.pending = undefined
    flavour.schedule.succeeded()
    if (!this.#cache.setConsensus(verified)) this.#update(flavour)
  }

  #consensusHeld(consensus: Consensus): void {
    const flavour = this.#flavours.find((one) => one.name === consensus.flavour)
    if (flavour === undefined) return
    flavour.refreshAt = this.#refreshTime(consensus)
    flavour.schedule.succeeded()
    if (flavour.pending !== undefined && flavour.pending.validAfter <= consensus.validAfter) flavour.pending = undefined
    this.#update(flavour)
  }

  #retryPending(): void {
    for (const flavour of this.#flavours) this.#check(flavour)
  }

  /**
   * dir-spec §4.4 and §5.1: caches fetch early in the life of the next consensus, clients later, at a random time each.
   * The figures are those of C tor's `update_consensus_networkstatus_fetch_time`.
   */
  #refreshTime(consensus: Consensus): WallMs {
    const { validAfter, freshUntil, validUntil } = consensus
    const interval = freshUntil - validAfter
    let start: number
    let span: number
    if (this.#sources.roles.fromAuthorities) {
      start = freshUntil + Math.min(seconds(120), interval / 16)
      span = interval / 2
    } else {
      start = freshUntil + (interval * 3) / 4
      span = ((validUntil - start) * 7) / 8
    }
    span = Math.max(Math.min(span, validUntil - start), 1000)
    return (start + randomUnit(this.#runtime.rng('directory schedule')) * span) as WallMs
  }

  /** `IDENTITY-SIGNINGKEY` of those the pending consensuses lack, sorted. */
  #missingCertificates(): string[] {
    const now = this.#runtime.wallNow()
    const missing = new Set<string>()
    for (const { pending } of this.#flavours) {
      if (pending === undefined) continue
      const check = checkConsensusSignatures(pending, this.#cache.trusted, this.#cache.certificateOf, now, sharedSignatureTest(this.#runtime))
      for (const one of check.missingCertificates) missing.add(`${one.identityFingerprint}-${one.signingKeyFingerprint}`)
    }
    return [...missing].sort()
  }

  #log(message: string): void {
    this.#runtime.log.write('info', 'dir', message)
  }
}
