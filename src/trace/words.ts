/** Events of a trace in words: one line each, for people. */

import type { CellRun, Crossing, JoinedTrace } from './join.ts'
import { nodeRecord, type NodeRecord, type TraceRecord } from './schema.ts'

/** `0.012345`: seconds since the trace began. */
export const timeText = (us: number): string => (us / 1e6).toFixed(6)

/** `340 µs`, `1.25 ms`, `3.40 s`. */
export function durationText(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`
  if (us < 1e6) return `${(us / 1000).toFixed(2)} ms`
  return `${(us / 1e6).toFixed(2)} s`
}

/** `DATA ×31 (15438 B), stream 7`. */
export function runText(trace: JoinedTrace, run: CellRun, count: number): string {
  const many = count > 1 ? ` ×${count}` : ''
  // The length is that of the whole run.
  const bytes = run.command === 'DATA' ? ` (${Math.round((run.length * count) / run.count)} B)` : ''
  const body = run.body === undefined ? '' : ` ${bodyText(trace, run.body)}`
  const stream = run.stream === 0 ? '' : `, stream ${run.stream}`
  return `${run.command}${many}${bytes}${body}${stream}`
}

/** What a crossing holds. */
export function crossingText(trace: JoinedTrace, crossing: Crossing): string {
  const { command, count, cells, body } = crossing
  const many = count > 1 ? ` ×${count}` : ''
  if (cells.length > 0) {
    const ends = new Set(cells.map(({ run }) => run.to))
    const to = [...ends][0]
    const forWhom = ends.size === 1 && to !== undefined && to !== crossing.to ? ` for ${to}` : ''
    return `${command}${many}: ${cells.map(({ run, count: part }) => runText(trace, run, part)).join('; ')}${forWhom}`
  }
  if (command === 'RELAY' || command === 'RELAY_EARLY') return `${command}${many}: enciphered`
  return `${command}${many}${body === undefined ? '' : ` ${bodyText(trace, body)}`}`
}

/** The fields of a decoded body, fingerprints replaced by names. */
export function bodyText(trace: JoinedTrace, body: Readonly<Record<string, unknown>>): string {
  const { to, ...rest } = body
  const target = to as { readonly fingerprint?: string } | undefined
  const words = target?.fingerprint === undefined ? [] : [`to ${trace.nameOf(target.fingerprint)}`]
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined) continue
    words.push(name === 'reason' || name === 'handshake' || name === 'target' ? String(value) : `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
  }
  return words.join(' ')
}

/** An event that is not a cell on a link. */
export function recordText(trace: JoinedTrace, record: TraceRecord): string {
  const known = nodeRecord(record)
  if (known !== undefined) return knownText(trace, known)
  const { t: _t, node: _node, event, ...details } = record
  const words = Object.entries(details).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  switch (event) {
    case 'node.stage':
      return `stage ${String(record['stage'])}${record['waitingFor'] === undefined ? '' : `; waits for ${String(record['waitingFor'])}`}`
    case 'node.waiting':
      return `waits for ${String(record['waitingFor'])}`
    case 'node.setback':
      return `setback: ${String(record['words'])}`
    case 'node.warning':
      return `warns: ${String(record['message'])}`
    case 'node.bootstrap':
      return `bootstrapped ${String(record['progress'])} %: ${String(record['summary'])}`
    case 'node.stopped':
      return `stopped: ${String(record['reason'])}`
    default:
      return `${event} ${words.join(' ')}`
  }
}

