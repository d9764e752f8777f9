/**
 * Fetches the descriptors that the held consensuses list (dir-spec §5.2, §5.3): microdescriptors for all, server
 * descriptors and extra-info documents for caches and authorities. Requests name many at a time and run side by side.
 */

import { asRelishError } from '../core/base/errors.ts'
import { durationMs, later, type MonotonicMs } from '../core/base/time.ts'
import { hexEncodeUpper, latin1Decode } from '../core/base/encoding.ts'
import type { ExtraInfo } from '../core/netdoc/extra-info.ts'
import { splitDocuments, type ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import type { DirCache } from './dir-cache.ts'
import { CACHE_STARTS_AFTER, DESCRIPTORS_PER_REQUEST, DIR_EXCHANGE_TIMEOUT, DIR_REQUESTS_MAX, FAILED_DIRECTORIES_MAX, MICRODESCRIPTORS_PER_REQUEST } from './dir-limits.ts'
import { DownloadSchedule, paceFor } from './dir-schedule.ts'
import type { DirSource, DirSources } from './dir-sources.ts'
import { readExtraInfo, readMicrodescriptors, readServerDescriptor, verifySharedExtraInfo } from './shared-documents.ts'

/** One kind of document: how it is asked for and what becomes of it. */
interface Kind {
  readonly name: string
  /** Whether this node uses them itself. */
  readonly isUsed: boolean
  readonly perRequest: number
  /** Names of those that are listed and not held. */
  missing(): Iterable<string>
  url(names: readonly string[]): string
  /** Keeps the good ones; answers with the names of those. */
  keep(text: string, wanted: ReadonlySet<string>): ReadonlySet<string>
}

interface Fetching {
  readonly kind: Kind
  /** What is kept for others alone has time at the start. */
  readonly notBefore: MonotonicMs
  readonly schedule: DownloadSchedule
  readonly avoid: Set<string>
  readonly inFlight: Set<string>
  readonly requests: Set<{ cancel(): void }>
  timer: Timer | undefined
}

/** Up to this many go into one request; more are spread over several directories. */
const smallRequest = 24
/** As C tor's `MIN_REQUESTS`. */
const fewestRequests = 3

export class DescriptorClient {
  readonly #runtime: Runtime
  readonly #cache: DirCache
  readonly #sources: DirSources
  readonly #fetching: readonly Fetching[]
  #requests = 0
  #stopped = false

  constructor(runtime: Runtime, cache: DirCache, sources: DirSources, options: { readonly testing: boolean; readonly downloadExtraInfo: boolean }) {
    this.#runtime = runtime
    this.#cache = cache
    this.#sources = sources
    const { roles } = sources
    const kinds: Kind[] = []
    if (roles.caches || roles.usableFlavour === 'microdesc') kinds.push(microdescriptorKind(runtime, cache, roles.usableFlavour === 'microdesc'))
    if (roles.caches || roles.usableFlavour === 'ns') kinds.push(this.#serverDescriptorKind())
    if (roles.caches && options.downloadExtraInfo) kinds.push(this.#extraInfoKind())
    const rng = runtime.rng('directory schedule')
    const now = runtime.monotonicNow()
    this.#fetching = kinds.map((kind) => ({
      kind,
      notBefore: kind.isUsed || roles.votes ? now : later(now, CACHE_STARTS_AFTER),
      schedule: new DownloadSchedule(paceFor(options.testing), rng),
      avoid: new Set(),
      inFlight: new Set(),
      requests: new Set(),
      timer: undefined,
    }))
    cache.listen({ consensusChanged: () => this.#consensusChanged() })
  }

  start(): void {
    this.#updateAll()
  }

  stop(): void {
    this.#stopped = true
    for (const fetching of this.#fetching) {
      fetching.timer?.cancel()
      for (const request of fetching.requests) request.cancel()
    }
  }

  /** How many documents of the usable kind are listed, and how many of them are held. */
  counts(): { readonly wanted: number; readonly held: number } {
    const consensus = this.#cache.consensus(this.#sources.roles.usableFlavour)
    const wanted = consensus?.relays.length ?? 0
    const kind = this.#fetching[0]?.kind
    if (consensus === undefined || kind === undefined) return { wanted, held: 0 }
    return { wanted, held: wanted - [...kind.missing()].length }
  }

  #consensusChanged(): void {
    // What failed under the last consensus may be had under this one.
    for (const fetching of this.#fetching) {
      fetching.schedule.succeeded()
      fetching.timer?.cancel()
      fetching.timer = undefined
    }
    this.#updateAll()
  }

  #updateAll(): void {
    for (const fetching of this.#fetching) this.#update(fetching)
  }

  #update(fetching: Fetching): void {
    if (this.#stopped || fetching.timer !== undefined) return
    const wanted = [...fetching.kind.missing()].filter((name) => !fetching.inFlight.has(name))
    if (wanted.length === 0) return
    const now = this.#runtime.monotonicNow()
    const delay = durationMs(Math.max(fetching.schedule.waitFrom(now), Math.ceil(fetching.notBefore - now)))
    if (delay > 0) {
      fetching.timer = this.#runtime.setTimer(delay, () => {
        fetching.timer = undefined
        this.#update(fetching)
      })
      return
    }
    for (const names of batches(wanted, fetching.kind.perRequest)) {
      if (this.#requests >= DIR_REQUESTS_MAX) return
      if (!this.#request(fetching, names)) return
    }
  }

  /** False when there is nobody to ask. */
  #request(fetching: Fetching, names: readonly string[]): boolean {
    const source = this.#sources.forDescriptors(fetching.avoid)
    if (source === undefined) {
      fetching.schedule.failed(this.#runtime.monotonicNow())
      this.#update(fetching)
      return false
    }
    for (const name of names) fetching.inFlight.add(name)
    this.#requests++
    const target = fetching.kind.url(names)
    const request = source.transport.send(source.target, { method: 'GET', target, timeout: DIR_EXCHANGE_TIMEOUT }, {
      onResponse: (response) => {
        source.succeeded()
        const wanted = new Set(names)
        const kept = response.status === 200 ? fetching.kind.keep(latin1Decode(response.body), wanted) : new Set<string>()
        if (response.status !== 200) this.#log(fetching, source, `${response.status} ${response.reason}`)
        over(kept.size === names.length)
      },
      onFailed: (error) => {
        source.failed()
        this.#log(fetching, source, error.message)
        over(false)
      },
    })
    fetching.requests.add(request)
    const over = (complete: boolean): void => {
      fetching.requests.delete(request)
      this.#requests--
      for (const name of names) fetching.inFlight.delete(name)
      if (complete) {
        fetching.schedule.succeeded()
        fetching.avoid.clear()
      } else {
        if (fetching.avoid.size >= FAILED_DIRECTORIES_MAX) fetching.avoid.clear()
        fetching.avoid.add(source.target.fingerprint)
        fetching.schedule.failed(this.#runtime.monotonicNow())
      }
      this.#updateAll()
    }
    return true
  }

  #log(fetching: Fetching, source: DirSource, why: string): void {
    this.#runtime.log.write('info', 'dir', `No ${fetching.kind.name} from ${source.target.name}: ${why}`)
  }

  #serverDescriptorKind(): Kind {
    const cache = this.#cache
    return {
      name: 'server descriptors',
      isUsed: this.#sources.roles.usableFlavour === 'ns',
      perRequest: DESCRIPTORS_PER_REQUEST,
      *missing() {
        for (const relay of cache.consensus('ns')?.relays ?? []) {
          const digest = relay.descriptorDigest === undefined ? undefined : hexEncodeUpper(relay.descriptorDigest)
          if (digest !== undefined && cache.serverDescriptor(digest) === undefined) yield digest
        }
      },
      url: (names) => `/tor/server/d/${names.join('+')}`,
      keep: (text, wanted) => {
        const now = this.#runtime.wallNow()
        const good = this.#parseEach<ServerDescriptor>(text, 'router', (one) => readServerDescriptor(this.#runtime, one, 'refuse', now))
        const asked = good.filter((one) => wanted.has(hexEncodeUpper(one.digest)))
        cache.addServerDescriptors(asked)
        return new Set(asked.map((one) => hexEncodeUpper(one.digest)))
      },
    }
  }

  #extraInfoKind(): Kind {
    const cache = this.#cache
    return {
      name: 'extra-info documents',
      isUsed: false,
      perRequest: DESCRIPTORS_PER_REQUEST,
      *missing() {
        for (const descriptor of cache.serverDescriptors()) {
          const digest = descriptor.extraInfoDigest === undefined ? undefined : hexEncodeUpper(descriptor.extraInfoDigest.sha1)
          if (digest !== undefined && cache.extraInfo(digest) === undefined) yield digest
        }
      },
      url: (names) => `/tor/extra/d/${names.join('+')}`,
      keep: (text, wanted) => {
        const good = this.#parseEach<ExtraInfo | undefined>(text, 'extra-info', (one) => {
          const parsed = readExtraInfo(this.#runtime, one, 'refuse')
          const owner = cache.serverDescriptorOf(parsed.fingerprint)
          return owner === undefined ? undefined : verifySharedExtraInfo(this.#runtime, parsed, owner)
        })
        const asked = good.filter((one) => one !== undefined).filter((one) => wanted.has(hexEncodeUpper(one.digest)))
        cache.addExtraInfos(asked)
        return new Set(asked.map((one) => hexEncodeUpper(one.digest)))
      },
    }
  }

  /** Documents that are good; one that is not costs itself only. */
  #parseEach<T>(text: string, keyword: string, parse: (text: string) => T): T[] {
    const found: T[] = []
    for (const one of splitDocuments(text, keyword)) {
      try {
        found.push(parse(one))
      } catch (thrown) {
        const error = asRelishError(thrown)
        if (error.kind === 'bug') throw error
        this.#runtime.log.write('info', 'dir', `A document is not used: ${error.message}`)
      }
    }
    return found
  }
}

