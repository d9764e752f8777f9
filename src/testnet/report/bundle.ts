/**
 * The bundle of a failed run: one folder with all one needs to understand it elsewhere, and nothing that belongs to the
 * machine it ran on.
 *
 *     bundle.json       what failed, what each node was doing, how to repeat it      report.json   the run's whole report
 *     network.yaml      the network file as written        resolved.json   what it resolves to
 *     torrc/NODE        torrc of each node                 logs.txt        all logs, merged by time
 *     state/CHECK/NODE.json   circuits, streams and links when that check failed
 *     documents/NODE/NAME     consensuses, votes, certificates and descriptors that the node held
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { RelishError } from '../../core/base/errors.ts'
import { bundleFileBytesMax } from '../limits.ts'
import { validatorOf } from '../schema-validator.ts'
import schema from './bundle.schema.json' with { type: 'json' }
import type { ResolvedNetwork } from '../network-types.ts'
import type { Observation } from '../observe/observation.ts'
import type { Captured, CapturedNode } from './capture.ts'
import { makeRedactor, type Redaction } from './redact.ts'
import type { RunReport, TestReport } from './test-report.ts'

export interface BundleInput {
  readonly report: TestReport
  readonly run: RunReport
  readonly networkText: string
  readonly network: ResolvedNetwork
  readonly torrcs: ReadonlyMap<string, string>
  readonly logs: string
  readonly captured: readonly Captured[]
  readonly redaction: Redaction
}

export interface Bundle {
  readonly format: 'relish-bundle'
  readonly version: 1
  readonly network: string
  readonly verdict: RunReport['verdict']
  readonly command: string
  readonly seed?: string
  readonly relish: string
  readonly startedAt: string
  readonly error?: string
  readonly failures: readonly { readonly check: string; readonly reason: string; readonly expected?: string; readonly found?: string; readonly atMs: number; readonly flaky?: true }[]
  readonly observations: readonly Observation[]
  readonly nodes: TestReport['network']['nodes']
  /** By what failed then. Without documents. */
  readonly captured: readonly { readonly at: string; readonly atMs: number; readonly nodes: { readonly [name: string]: CapturedNode } }[]
  readonly timeline: RunReport['timeline']
}

/** Throws `config` for a folder that a bundle must not take the place of: one with something else in it. */
export function refuseForeignFolder(folder: string): void {
  if (!existsSync(folder) || existsSync(join(folder, 'bundle.json')) || readdirSync(folder).length === 0) return
  throw new RelishError('config', `${folder} is there and is no bundle`, { hint: 'name another folder with --bundle' })
}

/** Words of our own, which readers of a bundle look at: a variable may have the same value. */
const keysOfOwnWords: readonly string[] = ['format', 'verdict', 'kind', 'state', 'stage', 'role', 'flavour']

/** Writes the folder anew. Throws `config` for one that is no bundle. */
export function writeBundle(folder: string, input: BundleInput): void {
  const redact = makeRedactor(input.redaction)
  refuseForeignFolder(folder)
  rmSync(folder, { recursive: true, force: true })
  const write = (name: string, text: string): void => {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  const writeText = (name: string, text: string): void => write(name, cutInTheMiddle(redact(text)))
  // Value by value and never cut: what comes out is still JSON, with the names that its readers know.
  const redactValue = (key: string, value: unknown): unknown => (typeof value === 'string' && !keysOfOwnWords.includes(key) ? redact(value) : value)
  const writeJson = (name: string, value: unknown): void => write(name, `${JSON.stringify(value, redactValue, 2)}\n`)
  writeJson('bundle.json', bundleOf(input))
  writeJson('report.json', { ...input.report, runs: [input.run] })
  writeText('network.yaml', input.networkText)
  writeJson('resolved.json', input.network)
  for (const [node, torrc] of input.torrcs) writeText(`torrc/${node}`, torrc)
  writeText('logs.txt', input.logs)
  for (const { at, nodes, documents } of input.captured) {
    for (const [node, state] of Object.entries(nodes)) writeJson(`state/${at}/${node}.json`, state)
    for (const [node, texts] of Object.entries(documents)) for (const [name, text] of Object.entries(texts)) writeText(`documents/${node}/${name}`, text)
  }
}

function bundleOf({ report, run, captured }: BundleInput): Bundle {
  return {
    format: 'relish-bundle',
    version: 1,
    network: report.network.name,
    verdict: run.verdict,
    command: report.command,
    ...(report.network.seed === undefined ? {} : { seed: report.network.seed }),
    relish: report.relish,
    startedAt: run.startedAt,
    ...(run.error === undefined ? {} : { error: run.error }),
    failures: run.checks.flatMap(({ name, outcome, startedAtMs, elapsedMs }) => {
      const failure = outcome.kind === 'failed' ? outcome : outcome.kind === 'flaky' ? outcome.failures[0] : undefined
      if (failure === undefined) return []
      return [{ check: name, reason: failure.reason, ...(failure.expected === undefined ? {} : { expected: failure.expected }), ...(failure.found === undefined ? {} : { found: failure.found }), atMs: startedAtMs + elapsedMs, ...(outcome.kind === 'flaky' ? { flaky: true as const } : {}) }]
    }),
    observations: run.observations,
    nodes: report.network.nodes,
    captured: captured.map(({ at, atMs, nodes }) => ({ at, atMs, nodes })),
    timeline: run.timeline,
  }
}

/** The beginning says how it came about, the end what became of it. */
function cutInTheMiddle(text: string): string {
  if (text.length <= bundleFileBytesMax) return text
  const half = Math.floor(bundleFileBytesMax / 2)
  return `${text.slice(0, half)}\n… ${text.length - 2 * half} characters left out …\n${text.slice(-half)}`
}

/** Throws `config` for a folder that has none, and for one that is damaged. */
export function readBundle(folder: string): Bundle {
  const path = join(folder, 'bundle.json')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new RelishError('config', `${folder} is no bundle: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  let bundle: unknown
  try {
    bundle = JSON.parse(text)
  } catch (error) {
    throw new RelishError('config', `${path} is damaged: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  const { format, version } = (bundle ?? {}) as Partial<Bundle>
  if (format !== 'relish-bundle' || version !== 1) throw new RelishError('config', `${folder} is no bundle that this version of relish reads`)
  const validate = validatorOf(schema)
  if (validate(bundle) !== true) {
    const [first] = validate.errors ?? []
    throw new RelishError('config', `${path} is damaged: ${first?.instancePath ?? ''} ${first?.message ?? ''}`)
  }
  return bundle as Bundle
}
