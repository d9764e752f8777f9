/**
 * A trace put together across nodes: which two channels are one link, which circuits of which nodes are one circuit, and
 * what each relay cell on a link holds.
 *
 * A link is known by its two socket addresses, a circuit on it by its id there. What a cell holds is known where it begins
 * and where it ends; between these it is found by counting: links, circuits and relays keep the order of cells, so the
 * n-th cell that leaves one end is the n-th that arrives at the other, less those that ended on the way.
 */

import type { TraceDirection, TraceHeader } from '../runtime/trace.ts'
import type { Trace } from './read-trace.ts'
import { nodeRecord, type NodeRecord, type TraceRecord } from './schema.ts'

export interface JoinedNode {
  readonly name: string
  readonly role: string
  readonly host: string | undefined
  fingerprint: string | undefined
}

/** One end of a link, in one life of its node. */
export interface LinkEnd {
  readonly node: string
  readonly channel: number
  readonly initiator: boolean
  readonly local: string
  readonly remote: string
  link: Link
  openAt: number | undefined
  closedAt: number | undefined
  closeReason: string | undefined
  bytesWritten: number | undefined
}

export interface Link {
  readonly id: number
  readonly beganAt: number
  /** Whoever dialled, where that one records; then the other. */
  readonly ends: LinkEnd[]
  /** Names of the two nodes; the second is an address when its node does not record and is not known by it. */
  names: readonly [string, string]
}

/** Consecutive relay cells that are alike. */
export interface CellRun {
  readonly command: string
  readonly stream: number
  /** Bytes of data in all. */
  readonly length: number
  readonly count: number
  readonly body: Readonly<Record<string, unknown>> | undefined
  /** Node where they begin. */
  readonly from: string
  /** The node that recognised them; undefined until, or unless, they have arrived. */
  to: string | undefined
  readonly direction: TraceDirection
}

/** A circuit as one node has it. */
export class CircuitPart {
  readonly node: string
  readonly number: number
  readonly isOrigin: boolean
  /** The whole that it belongs to: one of its own until more is known. */
  whole: Circuit
  /** How many nodes lie between it and the origin, itself included: 0 at the origin. */
  depth = 0
  previous: Segment | undefined
  next: Segment | undefined
  readonly records: NodeRecord[] = []

  constructor(node: string, number: number, isOrigin: boolean, beganAt: number) {
    this.node = node
    this.number = number
    this.isOrigin = isOrigin
    const id = `${isOrigin ? '' : '?'}${node}#${number}`
    this.whole = { id, origin: this, parts: [this], purpose: '', path: [], beganAt, openAt: undefined, closedAt: undefined, closeReason: undefined }
  }
}

/** A circuit on one link. */
export interface Segment {
  readonly end: LinkEnd
  readonly circId: number
  upstream: CircuitPart | undefined
  downstream: CircuitPart | undefined
  readonly crossings: Crossing[]
}

/** Cells on their way from one node to the next. */
export interface Crossing {
  readonly t: number
  readonly from: string
  /** Undefined when the node at the other end is not known. */
  readonly to: string
  /** When the last of them arrived; undefined when that was not recorded. */
  receivedAt: number | undefined
  readonly link: Link
  readonly circId: number
  readonly command: string
  readonly count: number
  readonly body: Readonly<Record<string, unknown>> | undefined
  readonly segment: Segment | undefined
  readonly direction: TraceDirection | undefined
  /** What is in relay cells, as far as known. */
  cells: { readonly run: CellRun; readonly count: number }[]
  /** Some or all were thrown away on arrival. */
  dropped: boolean
}

/** A circuit from its origin to its last hop. */
export interface Circuit {
  /** `client1#3`: the origin and its own number of the circuit; `?` before the name where the origin does not record. */
  readonly id: string
  readonly origin: CircuitPart
  /** The parts, from the origin on. */
  readonly parts: CircuitPart[]
  purpose: string
  /** Names of the hops as planned. */
  path: readonly string[]
  readonly beganAt: number
  openAt: number | undefined
  closedAt: number | undefined
  closeReason: string | undefined
}

export interface JoinedTrace {
  readonly header: TraceHeader
  readonly records: readonly TraceRecord[]
  readonly nodes: readonly JoinedNode[]
  readonly links: readonly Link[]
  readonly circuits: readonly Circuit[]
  /** In the order of sending. */
  readonly crossings: readonly Crossing[]
  /** The part that a record of a circuit belongs to. */
  readonly partOf: ReadonlyMap<NodeRecord, CircuitPart>
  /** The crossing that a `cell.sent` begins. */
  readonly crossingOf: ReadonlyMap<NodeRecord, Crossing>
  /** The link end that a record of a channel belongs to. */
  readonly endOf: ReadonlyMap<NodeRecord, LinkEnd>
  /** Name of the node with a fingerprint, or the fingerprint's beginning. */
  nameOf(fingerprint: string): string
}

