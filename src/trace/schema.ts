/**
 * The schema of traces as data: which fields each event has, by which lines are checked when they are read, and from which
 * docs/trace.schema.json is made. The types are in `runtime/trace.ts`; docs/TRACE.md says what the fields mean.
 */

import type { NodeTraceEvent, TraceHeader } from '../runtime/trace.ts'

export const traceFormat = 'relish-trace'
export const traceVersion = 1

/** `?`: may be absent. */
type FieldType = 'integer' | 'number' | 'string' | 'boolean' | 'object' | 'strings' | 'objects'
type Field = FieldType | `${FieldType}?`
type Fields = { readonly [field: string]: Field }

const cell: Fields = { channel: 'integer', circId: 'integer', command: 'string', count: 'integer?', body: 'object?' }
const relayMessage: Fields = { circuit: 'integer', direction: 'string', hop: 'integer?', command: 'string', stream: 'integer', length: 'integer', count: 'integer?', body: 'object?' }
const relayCells: Fields = { circuit: 'integer', direction: 'string', count: 'integer' }
const exchange: Fields = { directory: 'string', method: 'string', target: 'string' }

/** Fields of every event that nodes record of themselves, beside `t`, `node` and `event`. */
export const eventFields: { readonly [Event in NodeTraceEvent['event']]: Fields } = {
  'link.dial': { to: 'string', fingerprint: 'string' },
  'link.failed': { to: 'string', fingerprint: 'string', error: 'string' },
  'link.begin': { channel: 'integer', initiator: 'boolean', local: 'string', remote: 'string' },
  'link.open': { channel: 'integer', linkProtocol: 'integer', fingerprint: 'string?', ed25519: 'string?', clockSkewSec: 'integer?' },
  'link.close': { channel: 'integer', reason: 'string', error: 'string?', bytesRead: 'integer', bytesWritten: 'integer' },
  'cell.sent': cell,
  'cell.received': cell,
  'cell.dropped': cell,
  'relay.sent': relayMessage,
  'relay.received': relayMessage,
  'relay.passed': relayCells,
  'relay.unrecognized': relayCells,
  'circuit.begin': { circuit: 'integer', purpose: 'string', path: 'strings' },
  'circuit.created': { circuit: 'integer', fast: 'boolean' },
  'circuit.link': { circuit: 'integer', side: 'string', channel: 'integer', circId: 'integer' },
  'circuit.extend': { circuit: 'integer', target: 'string' },
  'circuit.extended': { circuit: 'integer', hops: 'integer' },
  'circuit.open': { circuit: 'integer', purpose: 'string' },
  'circuit.cut': { circuit: 'integer', side: 'string', reason: 'string' },
  'circuit.joined': { circuit: 'integer', with: 'integer' },
  'circuit.close': { circuit: 'integer', reason: 'string' },
  'circuit.closed': { circuit: 'integer', reason: 'string', remote: 'boolean?', error: 'string?' },
  'stream.begin': { circuit: 'integer', stream: 'integer', kind: 'string', target: 'string' },
  'stream.connected': { circuit: 'integer', stream: 'integer', address: 'string?' },
  'stream.close': { circuit: 'integer', stream: 'integer', reason: 'string', remote: 'boolean' },
  'directory.ask': { ...exchange, bytes: 'integer' },
  'directory.answer': { ...exchange, status: 'integer', bytes: 'integer', elapsedUs: 'integer' },
  'directory.failed': { ...exchange, error: 'string', elapsedUs: 'integer' },
  'directory.diff': { flavour: 'string', diffBytes: 'integer', consensusBytes: 'integer' },
  'directory.serve': { method: 'string', target: 'string', from: 'string?', status: 'integer', bytes: 'integer' },
  'decision.guard': { circuit: 'integer', chosen: 'string', nickname: 'string', because: 'string', sample: 'objects' },
  'decision.path': { circuit: 'integer', kind: 'string', path: 'strings', places: 'objects' },
  'decision.thresholds': { validAfter: 'integer', relays: 'integer', thresholds: 'string' },
  'decision.flags': { validAfter: 'integer', fingerprint: 'string', nickname: 'string', flags: 'strings', missing: 'objects' },
  'node.identity': { nickname: 'string', version: 'string', roles: 'strings', fingerprint: 'string?', ed25519: 'string?' },
}

/** What a node recorded of itself. */
export type NodeRecord = { readonly t: number; readonly node: string } & NodeTraceEvent

/** Any event of a trace. */
export interface TraceRecord {
  /** Microseconds since the trace began. */
  readonly t: number
  readonly node: string
  readonly event: string
  readonly [detail: string]: unknown
}

