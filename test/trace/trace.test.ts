/** Traces of a simulated network: what is in them, that it can be joined, shown, counted and compared. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { beforeAll, describe, expect, it } from 'vitest'
import { makeBulkCheck } from '../../src/testnet/checks/bulk.ts'
import { diffTraces } from '../../src/trace/diff.ts'
import { explainFromTrace } from '../../src/trace/explain.ts'
import { pageData } from '../../src/trace/page-data.ts'
import type { JoinedTrace } from '../../src/trace/join.ts'
import { jsonSchema, nodeRecord } from '../../src/trace/schema.ts'
import { formatLine, show, type ShowFilter } from '../../src/trace/show.ts'
import { traceStats } from '../../src/trace/stats.ts'
import { joined, record, type Recorded } from './simulated-trace.ts'

const root = join(import.meta.dirname, '../..')

let first: Recorded
let trace: JoinedTrace
beforeAll(async () => {
  first = await record()
  trace = joined(first.lines)
}, 60_000)

const shown = (filter: ShowFilter): string[] => [...show(trace, filter)].map((line) => formatLine(line, 6))
/** Without times. */
const words = (filter: ShowFilter): string[] => shown(filter).map((line) => line.slice(13).replace(/\s+/g, ' ').replace(/, \+[\d.]+ (µs|ms)\]/, ']'))

/** The client's first circuit of three hops. */
const circuit = (): JoinedTrace['circuits'][number] => {
  const found = trace.circuits.find((one) => one.origin.node === 'client' && one.path.length === 3 && one.origin.records.some((each) => each.event === 'stream.begin'))
  if (found === undefined) throw new Error('the client has used a circuit of three hops')
  return found
}

describe('the schema', () => {
  it('is what docs/trace.schema.json says, to the letter', async () => {
    await expect(`${JSON.stringify(jsonSchema(), undefined, 2)}\n`).toMatchFileSnapshot(join(root, 'docs/trace.schema.json'))
  })

  it('holds for every line of a simulated run', () => {
    const validate = new Ajv2020({ strict: false }).compile(JSON.parse(readFileSync(join(root, 'docs/trace.schema.json'), 'utf8')) as object)
    const bad = first.lines.filter((line) => !validate(JSON.parse(line)))
    expect(bad.slice(0, 3)).toEqual([])
    // And it does not take everything.
    expect(validate({ t: 1, node: 'a', event: 'cell.sent', channel: 1, circId: 1 })).toBe(false)
    expect(validate({ t: 1, node: 'a', event: 'cell.sent', channel: 1, circId: 1, command: 'RELAY', surprise: 1 })).toBe(false)
    expect(validate({ t: 1, node: 'a', event: 'sell.cent' })).toBe(false)
  })

  it('has an event for every part of a network: links, cells, circuits, streams, exchanges, decisions, stages', () => {
    const events = new Set(trace.records.map((each) => each.event))
    for (const event of [
      'node.identity', 'node.stage', 'link.dial', 'link.begin', 'link.open', 'link.close', 'cell.sent', 'cell.received', 'relay.sent', 'relay.received', 'relay.passed',
      'circuit.begin', 'circuit.created', 'circuit.link', 'circuit.extend', 'circuit.extended', 'circuit.open', 'circuit.closed', 'stream.begin', 'stream.connected', 'stream.close',
      'directory.ask', 'directory.answer', 'directory.serve', 'decision.guard', 'decision.path', 'decision.thresholds', 'decision.flags',
    ]) expect(events, event).toContain(event)
  })
})

describe('recording', () => {
  it('changes nothing: the digest is the same whether somebody reads or not', async () => {
    expect((await record({ traced: false })).digest).toBe(first.digest)
  })
})

describe('joining', () => {
  it('finds both ends of every link between nodes that record', () => {
    expect(trace.links.length).toBeGreaterThan(5)
    for (const link of trace.links) expect(link.ends.length, link.names.join('-')).toBe(2)
  })

  it('follows each circuit through its hops, as its path says', () => {
    const built = trace.circuits.filter((one) => one.openAt !== undefined)
    expect(built.length).toBeGreaterThan(3)
    for (const one of built) expect(one.parts.map((part) => part.node).slice(1), one.id).toEqual(one.path)
    // Every part belongs to a circuit whose beginning was recorded.
    expect(trace.circuits.filter((one) => !one.origin.isOrigin)).toEqual([])
  })

  it('knows what is in every relay cell at every hop', () => {
    const relay = trace.crossings.filter((crossing) => crossing.command.startsWith('RELAY'))
    const known = relay.filter((crossing) => crossing.cells.reduce((sum, one) => sum + one.count, 0) === crossing.count)
    expect(relay.length).toBeGreaterThan(50)
    expect(known.length).toBe(relay.length)
    // What is said to be in a cell is what its receiver found there.
    for (const { id, parts } of trace.circuits) {
      for (const part of parts) {
        const received = part.records.reduce((sum, each) => sum + (each.event === 'relay.received' ? (each.count ?? 1) : 0), 0)
        const meant = (part.previous?.crossings ?? []).concat(part.next?.crossings ?? [])
          .flatMap((crossing) => (crossing.to === part.node ? crossing.cells.filter(({ run }) => run.to === part.node) : []))
          .reduce((sum, one) => sum + one.count, 0)
        expect(meant, `${id} at ${part.node}`).toBeGreaterThanOrEqual(received)
      }
    }
  })
})