export function joinTrace(trace: Trace): JoinedTrace {
  return new Joiner(trace).join()
}

/** What is known of one life of a node. */
interface NodeLife {
  readonly channels: Map<number, LinkEnd>
  readonly circuits: Map<number, CircuitPart>
  readonly segments: Map<LinkEnd, Map<number, Segment>>
}

class Joiner {
  readonly #trace: Trace
  readonly #nodes = new Map<string, JoinedNode>()
  readonly #names = new Map<string, string>()
  readonly #hosts = new Map<string, string>()
  readonly #lives = new Map<string, NodeLife>()
  readonly #links: Link[] = []
  /** Links of which one end has been seen so far, by both addresses. */
  readonly #halves = new Map<string, LinkEnd>()
  readonly #parts: CircuitPart[] = []
  /** By link and circuit id; a later circuit with an id takes the place of an earlier one. */
  readonly #segments = new Map<Link, Map<number, Segment>>()
  readonly #crossings: Crossing[] = []
  /** Sent and not yet received, by link, receiver and circuit id. */
  readonly #underWay = new Map<string, { readonly crossings: Crossing[]; at: number; left: number }>()
  readonly #partOf = new Map<NodeRecord, CircuitPart>()
  readonly #crossingOf = new Map<NodeRecord, Crossing>()
  readonly #endOf = new Map<NodeRecord, LinkEnd>()

  constructor(trace: Trace) {
    this.#trace = trace
    for (const { name, role, host } of trace.header.nodes) {
      this.#nodes.set(name, { name, role, host, fingerprint: undefined })
      if (host !== undefined) this.#hosts.set(host, name)
    }
  }

  join(): JoinedTrace {
    for (const record of this.#trace.records) {
      const known = nodeRecord(record)
      if (known?.event === 'node.identity') this.#identify(known)
      else if (record.event === 'machine.boot') this.#lives.delete(record.node)
    }
    this.#lives.clear()
    for (const record of this.#trace.records) {
      if (record.event === 'machine.boot') this.#lives.delete(record.node)
      const known = nodeRecord(record)
      if (known !== undefined) this.#take(known)
    }
    const circuits = this.#wholes()
    for (const circuit of circuits) tellCells(circuit)
    const nameOf = (fingerprint: string): string => this.#nameOf(fingerprint)
    for (const circuit of circuits) circuit.path = circuit.path.map(nameOf)
    return {
      header: this.#trace.header, records: this.#trace.records, nodes: [...this.#nodes.values()], links: this.#links, circuits,
      crossings: this.#crossings, partOf: this.#partOf, crossingOf: this.#crossingOf, endOf: this.#endOf, nameOf,
    }
  }

