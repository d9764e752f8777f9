/** Makes one trace of the parts that nodes have recorded, in the order of time. */

import { mkdirSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { RelishError } from '../core/base/errors.ts'
import { Heap } from '../core/base/heap.ts'
import type { TraceNode } from '../runtime/trace.ts'
import { traceHeader } from './header.ts'
import { LineFile, writingTrace } from './line-file.ts'
import { badLine, linesOf, type FileLine } from './lines.ts'
import { partFormat, type PartHeader } from './recorder.ts'
import { traceVersion } from './schema.ts'

export interface MergeOptions {
  /** Holds `NODE.jsonl` for each node. */
  readonly folder: string
  readonly network: string
  readonly world: 'processes' | 'inline'
  readonly nodes: readonly TraceNode[]
  readonly output: string
}

export interface Merged {
  readonly events: number
  /** Lines that a node could not finish. */
  readonly cut: number
}

/** One node's part, at its next event. */
interface Part {
  readonly name: string
  readonly path: string
  readonly lines: Iterator<FileLine>
  t: number
  /** The event without its time: `"event":…}`. */
  rest: string
}

/** Throws `unavailable` when nothing was recorded, `bad-document` for a file that is no part, `local-io` when the trace cannot be written. */
export function mergeParts(options: MergeOptions): Merged {
  const { folder, output } = options
  const files = listParts(folder)
  const clocks: PartHeader[] = []
  let cut = 0
  const parts: Part[] = []
  for (const file of files) {
    const path = join(folder, file)
    const part: Part = { name: basename(file, '.jsonl'), path, lines: linesOf(path), t: 0, rest: '' }
    const first = advance(part, clocks, () => cut++)
    if (first) parts.push(part)
  }
  const [begin] = [...clocks].sort((a, b) => a.clockUs - b.clockUs)
  if (begin === undefined) throw new RelishError('unavailable', `no node has recorded anything in ${folder}`, { hint: 'start the network with --trace' })
  const heap = new Heap<Part>((a, b) => a.t < b.t)
  for (const part of parts) heap.push(part)
  writingTrace(output, () => mkdirSync(dirname(output), { recursive: true }))
  const merged = new LineFile(output)
  try {
    merged.write(JSON.stringify(traceHeader({ ...options, startMs: begin.wallMs })))
    let events = 0
    for (let part = heap.pop(); part !== undefined; part = heap.pop()) {
      merged.write(`{"t":${Math.max(0, part.t - begin.clockUs)},"node":${JSON.stringify(part.name)},${part.rest}`)
      events++
      if (advance(part, clocks, () => cut++)) heap.push(part)
    }
    return { events, cut }
  } finally {
    merged.close()
  }
}

function listParts(folder: string): string[] {
  try {
    return readdirSync(folder).filter((file) => file.endsWith('.jsonl')).sort()
  } catch {
    return []
  }
}

const eventLine = /^\{"t":(\d+),(.*\})$/

/** Goes to the part's next event. False at its end. */
function advance(part: Part, clocks: PartHeader[], onCut: () => void): boolean {
  for (;;) {
    const next = part.lines.next()
    if (next.done === true) return false
    const { text, number } = next.value
    if (text === '') continue
    const match = eventLine.exec(text)
    if (match !== null && isJson(text)) {
      part.t = Number(match[1])
      part.rest = match[2] as string
      return true
    }
    const header = asHeader(text)
    if (header !== undefined) clocks.push(header)
    // A node that was killed may have been in the midst of a line; anything else does not come from a node.
    else if (text.startsWith('{')) onCut()
    else throw badLine(part.path, number, 'this is not a part of a trace')
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function asHeader(text: string): PartHeader | undefined {
  if (!text.includes(partFormat) || !isJson(text)) return undefined
  const header = JSON.parse(text) as Partial<PartHeader>
  const isOurs = header.format === partFormat && header.version === traceVersion && typeof header.clockUs === 'number' && typeof header.wallMs === 'number'
  return isOurs ? (header as PartHeader) : undefined
}
