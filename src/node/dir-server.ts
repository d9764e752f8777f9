/**
 * Answers requests to a directory (dir-spec §4, §5, appendix B) from the cache and, on an authority, from the vote under
 * way. A request in, a response out; dir-server-connection.ts does the streams.
 */

import { latin1Decode, latin1Encode } from '../core/base/encoding.ts'
import { days, hours, minutes, type DurationMs, type WallMs } from '../core/base/time.ts'
import { chooseCoding, codingsToUse, type ContentCoding } from '../core/dirhttp/compression.ts'
import { headerOf, reasonFor, type HttpHeader, type HttpRequest, type HttpResponse } from '../core/dirhttp/message.ts'
import { isPrivateIp } from '../core/ident/address.ts'
import type { AuthorityCertificate } from '../core/netdoc/authority-certificate.ts'
import type { Consensus } from '../core/netdoc/consensus.ts'
import type { Runtime, SocketAddress } from '../runtime/index.ts'
import type { AuthorityDocuments } from './dir-authority-documents.ts'
import type { DirCache } from './dir-cache.ts'
import type { ConsensusHistory } from './dir-consensus-history.ts'
import type { ConsensusWaits } from './dir-consensus-waits.ts'
import { DIR_COMPRESSED_KEPT, DIR_DIFF_BASES_MAX, TRACED_TARGET_CHARS } from './dir-limits.ts'
import { parseDirUrl, type DirResource } from './dir-server-url.ts'
import type { HsDirServer } from './hs-dir-server.ts'
import { compressText } from './shared-documents.ts'

export interface DirServerOptions {
  readonly runtime: Runtime
  readonly cache: DirCache
  /** For peers that would wait for a first consensus; without it they get 404 at once. */
  readonly waits?: ConsensusWaits
  /** What diffs are made from; without it, consensuses go out in full. */
  readonly history?: ConsensusHistory
  /** On authorities. */
  readonly authority?: AuthorityDocuments
  /** On relays that keep descriptors of onion services. */
  readonly hsDir?: HsDirServer
  /** The node's own documents, which it may not hold in its cache. */
  readonly own?: () => { readonly descriptor?: string; readonly extraInfo?: string; readonly certificate?: AuthorityCertificate }
}

/** What a resource is: texts one behind the other, or a refusal. */
type Answer =
  | {
      readonly status: 200
      readonly texts: readonly string[]
      readonly lifetime: DurationMs
      readonly modified?: WallMs
      /** What many ask for is kept compressed under this name. */
      readonly keptAs?: string
      readonly headers?: readonly HttpHeader[]
    }
  | { readonly status: number; readonly reason: string }

const refuse = (status: number, reason = reasonFor(status)): Answer => ({ status, reason })

/** How long clients may keep each kind of document: C tor's `*_CACHE_LIFETIME`. */
const lifetimes = Object.freeze({ vote: minutes(5), robots: days(1), keys: minutes(5), descriptors: minutes(30), microdescriptors: hours(48), signatures: minutes(5) })

/** A consensus this long past its valid-until is not served: C tor's `REASONABLY_LIVE_TIME`. */
const servedAfterExpiry = hours(24)

export class DirServer {
  readonly #runtime: Runtime
  readonly #cache: DirCache
  readonly #waits: ConsensusWaits | undefined
  readonly #history: ConsensusHistory | undefined
  readonly #authority: AuthorityDocuments | undefined
  readonly #hsDir: HsDirServer | undefined
  readonly #own: NonNullable<DirServerOptions['own']>
  /** Compressed bodies of large texts, which many ask for. */
  readonly #compressed = new Map<string, Uint8Array>()

  constructor(options: DirServerOptions) {
    this.#runtime = options.runtime
    this.#cache = options.cache
    this.#waits = options.waits
    this.#history = options.history
    this.#authority = options.authority
    this.#hsDir = options.hsDir
    this.#own = options.own ?? (() => ({}))
  }

  /** See `DirResponder`. */
  hold(request: HttpRequest, onOver: () => void): { cancel(): void } | undefined {
    return this.#waits?.hold(request, onOver)
  }

  /** `from`: where the request came from, if that is known. `anonymous`: it came through a circuit of several hops, so that `from` is not the client. */
  handle(request: HttpRequest, from: SocketAddress | undefined, anonymous = false): HttpResponse {
    const response = this.#respond(request, from, anonymous)
    this.#runtime.trace?.emit({ event: 'directory.serve', method: request.method, target: request.target.slice(0, TRACED_TARGET_CHARS), from: from?.host, status: response.status, bytes: response.body?.length ?? 0 })
    return response
  }

  #respond(request: HttpRequest, from: SocketAddress | undefined, anonymous: boolean): HttpResponse {
    const hs = this.#hsDir?.handle(request, anonymous)
    if (hs !== undefined) return { ...this.#plain(hs.status, hs.reason, from), body: latin1Encode(hs.body ?? '') }
    if (request.method === 'GET') return this.#get(request, from)
    if (request.method === 'POST') return this.#post(request, from)
    return this.#plain(405, reasonFor(405), from)
  }

