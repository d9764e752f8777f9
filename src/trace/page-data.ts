/** What the page of a trace shows, small enough to be part of it: texts once each, events as short lists. */

import type { Crossing, JoinedTrace } from './join.ts'
import { PAGE_MESSAGES_MAX } from './limits.ts'
import { nodeRecord, type TraceRecord } from './schema.ts'
import { crossingText, recordText } from './words.ts'

export interface PageData {
  readonly network: string
  readonly world: string
  readonly seed: string | undefined
  readonly program: string
  readonly durationUs: number
  readonly nodes: readonly { readonly name: string; readonly role: string }[]
  readonly circuits: readonly { readonly id: string; readonly purpose: string; readonly nodes: readonly number[]; readonly beganAt: number; readonly openAt: number | undefined; readonly closedAt: number | undefined; readonly reason: string | undefined }[]
  readonly texts: readonly string[]
  /** Time, travel in microseconds or -1, from, to, circuit or -1, text, kind, cells. */
  readonly messages: readonly (readonly [number, number, number, number, number, number, MessageKind, number])[]
  /** Time, node, circuit or -1, text. */
  readonly events: readonly (readonly [number, number, number, number])[]
  /** Messages that did not fit. */
  readonly omitted: number
}

/** 0 link handshake and padding, 1 making and ending circuits, 2 relay messages, 3 data. */
type MessageKind = 0 | 1 | 2 | 3

const eventsShown: readonly string[] = ['decision.guard', 'decision.path', 'decision.flags', 'circuit.begin', 'circuit.open', 'circuit.closed', 'stream.', 'directory.answer', 'directory.failed', 'link.open', 'link.failed', 'link.close', 'node.stage', 'node.setback', 'node.warning', 'node.stopped', 'fault.', 'invariant.', 'machine.crash']

/** `fromUs`, `toUs`: only what happened then. */
export function pageData(trace: JoinedTrace, { fromUs = 0, toUs = Number.POSITIVE_INFINITY }: { readonly fromUs?: number; readonly toUs?: number } = {}): PageData {
  const nodes: { name: string; role: string }[] = trace.nodes.map(({ name, role }) => ({ name, role }))
  const places = new Map(nodes.map((node, index) => [node.name, index]))
  const placeOf = (name: string): number => {
    const known = places.get(name)
    if (known !== undefined) return known
    nodes.push({ name, role: 'unknown' })
    places.set(name, nodes.length - 1)
    return nodes.length - 1
  }
  const texts = new TextTable()
  const circuits = trace.circuits.filter((circuit) => circuit.origin.isOrigin || circuit.parts.length > 1)
  const circuitPlaces = new Map(circuits.map((circuit, index) => [circuit, index]))
  const circuitOf = (crossing: Crossing): number => {
    const whole = crossing.segment?.upstream?.whole ?? crossing.segment?.downstream?.whole
    return whole === undefined ? -1 : (circuitPlaces.get(whole) ?? -1)
  }
  const wanted = trace.crossings.filter((crossing) => crossing.t >= fromUs && crossing.t <= toUs)
  const kept = wanted.slice(0, PAGE_MESSAGES_MAX)
  const messages = kept.map((crossing): PageData['messages'][number] => [
    crossing.t, crossing.receivedAt === undefined ? -1 : crossing.receivedAt - crossing.t, placeOf(crossing.from), placeOf(crossing.to), circuitOf(crossing),
    texts.place(crossingText(trace, crossing)), kindOf(crossing), crossing.count,
  ])
  const lastShown = kept.length < wanted.length ? (kept.at(-1)?.t ?? 0) : toUs
  const events = trace.records
    .filter((record) => record.t >= fromUs && record.t <= lastShown && eventsShown.some((kind) => record.event.startsWith(kind)) && places.has(record.node))
    .map((record): PageData['events'][number] => [record.t, placeOf(record.node), circuitPlace(trace, record, circuitPlaces), texts.place(recordText(trace, record))])
  const { header } = trace
  return {
    network: header.network, world: header.world, seed: header.seed, program: header.program,
    durationUs: Math.min(lastShown, trace.records.at(-1)?.t ?? 0),
    nodes,
    circuits: circuits.map((circuit) => ({
      id: circuit.id, purpose: circuit.purpose,
      nodes: circuit.parts.length > 1 ? circuit.parts.map((part) => placeOf(part.node)) : [circuit.origin.node, ...circuit.path].map(placeOf),
      beganAt: circuit.beganAt, openAt: circuit.openAt, closedAt: circuit.closedAt, reason: circuit.closeReason,
    })),
    texts: texts.all, messages, events, omitted: wanted.length - kept.length,
  }
}

function circuitPlace(trace: JoinedTrace, record: TraceRecord, places: ReadonlyMap<JoinedTrace['circuits'][number], number>): number {
  const known = nodeRecord(record)
  const part = known === undefined ? undefined : trace.partOf.get(known)
  return part === undefined ? -1 : (places.get(part.whole) ?? -1)
}

function kindOf(crossing: Crossing): MessageKind {
  if (crossing.cells.some(({ run }) => run.command === 'DATA')) return 3
  if (crossing.command.startsWith('RELAY')) return crossing.cells.some(({ run }) => run.command.startsWith('EXTEND')) ? 1 : 2
  return crossing.circId === 0 ? 0 : 1
}

class TextTable {
  readonly all: string[] = []
  readonly #places = new Map<string, number>()

  place(text: string): number {
    const known = this.#places.get(text)
    if (known !== undefined) return known
    this.#places.set(text, this.all.length)
    this.all.push(text)
    return this.all.length - 1
  }
}
