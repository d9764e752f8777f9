/**
 * Requests for a consensus that a directory does not have yet, from peers that would rather wait for it than ask again and
 * again: `Prefer: wait` (RFC 7240 §4.3), which nodes of a test network send while they have none. They are answered the
 * moment there is one. C tor neither sends that header nor heeds it: it gets and gives 404 at once.
 */

import { durationMs, type DurationMs } from '../core/base/time.ts'
import { headerOf, type HttpRequest } from '../core/dirhttp/message.ts'
import type { Runtime } from '../runtime/index.ts'
import type { DirCache } from './dir-cache.ts'
import { CONSENSUS_WAIT_MAX } from './dir-limits.ts'
import { parseDirUrl } from './dir-server-url.ts'

interface Waiting {
  readonly flavour: string
  readonly onOver: () => void
}

export class ConsensusWaits {
  readonly #runtime: Runtime
  readonly #cache: DirCache
  readonly #waiting = new Set<Waiting>()

  constructor(runtime: Runtime, cache: DirCache) {
    this.#runtime = runtime
    this.#cache = cache
    cache.listen({
      consensusChanged: ({ flavour }) => {
        for (const one of [...this.#waiting]) if (one.flavour === flavour) one.onOver()
      },
    })
  }

  /**
   * `onOver` is called once, later: when the consensus is there, or when the peer has waited as long as it would, and at most
   * `CONSENSUS_WAIT_MAX`. Undefined for a request to answer now. Waiting requests are as many as connections may be.
   */
  hold(request: HttpRequest, onOver: () => void): { cancel(): void } | undefined {
    const patience = patienceOf(request)
    if (patience === undefined || request.method !== 'GET') return undefined
    const resource = parseDirUrl(request.target)
    if (resource.kind !== 'consensus' || (resource.flavour !== 'ns' && resource.flavour !== 'microdesc')) return undefined
    if (this.#cache.consensus(resource.flavour) !== undefined) return undefined
    const cancel = (): void => {
      timer.cancel()
      this.#waiting.delete(waiting)
    }
    const waiting: Waiting = {
      flavour: resource.flavour,
      onOver: () => {
        cancel()
        onOver()
      },
    }
    const timer = this.#runtime.setTimer(patience, waiting.onOver)
    this.#waiting.add(waiting)
    return { cancel }
  }
}

/** How long the peer would wait; undefined when it says nothing of that. */
function patienceOf(request: HttpRequest): DurationMs | undefined {
  const seconds = /(?:^|[,;\s])wait=(\d{1,4})(?:[,;\s]|$)/.exec(headerOf(request, 'prefer') ?? '')?.[1]
  return seconds === undefined ? undefined : durationMs(Math.min(Number(seconds) * 1000, CONSENSUS_WAIT_MAX))
}
