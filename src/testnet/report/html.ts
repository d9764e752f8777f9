/** The report as one HTML page that needs nothing beside it: verdict, stages, checks with evidence, observers, timeline, versions. */

import type { CheckResult } from '../checks/check.ts'
import { failureWords } from './github.ts'
import { css } from './html-style.ts'
import { countsWords, errorTitle, type RunReport, type TestReport } from './test-report.ts'

export function htmlReport(report: TestReport): string {
  const title = `${report.network.name}: ${report.verdict}`
  return [
    '<!doctype html>',
    '<html lang="en">',
    `<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escape(title)} – relish</title><style>${css}</style></head>`,
    '<body><main>',
    header(report),
    ...(report.runs.length > 1 ? [runTable(report)] : []),
    ...report.runs.map((run) => runSection(report, run)),
    versions(report),
    '</main></body></html>',
    '',
  ].join('\n')
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character] ?? character)

const badge = (kind: string): string => `<span class="badge ${escape(kind)}">${escape(kind)}</span>`

const secondsOf = (ms: number): string => `${(ms / 1000).toFixed(2)} s`

function header(report: TestReport): string {
  const { network, suite, counts } = report
  const many = counts.runs > 1 ? `<p>${countsWords(counts)}. Longest ${secondsOf(counts.longestMs)}, shortest ${secondsOf(counts.shortestMs)}.</p>` : ''
  const shard = suite.shard === undefined ? '' : `, part ${escape(suite.shard)}`
  const seed = network.seed === undefined ? '' : ` Seed <code>${escape(network.seed)}</code>.`
  return `<header><h1>${escape(network.name)} ${badge(report.verdict)}</h1><p>${escape(network.description)}</p><p>Suite <b>${escape(suite.name)}</b>${shard}, ${suite.checks.length} checks, in the world <b>${escape(network.world)}</b>.${seed}</p>${many}<p>Again: <code>${escape(report.command)}</code></p></header>`
}

function runTable(report: TestReport): string {
  const rows = report.runs.map((run) => {
    const red = [...run.checks.filter((check) => check.outcome.kind === 'failed' || check.outcome.kind === 'flaky').map((check) => check.name), ...run.observations.map((seen) => seen.kind)]
    return `<tr><td><a href="#run-${run.index}">${run.index}</a></td><td>${badge(run.verdict)}</td><td class="number">${secondsOf(run.times.startMs)}</td><td class="number">${secondsOf(run.times.checksMs)}</td><td class="number">${secondsOf(run.times.totalMs)}</td><td>${escape([...new Set(red)].join(', '))}</td></tr>`
  })
  return `<section><h2>Runs</h2><table><thead><tr><th>run</th><th></th><th class="number">start</th><th class="number">checks</th><th class="number">in all</th><th>what was red</th></tr></thead><tbody>${rows.join('')}</tbody></table></section>`
}

function runSection(report: TestReport, run: RunReport): string {
  const name = report.runs.length > 1 ? `Run ${run.index} ${badge(run.verdict)}` : 'The run'
  // Of many runs those are open that say something new.
  const open = report.runs.length === 1 || run.verdict !== 'passed' ? ' open' : ''
  return [
    `<details class="run" id="run-${run.index}"${open}><summary><h2>${name}</h2> <span class="dim">${escape(run.startedAt)}, ${secondsOf(run.times.totalMs)}</span></summary>`,
    ...(run.error === undefined ? [] : [`<h3>${errorTitle(run)}</h3><pre class="failed">${escape(run.error)}</pre>`]),
    ...(run.observations.length === 0 ? [] : [observations(run)]),
    ...(run.bundle === undefined ? [] : [`<p>Bundle of the failure: <code>${escape(run.bundle)}</code> (<code>relish bundle show ${escape(run.bundle)}</code>)</p>`]),
    checks(run),
    stages(run),
    timeline(run),
    '</details>',
  ].join('\n')
}