function knownText(trace: JoinedTrace, record: NodeRecord): string {
  const { nameOf } = trace
  const circuit = 'circuit' in record ? (trace.partOf.get(record)?.whole.id ?? `circuit ${record.circuit}`) : ''
  switch (record.event) {
    case 'link.dial':
      return `dials ${nameOf(record.fingerprint)} at ${record.to}`
    case 'link.failed':
      return `cannot reach ${nameOf(record.fingerprint)} at ${record.to}: ${record.error}`
    case 'link.begin':
      return `link ${record.channel} ${record.initiator ? 'to' : 'from'} ${record.remote} begins its handshake`
    case 'link.open':
      return `link ${record.channel} is open: ${record.fingerprint === undefined ? 'a peer that does not say who it is' : nameOf(record.fingerprint)}, link protocol ${record.linkProtocol}`
    case 'link.close':
      return `link ${record.channel} is closed: ${record.reason}${record.error === undefined ? '' : `, ${record.error}`}; ${record.bytesRead} B in, ${record.bytesWritten} B out`
    case 'cell.sent':
    case 'cell.received':
    case 'cell.dropped':
      return `${record.event.slice(5)} ${record.command}${record.count === undefined ? '' : ` ×${record.count}`} on link ${record.channel}, circuit id ${record.circId}`
    case 'relay.sent':
    case 'relay.received': {
      const run: CellRun = { ...record, count: record.count ?? 1, body: record.body, from: record.node, to: undefined }
      const verb = record.event === 'relay.sent' ? 'sends' : 'recognises, digest ok:'
      return `${circuit}: ${verb} ${runText(trace, run, run.count)}`
    }
    case 'relay.passed':
      return `${circuit}: ${record.direction === 'forward' ? 'takes its layer off' : 'puts its layer on'} ${record.count === 1 ? 'a cell' : `${record.count} cells`}, not recognised, and passes ${record.count === 1 ? 'it' : 'them'} on`
    case 'relay.unrecognized':
      return `${circuit}: ${record.count} ${record.count === 1 ? 'cell is' : 'cells are'} nobody's: no digest holds`
    case 'circuit.begin':
      return `${circuit}: begins (${record.purpose}): ${record.path.map(nameOf).join(', ')}`
    case 'circuit.created':
      return `${circuit}: a circuit was made here${record.fast ? ', with CREATE_FAST' : ''}`
    case 'circuit.link':
      return `${circuit}: is ${record.circId} on link ${record.channel}`
    case 'circuit.extend':
      return `${circuit}: is to be extended to ${nameOf(record.target)}`
    case 'circuit.extended':
      return `${circuit}: has ${record.hops} ${record.hops === 1 ? 'hop' : 'hops'}`
    case 'circuit.open':
      return `${circuit}: is open`
    case 'circuit.cut':
      return `${circuit}: its link to the ${record.side} hop is gone: ${record.reason}`
    case 'circuit.joined':
      return `${circuit}: is joined with ${record.with}`
    case 'circuit.close':
      return `${circuit}: is not needed any more: ${record.reason}`
    case 'circuit.closed':
      return `${circuit}: closed${record.remote === true ? ' by the other side' : ''}, ${record.reason}${record.error === undefined ? '' : `: ${record.error}`}`
    case 'stream.begin':
      return `${circuit}: stream ${record.stream} begins: ${record.kind} ${record.target}`
    case 'stream.connected':
      return `${circuit}: stream ${record.stream} is connected${record.address === undefined ? '' : ` to ${record.address}`}`
    case 'stream.close':
      return `${circuit}: stream ${record.stream} closed${record.remote ? ' by the other side' : ''}: ${record.reason}`
    case 'directory.ask':
      return `asks ${record.directory}: ${record.method} ${record.target}`
    case 'directory.answer':
      return `${record.directory} answers ${record.status}, ${record.bytes} B after ${durationText(record.elapsedUs)}: ${record.method} ${record.target}`
    case 'directory.failed':
      return `gets no answer from ${record.directory}: ${record.method} ${record.target}: ${record.error}`
    case 'directory.diff':
      return `a diff of ${record.diffBytes} B makes a ${record.flavour} consensus of ${record.consensusBytes} B`
    case 'directory.serve':
      return `serves ${record.method} ${record.target}${record.from === undefined ? '' : ` to ${record.from}`}: ${record.status}, ${record.bytes} B`
    case 'decision.guard':
      return `${circuit}: guard ${nameOf(record.chosen)}: ${record.because} (of ${record.sample.map((one) => `${nameOf(one.fingerprint)} ${one.state}`).join('; ')})`
    case 'decision.path':
      return `${circuit}: path ${record.path.map(nameOf).join(', ')}: ${record.places.map((place) => placeText(trace, place)).join('; ')}`
    case 'decision.thresholds':
      return `votes on ${record.relays} relays with ${record.thresholds}`
    case 'decision.flags':
      return `votes for ${nameOf(record.fingerprint)}: ${record.flags.join(' ')}${record.missing.map((flag) => `; no ${flag.flag}: ${flag.because.filter((rule) => !rule.met).map((rule) => `${rule.rule} is ${rule.has}, needs ${rule.needs}`).join(', ')}`).join('')}`
    case 'node.identity':
      return `is ${record.roles.join(', ')}${record.fingerprint === undefined ? '' : ` ${record.fingerprint}`}, ${record.version}`
  }
}

/** `middle auth2, one of 3 with a share of 33 % (left out: 2 in the path already)`. */
export function placeText(trace: Pick<JoinedTrace, 'nameOf'>, place: { readonly place: string; readonly chosen: string; readonly candidates: number; readonly share: number; readonly excluded: Readonly<Record<string, number>> }): string {
  const left = Object.entries(place.excluded).map(([reason, count]) => `${count} ${reason}`)
  return `${place.place} ${trace.nameOf(place.chosen)}, one of ${place.candidates} with a share of ${(place.share * 100).toFixed(1)} %${left.length === 0 ? '' : ` (left out: ${left.join(', ')})`}`
}
