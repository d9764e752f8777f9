/**
 * Recording in a process of its own: each node writes a file, the part of the trace that it knows of, and the parts are
 * merged afterwards (`merge-parts.ts`). Lines are gathered and written some at a time; a node that is killed loses the last
 * fraction of a second.
 *
 * Times are microseconds of the machine's monotonic clock, which all its processes share.
 */

import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { RelishError } from '../core/base/errors.ts'
import type { NodeTraceEvent, TraceSink, WorldTraceEvent } from '../runtime/trace.ts'
import { RECORDER_BUFFER_CHARS, RECORDER_BYTES_MAX, RECORDER_FLUSH_MS } from './limits.ts'
import { traceVersion } from './schema.ts'

export const partFormat = 'relish-trace-part'

/** Begins a part, and again each life of a node that goes on in the same file. */
export interface PartHeader {
  readonly format: typeof partFormat
  readonly version: typeof traceVersion
  /** The monotonic clock now, and the wall clock. */
  readonly clockUs: number
  readonly wallMs: number
}

export const monotonicUs = (): number => Math.round(Number(process.hrtime.bigint()) / 1000)

export class PartRecorder implements TraceSink {
  readonly #fd: number
  #lines: string[] = []
  #chars = 0
  #bytesLeft = RECORDER_BYTES_MAX
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /** Throws `local-io` when the file cannot be written. */
  constructor(path: string) {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      this.#fd = openSync(path, 'a', 0o600)
    } catch (cause) {
      throw new RelishError('local-io', `cannot write ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
    const header: PartHeader = { format: partFormat, version: traceVersion, clockUs: monotonicUs(), wallMs: Date.now() }
    // An earlier life may have ended in the midst of a line.
    this.#add(`\n${JSON.stringify(header)}`)
  }

  emit(event: NodeTraceEvent): void {
    this.#add(`{"t":${monotonicUs()},${JSON.stringify(event).slice(1)}`)
  }

  /** What the program around the node has to say. */
  record(event: WorldTraceEvent): void {
    this.#add(`{"t":${monotonicUs()},${JSON.stringify(event).slice(1)}`)
  }

  /** Writes what is left. */
  close(): void {
    if (this.#closed) return
    this.#flush()
    this.#closed = true
    closeSync(this.#fd)
  }

  #add(line: string): void {
    if (this.#closed || this.#bytesLeft <= 0) return
    this.#bytesLeft -= line.length + 1
    this.#lines.push(this.#bytesLeft > 0 ? line : `{"t":${monotonicUs()},"event":"trace.full","bytes":${RECORDER_BYTES_MAX}}`)
    this.#chars += line.length
    if (this.#chars >= RECORDER_BUFFER_CHARS) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), RECORDER_FLUSH_MS).unref()
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#lines.length === 0) return
    writeSync(this.#fd, `${this.#lines.join('\n')}\n`)
    this.#lines = []
    this.#chars = 0
  }
}
