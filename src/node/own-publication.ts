/**
 * When a relay makes its descriptor anew and publishes it (dir-spec §2.1): once others can reach it, when the descriptor
 * says something that is not so any more, when it has grown old, when a consensus does without it, and when the clock was
 * set back so far that authorities would not take it. What it says is `relay.ts`'s affair, the uploads are `dir-publisher.ts`'s.
 */

import { hexEncodeUpper } from '../core/base/encoding.ts'
import { between, durationMs, hours, later, seconds, type DurationMs } from '../core/base/time.ts'
import type { Consensus } from '../core/netdoc/consensus.ts'
import type { RouterStatus } from '../core/netdoc/router-status.ts'
import type { ServerDescriptor } from '../core/netdoc/server-descriptor.ts'
import type { Runtime, Timer } from '../runtime/index.ts'
import type { Authority } from './authority.ts'
import type { DirCache } from './dir-cache.ts'
import { CLOCK_LOOK_INTERVAL } from './dir-limits.ts'
import type { DescriptorPublisher } from './dir-publisher.ts'
import { isTooFarAhead } from './own-descriptor.ts'
import type { Relay } from './relay.ts'
import { sharedMicrodescriptorsOf } from './shared-documents.ts'

/** A relay publishes anew at least so often (dir-spec §2.1). */
const republishInterval = hours(18)
/** Changes are published together, and not more often than authorities care to hear. */
const republishDelay = seconds(1)

export interface OwnPublicationParts {
  readonly runtime: Runtime
  readonly relay: Relay
  readonly cache: DirCache
  readonly authority: Authority | undefined
  /** Undefined when the relay is not to publish anything. */
  readonly publisher: DescriptorPublisher | undefined
  /** Nobody is left to be told. */
  readonly onPublished: () => void
}

export class OwnPublication {
  readonly #parts: OwnPublicationParts
  #timer: Timer | undefined

  constructor(parts: OwnPublicationParts) {
    this.#parts = parts
  }

  /** Others can reach this relay, or that is taken for granted. */
  begin(): void {
    if (!this.#resume()) this.#publish()
  }

  /** What was published is not so any more. What was never published goes out once others can reach us. */
  renewSoon(): void {
    if (this.#parts.relay.documents() !== undefined) this.#wait(republishDelay, () => this.#publish())
  }

  /** A consensus came, with what it says of this relay: maybe nothing, or that its descriptor is too old, though authorities had a voting interval to hear of it. */
  handleListing({ validAfter, freshUntil }: Consensus, listed: RouterStatus | undefined): void {
    const { relay, publisher } = this.#parts
    const published = relay.documents()?.descriptor.published
    if (publisher === undefined || published === undefined || later(published, between(validAfter, freshUntil)) > validAfter) return
    if (listed === undefined || listed.flags.has('StaleDesc')) this.renewSoon()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /**
   * After a restart: when the consensus in force lists this relay by a descriptor that still says what is so, the authorities
   * have it, and nothing needs to be published before its time.
   */
  #resume(): boolean {
    const { runtime, relay, cache, authority, onPublished } = this.#parts
    const own = hexEncodeUpper(relay.keys.rsaFingerprint)
    const descriptor = this.#listedDescriptor(own)
    const extraInfo = descriptor === undefined ? undefined : cache.extraInfoOf(own)
    if (descriptor === undefined || extraInfo === undefined) return false
    const isOld = later(descriptor.published, republishInterval) <= runtime.wallNow()
    const resumed = isOld ? undefined : relay.resumeDocuments({ descriptor, extraInfo })
    if (resumed === undefined) return false
    authority?.handleOwnDocuments(resumed.descriptor, resumed.extraInfo)
    onPublished()
    this.#watch()
    return true
  }

  /** The descriptor that the consensus in force lists this relay by, as Running. */
  #listedDescriptor(own: string): ServerDescriptor | undefined {
    const { runtime, cache } = this.#parts
    const consensus = cache.consensus('ns') ?? cache.consensus('microdesc')
    if (consensus === undefined || consensus.validUntil < runtime.wallNow()) return undefined
    const listed = consensus.relays.find((one) => one.fingerprint === own && one.flags.has('Running'))
    if (listed === undefined) return undefined
    if (listed.descriptorDigest !== undefined) return cache.serverDescriptor(hexEncodeUpper(listed.descriptorDigest))
    // This flavour says the one half of a descriptor, and names the microdescriptor that says the other.
    const newest = cache.serverDescriptorOf(own)
    const isSame =
      newest !== undefined &&
      newest.address === listed.address &&
      newest.orPort === listed.orPort &&
      newest.dirPort === listed.dirPort &&
      sharedMicrodescriptorsOf(runtime, newest).some(({ microdescriptor }) => microdescriptor.digestBase64 === listed.microdescriptorDigest)
    return isSame ? newest : undefined
  }

  #publish(): void {
    const { relay, cache, authority, publisher, onPublished } = this.#parts
    const { descriptor, extraInfo } = relay.renewDocuments()
    if (authority !== undefined) authority.handleOwnDocuments(descriptor, extraInfo)
    else {
      // For the next start.
      cache.addServerDescriptors([descriptor])
      cache.addExtraInfos([extraInfo])
    }
    publisher?.publish(descriptor.text, extraInfo.text)
    // An authority that is alone has told everybody.
    if (publisher?.waitingFor().length === 0) onPublished()
    this.#watch()
  }

  /** Descriptors have times of day, so that the clock says when one is old. It is looked at on the way: it may have been set. */
  #watch(): void {
    const due = this.#dueIn()
    this.#wait(durationMs(Math.min(due, CLOCK_LOOK_INTERVAL)), () => {
      if (this.#dueIn() > 0) this.#watch()
      else this.#publish()
    })
  }

  #dueIn(): DurationMs {
    const { relay, runtime } = this.#parts
    const published = relay.documents()?.descriptor.published
    const now = runtime.wallNow()
    if (published === undefined || isTooFarAhead(published, now)) return durationMs(0)
    return durationMs(Math.max(0, between(now, later(published, republishInterval))))
  }

  #wait(delay: DurationMs, act: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.#parts.runtime.setTimer(delay, act)
  }
}
