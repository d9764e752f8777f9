/**
 * Runs checks, those last that disturb the network, and keeps what each found. Those that only use it run side by side: one
 * alone leaves a core idle most of the time. A check that throws has failed; nothing stops the rest.
 */

import { RelishError } from '../../core/base/errors.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { waitUntilReady } from '../bootstrap.ts'
import { checkPatienceMs, checksAtOnceMax } from '../limits.ts'
import { runningNodes } from '../running-nodes.ts'
import type { AttemptOutcome, Check, CheckContext, CheckOutcome, CheckResult } from './check.ts'
import { makeCheckClient } from './client.ts'
import { CheckFailure, makeExpect } from './expect.ts'
import { networkOfOne } from './network-of-one.ts'
import { ProgressWatch } from './progress.ts'
import { makeSinkFactory } from './sink-factory.ts'

export interface CheckProgress {
  onStart(check: Check): void
  onLog(check: Check, line: string): void
  onResult(result: CheckResult): void
}

/** The same as a message, for whoever follows a session from another process. */
export type CheckEvent =
  | { readonly kind: 'check-started'; readonly name: string; readonly summary: string }
  | { readonly kind: 'check-log'; readonly name: string; readonly line: string }
  | { readonly kind: 'check-result'; readonly result: CheckResult }

export const progressTo = (onEvent: (event: CheckEvent) => void): CheckProgress => ({
  onStart: (check) => onEvent({ kind: 'check-started', name: check.name, summary: check.summary }),
  onLog: (check, line) => onEvent({ kind: 'check-log', name: check.name, line }),
  onResult: (result) => onEvent({ kind: 'check-result', result }),
})

export interface RunChecksOptions {
  /** How often a check that failed is tried again. Not at all unless given. */
  readonly retries?: number
  /** How long nothing may happen before a check counts as stuck. `checkPatienceMs` unless given. */
  readonly patienceMs?: number
  /** Whether anybody waits for the checks that have not begun. */
  readonly isWanted?: () => boolean
  /** Called right after a check failed, while its streams are open and the network is as it left it. */
  readonly onFailed?: (check: Check, outcome: AttemptOutcome) => Promise<void>
}

export async function runChecks(network: RunningNetwork, checks: readonly Check[], progress: CheckProgress, options: RunChecksOptions = {}): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  // C tor judges an exit for all streams by what became of one: there each check begins when the one before it is over.
  const isForeign = network.nodes().some((node) => node.implementation !== 'relish')
  for (const group of inGroups(inOrder(checks), isForeign ? 1 : checksAtOnceMax)) {
    if (options.isWanted?.() === false) break
    // All of them see the network as it is before any begins.
    const views = group.map(() => (group.length === 1 ? network : networkOfOne(network)))
    const running = group.map((check, index) => runOne(views[index] ?? network, check, progress, options))
    // An error that is no result is met where its turn comes.
    for (const one of running) one.catch(() => undefined)
    // Told in their order, however they end.
    for (const one of running) {
      const result = await one
      results.push(result)
      progress.onResult(result)
    }
  }
  return results
}

/** Neighbours that may run beside others run together, so many at most. */
export function inGroups(checks: readonly Check[], atOnceMax: number): Check[][] {
  const groups: Check[][] = []
  for (const check of checks) {
    const last = groups.at(-1)
    if (last !== undefined && last.length < atOnceMax && check.besideOthers === true && last[0]?.besideOthers === true) last.push(check)
    else groups.push([check])
  }
  return groups
}

async function runOne(network: RunningNetwork, check: Check, progress: CheckProgress, options: RunChecksOptions): Promise<CheckResult> {
  progress.onStart(check)
  const startedAtMs = network.clock.now()
  const outcome = await runWithRetries(network, check, (line) => progress.onLog(check, line), options)
  return {
    name: check.name,
    summary: check.summary,
    tags: check.tags,
    ...(check.source === undefined ? {} : { source: check.source }),
    outcome,
    startedAtMs,
    elapsedMs: network.clock.now() - startedAtMs,
  }
}