  #identify(record: Extract<NodeRecord, { event: 'node.identity' }>): void {
    const known = this.#nodes.get(record.node)
    const node = known ?? { name: record.node, role: record.roles[0] ?? 'client', host: undefined, fingerprint: undefined }
    this.#nodes.set(record.node, node)
    if (record.fingerprint === undefined) return
    node.fingerprint = record.fingerprint
    this.#names.set(record.fingerprint, record.node)
  }

  #nameOf(fingerprint: string): string {
    return this.#names.get(fingerprint) ?? `$${fingerprint.slice(0, 8)}`
  }

  #life(node: string): NodeLife {
    const known = this.#lives.get(node)
    if (known !== undefined) return known
    const made: NodeLife = { channels: new Map(), circuits: new Map(), segments: new Map() }
    this.#lives.set(node, made)
    return made
  }

  #take(record: NodeRecord): void {
    switch (record.event) {
      case 'node.identity':
        // A node that is started again counts from 1 again.
        this.#lives.delete(record.node)
        return
      case 'link.begin':
        this.#beginLink(record)
        return
      case 'link.open':
      case 'link.close':
        this.#noteLink(record)
        return
      case 'cell.sent':
      case 'cell.received':
      case 'cell.dropped': {
        const end = this.#life(record.node).channels.get(record.channel)
        if (end === undefined) return
        this.#endOf.set(record, end)
        if (record.event === 'cell.sent') this.#send(record, end)
        else this.#receive(record, end)
        return
      }
      default:
        if ('circuit' in record) this.#noteCircuit(record)
    }
  }

  #beginLink(record: Extract<NodeRecord, { event: 'link.begin' }>): void {
    const { node, channel, initiator, local, remote } = record
    const key = local < remote ? `${local} ${remote}` : `${remote} ${local}`
    const other = this.#halves.get(key)
    const isOther = other !== undefined && other.node !== node && other.local === remote
    const link: Link = isOther ? other.link : { id: this.#links.length + 1, beganAt: record.t, ends: [], names: [node, this.#hosts.get(hostOf(remote)) ?? remote] }
    const end: LinkEnd = { node, channel, initiator, local, remote, link, openAt: undefined, closedAt: undefined, closeReason: undefined, bytesWritten: undefined }
    if (initiator) link.ends.unshift(end)
    else link.ends.push(end)
    if (isOther) {
      this.#halves.delete(key)
      link.names = [link.ends[0]?.node ?? node, link.ends[1]?.node ?? node]
    } else {
      this.#links.push(link)
      this.#halves.set(key, end)
    }
    this.#life(node).channels.set(channel, end)
    this.#endOf.set(record, end)
  }

  #noteLink(record: Extract<NodeRecord, { event: 'link.open' | 'link.close' }>): void {
    const end = this.#life(record.node).channels.get(record.channel)
    if (end === undefined) return
    this.#endOf.set(record, end)
    if (record.event === 'link.open') {
      end.openAt = record.t
      if (end.link.ends.length === 1 && record.fingerprint !== undefined) end.link.names = [end.node, this.#nameOf(record.fingerprint)]
    } else {
      end.closedAt = record.t
      end.closeReason = record.reason
      end.bytesWritten = record.bytesWritten
    }
  }

  #part(record: NodeRecord & { readonly circuit: number }): CircuitPart {
    const { circuits } = this.#life(record.node)
    const begins = record.event === 'circuit.begin' || record.event === 'circuit.created'
    const known = begins ? undefined : circuits.get(record.circuit)
    if (known !== undefined) return known
    const part = new CircuitPart(record.node, record.circuit, record.event !== 'circuit.created', record.t)
    circuits.set(record.circuit, part)
    this.#parts.push(part)
    return part
  }

  #noteCircuit(record: NodeRecord & { readonly circuit: number }): void {
    const part = this.#part(record)
    part.records.push(record)
    this.#partOf.set(record, part)
    const { whole } = part
    switch (record.event) {
      case 'circuit.begin':
        whole.purpose = record.purpose
        whole.path = record.path
        return
      case 'circuit.open':
        whole.openAt = record.t
        return
      case 'circuit.closed':
        if (whole.closedAt === undefined) {
          whole.closedAt = record.t
          whole.closeReason = record.reason
        }
        return
      case 'circuit.link': {
        const end = this.#life(record.node).channels.get(record.channel)
        if (end === undefined) return
        const segment = this.#segment(end, record.circId, record.side === 'next')
        if (record.side === 'next') {
          segment.upstream = part
          part.next = segment
        } else {
          segment.downstream = part
          part.previous = segment
        }
        return
      }
      default:
    }
  }

  /** The circuit with this id on the link: a new one where the place in it is taken. */
  #segment(end: LinkEnd, circId: number, asUpstream: boolean): Segment {
    let ofLink = this.#segments.get(end.link)
    if (ofLink === undefined) {
      ofLink = new Map()
      this.#segments.set(end.link, ofLink)
    }
    const known = ofLink.get(circId)
    if (known !== undefined && (asUpstream ? known.upstream : known.downstream) === undefined) return known
    const made: Segment = { end, circId, upstream: undefined, downstream: undefined, crossings: [] }
    ofLink.set(circId, made)
    return made
  }

  #send(record: Extract<NodeRecord, { event: 'cell.sent' | 'cell.received' | 'cell.dropped' }>, end: LinkEnd): void {
    const { link } = end
    const segment = record.circId === 0 ? undefined : this.#segments.get(link)?.get(record.circId)
    const other = otherName(link, end)
    const crossing: Crossing = {
      t: record.t, from: record.node, to: other, receivedAt: undefined, link, circId: record.circId, command: record.command, count: record.count ?? 1,
      body: record.body, segment, direction: segment === undefined ? undefined : segment.downstream?.node === record.node ? 'backward' : 'forward', cells: [], dropped: false,
    }
    this.#crossings.push(crossing)
    this.#crossingOf.set(record, crossing)
    segment?.crossings.push(crossing)
    const key = `${link.id} ${end.initiator ? 'back' : 'out'} ${record.circId}`
    const queue = this.#underWay.get(key)
    if (queue === undefined) this.#underWay.set(key, { crossings: [crossing], at: 0, left: 0 })
    else queue.crossings.push(crossing)
  }

  #receive(record: Extract<NodeRecord, { event: 'cell.sent' | 'cell.received' | 'cell.dropped' }>, end: LinkEnd): void {
    const queue = this.#underWay.get(`${end.link.id} ${end.initiator ? 'out' : 'back'} ${record.circId}`)
    if (queue === undefined) return
    for (let count = record.count ?? 1; count > 0; ) {
      const crossing = queue.crossings[queue.at]
      if (crossing === undefined) return
      if (queue.left === 0) queue.left = crossing.count
      const taken = Math.min(count, queue.left)
      count -= taken
      queue.left -= taken
      crossing.receivedAt = record.t
      if (record.event === 'cell.dropped') crossing.dropped = true
      if (queue.left > 0) continue
      queue.at++
      // What has been received is not looked at again.
      if (queue.at > 64) queue.crossings.splice(0, queue.at)
      if (queue.at > 64) queue.at = 0
    }
  }

  /** Gives every part the circuit it belongs to. */
  #wholes(): Circuit[] {
    for (const part of this.#parts) {
      let root = part
      let depth = 0
      // A path has few hops; a ring would be a fault of the trace.
      for (let up = root.previous?.upstream; up !== undefined && depth < 16; up = root.previous?.upstream) {
        root = up
        depth++
      }
      part.depth = depth
      if (root === part) continue
      part.whole = root.whole
      root.whole.parts.push(part)
    }
    const circuits = this.#parts.filter((part) => part.whole.origin === part).map((part) => part.whole)
    for (const circuit of circuits) circuit.parts.sort((a, b) => a.depth - b.depth)
    return circuits
  }
}

