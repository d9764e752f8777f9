/** `relish trace show`: what happened, one line each in the order of time; all of it, or what concerns one circuit, stream, node or link. */

import { RelishError } from '../core/base/errors.ts'
import type { Circuit, Crossing, JoinedTrace } from './join.ts'
import { nodeRecord, type TraceRecord } from './schema.ts'
import { crossingText, durationText, recordText, timeText } from './words.ts'

export interface ShowFilter {
  /** `client1#3`, or a number if only one origin has it. */
  readonly circuit?: string
  /** A stream's number, on the circuit if one is given. */
  readonly stream?: number
  readonly node?: string
  /** `A-B`. */
  readonly link?: string
  readonly fromUs?: number
  readonly toUs?: number
  /** Beginning of an event's name: `cell`, `circuit.open`, `decision`. */
  readonly kinds?: readonly string[]
}

export interface ShownLine {
  readonly t: number
  readonly node: string
  /** The other node, where something goes from one to the other. */
  readonly to?: string
  readonly event: string
  readonly circuit?: string
  readonly text: string
}

/** What is shown only when asked for: the world's bookkeeping, and what crossings say better. */
const onlyWhenAsked = ['net.', 'file.', 'relay.', 'cell.', 'circuit.link', 'node.waiting', 'decision.flags']

export function* show(trace: JoinedTrace, filter: ShowFilter): Generator<ShownLine> {
  const circuit = filter.circuit === undefined ? undefined : findCircuit(trace, filter.circuit)
  const link = filter.link === undefined ? undefined : splitLink(trace, filter.link)
  if (filter.node !== undefined && !trace.nodes.some((node) => node.name === filter.node)) throw unknown('node', filter.node, trace.nodes.map((node) => node.name))
  const { fromUs = 0, toUs = Number.POSITIVE_INFINITY } = filter
  for (const record of trace.records) {
    if (record.t > toUs) break
    if (record.t < fromUs) continue
    const known = record.event === 'cell.sent' ? nodeRecord(record) : undefined
    const crossing = known === undefined ? undefined : trace.crossingOf.get(known)
    if (crossing !== undefined) {
      if (wantsCrossing(crossing, filter, circuit, link)) yield crossingLine(trace, crossing)
    } else if (wantsRecord(trace, record, filter, circuit, link)) {
      yield recordLine(trace, record)
    }
  }
}

function wantsCrossing(crossing: Crossing, filter: ShowFilter, circuit: Circuit | undefined, link: readonly [string, string] | undefined): boolean {
  if (filter.kinds !== undefined && !filter.kinds.some((kind) => 'cell.sent'.startsWith(kind))) return false
  const { from, to, segment } = crossing
  if (circuit !== undefined && segment?.upstream?.whole !== circuit && segment?.downstream?.whole !== circuit) return false
  if (filter.stream !== undefined && !crossing.cells.some(({ run }) => run.stream === filter.stream)) return false
  if (filter.node !== undefined && from !== filter.node && to !== filter.node) return false
  return link === undefined || (from === link[0] && to === link[1]) || (from === link[1] && to === link[0])
}

function wantsRecord(trace: JoinedTrace, record: TraceRecord, filter: ShowFilter, circuit: Circuit | undefined, link: readonly [string, string] | undefined): boolean {
  const { event } = record
  // A crossing tells of both its ends.
  if (event === 'cell.received' && filter.kinds?.includes(event) !== true) return false
  if (filter.node !== undefined && record.node !== filter.node) return false
  const known = nodeRecord(record)
  const part = known === undefined ? undefined : trace.partOf.get(known)
  if (circuit !== undefined && part?.whole !== circuit) return false
  if (filter.stream !== undefined && (known === undefined || !('stream' in known) || known.stream !== filter.stream)) return false
  if (link !== undefined) {
    const names = known === undefined ? undefined : trace.endOf.get(known)?.link.names
    if (names === undefined || !names.includes(link[0]) || !names.includes(link[1])) return false
  }
  if (filter.kinds !== undefined) return filter.kinds.some((kind) => event.startsWith(kind))
  // One circuit is shown with what each hop does to its cells.
  if (circuit !== undefined) return event !== 'circuit.link'
  return !onlyWhenAsked.some((kind) => event.startsWith(kind))
}

function crossingLine(trace: JoinedTrace, crossing: Crossing): ShownLine {
  const circuit = crossing.segment?.upstream?.whole.id ?? crossing.segment?.downstream?.whole.id
  const travel = crossing.receivedAt === undefined ? ', not seen to arrive' : `, +${durationText(crossing.receivedAt - crossing.t)}`
  const where = circuit === undefined ? travel.slice(2) : `${circuit}${travel}`
  const dropped = crossing.dropped ? ', dropped there' : ''
  return { t: crossing.t, node: crossing.from, to: crossing.to, event: 'cell', ...(circuit === undefined ? {} : { circuit }), text: `${crossingText(trace, crossing)}  [${where}${dropped}]` }
}

function recordLine(trace: JoinedTrace, record: TraceRecord): ShownLine {
  const known = nodeRecord(record)
  const circuit = known === undefined ? undefined : trace.partOf.get(known)?.whole.id
  return { t: record.t, node: record.node, event: record.event, ...(circuit === undefined ? {} : { circuit }), text: recordText(trace, record) }
}

/** A line as it is printed; `width`: of the longest node name. */
export function formatLine(line: ShownLine, width: number): string {
  const who = line.to === undefined ? line.node.padEnd(2 * width + 3) : `${line.node.padEnd(width)} → ${line.to.padEnd(width)}`
  return `${timeText(line.t).padStart(11)}  ${who}  ${line.text}`
}

/** Throws `config` with the circuits that there are. */
export function findCircuit(trace: JoinedTrace, id: string): Circuit {
  const exact = trace.circuits.filter((one) => one.id === id || one.id === `?${id}`)
  const parts = trace.circuits.filter((one) => one.parts.some((part) => `${part.node}#${part.number}` === id))
  const byNumber = /^\d+$/.test(id) ? trace.circuits.filter((one) => one.origin.isOrigin && one.origin.number === Number(id)) : []
  const [found, another] = exact.length > 0 ? exact : parts.length > 0 ? parts : byNumber
  if (found === undefined || (another !== undefined && exact.length === 0)) throw unknown('circuit', id, (another === undefined ? trace.circuits : byNumber).map((one) => one.id))
  return found
}

/** The two names in `A-B`, which may have hyphens themselves. */
function splitLink(trace: JoinedTrace, text: string): readonly [string, string] {
  const names = new Set(trace.links.flatMap((link) => link.names))
  for (let at = text.indexOf('-'); at > 0; at = text.indexOf('-', at + 1)) {
    const pair = [text.slice(0, at), text.slice(at + 1)] as const
    if (names.has(pair[0]) && names.has(pair[1])) return pair
  }
  throw unknown('link', text, [...new Set(trace.links.map((link) => link.names.join('-')))])
}

function unknown(what: string, text: string, known: readonly string[]): RelishError {
  const shown = known.slice(0, 20)
  return new RelishError('config', `the trace has no ${what} ${text}`, { hint: known.length === 0 ? `it has no ${what}s` : `${what}s: ${shown.join(', ')}${known.length > shown.length ? ` and ${known.length - shown.length} more` : ''}` })
}