function microdescriptorKind(runtime: Runtime, cache: DirCache, isUsed: boolean): Kind {
  return {
    name: 'microdescriptors',
    isUsed,
    perRequest: MICRODESCRIPTORS_PER_REQUEST,
    *missing() {
      for (const relay of cache.consensus('microdesc')?.relays ?? []) {
        const digest = relay.microdescriptorDigest
        if (digest !== undefined && cache.microdescriptor(digest) === undefined) yield digest
      }
    },
    url: (names) => `/tor/micro/d/${names.join('-')}`,
    keep: (text, wanted) => {
      const good = readMicrodescriptors(runtime, text).map((one) => one.microdescriptor).filter((one) => wanted.has(one.digestBase64))
      cache.addMicrodescriptors(good)
      return new Set(good.map((one) => one.digestBase64))
    },
  }
}

/** Sorted, so that a directory learns nothing from the order. */
function batches(names: readonly string[], perRequest: number): string[][] {
  const sorted = [...names].sort()
  const size = sorted.length <= smallRequest ? smallRequest : Math.min(perRequest, Math.max(Math.ceil(sorted.length / fewestRequests), smallRequest))
  const out: string[][] = []
  for (let i = 0; i < sorted.length; i += size) out.push(sorted.slice(i, i + size))
  return out
}