/** The record as one of those that nodes make of themselves, whose fields have been checked. Undefined for others. */
export const nodeRecord = (record: TraceRecord): NodeRecord | undefined => (Object.hasOwn(eventFields, record.event) ? (record as unknown as NodeRecord) : undefined)

/** What is wrong with a parsed line that should be an event, in words. Undefined: nothing. */
export function faultOfEvent(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not an object'
  const fields = value as Readonly<Record<string, unknown>>
  const base = faultOfFields(fields, { t: 'integer', node: 'string', event: 'string' })
  if (base !== undefined) return base
  if ((fields['t'] as number) < 0) return 'its time lies before the beginning'
  const event = fields['event'] as string
  return Object.hasOwn(eventFields, event) ? faultOfFields(fields, eventFields[event as NodeTraceEvent['event']]) : undefined
}

/** What is wrong with a parsed first line. Undefined: nothing. */
export function faultOfHeader(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'it does not begin with a header'
  const header = value as Partial<TraceHeader>
  if (header.format !== traceFormat) return 'it does not begin with the header of a trace'
  if (header.version !== traceVersion) return `it has version ${String(header.version)} of the format, and this program reads ${traceVersion}`
  const fault = faultOfFields(header as Readonly<Record<string, unknown>>, { program: 'string', network: 'string', world: 'string', startMs: 'number', nodes: 'objects' })
  if (fault !== undefined) return fault
  return header.nodes?.every((node) => typeof node.name === 'string' && typeof node.role === 'string') === true ? undefined : 'a node of its header has no name or role'
}

function faultOfFields(values: Readonly<Record<string, unknown>>, fields: Fields): string | undefined {
  for (const name in fields) {
    const type = fields[name] as Field
    const value = values[name]
    const optional = type.endsWith('?')
    if (value === undefined && optional) continue
    const wanted = (optional ? type.slice(0, -1) : type) as FieldType
    if (!fits(value, wanted)) return value === undefined ? `it has no "${name}"` : `its "${name}" is not ${articleOf(wanted)}`
  }
  return undefined
}

function fits(value: unknown, type: FieldType): boolean {
  switch (type) {
    case 'integer':
      return Number.isSafeInteger(value)
    case 'strings':
      return Array.isArray(value) && value.every((one) => typeof one === 'string')
    case 'objects':
      return Array.isArray(value) && value.every((one) => typeof one === 'object' && one !== null)
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    default:
      return typeof value === type
  }
}

const articleOf = (type: FieldType): string => (type === 'strings' ? 'a list of texts' : type === 'objects' ? 'a list of objects' : /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`)

/** docs/trace.schema.json: a JSON Schema that every line of a trace meets. */
export function jsonSchema(): object {
  const base = { t: { type: 'integer', minimum: 0 }, node: { type: 'string' } }
  const events = Object.entries(eventFields).map(([event, fields]) => ({
    type: 'object',
    properties: { ...base, event: { const: event }, ...Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, schemaOf(type.replace('?', '') as FieldType, name)])) },
    required: ['t', 'node', 'event', ...Object.entries(fields).flatMap(([name, type]) => (type.endsWith('?') ? [] : [name]))],
    additionalProperties: false,
  }))
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `A line of a trace of relish, version ${traceVersion}`,
    anyOf: [
      {
        title: 'header, the first line',
        type: 'object',
        properties: {
          format: { const: traceFormat }, version: { const: traceVersion }, program: { type: 'string' }, network: { type: 'string' },
          world: { enum: ['processes', 'inline', 'simulated'] }, seed: { type: 'string' }, startMs: { type: 'number' },
          nodes: { type: 'array', items: { type: 'object', properties: { name: { type: 'string' }, role: { type: 'string' }, host: { type: 'string' } }, required: ['name', 'role'] } },
          run: { type: 'object' },
        },
        required: ['format', 'version', 'program', 'network', 'world', 'startMs', 'nodes'],
        additionalProperties: false,
      },
      ...events,
      {
        title: 'recorded by the world around a node',
        type: 'object',
        properties: { ...base, event: { type: 'string', pattern: '^(node\\.(?!identity$)|net\\.|machine\\.|file\\.|name\\.|fault\\.|invariant\\.|trace\\.)' } },
        required: ['t', 'node', 'event'],
      },
    ],
  }
}

function schemaOf(type: FieldType, name: string): object {
  if (name === 'direction') return { enum: ['forward', 'backward'] }
  if (name === 'side') return { enum: ['previous', 'next'] }
  switch (type) {
    case 'strings':
      return { type: 'array', items: { type: 'string' } }
    case 'objects':
      return { type: 'array', items: { type: 'object' } }
    default:
      return { type }
  }
}
