/**
 * Keeps a node supplied with directory documents: the consensuses its role needs, certificates, and the descriptors they
 * list. What comes goes to the `DirCache`, whose listeners hear of it.
 */

import type { TorOptions } from '../core/torrc/option-table.ts'
import type { Runtime } from '../runtime/index.ts'
import type { DirCache } from './dir-cache.ts'
import { ConsensusClient } from './dir-consensus-client.ts'
import { DescriptorClient } from './dir-descriptor-client.ts'
import type { DirSources } from './dir-sources.ts'

export class DirClient {
  readonly #consensuses: ConsensusClient
  readonly #descriptors: DescriptorClient | undefined

  /** `onConsensusFailure`: in words, why an attempt to get a consensus gave none. */
  constructor(runtime: Runtime, options: TorOptions, cache: DirCache, sources: DirSources, onConsensusFailure?: (words: string) => void) {
    const testing = options.TestingTorNetwork
    this.#consensuses = new ConsensusClient(runtime, cache, sources, testing, onConsensusFailure)
    if (options.FetchServerDescriptors) {
      this.#descriptors = new DescriptorClient(runtime, cache, sources, { testing, downloadExtraInfo: options.DownloadExtraInfo })
    }
  }

  start(): void {
    this.#consensuses.start()
    this.#descriptors?.start()
  }

  stop(): void {
    this.#consensuses.stop()
    this.#descriptors?.stop()
  }

  /** In words, what the consensus still needs; undefined when a live one is held. */
  waitingFor(): string | undefined {
    return this.#consensuses.waitingFor()
  }

  /** Descriptors of the usable kind: listed, and held. */
  counts(): { readonly wanted: number; readonly held: number } {
    return this.#descriptors?.counts() ?? { wanted: 0, held: 0 }
  }

  /** Asks for consensuses now. */
  fetchNow(): void {
    this.#consensuses.fetchNow()
  }
}
