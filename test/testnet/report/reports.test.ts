import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { validateXML } from 'xmllint-wasm'
import { must } from '../../../src/core/base/assert.ts'
import { githubAnnotations, githubSummary } from '../../../src/testnet/report/github.ts'
import { htmlReport } from '../../../src/testnet/report/html.ts'
import { junitXml } from '../../../src/testnet/report/junit.ts'
import { makeReport, type TestReport } from '../../../src/testnet/report/test-report.ts'
import { madeUpReport, nasty } from './made-up-report.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const passed = (): TestReport => {
  const report = madeUpReport({ checks: madeUpReport().runs[0]?.checks.filter((check) => check.outcome.kind === 'passed') ?? [], observations: [] })
  return makeReport({ ...report, runs: report.runs.map(({ bundle: _bundle, ...run }) => run) })
}
const notReady = (): TestReport => madeUpReport({ checks: [], observations: [], error: `the network did not come up\n  ${nasty}` })
const interrupted = (): TestReport => makeReport({ ...madeUpReport(), runs: [...passed().runs, { ...must(passed().runs[0], 'a run'), index: 2, verdict: 'interrupted', error: `ended by ${nasty}` }] })
const many = (): TestReport => makeReport({ ...madeUpReport(), runs: [...passed().runs, ...madeUpReport({ index: 2 }).runs, ...notReady().runs] })
const all = [['a run with everything', madeUpReport], ['a run that passed', passed], ['a network that did not come up', notReady], ['many runs', many], ['runs that somebody broke off', interrupted]] as const

test('the worst counts', () => {
  expect(passed().verdict).toBe('passed')
  expect(madeUpReport().verdict).toBe('failed')
  expect(madeUpReport({ checks: madeUpReport().runs[0]?.checks.filter((check) => check.outcome.kind === 'flaky') ?? [], observations: [] }).verdict).toBe('flaky')
  expect(interrupted().verdict).toBe('interrupted')
  expect(many()).toMatchObject({ verdict: 'not-ready', counts: { runs: 3, passed: 1, failed: 2, flaky: 0 } })
})

describe('JSON', () => {
  const schema = JSON.parse(readFileSync(join(root, 'docs/test-report.schema.json'), 'utf8')) as { properties: { version: { const: number }; format: { const: string } } }
  const validate = new Ajv({ allErrors: true, strict: false }).compile(schema)

  test.each(all)('%s is as the published schema says', (_what, make) => {
    validate(JSON.parse(JSON.stringify(make())))
    expect(validate.errors).toBeNull()
  })

  test('the schema is of this version, and is no rubber stamp', () => {
    expect(schema.properties).toMatchObject({ version: { const: makeReport(madeUpReport()).version }, format: { const: madeUpReport().format } })
    expect(validate({ ...madeUpReport(), verdict: 'splendid' })).toBe(false)
    expect(validate({ ...madeUpReport(), runs: [{}] })).toBe(false)
  })
})

describe('JUnit', () => {
  const schema = readFileSync(join(root, 'test/testnet/report/junit.xsd'), 'utf8')
  const judge = async (xml: string) => validateXML({ xml: { fileName: 'report.xml', contents: xml }, schema: { fileName: 'junit.xsd', contents: schema } })

  test.each(all)('%s is accepted by the schema', async (_what, make) => {
    const { valid, errors } = await judge(await junitXml(make()))
    expect(errors.map((error) => error.message)).toEqual([])
    expect(valid).toBe(true)
  })

  test('counts and cases are those of the run', async () => {
    const xml = await junitXml(madeUpReport())
    expect(xml).toMatch(/<testsuite name="relish net full"[^>]* tests="7" failures="4" errors="0" skipped="1"/)
    expect(xml).toContain('<failure message="flaky: passed after 1 failed: a byte was lost" type="flaky"/>')
    expect(xml).toContain('file="/repository/checks/mine.js"')
    expect(await junitXml(notReady())).toMatch(/<error message="the network did not come up" type="not-ready">/)
  })

  test('the schema refuses what is none', async () => {
    expect((await judge('<testsuites tests="1" failures="0" errors="0"><testsuite name="x" tests="many" failures="0" errors="0"/></testsuites>')).valid).toBe(false)
  })
})

describe('GitHub', () => {
  test('annotations: one line each, with the file where it is in the repository', () => {
    const lines = githubAnnotations(madeUpReport(), '/repository')
    expect(lines).toHaveLength(5)
    for (const line of lines) expect(line).toMatch(/^::(error|warning) [^\n]*$/)
    expect(lines[0]).toMatch(/^::error file=net\.yaml,title=path failed::client1: two relays%0A/)
    expect(lines[1]).toMatch(/^::warning file=net\.yaml,title=bulk is flaky::/)
    expect(lines[2]).toBe('::error file=checks/mine.js,title=mine failed::no, wrong: this')
    expect(lines[0]).toContain('100%25')
    expect(githubAnnotations(madeUpReport(), '/elsewhere')[0]).toMatch(/^::error title=path failed::/)
    expect(githubAnnotations(passed(), '/repository')).toEqual([])
  })

  test('the summary is a table that text cannot break out of', () => {
    expect(githubSummary(interrupted())).toContain('1 of 2 runs passed, 0 flaky, 0 failed, 1 interrupted')
    const summary = githubSummary(madeUpReport())
    expect(summary).toContain('## ❌ relish: net, suite full')
    expect(summary).not.toContain('<script>')
    expect(summary.split('\n').filter((line) => line.startsWith('| ')).every((line) => (line.match(/(?<!\\)\|/g) ?? []).length === 5)).toBe(true)
    expect(githubSummary(many())).toContain('1 of 3 runs passed, 0 flaky, 2 failed')
  })
})

describe('HTML', () => {
  test.each(all)('%s: one page that needs nothing else, and text stays text', (_what, make) => {
    const html = htmlReport(make())
    expect(html).not.toMatch(/<script|<link|<img|src=|href="(?!#)|url\(|@import/)
    expect(html).toContain('&lt;script&gt;')
    for (const tag of ['table', 'details', 'section', 'main', 'tr', 'td']) expect(html.split(`<${tag}`).filter((_, i) => i > 0).filter((rest) => /^[ >]/.test(rest)).length).toBe(html.split(`</${tag}>`).length - 1)
  })
})
