/**
 * Fetches authorities' certificates (dir-spec §4.3, §5.1): at once those that a consensus cannot be checked without, by
 * identity and signing key; and every now and then, by identity, those of authorities of which none is held that lasts.
 */

import { asRelishError } from '../core/base/errors.ts'
import { latin1Decode } from '../core/base/encoding.ts'
import type { AuthorityCertificate } from '../core/netdoc/authority-certificate.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import type { DirCache } from './dir-cache.ts'
import { CERTIFICATE_CHECK_INTERVAL, CERTIFICATE_RENEWED_BEFORE, DIR_EXCHANGE_TIMEOUT } from './dir-limits.ts'
import { DownloadSchedule, paceFor } from './dir-schedule.ts'
import { rememberFailed, type DirSource, type DirSources } from './dir-sources.ts'
import type { DirResponse, DirTarget } from './dir-transport.ts'
import { readCertificates } from './shared-documents.ts'

export class CertificateClient {
  readonly #runtime: Runtime
  readonly #cache: DirCache
  readonly #sources: DirSources
  readonly #missing: () => readonly string[]
  readonly #schedule: DownloadSchedule
  readonly #avoid = new Set<string>()
  #request: { cancel(): void } | undefined
  #retryTimer: Timer | undefined
  #renewal: { cancel(): void } | undefined
  #checkTimer: Timer | undefined
  #stopped = false

  /** `missing`: `IDENTITY-SIGNINGKEY` of those that are wanted now. */
  constructor(runtime: Runtime, cache: DirCache, sources: DirSources, testing: boolean, missing: () => readonly string[]) {
    this.#runtime = runtime
    this.#cache = cache
    this.#sources = sources
    this.#missing = missing
    this.#schedule = new DownloadSchedule(paceFor(testing), runtime.rng('directory schedule'))
  }

  start(): void {
    this.#checkTimer = this.#runtime.setTimer(CERTIFICATE_CHECK_INTERVAL, () => {
      this.#renew()
      this.start()
    })
  }

  stop(): void {
    this.#stopped = true
    this.#request?.cancel()
    this.#renewal?.cancel()
    this.#retryTimer?.cancel()
    this.#checkTimer?.cancel()
  }

  /** Asks for what is missing, until nothing is: first `giver`, who gave what they sign. C tor does so, too, and there is a link to it. */
  fetchMissing(giver?: DirTarget): void {
    if (this.#stopped || this.#request !== undefined || this.#retryTimer !== undefined) return
    const wanted = this.#missing()
    if (wanted.length === 0) return
    const source = giver === undefined || this.#avoid.has(giver.fingerprint) ? this.#sources.forConsensus(this.#avoid) : this.#sources.direct(giver)
    if (source === undefined) {
      this.#retryLater()
      return
    }
    this.#request = this.#send(source, `/tor/keys/fp-sk/${wanted.join('+')}`, (response) => {
      this.#request = undefined
      const added = this.#take(response, source)
      if (added) this.#schedule.succeeded()
      else rememberFailed(this.#avoid, source.target.fingerprint)
      // What was added may have set off the next request.
      if (this.#request === undefined) this.#retryLater()
    })
  }

  #retryLater(): void {
    if (this.#missing().length === 0) return
    this.#schedule.failed(this.#runtime.monotonicNow())
    this.#retryTimer?.cancel()
    this.#retryTimer = this.#runtime.setTimer(this.#schedule.waitFrom(this.#runtime.monotonicNow()), () => {
      this.#retryTimer = undefined
      this.fetchMissing()
    })
  }

  /** Of authorities that have not made a new one yet we get the old one, and ask again at the next check. */
  #renew(): void {
    const wanted = this.#expiring()
    if (wanted.length === 0 || this.#renewal !== undefined) return
    const source = this.#sources.forConsensus(this.#avoid)
    if (source === undefined) return
    this.#renewal = this.#send(source, `/tor/keys/fp/${wanted.join('+')}`, (response) => {
      this.#renewal = undefined
      this.#take(response, source)
    })
  }

  /** Identities of trusted authorities without a certificate that lasts, sorted. */
  #expiring(): string[] {
    const lasting = new Set<string>()
    for (const { identityFingerprint, expires } of this.#cache.certificates()) {
      if (expires > this.#runtime.wallNow() + CERTIFICATE_RENEWED_BEFORE) lasting.add(identityFingerprint)
    }
    return [...this.#cache.trusted].filter((identity) => !lasting.has(identity)).sort()
  }

  /** `onOver` gets the answer, if one came. */
  #send(source: DirSource, target: string, onOver: (response: DirResponse | undefined) => void): { cancel(): void } {
    return source.transport.send(source.target, { method: 'GET', target, timeout: DIR_EXCHANGE_TIMEOUT }, {
      onResponse: (response) => {
        source.succeeded()
        onOver(response)
      },
      onFailed: (error) => {
        source.failed()
        this.#runtime.log.write('info', 'dir', `No certificates from ${source.target.name}: ${error.message}`)
        onOver(undefined)
      },
    })
  }

  /** Whether there was one that we did not have. */
  #take(response: DirResponse | undefined, source: DirSource): boolean {
    return response?.status === 200 && this.#cache.addCertificates(this.#goodOnes(response, source))
  }

  #goodOnes(response: DirResponse, source: DirSource): AuthorityCertificate[] {
    try {
      return readCertificates(this.#runtime, latin1Decode(response.body))
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      this.#runtime.log.write('warn', 'dir', `Certificates from ${source.target.name} are not used: ${error.message}`)
      return []
    }
  }
}