const observations = (run: RunReport): string =>
  `<h3>What observers saw</h3><table><thead><tr><th class="number">when</th><th>what</th><th>node</th><th></th></tr></thead><tbody>${run.observations.map((seen) => `<tr><td class="number">${secondsOf(seen.atMs)}</td><td>${badge(seen.kind)}</td><td>${escape(seen.node ?? '')}</td><td class="words">${escape(seen.words)}${seen.times === undefined ? '' : ` <span class="dim">(${seen.times} times)</span>`}</td></tr>`).join('')}</tbody></table>`

function checks(run: RunReport): string {
  if (run.checks.length === 0) return ''
  return `<h3>Checks</h3><div class="checks">${run.checks.map(check).join('\n')}</div>`
}

function check(result: CheckResult): string {
  const { outcome } = result
  const open = outcome.kind === 'failed' || outcome.kind === 'flaky' ? ' open' : ''
  return `<details class="check"${open}><summary>${badge(outcome.kind)} <b>${escape(result.name)}</b> <span>${escape(result.summary)}</span> <span class="dim">${secondsOf(result.elapsedMs)}</span></summary>${evidence(result)}</details>`
}

function evidence(result: CheckResult): string {
  const { outcome } = result
  const list = (lines: readonly string[]): string => (lines.length === 0 ? '' : `<ul>${lines.map((line) => `<li>${escape(line)}</li>`).join('')}</ul>`)
  switch (outcome.kind) {
    case 'passed':
      return list(outcome.evidence)
    case 'not-run':
      return `<p>${escape(outcome.reason)}</p>`
    case 'flaky':
      return `<pre class="failed">${escape(failureWords(result))}</pre>${list(outcome.evidence)}`
    case 'failed':
      return `<pre class="failed">${escape(failureWords(result))}</pre>${list(outcome.evidence.map((line) => `before that: ${line}`))}`
  }
}

/** A bar for each stage, from its first node to its last. */
function stages(run: RunReport): string {
  if (run.stages.length === 0) return ''
  const end = Math.max(1, ...run.stages.map((stage) => stage.lastMs))
  const percent = (ms: number): string => ((Math.max(0, ms) / end) * 100).toFixed(2)
  const rows = run.stages.map(
    (stage) =>
      `<tr><td>${escape(stage.stage)}</td><td class="number">${stage.nodes}</td><td class="number">${secondsOf(stage.firstMs)}</td><td class="number">${secondsOf(stage.lastMs)}</td><td class="bar"><svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="from ${secondsOf(stage.firstMs)} to ${secondsOf(stage.lastMs)}"><rect x="${percent(stage.firstMs)}" y="0" width="${Math.max(0.6, Number(percent(stage.lastMs)) - Number(percent(stage.firstMs))).toFixed(2)}" height="6"/></svg></td></tr>`,
  )
  return `<h3>Stages of the start</h3><table class="stages"><thead><tr><th>stage</th><th class="number">nodes</th><th class="number">first</th><th class="number">last</th><th></th></tr></thead><tbody>${rows.join('')}</tbody></table>`
}

function timeline(run: RunReport): string {
  if (run.timeline.length === 0) return ''
  const rows = run.timeline.map((entry) => `<tr class="${/^(warn:|error|failed|stopped)/.test(entry.what) ? 'loud' : ''}"><td class="number">${(entry.atMs / 1000).toFixed(3)}</td><td>${escape(entry.who)}</td><td class="words">${escape(entry.what)}</td></tr>`)
  return `<details class="timeline"><summary><h3>Timeline</h3> <span class="dim">${run.timeline.length} events</span></summary><table><thead><tr><th>second</th><th>who</th><th>what</th></tr></thead><tbody>${rows.join('')}</tbody></table></details>`
}

function versions(report: TestReport): string {
  const rows = report.network.nodes.map((node) => `<tr><td>${escape(node.name)}</td><td>${escape(node.role)}</td><td>${escape(node.version)}</td></tr>`)
  return `<section><h2>Versions</h2><p>relish ${escape(report.relish)}, Node.js ${escape(report.node)}, ${escape(report.platform)}</p><table><thead><tr><th>node</th><th>role</th><th>program</th></tr></thead><tbody>${rows.join('')}</tbody></table></section>`
}
