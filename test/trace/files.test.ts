/** Files of traces: what nodes record, how it is merged, and what is said of files that are none. */

import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { RelishError } from '../../src/core/base/errors.ts'
import { firstDifferentLine } from '../../src/trace/exact.ts'
import { traceHeader } from '../../src/trace/header.ts'
import { TRACE_LINE_CHARS_MAX } from '../../src/trace/limits.ts'
import { LineFile } from '../../src/trace/line-file.ts'
import { mergeParts } from '../../src/trace/merge-parts.ts'
import { readTrace } from '../../src/trace/read-trace.ts'
import { PartRecorder } from '../../src/trace/recorder.ts'

const folder = mkdtempSync(join(tmpdir(), 'relish-trace-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const header = JSON.stringify(traceHeader({ network: 'n', world: 'simulated', seed: '1', startMs: 0, nodes: [{ name: 'a', role: 'client' }] }))
const event = '{"t":5,"node":"a","event":"circuit.open","circuit":1,"purpose":"general"}'

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function fault(path: string): RelishError {
  try {
    readTrace(path)
  } catch (thrown) {
    if (thrown instanceof RelishError) return thrown
  }
  throw new Error('nothing was wrong with it')
}

describe('reading', () => {
  it('takes a whole trace, and one that ends in the midst of a line', () => {
    expect(readTrace(file('whole', `${header}\n${event}\n`))).toMatchObject({ isCut: false, records: [{ t: 5, event: 'circuit.open' }] })
    expect(readTrace(file('cut', `${header}\n${event}\n${event.slice(0, 30)}`))).toMatchObject({ isCut: true, records: [{ t: 5 }] })
    // At every place.
    const text = `${header}\n${event}\n${event}\n`
    for (let length = header.length + 1; length <= text.length; length++) expect(readTrace(file('prefix', text.slice(0, length))).records.length).toBeLessThanOrEqual(2)
  })

  it.each([
    ['an empty file', '', 1, /empty/],
    ['a log', 'Nov 22 [notice] Tor running\n', 1, /not a trace/],
    ['JSON of somebody else', '{"name":"relish"}\n', 1, /header/],
    ['a later version', `${header.replace('"version":1', '"version":2')}\n`, 1, /version 2 .* reads 1/],
    ['a header without nodes', `${header.replace(/,"nodes":.*/, '}')}\n`, 1, /"nodes"/],
    ['a torn line in the midst', `${header}\n${event.slice(0, 20)}\n${event}\n`, 2, /not JSON/],
    ['an event without a time', `${header}\n${event}\n${event.replace('"t":5,', '')}\n`, 3, /"t"/],
    ['an event before the beginning', `${header}\n${event.replace('5', '-5')}\n`, 2, /before the beginning/],
    ['an event with a wrong field', `${header}\n${event.replace('"circuit":1', '"circuit":"1"')}\n`, 2, /"circuit" is not an integer/],
    ['an event without a field', `${header}\n${event.replace(',"purpose":"general"', '')}\n`, 2, /no "purpose"/],
    ['a line that is no event', `${header}\n[1]\n`, 2, /not an object/],
    ['a line without end', `${header}\n{"x":"${'x'.repeat(TRACE_LINE_CHARS_MAX + 1024 * 1024)}`, 2, /longer than/],
  ])('refuses %s, and says in which line', (_, text, line, words) => {
    const error = fault(file('bad', text))
    expect(error.kind).toBe('bad-document')
    expect(error.position?.line).toBe(line)
    expect(error.message).toMatch(words)
    expect(error.message).toContain(`line ${line}`)
  })

  it('says so when there is no such file', () => {
    expect(fault(join(folder, 'nowhere')).kind).toBe('config')
  })
})

describe('exact comparison', () => {
  it('names the first line that differs', () => {
    const a = file('a', `${header}\n${event}\n${event}\n`)
    expect(firstDifferentLine(a, file('b', `${header}\n${event}\n${event}\n`))).toBeUndefined()
    expect(firstDifferentLine(a, file('b', `${header}\n${event}\n${event.replace('5', '6')}\n`))).toEqual({ line: 3, a: event, b: event.replace('5', '6') })
    expect(firstDifferentLine(a, file('b', `${header}\n${event}\n`))).toEqual({ line: 3, a: event, b: undefined })
    expect(firstDifferentLine(file('b', header), a)).toEqual({ line: 2, a: undefined, b: event })
  })
})

describe('a file of lines', () => {
  it('has all of them, in order', () => {
    const path = join(folder, 'lines')
    const lines = new LineFile(path)
    const long = 'ä'.repeat(1000)
    for (let i = 0; i < 1000; i++) lines.write(`${i} ${long}`)
    // What is held is bounded: most is written by now.
    expect(statSync(path).size).toBeGreaterThan(1_000_000)
    lines.close()
    expect(readFileSync(path, 'utf8')).toBe(Array.from({ length: 1000 }, (_, i) => `${i} ${long}\n`).join(''))
  })

  it.runIf(existsSync('/dev/full'))('of a full disk says so in the end, and disturbs nobody before', () => {
    const lines = new LineFile('/dev/full')
    for (let i = 0; i < 1000; i++) lines.write('x'.repeat(1000))
    expect(() => lines.close()).toThrow(/the trace \/dev\/full cannot be written: ENOSPC/)
  })
})

describe('parts', () => {
  const parts = join(folder, 'parts')
  const merge = (): ReturnType<typeof mergeParts> => mergeParts({ folder: parts, network: 'n', world: 'processes', nodes: [{ name: 'a', role: 'client' }], output: join(folder, 'merged') })

  it('are merged by time, over restarts and torn ends', () => {
    const [a, b] = [new PartRecorder(join(parts, 'a.jsonl')), new PartRecorder(join(parts, 'b.jsonl'))]
    for (let i = 1; i <= 50; i++) {
      a.emit({ event: 'circuit.open', circuit: i, purpose: 'general' })
      b.record({ event: 'node.stage', stage: 'ready', number: i })
    }
    a.close()
    b.close()
    // What comes after the end is nobody's any more.
    a.emit({ event: 'circuit.open', circuit: 99, purpose: 'general' })
    appendFileSync(join(parts, 'a.jsonl'), '{"t":12,"event":"circ')
    const again = new PartRecorder(join(parts, 'a.jsonl'))
    again.emit({ event: 'circuit.open', circuit: 51, purpose: 'general' })
    again.close()
    expect(merge()).toEqual({ events: 101, cut: 1 })
    const { header: merged, records } = readTrace(join(folder, 'merged'))
    expect(merged).toMatchObject({ network: 'n', world: 'processes', nodes: [{ name: 'a' }] })
    expect(records.map((record) => record.t)).toEqual(records.map((record) => record.t).sort((x, y) => x - y))
    expect(records.filter((record) => record.node === 'a').map((record) => record['circuit'])).toEqual(Array.from({ length: 51 }, (_, i) => i + 1))
    expect(records.filter((record) => record.node === 'b').length).toBe(50)
    expect(records.every((record) => record.t >= 0 && record.t < 60e6)).toBe(true)
  })

  it('are refused when they are something else, and missed when there are none', () => {
    writeFileSync(join(parts, 'c.jsonl'), 'Nov 22 [notice] Tor running\n')
    expect(merge).toThrow(/c\.jsonl, line 1: this is not a part of a trace/)
    rmSync(join(parts, 'c.jsonl'))
    mkdirSync(join(folder, 'taken'))
    expect(() => mergeParts({ folder: parts, network: 'n', world: 'processes', nodes: [], output: join(folder, 'taken') })).toThrow(expect.objectContaining({ kind: 'local-io', message: expect.stringContaining('taken cannot be written') as string }) as Error)
    if (existsSync('/dev/full')) expect(() => mergeParts({ folder: parts, network: 'n', world: 'processes', nodes: [], output: '/dev/full' })).toThrow(/the trace \/dev\/full cannot be written: ENOSPC/)
    rmSync(parts, { recursive: true })
    expect(merge).toThrow(/no node has recorded anything/)
  })

  it('say nothing but what was recorded: one line an event, the time in front', () => {
    const path = join(folder, 'part.jsonl')
    const recorder = new PartRecorder(path)
    recorder.emit({ event: 'circuit.extended', circuit: 1, hops: 2 })
    recorder.close()
    const [blank, first, second] = readFileSync(path, 'utf8').split('\n')
    expect(blank).toBe('')
    expect(JSON.parse(first ?? '')).toMatchObject({ format: 'relish-trace-part', version: 1 })
    expect(second).toMatch(/^\{"t":\d+,"event":"circuit\.extended","circuit":1,"hops":2\}$/)
  })
})
