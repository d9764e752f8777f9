/** Reads a trace into memory, line by line, and refuses what is not one. */

import { asRelishError, RelishError } from '../core/base/errors.ts'
import type { TraceHeader } from '../runtime/trace.ts'
import { TRACE_EVENTS_MAX } from './limits.ts'
import { badLine, linesOf } from './lines.ts'
import { faultOfEvent, faultOfHeader, type TraceRecord } from './schema.ts'

export interface Trace {
  readonly header: TraceHeader
  /** In the order of the file, which is that of time. */
  readonly records: readonly TraceRecord[]
  /** The file ends in the midst of a line: whoever wrote it was cut off. */
  readonly isCut: boolean
}

/** `wants`: events to keep; all if absent. Throws `config` for a file that cannot be read, `bad-document` with the line for one that is no trace. */
export function readTrace(path: string, wants: (event: string) => boolean = () => true): Trace {
  return parseTrace(linesOf(path), path, wants)
}

/** The same from lines that are there already. */
export function parseTrace(lines: Iterable<{ readonly text: string; readonly number: number; readonly isWhole: boolean }>, name: string, wants: (event: string) => boolean = () => true): Trace {
  let header: TraceHeader | undefined
  const records: TraceRecord[] = []
  let isCut = false
  for (const { text, number, isWhole } of lines) {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (thrown) {
      if (!isWhole && header !== undefined) {
        isCut = true
        break
      }
      throw badLine(name, number, number === 1 ? 'this is not a trace: it does not begin with a line of JSON' : `this is not JSON: ${asRelishError(thrown).message}`)
    }
    if (header === undefined) {
      const fault = faultOfHeader(value)
      if (fault !== undefined) throw badLine(name, number, `this is not a trace that can be read here: ${fault}`)
      header = value as TraceHeader
      continue
    }
    const fault = faultOfEvent(value)
    if (fault !== undefined) throw badLine(name, number, `not an event of a trace: ${fault}`)
    const record = value as TraceRecord
    if (!wants(record.event)) continue
    records.push(record)
    if (records.length > TRACE_EVENTS_MAX) throw new RelishError('limit', `${name} has more than ${TRACE_EVENTS_MAX} events`, { hint: 'record for less time' })
  }
  if (header === undefined) throw badLine(name, 1, 'the file is empty')
  return { header, records, isCut }
}