  #get(request: HttpRequest, from: SocketAddress | undefined): HttpResponse {
    const resource = parseDirUrl(request.target)
    const answer = this.#answer(resource, request)
    if (!('texts' in answer)) return this.#plain(answer.status, answer.reason, from)
    if (answer.modified !== undefined && isNotNewer(answer.modified, headerOf(request, 'if-modified-since'))) {
      return this.#plain(304, reasonFor(304), from)
    }
    const coding = chooseCoding(headerOf(request, 'accept-encoding'), (request.target.split('?')[0] ?? '').endsWith('.z'), codingsToUse(this.#runtime.variesByPlatform))
    const body = this.#encoded(answer.texts, coding, answer.keptAs === undefined ? undefined : `${answer.keptAs} ${coding}`)
    const now = this.#runtime.wallNow()
    return {
      status: 200,
      reason: reasonFor(200),
      headers: [
        ...this.#commonHeaders(from),
        { name: 'Content-Type', value: coding === 'identity' ? 'text/plain' : 'application/octet-stream' },
        { name: 'Content-Encoding', value: coding },
        { name: 'Expires', value: new Date(now + answer.lifetime).toUTCString() },
        ...(answer.headers ?? []),
      ],
      body,
    }
  }

  #post(request: HttpRequest, from: SocketAddress | undefined): HttpResponse {
    const authority = this.#authority
    if (authority === undefined) return this.#plain(403, 'Not an authority', from)
    const text = latin1Decode(request.body)
    const path = request.target.split('?')[0] ?? ''
    if (path === '/tor/') return this.#uploaded(authority.receiveDescriptors(text, from), from)
    if (path === '/tor/post/vote') return this.#uploaded(authority.receiveVote(text, from), from)
    if (path === '/tor/post/consensus-signature') return this.#uploaded(authority.receiveSignatures(text, from), from)
    return this.#plain(404, reasonFor(404), from)
  }

