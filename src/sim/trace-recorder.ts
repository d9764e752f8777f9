/**
 * The trace of a run: one canonical JSON line an event, hashed as it is written. Two runs are the same exactly if their
 * digests are. Every line has `t` (microseconds of virtual time), `node` and `event`.
 */

import { createHash, type Hash } from 'node:crypto'
import type { TraceEvent } from '../runtime/trace.ts'
import { canonicalJson } from './canonical-json.ts'
import { simLimits } from './limits.ts'

export interface TracedSegment {
  readonly bytes: number
  readonly connection: number
  readonly crc32: number
  /** `out`: from whoever dialled. */
  readonly direction: 'out' | 'back'
}

export class TraceRecorder {
  readonly #hash: Hash = createHash('sha256')
  readonly #nowUs: () => number
  readonly #sink: ((line: string) => void) | undefined
  #buffered: string[] = []
  #bufferedChars = 0
  #lines = 0

  /** `sink` gets every line, without the line feed. */
  constructor(nowUs: () => number, sink: ((line: string) => void) | undefined) {
    this.#nowUs = nowUs
    this.#sink = sink
  }

  get lines(): number {
    return this.#lines
  }

  record(node: string, event: TraceEvent): void {
    this.#write(canonicalJson({ ...event, node, t: this.#nowUs() }))
  }

  /** A chunk on its way: by far the most frequent event, hence written out by hand, in the same canonical form. */
  recordSegment(node: string, segment: TracedSegment): void {
    const { bytes, connection, crc32, direction } = segment
    this.#write(`{"bytes":${bytes},"connection":${connection},"crc32":${crc32},"direction":"${direction}","event":"net.segment","node":${JSON.stringify(node)},"t":${this.#nowUs()}}`)
  }

  #write(line: string): void {
    this.#lines++
    this.#buffered.push(line)
    this.#bufferedChars += line.length
    if (this.#bufferedChars > simLimits.traceBufferChars) this.#flush()
    this.#sink?.(line)
  }

  /** SHA-256 of all lines so far, each with its line feed, in hexadecimal. */
  digest(): string {
    this.#flush()
    return this.#hash.copy().digest('hex')
  }

  #flush(): void {
    if (this.#buffered.length === 0) return
    this.#hash.update(`${this.#buffered.join('\n')}\n`)
    this.#buffered = []
    this.#bufferedChars = 0
  }
}
