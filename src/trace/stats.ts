/** `relish trace stats`: how much of what, and how long things took. */

import type { JoinedTrace } from './join.ts'
import { nodeRecord, type NodeRecord } from './schema.ts'

export interface TraceStats {
  readonly network: string
  readonly world: string
  readonly seed: string | undefined
  readonly durationUs: number
  readonly events: number
  readonly kinds: readonly { readonly event: string; readonly count: number; readonly perSecond: number }[]
  readonly nodes: readonly { readonly node: string; readonly role: string; readonly events: number; readonly cellsSent: number; readonly cellsReceived: number; readonly bytesSent: number }[]
  readonly links: readonly { readonly link: string; readonly connections: number; readonly cells: number; readonly bytes: number; readonly perSecond: number }[]
  readonly circuits: readonly CircuitStats[]
  readonly commands: readonly { readonly command: string; readonly count: number }[]
  readonly times: readonly TimeStats[]
}

export interface CircuitStats {
  readonly circuit: string
  readonly purpose: string
  readonly path: readonly string[]
  /** Microseconds to the last hop; undefined when it never opened. */
  readonly buildUs: number | undefined
  readonly streams: number
  /** Relay cells and bytes of data at the origin. */
  readonly cellsOut: number
  readonly cellsIn: number
  readonly bytesOut: number
  readonly bytesIn: number
  /** Bytes of data both ways per second, from its first to its last. */
  readonly bytesPerSecond: number
}

export interface TimeStats {
  readonly what: string
  readonly count: number
  readonly medianUs: number
  readonly p90Us: number
  readonly maxUs: number
}

/** Bytes of a fixed-length cell on a link (tor-spec §3, link protocol 4 and higher). */
const CELL_BYTES = 514

export function traceStats(trace: JoinedTrace): TraceStats {
  const durationUs = trace.records.at(-1)?.t ?? 0
  const perSecond = (count: number): number => (durationUs === 0 ? 0 : round((count * 1e6) / durationUs))
  const { header } = trace
  return {
    network: header.network,
    world: header.world,
    seed: header.seed,
    durationUs,
    events: trace.records.length,
    kinds: sorted(counted(trace.records, (record) => record.event)).map(([event, count]) => ({ event, count, perSecond: perSecond(count) })),
    nodes: nodeStats(trace),
    links: linkStats(trace, perSecond),
    circuits: trace.circuits.filter((circuit) => circuit.origin.isOrigin).map(circuitStats),
    commands: commandStats(trace),
    times: timeStats(trace),
  }
}

function nodeStats(trace: JoinedTrace): TraceStats['nodes'] {
  const events = counted(trace.records, (record) => record.node)
  const sent = new Map<string, number>()
  const received = new Map<string, number>()
  const bytes = new Map<string, number>()
  for (const { from, to, count } of trace.crossings) {
    add(sent, from, count)
    add(received, to, count)
  }
  for (const link of trace.links) for (const end of link.ends) add(bytes, end.node, end.bytesWritten ?? 0)
  return trace.nodes.map(({ name, role }) => ({
    node: name, role, events: events.get(name) ?? 0, cellsSent: sent.get(name) ?? 0, cellsReceived: received.get(name) ?? 0, bytesSent: bytes.get(name) ?? 0,
  }))
}

function linkStats(trace: JoinedTrace, perSecond: (count: number) => number): TraceStats['links'] {
  const cells = new Map<string, number>()
  const connections = counted(trace.links, (link) => pairName(link.names))
  for (const { link, count } of trace.crossings) add(cells, pairName(link.names), count)
  return [...connections].map(([link, count]) => {
    const sent = cells.get(link) ?? 0
    return { link, connections: count, cells: sent, bytes: sent * CELL_BYTES, perSecond: perSecond(sent * CELL_BYTES) }
  }).sort((a, b) => b.cells - a.cells)
}

const pairName = (names: readonly [string, string]): string => [...names].sort().join('-')

