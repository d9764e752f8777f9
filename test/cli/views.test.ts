import { stripVTControlCharacters } from 'node:util'
import pc from 'picocolors'
import { describe, expect, test } from 'vitest'
import { checkTable } from '../../src/cli/check-report.ts'
import { cutTo, type Output } from '../../src/cli/output.ts'
import { makeProgressView, nodeLines } from '../../src/cli/progress-view.ts'
import type { NodeStatus } from '../../src/testnet/backend/backend.ts'
import { BootstrapError, formatBootstrapError, type StuckNode } from '../../src/testnet/bootstrap.ts'
import type { CheckResult } from '../../src/testnet/checks/check.ts'

const terminal = (columns: number, colour: boolean): Output => ({ fact: () => undefined, json: () => undefined, note: () => undefined, colours: pc.createColors(colour), live: true, columns })

const results: readonly CheckResult[] = [
  { name: 'no-relay-knows-both', summary: 'no relay of a circuit holds both the client and the target', tags: [], startedAtMs: 0, elapsedMs: 52, outcome: { kind: 'passed', evidence: ['client1: auth1 knows 127.9.74.133 and exit4; exit4 knows auth1 and exit1; none knows both', 'client2: the same'] } },
  { name: 'echo', summary: 'bytes come back', tags: [], startedAtMs: 0, elapsedMs: 3, outcome: { kind: 'failed', reason: 'they did not', expected: 'bytes', found: 'none', evidence: [] } },
]

const status = (more: Partial<NodeStatus>): NodeStatus => ({ name: 'exit1', state: { kind: 'running', pid: 1 }, stage: 'published', stageAtMs: {}, waitingFor: 'descriptors of relays that can be reached: 7 of 8; not reached yet: exit3', warnings: [], listeners: [], ...more }) as NodeStatus

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => stripVTControlCharacters(line).length))
const hasEscapes = (text: string): boolean => stripVTControlCharacters(text) !== text

describe.each([30, 44, 60, 80, 120, 200])('on a terminal of %i columns', (columns) => {
  test('the table of checks fits', () => {
    const text = checkTable(terminal(columns, true), results)
    expect(stripVTControlCharacters(text)).toContain('no-relay-knows-both')
    if (columns >= 80) expect(widest(text)).toBeLessThanOrEqual(columns)
  })

  test('a line of a node fits', () => {
    const nodes = [{ name: 'exit1', role: 'exit' }, { name: 'a-client-of-a-long-name', role: 'client' }] as const
    for (const one of [{}, { state: { kind: 'died', reason: 'exit status 7; its last words: the fake node was told to die' } } as const, { stage: 'ready', stageAtMs: { ready: 2500 } } as const]) {
      const text = nodeLines(terminal(columns, true), nodes, () => status(one))
      expect(widest(text)).toBeLessThanOrEqual(columns)
      expect(text).toContain('exit1')
    }
  })
})

test('a node that was stopped is not ready any more', () => {
  const text = nodeLines(terminal(100, false), [{ name: 'exit1', role: 'exit' }], () => status({ state: { kind: 'stopped' }, stage: 'ready', stageAtMs: { ready: 2500 } }))
  expect(text).toMatch(/^– exit1 .* stopped$/)
})

test('without colours nothing is coloured', () => {
  expect(hasEscapes(checkTable(terminal(100, false), results))).toBe(false)
  expect(hasEscapes(nodeLines(terminal(100, false), [{ name: 'exit1', role: 'exit' }], () => status({})))).toBe(false)
})

const many = Array.from({ length: 100 }, (_, index) => ({ name: `relay${index + 1}`, role: 'relay' as const }))

test('in a pipe many nodes are counted, and what goes wrong is still told', () => {
  const lines: string[] = []
  const view = makeProgressView({ ...terminal(80, false), live: false, note: (line) => void lines.push(line) }, () => many, () => status({}))
  for (const stage of ['keys', 'published'] as const) for (const { name } of many) view.onEvent({ atMs: 1500, node: name, event: { kind: 'stage', stage } })
  view.onEvent({ atMs: 1600, node: 'relay7', event: { kind: 'stopped', reason: 'exit status 7' } })
  expect(lines).toEqual([
    ...['keys', 'published'].flatMap((stage) => [25, 50, 75, 100].map((count) => `[   1.500] ${stage}: ${count} of 100 nodes`)),
    '[   1.600] relay7   stopped: exit status 7',
  ])
})

test('of many nodes that are stuck the first are named, and a few pieces of advice given', () => {
  const stuck = many.map(({ name, role }): StuckNode => ({ node: name, role, state: { kind: 'running', pid: 1, sinceMs: 0 }, stage: 'listening', waitingFor: 'a consensus', warnings: [`${name} failed`], silentForMs: 1000, advice: [`look at ${name}`], runOptions: '-n big' }))
  const lines = formatBootstrapError(new BootstrapError('it did not come up', stuck)).split('\n')
  expect(lines[1]).toMatch(/^ {2}relay1, relay2, .*, relay12 and 88 more \(relay\): at stage listening/)
  expect(lines.filter((line) => line.startsWith('  try: '))).toHaveLength(5)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(250)
})

test('what is cut says so', () => {
  expect(cutTo('abcdef', 6)).toBe('abcdef')
  expect(cutTo('abcdefg', 6)).toBe('abcde…')
  expect(cutTo('abc', 0)).toBe('')
})