describe('show', () => {
  it('tells how a circuit was built, who sent what to whom', () => {
    const { id, path } = circuit()
    const [guard, middle, exit] = path
    const lines = words({ circuit: id, kinds: ['cell'] }).slice(0, 12)
    expect(lines).toEqual([
      `client → ${guard} CREATE2 NTOR_V3 [${id}]`,
      `${guard} → client CREATED2 [${id}]`,
      `client → ${guard} RELAY_EARLY: EXTEND2 to ${middle} NTOR_V3 [${id}]`,
      `${guard} → ${middle} CREATE2 NTOR_V3 [${id}]`,
      `${middle} → ${guard} CREATED2 [${id}]`,
      `${guard} → client RELAY: EXTENDED2 [${id}]`,
      `client → ${guard} RELAY_EARLY: EXTEND2 to ${exit} NTOR_V3 for ${middle} [${id}]`,
      `${guard} → ${middle} RELAY_EARLY: EXTEND2 to ${exit} NTOR_V3 [${id}]`,
      `${middle} → ${exit} CREATE2 NTOR_V3 [${id}]`,
      `${exit} → ${middle} CREATED2 [${id}]`,
      `${middle} → ${guard} RELAY: EXTENDED2 for client [${id}]`,
      `${guard} → client RELAY: EXTENDED2 [${id}]`,
    ])
  })

  it('shows what each hop does to a cell', () => {
    const { id, path } = circuit()
    const all = words({ circuit: id })
    expect(all).toContain(`${path[0]} ${id}: takes its layer off a cell, not recognised, and passes it on`)
    expect(all.find((line) => line.startsWith(`${path[2]} ${id}: recognises, digest ok: BEGIN `))).toBeDefined()
  })

  it('follows one stream, one node, one link, one span of time', () => {
    const one = circuit()
    const begin = one.origin.records.find((each) => each.event === 'stream.begin')
    const stream = begin !== undefined && 'stream' in begin ? begin.stream : 0
    const ofStream = words({ circuit: one.id, stream })
    expect(ofStream.some((line) => line.includes(`BEGIN `))).toBe(true)
    expect(ofStream.every((line) => line.includes(String(stream)))).toBe(true)
    expect(words({ node: 'exit' }).every((line) => line.includes('exit'))).toBe(true)
    expect(words({ link: `client-${one.path[0]}`, kinds: ['cell'] }).every((line) => line.startsWith('client →') || line.includes('→ client'))).toBe(true)
    const span = [...show(trace, { fromUs: 100, toUs: 2000 })]
    expect(span.length).toBeGreaterThan(0)
    expect(span.every((line) => line.t >= 100 && line.t <= 2000)).toBe(true)
  })

  it('says what there is when asked for what there is not', () => {
    expect(() => shown({ circuit: 'client#999' })).toThrow(/no circuit client#999/)
    expect(() => shown({ node: 'nobody' })).toThrow(/no node nobody/)
    expect(() => shown({ link: 'client-nobody' })).toThrow(/no link/)
  })
})

describe('stats', () => {
  it('counts alike at both ends, and times what is asked and answered', () => {
    const stats = traceStats(trace)
    const sent = stats.nodes.reduce((sum, node) => sum + node.cellsSent, 0)
    expect(stats.nodes.reduce((sum, node) => sum + node.cellsReceived, 0)).toBe(sent)
    expect(stats.links.reduce((sum, link) => sum + link.cells, 0)).toBe(sent)
    const times = new Map(stats.times.map((one) => [one.what, one]))
    for (const what of ['CREATE2 to CREATED2', 'EXTEND2 to EXTENDED2', 'BEGIN to CONNECTED', 'directory: GET to answer', 'link: begin to open', 'circuit of 3 hops: begin to open']) {
      expect(times.get(what)?.count, what).toBeGreaterThan(0)
    }
    // One link there and back; and the next hop's besides.
    expect(times.get('CREATE2 to CREATED2')?.medianUs).toBe(100)
    expect(times.get('EXTEND2 to EXTENDED2')?.medianUs).toBeGreaterThan(100)
  })
})

describe('diff', () => {
  it('finds no difference between a trace and itself, nor between two runs of one seed', async () => {
    expect(diffTraces(trace, trace).differences).toEqual([])
    const again = await record()
    expect(again.lines).toEqual(first.lines)
  })

  it('is indifferent to everything that a change of keys, numbers and ports explains', () => {
    // The same run with other keys, ports and numbers: nothing happened otherwise.
    const other = first.lines.map((line) =>
      line
        .replace(/\b[0-9A-F]{40}\b/g, (key) => [...key].reverse().join(''))
        .replace(/"circId":(\d+)/g, (_, id: string) => `"circId":${id === '0' ? 0 : Number(id) ^ 0x55}`)
        .replace(/"stream":(\d+)/g, (_, id: string) => `"stream":${id === '0' ? 0 : (Number(id) ^ 0x1234) || 1}`)
        .replace(/:(32\d{3}|33\d{3})"/g, (_, port: string) => `:${Number(port) + 7000}"`),
    )
    const diff = diffTraces(trace, joined(other))
    expect(diff.named).toBe(false)
    expect(diff.differences).toEqual([])
    expect(diff.counts).toEqual([])
  })

  it('says nothing of keys, addresses or numbers when seeds differ', async () => {
    const diff = diffTraces(trace, joined((await record({ seed: '2' })).lines))
    const said = diff.differences.map((one) => ('event' in one ? one.event : 'a' in one ? `${one.a} ${one.b}` : '')).join('\n')
    for (const record of trace.records) {
      const known = nodeRecord(record)
      if (known?.event === 'node.identity' && known.fingerprint !== undefined) expect(said).not.toContain(known.fingerprint)
    }
    expect(said).not.toMatch(/[0-9A-F]{12}/)
    expect(said).not.toMatch(/:\d{5}/)
  })

  it('finds where a changed constant makes the first difference', async () => {
    const checks = [makeBulkCheck(256 * 1024)]
    const [before, after] = [await record({ checks }), await record({ checks, set: ['params.cc_cwnd_init=62'] })]
    const diff = diffTraces(joined(before.lines), joined(after.lines))
    expect(diff.named).toBe(true)
    const [one] = diff.differences
    expect(one?.lane).toMatch(/^circuit client#/)
    // With half the window the client stops for an acknowledgement sooner.
    expect(one).toMatchObject({ kind: 'other', a: expect.stringMatching(/^origin sends DATA, stream 1 ×/) as unknown, b: expect.stringMatching(/^origin sends DATA, stream 1 ×/) as unknown })
  })

  it('finds what came later, what is missing and what is new', () => {
    const late = (trace.records[Math.floor(trace.records.length / 2)] as { readonly t: number }).t
    const changed = joined(first.lines.map((line) => JSON.parse(line) as { t: number; event?: string; node: string; command?: string })
      .filter((each) => !(each.event === 'node.stage' && each.node === 'exit' && (each as { stage?: string }).stage === 'listed'))
      .map((each) => JSON.stringify(each.t > late ? { ...each, t: each.t + 40_000 } : each)))
    const kinds = diffTraces(trace, changed).differences.map((one) => `${one.kind} ${one.lane.replace(/#.*/, '')}`)
    expect(kinds).toContain('only-a node exit')
    expect(new Set(kinds.map((kind) => kind.split(' ')[0]))).toContain('timing')
  })
})

describe('explain', () => {
  it('tells why a circuit has its path', () => {
    const { id, path } = circuit()
    const [why] = explainFromTrace(trace, id)
    expect(why?.heading).toBe(`${id}: why ${path.join(', ')}`)
    expect(why?.lines.join('\n')).toMatch(new RegExp(`guard ${path[0]}: the first of 3 primary guards.*\n.*\n?.*middle ${path[1]}, one of 3 with a share of 33.3 %`, 's'))
  })

  it('tells how far a node has come, and which flags it gets', () => {
    const sections = explainFromTrace(trace, 'exit')
    expect(sections[0]?.heading).toBe('exit became ready')
    expect(sections.find((section) => section.heading.startsWith('auth1 votes for'))?.heading).toMatch(/Running.*Exit/)
    const cut = joined(first.lines.slice(0, first.lines.findIndex((line) => line.includes('"stage":"listed"') && line.includes('"exit"'))))
    const early = explainFromTrace(cut, 'exit')[0]
    expect(early?.heading).toBe('exit is not ready')
    expect(early?.lines.join('\n')).toMatch(/waits for /)
  })
})

describe('the page', () => {
  it('has every message between nodes and every circuit, in little space', () => {
    const data = pageData(trace)
    expect(data.messages.length).toBe(trace.crossings.length)
    expect(data.circuits.length).toBe(trace.circuits.length)
    expect(new Set(data.texts).size).toBe(data.texts.length)
    expect(JSON.stringify(data).length).toBeLessThan(first.lines.reduce((sum, line) => sum + line.length, 0) / 2)
  })
})
