/**
 * The consensuses a directory has held lately, compressed, in the data directory, and the diffs from them to the ones it
 * holds now (dir-spec §4.5). Diffs are made when first asked for.
 */

import { latin1Decode } from '../core/base/encoding.ts'
import { asRelishError } from '../core/base/errors.ts'
import { hours, wallMs, type WallMs } from '../core/base/time.ts'
import { decodeBody } from '../core/dirhttp/compression.ts'
import { NetworkParameters } from '../core/netdir/parameters.ts'
import type { Consensus, ConsensusFlavour } from '../core/netdoc/consensus.ts'
import type { Runtime } from '../runtime/index.ts'
import type { DirCache } from './dir-cache.ts'
import { DIR_CONSENSUSES_KEPT, DIR_DIFFS_KEPT } from './dir-limits.ts'
import { compressText, digestForDiffs, makeDiff } from './shared-documents.ts'

/** Not C tor's `diff-cache`, whose files have another format: it would warn of ours. */
const folder = 'past-consensuses'

/** One in the data directory, described by its name. */
interface PastConsensus {
  readonly flavour: ConsensusFlavour
  readonly validAfter: WallMs
  /** Upper-case hex of `digestAsSigned`. */
  readonly digest: string
}

interface Diff {
  readonly target: Consensus
  /** Undefined: there can be none. */
  readonly text: string | undefined
}

export class ConsensusHistory {
  readonly #runtime: Runtime
  readonly #cache: DirCache
  /** Oldest first. */
  #past: PastConsensus[]
  /** By flavour and digest of the base. */
  readonly #diffs = new Map<string, Diff>()
  /** Digest of each held consensus. */
  readonly #current = new Map<ConsensusFlavour, string>()

  constructor(runtime: Runtime, cache: DirCache) {
    this.#runtime = runtime
    this.#cache = cache
    this.#past = this.#readFolder()
    for (const flavour of ['ns', 'microdesc'] as const) {
      const held = cache.consensus(flavour)
      if (held !== undefined) this.#add(held)
    }
    cache.listen({ consensusChanged: (consensus) => this.#add(consensus) })
  }

  /** Whether this digest, upper-case hex, is that of the consensus held now. */
  isCurrent(flavour: ConsensusFlavour, digest: string): boolean {
    return this.#current.get(flavour) === digest
  }

  /** A diff to the held consensus from the first of `digests` that makes one possible. */
  diffFrom(flavour: ConsensusFlavour, digests: readonly string[]): { readonly text: string; readonly from: string } | undefined {
    const target = this.#cache.consensus(flavour)
    if (target === undefined) return undefined
    for (const from of digests) {
      const past = this.#past.find((one) => one.flavour === flavour && one.digest === from)
      const text = past === undefined || this.isCurrent(flavour, from) ? undefined : this.#diff(past, target)
      if (text !== undefined) return { text, from }
    }
    return undefined
  }

  #diff(past: PastConsensus, target: Consensus): string | undefined {
    const key = `${past.flavour} ${past.digest}`
    const kept = this.#diffs.get(key)
    // The held one may since have gained signatures, and so have another text.
    if (kept?.target === target) return kept.text
    const base = this.#read(past)
    const text = base === undefined ? undefined : makeDiff(this.#runtime, base, target.text)
    this.#diffs.delete(key)
    const oldest = this.#diffs.keys().next()
    if (this.#diffs.size >= DIR_DIFFS_KEPT && oldest.done !== true) this.#diffs.delete(oldest.value)
    this.#diffs.set(key, { target, text })
    return text
  }

  /** Kept from the beginning: when it is replaced, its text is gone from the cache. */
  #add(consensus: Consensus): void {
    const { flavour, validAfter } = consensus
    const one = { flavour, validAfter, digest: digestForDiffs(this.#runtime, consensus.text) }
    this.#current.set(flavour, one.digest)
    for (const [key, diff] of this.#diffs) if (diff.target.flavour === flavour) this.#diffs.delete(key)
    if (!this.#past.some((other) => other.digest === one.digest && other.validAfter === validAfter && other.flavour === flavour)) {
      this.#tolerate(() => this.#runtime.files.write(pathOf(one), compressText(this.#runtime, 'deflate', consensus.text)))
      this.#past.push(one)
    }
    this.#expire(consensus)
  }

  /** param-spec §5, max-consensus-age-to-cache-for-diff; in networks that vote often, as many as the limit says. */
  #expire(newest: Consensus): void {
    const oldest = this.#runtime.wallNow() - hours(new NetworkParameters(newest.params).get('max-consensus-age-to-cache-for-diff'))
    const { flavour } = newest
    const all = this.#past.filter((one) => one.flavour === flavour)
    const gone = new Set(all.filter((one, i) => one.validAfter < oldest || i < all.length - DIR_CONSENSUSES_KEPT))
    for (const one of gone) this.#tolerate(() => this.#runtime.files.remove(pathOf(one)))
    this.#past = this.#past.filter((one) => !gone.has(one))
  }

  #readFolder(): PastConsensus[] {
    const found: PastConsensus[] = []
    for (const name of this.#tolerate(() => this.#runtime.files.list(folder)) ?? []) {
      const match = /^(ns|microdesc)-(\d{1,13})-([0-9A-F]{64})$/.exec(name)
      if (match === null) continue
      found.push({ flavour: match[1] === 'ns' ? 'ns' : 'microdesc', validAfter: wallMs(Number(match[2])), digest: match[3] ?? '' })
    }
    return found.sort((a, b) => a.validAfter - b.validAfter)
  }

  #read(past: PastConsensus): string | undefined {
    return this.#tolerate(() => {
      const content = this.#runtime.files.read(pathOf(past))
      return content === undefined ? undefined : latin1Decode(decodeBody('deflate', content))
    })
  }

  /** Files that cannot be used cost a diff, which nobody needs. */
  #tolerate<T>(use: () => T): T | undefined {
    try {
      return use()
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      this.#runtime.log.write('info', 'dirserv', `Past consensuses: ${error.message}`)
      return undefined
    }
  }
}

function pathOf(one: PastConsensus): string {
  return `${folder}/${one.flavour}-${one.validAfter}-${one.digest}`
}
