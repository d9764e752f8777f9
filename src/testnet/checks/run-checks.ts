/** Runs checks one after another, and keeps what each found. A check that throws has failed; nothing stops the rest. */

import { RelishError } from '../../core/base/errors.ts'
import type { RunningNetwork } from '../backend/backend.ts'
import { checkTimeoutMs } from '../limits.ts'
import type { Check, CheckContext, CheckOutcome, CheckResult } from './check.ts'
import { makeCheckClient } from './client.ts'
import { CheckFailure, makeExpect } from './expect.ts'
import { makeSinkFactory } from './sink-factory.ts'

export interface CheckProgress {
  onStart(check: Check): void
  onLog(check: Check, line: string): void
  onResult(result: CheckResult): void
}

export async function runChecks(network: RunningNetwork, checks: readonly Check[], progress: CheckProgress): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  for (const check of checks) {
    progress.onStart(check)
    const startMs = network.clock.now()
    const outcome = await runCheck(network, check, (line) => progress.onLog(check, line))
    const result: CheckResult = { name: check.name, summary: check.summary, outcome, elapsedMs: network.clock.now() - startMs }
    results.push(result)
    progress.onResult(result)
  }
  return results
}

async function runCheck(network: RunningNetwork, check: Check, log: (line: string) => void): Promise<CheckOutcome> {
  const unfit = check.notFor?.(network)
  if (unfit !== undefined) return { kind: 'not-run', reason: unfit }
  const sink = makeSinkFactory(network, check.name)
  const seen: string[] = []
  const context: CheckContext = {
    network,
    clients: network.nodes().filter((node) => node.role === 'client' && network.status(node.name).state.kind === 'running').map((node) => makeCheckClient(network, node.name)),
    sink,
    expect: makeExpect(),
    log: (line) => {
      seen.push(line)
      log(line)
    },
  }
  try {
    if (context.clients.length === 0) throw new CheckFailure('no client of the network runs')
    const evidence = await withTimeout(network, check.run(context), check.name)
    if (evidence.length === 0) throw new CheckFailure('the check gave no evidence, so it has shown nothing')
    return { kind: 'passed', evidence }
  } catch (error) {
    const failure = error instanceof CheckFailure ? error : undefined
    return { kind: 'failed', reason: reasonOf(error), expected: failure?.expected, found: failure?.found, evidence: seen }
  } finally {
    sink.closeAll()
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof CheckFailure) return error.message
  if (error instanceof RelishError) return error.kind === 'bug' && error.stack !== undefined ? error.stack : error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** A check waits for streams and answers that may never come; the world's clock ends that. */
async function withTimeout<T>(network: RunningNetwork, work: Promise<T>, name: string): Promise<T> {
  let result: { value: T } | { error: unknown } | undefined
  work.then(
    (value) => (result = { value }),
    (error: unknown) => (result = { error }),
  )
  const settled = work.then(() => undefined, () => undefined)
  let timer: () => void = () => undefined
  const expired = new Promise<void>((resolve) => {
    timer = network.clock.after(checkTimeoutMs, resolve)
  })
  await Promise.race([settled, expired])
  timer()
  if (result === undefined) throw new CheckFailure(`${name} was not done after ${checkTimeoutMs / 1000} s`)
  if ('error' in result) throw result.error
  return result.value
}