const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')

/** The node at the other end of the link. */
function otherName(link: Link, end: LinkEnd): string {
  const other = link.ends.find((one) => one !== end)
  return other?.node ?? link.names[1]
}

/** Finds out what each relay cell on the circuit's links holds. */
function tellCells(circuit: Circuit): void {
  const last = circuit.parts.length - 1
  // Away from the origin: what the origin sends goes over the first link; each hop takes its own and passes the rest.
  let cells = new RunQueue()
  for (const [depth, part] of circuit.parts.entries()) {
    const onward = new RunQueue()
    for (const record of part.records) {
      if (record.event === 'relay.sent' && record.direction === 'forward') onward.push(runOf(record), record.count ?? 1)
      else if (record.event === 'relay.received' && record.direction === 'forward') for (const { run } of cells.take(record.count ?? 1)) run.to = part.node
      else if (record.event === 'relay.passed' && record.direction === 'forward') onward.pushAll(cells.take(record.count))
      else if (record.event === 'relay.unrecognized' && record.direction === 'forward') cells.take(record.count)
    }
    if (depth <= last && part.next !== undefined) fill(part.next.crossings, 'forward', onward.copy())
    cells = onward
  }
  // And back: what a hop sends joins what it passes on.
  let back = new RunQueue()
  for (const part of [...circuit.parts].reverse()) {
    const onward = new RunQueue()
    for (const record of part.records) {
      if (record.event === 'relay.sent' && record.direction === 'backward') onward.push(runOf(record), record.count ?? 1)
      else if (record.event === 'relay.received' && record.direction === 'backward') for (const { run } of back.take(record.count ?? 1)) run.to = part.node
      else if (record.event === 'relay.passed' && record.direction === 'backward') onward.pushAll(back.take(record.count))
    }
    if (part.previous !== undefined) fill(part.previous.crossings, 'backward', onward.copy())
    back = onward
  }
}

function fill(crossings: readonly Crossing[], direction: TraceDirection, cells: RunQueue): void {
  for (const crossing of crossings) {
    if (crossing.direction === direction && (crossing.command === 'RELAY' || crossing.command === 'RELAY_EARLY')) crossing.cells = cells.take(crossing.count)
  }
}

function runOf(record: Extract<NodeRecord, { event: 'relay.sent' | 'relay.received' }>): CellRun {
  const { command, stream, length, body, direction } = record
  return { command, stream, length, count: record.count ?? 1, body, from: record.node, to: undefined, direction }
}

/** Relay cells in order, as runs of which parts can be taken. */
class RunQueue {
  readonly #runs: { readonly run: CellRun; count: number }[] = []
  #at = 0

  push(run: CellRun, count: number): void {
    this.#runs.push({ run, count })
  }

  pushAll(runs: readonly { readonly run: CellRun; readonly count: number }[]): void {
    for (const { run, count } of runs) this.push(run, count)
  }

  copy(): RunQueue {
    const copy = new RunQueue()
    copy.pushAll(this.#runs)
    return copy
  }

  /** At most `count` cells. */
  take(count: number): { run: CellRun; count: number }[] {
    const taken: { run: CellRun; count: number }[] = []
    while (count > 0) {
      const first = this.#runs[this.#at]
      if (first === undefined) break
      const now = Math.min(count, first.count)
      taken.push({ run: first.run, count: now })
      first.count -= now
      count -= now
      if (first.count === 0) this.#at++
    }
    return taken
  }
}
