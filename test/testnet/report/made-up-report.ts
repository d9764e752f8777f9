/** A report with everything in it that a report can have, and text that no format takes as it is. */

import { makeReport, verdictOfRun, type RunReport, type TestReport } from '../../../src/testnet/report/test-report.ts'

export const nasty = `<script>alert("x")</script> & ]]> | \`code\` 100% \u0001\u001b[31m 🧅 ::error::`

const checks: RunReport['checks'] = [
  { name: 'echo', summary: 'bytes come back', tags: ['smoke'], outcome: { kind: 'passed', evidence: ['client1: 20 lines', nasty] }, startedAtMs: 1000, elapsedMs: 120 },
  { name: 'path', summary: 'three relays', tags: ['smoke'], outcome: { kind: 'failed', reason: `client1: two relays\n${nasty}`, expected: '3', found: '2', evidence: ['exit1 → exit2'] }, startedAtMs: 1120, elapsedMs: 80.5 },
  { name: 'bulk', summary: 'megabytes', tags: ['full'], outcome: { kind: 'flaky', reason: 'a byte was lost', failures: [{ kind: 'failed', reason: 'a byte was lost', expected: undefined, found: undefined, evidence: [] }], evidence: ['at last'] }, startedAtMs: 1200, elapsedMs: 10 },
  { name: 'families', summary: 'no two of one family', tags: ['full'], outcome: { kind: 'not-run', reason: 'no relay has a family' }, startedAtMs: 1210, elapsedMs: 0 },
  { name: 'mine', summary: 'my own', tags: ['own'], source: '/repository/checks/mine.js', outcome: { kind: 'failed', reason: 'no, wrong: this', expected: undefined, found: undefined, evidence: [] }, startedAtMs: 1210, elapsedMs: 3 },
]

const observations: RunReport['observations'] = [{ kind: 'warning', node: 'exit1', atMs: 1300, words: nasty, times: 3 }, { kind: 'leaked-port', atMs: 1400, words: 'somebody still listens on 127.1.2.3:9001' }]

export function madeUpReport(more: Partial<RunReport> = {}): TestReport {
  const run: RunReport = {
    index: 1,
    startedAt: '2026-11-22T12:00:00.123Z',
    verdict: verdictOfRun(more.checks ?? checks, more.observations ?? observations, more.error === undefined),
    times: { prepareMs: 400, startMs: 1800.25, checksMs: 5000, totalMs: 7300 },
    stages: [{ stage: 'starting', firstMs: 0, lastMs: 300, nodes: 10 }, { stage: 'ready', firstMs: 900, lastMs: 1800, nodes: 10 }],
    checks,
    observations,
    bundle: '/repository/relish-bundle',
    timeline: [{ atMs: 10, who: 'auth1', what: 'starting' }, { atMs: 1300, who: 'exit1', what: `warn: ${nasty}` }],
    ...more,
  }
  return makeReport({
    relish: '0.1.0', node: 'v20.19.0', platform: 'linux x64, 2 processors',
    command: 'relish test ./net.yaml --suite full --world simulated --seed 7',
    network: { name: 'net', description: 'a network & more', source: '/repository/net.yaml', world: 'simulated', seed: '7', nodes: [{ name: 'auth1', role: 'authority', implementation: 'relish', version: 'relish 0.1.0' }, { name: 'exit1', role: 'exit', implementation: 'tor', version: 'tor 0.4.9.11' }] },
    suite: { name: 'full', description: 'everything', retries: 1, checks: checks.map((check) => check.name) },
    runs: [run],
  })
}