/** As given, but those that disturb the network come last. */
export const inOrder = (checks: readonly Check[]): Check[] => [...checks.filter((check) => check.disturbs !== true), ...checks.filter((check) => check.disturbs === true)]

async function runWithRetries(network: RunningNetwork, check: Check, log: (line: string) => void, options: RunChecksOptions): Promise<CheckOutcome> {
  const failures: Extract<AttemptOutcome, { kind: 'failed' }>[] = []
  for (;;) {
    const outcome = await runCheck(network, check, log, options)
    if (outcome.kind !== 'failed') {
      const first = failures[0]
      return first === undefined || outcome.kind === 'not-run' ? outcome : { kind: 'flaky', reason: first.reason, failures, evidence: outcome.evidence }
    }
    failures.push(outcome)
    if (failures.length > (options.retries ?? 0)) return outcome
  }
}

async function runCheck(network: RunningNetwork, check: Check, log: (line: string) => void, options: RunChecksOptions): Promise<AttemptOutcome> {
  const unfit = check.notFor?.(network)
  if (unfit !== undefined) return { kind: 'not-run', reason: unfit }
  const watch = new ProgressWatch(network, options.patienceMs ?? checkPatienceMs)
  const sink = makeSinkFactory(watch.network, check.name)
  const seen: string[] = []
  const context: CheckContext = {
    network: watch.network,
    clients: runningNodes(network).filter((node) => node.role === 'client').map((node) => makeCheckClient(watch.network, node.name)),
    sink,
    expect: makeExpect(),
    log: (line) => {
      watch.note(line)
      seen.push(line)
      log(line)
    },
  }
  try {
    if (context.clients.length === 0) throw new CheckFailure('no client of the network runs')
    const evidence = await watch.during(check.run(context), check.name)
    if (evidence.length === 0) throw new CheckFailure('the check gave no evidence, so it has shown nothing')
    return { kind: 'passed', evidence }
  } catch (error) {
    const failure = error instanceof CheckFailure ? error : undefined
    const outcome: AttemptOutcome = { kind: 'failed', reason: reasonOf(error), expected: failure?.expected, found: failure?.found, evidence: seen }
    await options.onFailed?.(check, outcome)
    // It may have been given up half way; those that come after it are not to suffer from that.
    if (check.disturbs === true) await startAgain(network)
    return outcome
  } finally {
    sink.closeAll()
  }
}

/** Whoever was stopped runs again, and is ready if it can be; an observer tells of whoever is not. */
async function startAgain(network: RunningNetwork): Promise<void> {
  const stopped = network.nodes().filter((node) => network.status(node.name).state.kind === 'stopped').map((node) => node.name)
  if (stopped.length === 0) return
  try {
    await network.start(stopped)
    await waitUntilReady(network, stopped)
  } catch (error) {
    if (!(error instanceof RelishError)) throw error
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof CheckFailure) return error.message
  if (error instanceof RelishError) return error.kind === 'bug' && error.stack !== undefined ? error.stack : error.message
  return error instanceof Error ? ownStack(error) : String(error)
}

/** Up to where this program called the check, without Node.js's own frames: the rest says nothing about why it threw. */
function ownStack({ stack, message }: Error): string {
  const lines = (stack ?? message).split('\n').filter((line) => !/^ +at .*\(node:internal\//.test(line))
  const called = lines.findIndex((line) => /^ +at (async )?(runCheck|ProgressWatch\.during) \(/.test(line))
  let end = called < 0 ? lines.length : called
  // A check that is a module is called by the object that stands for it.
  while (/^ +at (async )?(Object\.run|Promise\.race) \(/.test(lines[end - 1] ?? '')) end--
  return lines.slice(0, end).join('\n')
}
