/**
 * A trace as lanes for comparison: sequences of events that belong together and have an order of their own, each event as
 * a text without what says nothing about behaviour. A lane is one node's links, exchanges and decisions, or one circuit.
 *
 * Left out always: numbers that nodes give (channels, circuit and stream ids), ports, keys, digests. Where the two traces
 * do not have the same keys, relays stand for each other, too: chance chooses by the order of fingerprints, so that
 * another key makes another relay of the same role the choice. Then relays go by their role, and which of them have links
 * with each other is not compared.
 */

import type { Circuit, JoinedTrace } from './join.ts'
import { nodeRecord, type NodeRecord, type TraceRecord } from './schema.ts'
import { runText } from './words.ts'

export interface LaneEvent {
  /** Microseconds since the trace began. */
  readonly t: number
  /** What happened, comparable. */
  readonly token: string
  /** Where. */
  readonly node: string
}

export interface Lane {
  /** `node auth1`, `circuit client1#3`. */
  readonly name: string
  /** Lanes with the same key are candidates for each other. */
  readonly key: string
  readonly beganAt: number
  readonly events: readonly LaneEvent[]
}

export interface LaneRules {
  /** Whether relays keep their names. */
  readonly named: boolean
}

/** Lanes of nodes, then of circuits in the order in which they began. */
export function lanesOf(trace: JoinedTrace, rules: LaneRules): Lane[] {
  const naming = new Naming(trace, rules.named)
  const byNode = new Map<string, LaneEvent[]>(trace.nodes.map((node) => [node.name, []]))
  for (const record of trace.records) {
    if (!rules.named && record.event.startsWith('link.')) continue
    const token = nodeToken(record, naming)
    if (token !== undefined) byNode.get(record.node)?.push({ t: record.t, token, node: record.node })
  }
  const nodes = [...byNode].map(([node, events]): Lane => ({ name: `node ${node}`, key: `node ${node}`, beganAt: 0, events }))
  const circuits = trace.circuits.filter((circuit) => circuit.origin.isOrigin).map((circuit) => circuitLane(trace, circuit, naming, rules))
  return [...nodes, ...circuits]
}

class Naming {
  readonly #trace: JoinedTrace
  readonly #named: boolean
  readonly #roles: ReadonlyMap<string, string>

  constructor(trace: JoinedTrace, named: boolean) {
    this.#trace = trace
    this.#named = named
    this.#roles = new Map(trace.nodes.map((node) => [node.name, node.role]))
  }

