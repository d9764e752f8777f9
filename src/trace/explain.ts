/**
 * `relish explain`, from a trace: why a node is not ready, why a circuit has its path and what became of it, why a relay
 * lacks a flag. The words are shared with explanations of a running network (`explain-words.ts`).
 */

import { RelishError } from '../core/base/errors.ts'
import { circuitSection, flagSection, type Section } from './explain-words.ts'
import type { Circuit, JoinedTrace } from './join.ts'
import { nodeRecord, type NodeRecord, type TraceRecord } from './schema.ts'
import { findCircuit } from './show.ts'
import { recordText, timeText } from './words.ts'

/** `subject`: a node, a circuit (`client1#3`) or a fingerprint. Throws `config` when the trace has no such thing. */
export function explainFromTrace(trace: JoinedTrace, subject: string): Section[] {
  if (/#/.test(subject)) return explainCircuit(trace, findCircuit(trace, subject))
  const fingerprint = subject.replace(/^\$/, '').toUpperCase()
  const node = trace.nodes.find((one) => one.name === subject || one.fingerprint === fingerprint)
  if (node === undefined) {
    throw new RelishError('config', `the trace has no node, circuit or relay ${subject}`, { hint: `nodes: ${trace.nodes.map((one) => one.name).join(', ')}; circuits: ${trace.circuits.slice(0, 8).map((one) => one.id).join(', ')}` })
  }
  const sections = [explainNode(trace, node.name)]
  if (node.fingerprint !== undefined) sections.push(...explainRelay(trace, node.fingerprint))
  const circuits = trace.circuits.filter((one) => one.origin.isOrigin && one.origin.node === node.name && one.path.length > 1)
  if (circuits.length > 0) sections.push({ heading: 'circuits', lines: circuits.slice(0, circuitsNamed).map(circuitLine) })
  return sections
}

const circuitsNamed = 20

function explainNode(trace: JoinedTrace, name: string): Section {
  const reached: string[] = []
  let waiting: string | undefined
  let setback: string | undefined
  let stopped: string | undefined
  const warnings: string[] = []
  for (const record of trace.records) {
    if (record.node !== name) continue
    switch (record.event) {
      case 'node.stage':
        if (record['stage'] === 'starting') reached.length = 0
        reached.push(`${String(record['stage'])} at ${timeText(record.t)} s`)
        waiting = text(record, 'waitingFor')
        setback = undefined
        stopped = undefined
        break
      case 'node.waiting':
        waiting = text(record, 'waitingFor')
        break
      case 'node.setback':
        setback = `${timeText(record.t)} s: ${text(record, 'words') ?? ''}`
        break
      case 'node.warning':
        warnings.push(`${timeText(record.t)} s: ${text(record, 'message') ?? ''}`)
        break
      case 'node.stopped':
        stopped = `${timeText(record.t)} s: ${text(record, 'reason') ?? ''}`
        break
      default:
    }
  }
  const isReady = reached.at(-1)?.startsWith('ready ') === true
  return {
    heading: `${name} ${reached.length === 0 ? 'has recorded no stage' : isReady ? 'became ready' : 'is not ready'}`,
    lines: [
      ...(reached.length === 0 ? [] : [`reached: ${reached.join(', ')}`]),
      ...(isReady || waiting === undefined ? [] : [`waits for ${waiting}`]),
      ...(isReady || setback === undefined ? [] : [`last attempt: ${setback}`]),
      ...(stopped === undefined ? [] : [`stopped at ${stopped}`]),
      ...warnings.slice(-3).map((words) => `warned at ${words}`),
    ],
  }
}

const text = (record: TraceRecord, field: string): string | undefined => (typeof record[field] === 'string' ? record[field] : undefined)

/** What each authority said of it in its last vote. */
function explainRelay(trace: JoinedTrace, fingerprint: string): Section[] {
  const last = new Map<string, Extract<NodeRecord, { event: 'decision.flags' }>>()
  const thresholds = new Map<string, string>()
  for (const record of trace.records) {
    const known = nodeRecord(record)
    if (known?.event === 'decision.flags' && known.fingerprint === fingerprint) last.set(known.node, known)
    if (known?.event === 'decision.thresholds') thresholds.set(known.node, known.thresholds)
  }
  return [...last].map(([authority, vote]) =>
    flagSection(authority, { thresholds: thresholds.get(authority) ?? '', flags: [...vote.flags.map((flag) => ({ flag, given: true, because: [] })), ...vote.missing] }),
  )
}

function explainCircuit(trace: JoinedTrace, circuit: Circuit): Section[] {
  const decided = circuit.origin.records
  const path = decided.find((record) => record.event === 'decision.path')
  const guard = decided.find((record) => record.event === 'decision.guard')
  const why = circuitSection(circuit.id, trace.nameOf, { kind: path?.kind ?? circuit.purpose, path: path?.path ?? [], ...(guard === undefined ? {} : { guard }), places: path?.places ?? [] }, circuit.path)
  const events = ['circuit.', 'stream.', 'relay.unrecognized']
  // A part's own share in its life, without the cells.
  const life = circuit.parts
    .flatMap((part) => part.records)
    .filter((record) => record.event !== 'circuit.link' && events.some((kind) => record.event.startsWith(kind)))
    .sort((a, b) => a.t - b.t)
  const shown = life.length <= eventsTold ? life : [...life.slice(0, eventsTold / 2), ...life.slice(-eventsTold / 2)]
  return [
    { ...why, lines: [circuitLine(circuit).replace(/^\S+: /, ''), ...why.lines] },
    { heading: 'what became of it', lines: shown.map((record) => `${timeText(record.t)} s  ${record.node}: ${recordText(trace, record).replace(`${circuit.id}: `, '')}`) },
  ]
}

const eventsTold = 40

function circuitLine(circuit: Circuit): string {
  const built = circuit.openAt === undefined ? 'never opened' : `open after ${timeText(circuit.openAt - circuit.beganAt)} s`
  const closed = circuit.closedAt === undefined ? '' : `, closed at ${timeText(circuit.closedAt)} s (${circuit.closeReason ?? ''})`
  return `${circuit.id}: ${circuit.purpose}, ${circuit.path.join(', ')}: begun at ${timeText(circuit.beganAt)} s, ${built}${closed}`
}