function circuitStats(circuit: JoinedTrace['circuits'][number]): CircuitStats {
  let [cellsOut, cellsIn, bytesOut, bytesIn, streams] = [0, 0, 0, 0, 0]
  let first: number | undefined
  let last = 0
  for (const record of circuit.origin.records) {
    if (record.event === 'stream.begin') streams++
    if (record.event !== 'relay.sent' && record.event !== 'relay.received') continue
    const count = record.count ?? 1
    const bytes = record.command === 'DATA' ? record.length : 0
    if (bytes > 0) {
      first ??= record.t
      last = record.t
    }
    if (record.event === 'relay.sent') {
      cellsOut += count
      bytesOut += bytes
    } else {
      cellsIn += count
      bytesIn += bytes
    }
  }
  const spanUs = first === undefined ? 0 : last - first
  return {
    circuit: circuit.id, purpose: circuit.purpose, path: circuit.path, buildUs: circuit.openAt === undefined ? undefined : circuit.openAt - circuit.beganAt, streams,
    cellsOut, cellsIn, bytesOut, bytesIn, bytesPerSecond: spanUs === 0 ? 0 : round(((bytesOut + bytesIn) * 1e6) / spanUs),
  }
}

/** Cells by what they say: relay messages where they begin, other cells where they are sent. */
function commandStats(trace: JoinedTrace): TraceStats['commands'] {
  const commands = new Map<string, number>()
  for (const { command, count } of trace.crossings) if (!command.startsWith('RELAY')) add(commands, command, count)
  for (const record of trace.records) {
    const known = nodeRecord(record)
    if (known?.event === 'relay.sent') add(commands, `RELAY ${known.command}`, known.count ?? 1)
  }
  return sorted(commands).map(([command, count]) => ({ command, count }))
}

function timeStats(trace: JoinedTrace): TimeStats[] {
  const times = new Map<string, number[]>()
  const note = (what: string, us: number): void => {
    const known = times.get(what)
    if (known === undefined) times.set(what, [us])
    else known.push(us)
  }
  for (const circuit of trace.circuits) {
    if (circuit.openAt !== undefined) note(`circuit of ${circuit.path.length} ${circuit.path.length === 1 ? 'hop' : 'hops'}: begin to open`, circuit.openAt - circuit.beganAt)
    for (const part of circuit.parts) {
      const crossings = part.next?.crossings ?? []
      const create = crossings.find((crossing) => crossing.command.startsWith('CREATE') && !crossing.command.startsWith('CREATED'))
      const created = crossings.find((crossing) => crossing.command.startsWith('CREATED'))
      if (create !== undefined && created?.receivedAt !== undefined) note(`${create.command} to ${created.command}`, created.receivedAt - create.t)
    }
    noteAnswers(circuit.origin.records, note)
  }
  for (const link of trace.links) {
    const [dialler] = link.ends
    if (dialler?.initiator === true && dialler.openAt !== undefined) note('link: begin to open', dialler.openAt - link.beganAt)
  }
  for (const record of trace.records) {
    const known = nodeRecord(record)
    if (known?.event === 'directory.answer') note(`directory: ${known.method} to answer`, known.elapsedUs)
  }
  for (const crossing of trace.crossings) if (crossing.receivedAt !== undefined) note('cells: sent to received', crossing.receivedAt - crossing.t)
  return [...times].map(([what, values]) => summary(what, values))
}

/** From a request of the origin to the first answer to it. */
function noteAnswers(records: readonly NodeRecord[], note: (what: string, us: number) => void): void {
  const asked = new Map<string, number>()
  const answers: Readonly<Record<string, string>> = { EXTENDED2: 'EXTEND2', CONNECTED: 'BEGIN', RESOLVED: 'RESOLVE' }
  for (const record of records) {
    if (record.event === 'relay.sent') asked.set(`${record.command} ${record.stream}`, record.t)
    if (record.event !== 'relay.received') continue
    const question = answers[record.command]
    for (const one of question === 'BEGIN' ? ['BEGIN', 'BEGIN_DIR'] : question === undefined ? [] : [question]) {
      const key = `${one} ${record.stream}`
      const at = asked.get(key)
      if (at === undefined) continue
      asked.delete(key)
      note(`${one} to ${record.command}`, record.t - at)
    }
  }
}

function summary(what: string, values: number[]): TimeStats {
  values.sort((a, b) => a - b)
  const at = (share: number): number => values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0
  return { what, count: values.length, medianUs: at(0.5), p90Us: at(0.9), maxUs: at(1) }
}

function counted<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) add(counts, keyOf(item), 1)
  return counts
}

const add = (counts: Map<string, number>, key: string, count: number): void => void counts.set(key, (counts.get(key) ?? 0) + count)

const sorted = (counts: ReadonlyMap<string, number>): [string, number][] => [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))

const round = (value: number): number => Math.round(value * 10) / 10