  /** Of a node by name, as seen by somebody else. */
  node(name: string): string {
    if (this.#named) return name
    const role = this.#roles.get(name)
    // Authorities relay like any relay.
    return role === undefined ? 'somebody' : role === 'client' ? 'a client' : role === 'exit' ? 'an exit' : 'a relay'
  }

  fingerprint(fingerprint: string): string {
    return this.node(this.#trace.nameOf(fingerprint))
  }
}

/** Undefined: not compared, or part of a circuit's lane. */
function nodeToken(record: TraceRecord, naming: Naming): string | undefined {
  const known = nodeRecord(record)
  if (known === undefined) return ownerToken(record)
  switch (known.event) {
    case 'link.open':
      return `link open: ${known.fingerprint === undefined ? 'a peer without a name' : naming.fingerprint(known.fingerprint)}, link protocol ${known.linkProtocol}`
    case 'link.failed':
      return `link failed: ${naming.fingerprint(known.fingerprint)}`
    case 'link.close':
      return `link closed: ${known.reason}`
    case 'directory.ask':
      return `asks ${naming.node(known.directory)}: ${known.method} ${plainTarget(known.target)}`
    case 'directory.answer':
      return `answered ${known.status} by ${naming.node(known.directory)}: ${known.method} ${plainTarget(known.target)}`
    case 'directory.failed':
      return `not answered by ${naming.node(known.directory)}: ${known.method} ${plainTarget(known.target)}`
    case 'directory.diff':
      return `applied a ${known.flavour} consensus diff`
    case 'decision.flags':
      return `votes for ${known.nickname}: ${[...known.flags].sort().join(' ')}`
    case 'decision.thresholds':
      return `votes on ${known.relays} relays`
    case 'cell.dropped':
      return `dropped ${known.command}`
    case 'node.identity':
      return `is ${known.roles.join(', ')}`
    default:
      return undefined
  }
}

function ownerToken(record: TraceRecord): string | undefined {
  switch (record.event) {
    case 'node.stage':
      return `stage ${String(record['stage'])}`
    case 'node.consensus':
      return `holds a ${String(record['flavour'])} consensus of ${String(record['relays'])} relays with ${String(record['signatures'])} signatures`
    case 'node.warning':
      return `warns: ${withoutNoise(String(record['message']))}`
    case 'node.setback':
      return 'setback'
    case 'node.stopped':
      return `stopped: ${withoutNoise(String(record['reason']))}`
    default:
      return record.event.startsWith('fault.') || record.event.startsWith('invariant.') ? `${record.event} ${withoutNoise(JSON.stringify({ ...record, t: undefined, node: undefined, event: undefined }))}` : undefined
  }
}

function circuitLane(trace: JoinedTrace, circuit: Circuit, naming: Naming, rules: LaneRules): Lane {
  const events: LaneEvent[] = []
  const streams = new Map<number, number>()
  const streamName = (stream: number): number => {
    const known = streams.get(stream)
    if (known !== undefined) return known
    streams.set(stream, streams.size + 1)
    return streams.size
  }
  const records = circuit.parts.flatMap((part, depth) => part.records.map((record, index) => ({ record, depth, index })))
  // The sort is stable: what happens at one moment keeps its order, from the origin on.
  records.sort((a, b) => a.record.t - b.record.t)
  // How far documents can be compressed depends on the keys in them.
  const isCounted = rules.named || circuit.purpose !== 'directory'
  let open: { event: LaneEvent; head: string; count: number } | undefined
  for (const { record, depth } of records) {
    const where = depth === 0 ? 'origin' : `hop ${depth}`
    if ((record.event === 'relay.sent' || record.event === 'relay.received') && record.command === 'DATA') {
      // How data falls into batches is the link's affair: a run goes on until something else happens.
      const head = `${where} ${record.event === 'relay.sent' ? 'sends' : 'receives'} DATA, stream ${streamName(record.stream)}`
      const count = record.count ?? 1
      if (open?.head === head) {
        open.count += count
        open.event = { ...open.event, token: isCounted ? `${head} ×${open.count}` : head }
        events[events.length - 1] = open.event
      } else {
        open = { event: { t: record.t, token: isCounted ? `${head} ×${count}` : head, node: record.node }, head, count }
        events.push(open.event)
      }
      continue
    }
    const token = circuitToken(trace, record, naming, streamName)
    if (token === undefined) continue
    open = undefined
    events.push({ t: record.t, token: `${where} ${token}`, node: record.node })
  }
  return { name: `circuit ${circuit.id}`, key: `circuit of ${circuit.origin.node}, ${circuit.purpose}, ${circuit.path.length} hops`, beganAt: circuit.beganAt, events }
}

function circuitToken(trace: JoinedTrace, record: NodeRecord, naming: Naming, streamName: (stream: number) => number): string | undefined {
  switch (record.event) {
    case 'circuit.begin':
      return `begins (${record.purpose}): ${record.path.map((one) => naming.fingerprint(one)).join(', ')}`
    case 'circuit.created':
      return record.fast ? 'answers CREATE_FAST' : 'answers CREATE2'
    case 'circuit.extend':
      return `is to extend to ${naming.fingerprint(record.target)}`
    case 'circuit.extended':
      return `has ${record.hops} hops`
    case 'circuit.open':
      return 'is open'
    case 'circuit.cut':
      return `loses its ${record.side} link: ${record.reason}`
    case 'circuit.close':
      return `does not need it any more: ${record.reason}`
    case 'circuit.closed':
      return `closed: ${record.reason}${record.remote === true ? ', said by the other side' : ''}`
    case 'stream.begin':
      return `stream ${streamName(record.stream)} begins: ${record.kind} ${withoutNoise(record.target)}`
    case 'stream.connected':
      return `stream ${streamName(record.stream)} is connected`
    case 'stream.close':
      return `stream ${streamName(record.stream)} closed: ${record.reason}${record.remote ? ', said by the other side' : ''}`
    case 'relay.sent':
    case 'relay.received': {
      const { command, stream, length, body } = record
      const to = (body?.['to'] as { readonly fingerprint?: string } | undefined)?.fingerprint
      const rest = body === undefined ? undefined : { ...body, ...(body['to'] === undefined ? {} : { to: to === undefined ? undefined : { fingerprint: to } }) }
      const run = { command, stream: 0, length, count: record.count ?? 1, body: to === undefined ? rest : undefined, from: record.node, to: undefined, direction: record.direction } as const
      const words = to === undefined ? withoutNoise(runText(trace, run, run.count)) : `${command} to ${naming.fingerprint(to)} ${String(body?.['handshake'])}`
      return `${record.event === 'relay.sent' ? 'sends' : 'receives'} ${words}${stream === 0 ? '' : `, stream ${streamName(stream)}`}`
    }
    case 'relay.unrecognized':
      return `does not recognise ${record.count} cells`
    default:
      return undefined
  }
}

/** Ports, keys and digests out. */
export const withoutNoise = (text: string): string =>
  text.replace(/\b[0-9A-Fa-f]{40,}\b/g, 'KEY').replace(/\b[A-Za-z0-9+/]{43}=?/g, 'KEY').replace(/(\d{1,3}(?:\.\d{1,3}){3}|\][^\s:]?|[a-z0-9.-]+\.[a-z]+):\d{2,5}\b/g, '$1:PORT').replace(/\b127\.\d+\.\d+\.\d+\b/g, 'ADDRESS').replace(/-\d+-\d+\./g, '-N.')

/** What is asked for, without which ones. */
const plainTarget = (target: string): string => target.replace(/(\/tor\/[a-z-]+\/(?:d|fp|fp-sk|sha1)\/).*/, '$1…').replace(/\b[0-9A-Fa-f]{6,}(?:[+-][0-9A-Fa-f]{6,})*/g, 'KEYS')
