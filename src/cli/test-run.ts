/** One run of `relish test`: prepared, started, checked, watched, closed; and the bundle if it failed. */

import { tmpdir, homedir } from 'node:os'
import { resolve } from 'node:path'
import { formatBootstrapError, type BootstrapError } from '../testnet/bootstrap.ts'
import type { RunningNetwork } from '../testnet/backend/backend.ts'
import type { CheckResult } from '../testnet/checks/check.ts'
import { progressTo, type CheckEvent } from '../testnet/checks/run-checks.ts'
import type { Genesis } from '../testnet/network-types.ts'
import type { LoadedNetwork } from '../testnet/load-network.ts'
import { packageRoot } from '../testnet/package-root.ts'
import type { Captured } from '../testnet/report/capture.ts'
import { verdictOfRun, type ReportedNode, type RunReport } from '../testnet/report/test-report.ts'
import { SuiteRun } from '../testnet/suite/run-suite.ts'
import type { Suite } from '../testnet/suite/suite.ts'
import type { Output } from './output.ts'
import { Interrupted, isNotReady, untilSignal, watchStart } from './run.ts'
import { openTestWorld, type WorldOptions } from './test-world.ts'

/** Failures of one run whose state is kept. */
const capturedMax = 5

export interface OneRun {
  readonly report: RunReport
  readonly nodes: readonly ReportedNode[]
  readonly genesis: Genesis
  readonly notReady: BootstrapError | undefined
  /** Somebody ended it before it was done. */
  readonly interrupted: Interrupted | undefined
  /** Writes the bundle; `report` is of the whole. */
  readonly evidence: { readonly captured: readonly Captured[]; readonly torrcs: ReadonlyMap<string, string>; readonly logs: string; readonly directory: string | undefined }
}

export interface OneRunOptions extends WorldOptions {
  readonly index: number
  /** Whether the state of a failure is kept for a bundle. */
  readonly keepsState: boolean
  /** Whether the start is shown. */
  readonly showsStart: boolean
}

/** Throws what keeps the run from beginning. A network that does not come up is a result, and so is what there was when somebody ended it. */
export async function runOnce(loaded: LoadedNetwork, suite: Suite, options: OneRunOptions, output: Output, progress: (event: CheckEvent) => void): Promise<OneRun> {
  const startedAt = new Date().toISOString()
  const beganMs = performance.now()
  let preparedMs = beganMs
  const opening = openTestWorld(loaded, options).then((world) => {
    preparedMs = performance.now()
    return { world, run: new SuiteRun(world.network, suite, world.directory) }
  })
  const captured: Captured[] = []
  const keep = async (network: RunningNetwork, at: string): Promise<void> => {
    if (!options.keepsState || captured.length >= capturedMax) return
    const { capture } = await import('../testnet/report/capture.ts')
    captured.push(await capture(network, at, captured.length === 0))
  }
  // Loaded before time passes in a simulation.
  if (options.keepsState) await import('../testnet/report/capture.ts')
  let nodes: readonly ReportedNode[] = []
  const torrcs = new Map<string, string>()
  let notReady: BootstrapError | undefined
  let interrupted: Interrupted | undefined
  let ended = false
  let readyMs: number | undefined
  let checkedMs: number | undefined
  let results: readonly CheckResult[] = []
  const show = (one: CheckEvent): void => {
    // What checks say of a network that is being taken from under them means nothing.
    if (!ended) progress(one)
  }
  try {
    await untilSignal(
      async () => {
        const { world, run } = await opening
        const { network } = world
        const watch = options.showsStart ? watchStart(network, output) : undefined
        try {
          await world.drive(() =>
            run.run({
              onNotReady: () => keep(network, 'start'),
              onReady: () => {
                watch?.stop()
                readyMs = performance.now()
              },
              ...progressTo(show),
              onFailed: (check) => keep(network, check),
            }),
          )
        } finally {
          watch?.stop()
          checkedMs = performance.now()
        }
      },
      async () => {
        ended = true
        // What could not be opened has nothing to close, and its error is thrown already.
        const opened = await opening.catch(() => undefined)
        if (opened === undefined) return
        const { world, run } = opened
        const { network } = world
        results = [...run.results]
        try {
          nodes = network.nodes().map((node) => ({ name: node.name, role: node.role, implementation: node.implementation, version: network.versionOf(node.name) }))
          for (const { name } of nodes) torrcs.set(name, network.torrcOf(name))
        } finally {
          await world.close()
        }
      },
    )
  } catch (error) {
    if (isNotReady(error)) notReady = error
    else if (error instanceof Interrupted) interrupted = error
    else throw error
  }
  const { world, run } = await opening
  const seen = [...world.broken(), ...run.end()]
  // What was cut off in the middle leaves traces that mean nothing.
  const observations = interrupted === undefined ? seen : []
  const error = interrupted?.message ?? (notReady === undefined ? undefined : formatBootstrapError(notReady))
  const startedMs = readyMs ?? checkedMs ?? preparedMs
  return {
    report: {
      index: options.index,
      startedAt,
      verdict: interrupted === undefined ? verdictOfRun(results, observations, notReady === undefined) : 'interrupted',
      times: { prepareMs: preparedMs - beganMs, startMs: startedMs - preparedMs, checksMs: (checkedMs ?? startedMs) - startedMs, totalMs: performance.now() - beganMs },
      stages: run.bootstrap?.stages ?? [],
      checks: results,
      observations,
      ...(error === undefined ? {} : { error }),
      timeline: run.timeline,
    },
    nodes,
    genesis: world.genesis,
    notReady,
    interrupted,
    evidence: { captured, torrcs, logs: options.keepsState ? world.logs() : '', directory: world.directory },
  }
}

/** What a bundle calls the folders of this machine. */
export const foldersOf = (directory: string | undefined): Readonly<Record<string, string>> => ({
  [homedir()]: 'HOME',
  [tmpdir()]: 'TMP',
  [packageRoot()]: 'RELISH',
  [resolve('.')]: '.',
  ...(directory === undefined ? {} : { [directory]: 'RUN' }),
})
