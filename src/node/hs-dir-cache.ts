/**
 * Onion-service descriptors that this relay keeps for others, by blinded key (rend-spec-v3 §2.2.3, §2.4). Of each key the
 * descriptor with the greatest counter stays, as long as it asks for; when space runs out, those asked for least go.
 */

import { base64EncodeUnpadded } from '../core/base/encoding.ts'
import { RelishError } from '../core/base/errors.ts'
import { later, type WallMs } from '../core/base/time.ts'
import { parseHsDescriptorOuter, verifyHsDescriptorOuter } from '../core/netdoc/hs-descriptor-outer.ts'
import type { Runtime } from '../runtime/index.ts'
import { HS_DIR_ENTRY_BYTES, HS_DIR_SWEEP_INTERVAL } from './dir-limits.ts'

export interface HsDirCacheLimits {
  /** All descriptors together, in bytes. */
  bytesMax(): number
  /** `HSV3MaxDescriptorSize`. */
  descriptorBytesMax(): number
}

interface Entry {
  readonly text: string
  readonly revisionCounter: bigint
  readonly expires: WallMs
  /** How often it was asked for, over all revisions. */
  asked: number
}

export class HsDirCache {
  readonly #runtime: Runtime
  readonly #limits: HsDirCacheLimits
  /** By blinded key in unpadded base64. */
  readonly #entries = new Map<string, Entry>()
  #bytes = 0
  #sweepDue: WallMs

  constructor(runtime: Runtime, limits: HsDirCacheLimits) {
    this.#runtime = runtime
    this.#limits = limits
    this.#sweepDue = later(runtime.wallNow(), HS_DIR_SWEEP_INTERVAL)
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Throws `bad-document` or `bad-signature`, `limit` when it is too long, `refused` when what we have is no older. */
  store(text: string): void {
    const now = this.#runtime.wallNow()
    const longest = this.#limits.descriptorBytesMax()
    // As C tor has it, the limit itself is too long.
    if (text.length >= longest) throw new RelishError('limit', `the descriptor has ${text.length} bytes, fewer than ${longest} are taken`)
    const descriptor = verifyHsDescriptorOuter(parseHsDescriptorOuter(text), now)
    const name = base64EncodeUnpadded(descriptor.blindedKey)
    this.#sweep(now)
    const held = this.#held(name, now)
    // rend-spec-v3 §2.4: so that nobody brings back an older descriptor.
    if (held !== undefined && held.revisionCounter >= descriptor.revisionCounter) {
      throw new RelishError('refused', `revision ${held.revisionCounter} of this descriptor is held, ${descriptor.revisionCounter} was sent`)
    }
    this.#drop(name)
    this.#makeRoom(bytesOf(text))
    this.#entries.set(name, { text, revisionCounter: descriptor.revisionCounter, expires: later(now, descriptor.lifetime), asked: held?.asked ?? 0 })
    this.#bytes += bytesOf(text)
  }

  /** `blindedKey`: unpadded base64. */
  find(blindedKey: string): string | undefined {
    const entry = this.#held(blindedKey, this.#runtime.wallNow())
    if (entry !== undefined) entry.asked++
    return entry?.text
  }

  #held(name: string, now: WallMs): Entry | undefined {
    const entry = this.#entries.get(name)
    return entry === undefined || entry.expires <= now ? undefined : entry
  }

  #drop(name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    this.#bytes -= bytesOf(entry.text)
  }

  #sweep(now: WallMs): void {
    if (now < this.#sweepDue) return
    this.#sweepDue = later(now, HS_DIR_SWEEP_INTERVAL)
    for (const [name, entry] of this.#entries) if (entry.expires <= now) this.#drop(name)
  }

  /** Before a descriptor comes in, so that the new one is not what goes. A tenth more than needed goes, since sorting them all is dear. */
  #makeRoom(wanted: number): void {
    const bytesMax = this.#limits.bytesMax()
    if (this.#bytes + wanted <= bytesMax) return
    const target = Math.max(0, bytesMax * 0.9 - wanted)
    const before = this.#entries.size
    const byUse = [...this.#entries].sort(([, a], [, b]) => a.asked - b.asked)
    for (const [name] of byUse) {
      if (this.#bytes <= target) break
      this.#drop(name)
    }
    this.#runtime.log.write('notice', 'rend', `Descriptors of onion services take all the room they may: dropped ${before - this.#entries.size} of ${before}`)
  }
}

const bytesOf = (text: string): number => text.length + HS_DIR_ENTRY_BYTES