  #uploaded(result: { status: number; reason: string }, from: SocketAddress | undefined): HttpResponse {
    // The reason goes on one line of the response.
    return this.#plain(result.status, result.reason.replace(/[\r\n\0]+/g, ' ').slice(0, 200), from)
  }

  #answer(resource: DirResource, request: HttpRequest): Answer {
    switch (resource.kind) {
      case 'consensus':
        return this.#consensus(resource, headerOf(request, 'x-or-diff-from-consensus'))
      case 'pending-consensus':
        if (resource.flavour !== 'ns' && resource.flavour !== 'microdesc') return refuse(404)
        return found(this.#authority?.pendingConsensus(resource.flavour), lifetimes.vote)
      case 'pending-signatures':
        return found(this.#authority?.detachedSignatures(), lifetimes.signatures)
      case 'own-vote':
        return found(this.#authority?.ownVote(resource.period), lifetimes.vote)
      case 'vote-by-identity':
        return several(resource.names.map((name) => this.#authority?.voteByIdentity(resource.period, name)), lifetimes.vote)
      case 'vote-by-digest':
        return several(resource.names.map((name) => this.#authority?.voteByDigest(resource.period, name)), lifetimes.vote)
      case 'bandwidth-file':
        return found(this.#authority?.bandwidthFile(resource.period), lifetimes.vote)
      case 'descriptors':
        if (resource.which === 'own') return found(this.#own().descriptor, lifetimes.descriptors)
        return several([...this.#cache.serverDescriptors()].map((one) => one.text), lifetimes.descriptors)
      case 'descriptors-by': {
        const find = (name: string): string | undefined =>
          resource.key === 'digest' ? this.#cache.serverDescriptor(name)?.text : this.#cache.serverDescriptorOf(name)?.text
        return several(resource.names.map(find), lifetimes.descriptors)
      }
      case 'extra-info':
        if (resource.which === 'own') return found(this.#own().extraInfo, lifetimes.descriptors)
        return several([...this.#cache.extraInfos()].map((one) => one.text), lifetimes.descriptors)
      case 'extra-info-by': {
        const find = (name: string): string | undefined => (resource.key === 'digest' ? this.#cache.extraInfo(name)?.text : this.#cache.extraInfoOf(name)?.text)
        return several(resource.names.map(find), lifetimes.descriptors)
      }
      case 'microdescriptors-by':
        return several(resource.names.map((name) => this.#cache.microdescriptor(name)?.text), lifetimes.microdescriptors)
      case 'microdescriptors-all':
        return several([...this.#cache.microdescriptors()].map((held) => held.document.text), lifetimes.microdescriptors)
      case 'certificates':
      case 'certificates-by':
      case 'certificates-by-pair':
        return this.#certificates(resource)
      case 'robots':
        return { status: 200, texts: ['User-agent: *\r\nDisallow: /\r\n'], lifetime: lifetimes.robots }
      case 'unknown':
        return refuse(404)
      case 'malformed':
        return refuse(400)
    }
  }

  #consensus(resource: Extract<DirResource, { kind: 'consensus' }>, diffFromHeader: string | undefined): Answer {
    const { flavour, signers } = resource
    if (flavour !== 'ns' && flavour !== 'microdesc') return refuse(404)
    const consensus = this.#cache.consensus(flavour)
    const now = this.#runtime.wallNow()
    if (consensus === undefined) return refuse(404)
    const bases = resource.diffFrom === undefined ? parseDiffBases(diffFromHeader) : [resource.diffFrom]
    if (bases.some((digest) => this.#history?.isCurrent(flavour, digest) === true)) return refuse(304)
    const diff = this.#history?.diffFrom(flavour, bases)
    if (diff === undefined && resource.diffFrom !== undefined) return refuse(404, 'No such diff available')
    if (consensus.validUntil + servedAfterExpiry < now) return refuse(404, 'Consensus is too old')
    // dir-spec §4.4: more than half of the authorities that the client names must have signed.
    if (signers.length > 0 && countSigners(consensus, signers) <= signers.length / 2) return refuse(404, 'Consensus not signed by sufficient number of requested authorities')
    const left = Math.max(consensus.freshUntil - now, minutes(1)) as DurationMs
    const text = diff?.text ?? consensus.text
    return {
      status: 200,
      texts: [text],
      lifetime: left,
      modified: consensus.validAfter,
      keptAs: `${flavour} ${consensus.validAfter} ${consensus.text.length} ${diff?.from ?? ''}`,
      headers: [{ name: 'Vary', value: 'X-Or-Diff-From-Consensus' }],
    }
  }

  #certificates(resource: Extract<DirResource, { kind: 'certificates' | 'certificates-by' | 'certificates-by-pair' }>): Answer {
    const own = this.#own().certificate
    const all = [...this.#cache.certificates()]
    if (own !== undefined && !all.some((one) => one.text === own.text)) all.push(own)
    const wanted = (one: AuthorityCertificate): boolean => {
      if (resource.kind === 'certificates') return resource.which === 'all' || one === own || one.text === own?.text
      if (resource.kind === 'certificates-by') return resource.names.includes(resource.key === 'identity' ? one.identityFingerprint : one.signingKeyFingerprint)
      return resource.pairs.some((pair) => pair.identity === one.identityFingerprint && pair.signingKey === one.signingKeyFingerprint)
    }
    const chosen = all.filter(wanted)
    if (chosen.length === 0) return refuse(404)
    const modified = Math.max(...chosen.map((one) => one.published)) as WallMs
    return { status: 200, texts: chosen.map((one) => one.text), lifetime: lifetimes.keys, modified }
  }

  #encoded(texts: readonly string[], coding: ContentCoding, key: string | undefined): Uint8Array {
    const kept = key === undefined ? undefined : this.#compressed.get(key)
    if (kept !== undefined) return kept
    const text = texts.join('')
    const body = coding === 'identity' ? latin1Encode(text) : compressText(this.#runtime, coding, text)
    if (key !== undefined && coding !== 'identity') {
      const oldest = this.#compressed.keys().next()
      if (this.#compressed.size >= DIR_COMPRESSED_KEPT && oldest.done !== true) this.#compressed.delete(oldest.value)
      this.#compressed.set(key, body)
    }
    return body
  }

  #plain(status: number, reason: string, from: SocketAddress | undefined): HttpResponse {
    return { status, reason, headers: this.#commonHeaders(from), body: new Uint8Array(0) }
  }

  /** dir-spec §4: the time, by which peers notice their clock is wrong, and the address we see them at. */
  #commonHeaders(from: SocketAddress | undefined): HttpHeader[] {
    const date = { name: 'Date', value: new Date(this.#runtime.wallNow()).toUTCString() }
    // Like C tor, we say nothing to neighbours, whose address may be that of a gateway.
    return from === undefined || isPrivateIp(from.host) ? [date] : [date, { name: 'X-Your-Address-Is', value: from.host }]
  }
}

function found(text: string | undefined, lifetime: DurationMs): Answer {
  return text === undefined ? refuse(404) : { status: 200, texts: [text], lifetime }
}

/** Those that are there; 404 when none is. */
function several(texts: readonly (string | undefined)[], lifetime: DurationMs): Answer {
  const held = texts.filter((text) => text !== undefined)
  return held.length === 0 ? refuse(404) : { status: 200, texts: held, lifetime }
}

/**
 * The digests of a client's consensuses, upper-case hex; what is none is ignored.
 * SPEC-DIFF: dir-spec §4.5.2 separates them with commas, C tor with spaces.
 */
function parseDiffBases(header: string | undefined): string[] {
  if (header === undefined) return []
  return header
    .split(/[\s,]+/, DIR_DIFF_BASES_MAX)
    .filter((word) => /^[0-9A-Fa-f]{64}$/.test(word))
    .map((word) => word.toUpperCase())
}

function countSigners(consensus: Consensus, prefixes: readonly string[]): number {
  return prefixes.filter((prefix) => consensus.signatures.some((signature) => signature.identityFingerprint.startsWith(prefix))).length
}

/** HTTP dates have whole seconds. A date we cannot read asks for nothing. */
function isNotNewer(modified: WallMs, ifModifiedSince: string | undefined): boolean {
  if (ifModifiedSince === undefined) return false
  const since = Date.parse(ifModifiedSince)
  return Number.isFinite(since) && modified <= since
}

