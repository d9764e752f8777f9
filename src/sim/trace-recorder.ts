/**
 * The trace of a run: one JSON line an event, with `t` (microseconds of virtual time), `node` and `event`.
 *
 * What happens in the world (every byte on a wire, every file, what nodes tell of themselves) is in canonical JSON and
 * hashed as it is written: two runs are the same exactly if their digests are. What nodes record of their insides follows
 * from that, and is there only when somebody reads it: it does not count for the digest.
 */

import { createHash, type Hash } from 'node:crypto'
import type { NodeTraceEvent, TraceSink, WorldTraceEvent } from '../runtime/trace.ts'
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

  record(node: string, event: WorldTraceEvent): void {
    this.#write(canonicalJson({ ...event, node, t: this.#nowUs() }))
  }

  /** Where a node records of itself; undefined when nobody reads. */
  sinkFor(node: string): TraceSink | undefined {
    const sink = this.#sink
    if (sink === undefined) return undefined
    const begin = `,"node":${JSON.stringify(node)},`
    return { emit: (event: NodeTraceEvent) => sink(`{"t":${this.#nowUs()}${begin}${JSON.stringify(event).slice(1)}`) }
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
