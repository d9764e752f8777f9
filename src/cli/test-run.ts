/** One run of `relish test`: prepared, started, checked, watched, closed; and the bundle if it failed. */

import { tmpdir, homedir } from 'node:os'
import { resolve } from 'node:path'
import { formatBootstrapError, type BootstrapError } from '../testnet/bootstrap.ts'
import { progressTo } from '../testnet/checks/run-checks.ts'
import type { Genesis } from '../testnet/network-types.ts'
import type { LoadedNetwork } from '../testnet/load-network.ts'
import { packageRoot } from '../testnet/package-root.ts'
import type { Captured } from '../testnet/report/capture.ts'
import { verdictOfRun, type ReportedNode, type RunReport } from '../testnet/report/test-report.ts'
import { SuiteRun } from '../testnet/suite/run-suite.ts'
import type { Suite } from '../testnet/suite/suite.ts'
import type { SessionProgress } from '../testnet/session.ts'
import type { Output } from './output.ts'
import { isNotReady, untilSignal, watchStart } from './run.ts'
import { openTestWorld, type WorldOptions } from './test-world.ts'

/** Failures of one run whose state is kept. */
const capturedMax = 5

export interface OneRun {
  readonly report: RunReport
  readonly nodes: readonly ReportedNode[]
  readonly genesis: Genesis
  readonly notReady: BootstrapError | undefined
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

/** Throws what keeps the run from beginning, and `Interrupted`. A network that does not come up is a result. */
export async function runOnce(loaded: LoadedNetwork, suite: Suite, options: OneRunOptions, output: Output, progress: (progress: SessionProgress) => void): Promise<OneRun> {
  const startedAt = new Date().toISOString()
  const beganMs = performance.now()
  const world = await openTestWorld(loaded, options)
  const { network } = world
  const preparedMs = performance.now()
  const run = new SuiteRun(network, suite, world.directory)
  const captured: Captured[] = []
  const keep = async (at: string): Promise<void> => {
    if (!options.keepsState || captured.length >= capturedMax) return
    const { capture } = await import('../testnet/report/capture.ts')
    captured.push(await capture(network, at, captured.length === 0))
  }
  // Loaded before time passes in a simulation.
  if (options.keepsState) await import('../testnet/report/capture.ts')
  let nodes: readonly ReportedNode[] = []
  const torrcs = new Map<string, string>()
  let notReady: BootstrapError | undefined
  let ended = false
  let readyMs = preparedMs
  let checkedMs = preparedMs
  const show = (one: SessionProgress): void => {
    // What checks say of a network that is being taken from under them means nothing.
    if (!ended) progress(one)
  }
  try {
    await untilSignal(
      async () => {
        const watch = options.showsStart ? watchStart(network, output) : undefined
        try {
          await world.drive(() =>
            run.run({
              onNotReady: () => keep('start'),
              onReady: () => {
                watch?.stop()
                readyMs = performance.now()
              },
              ...progressTo(show),
              onFailed: keep,
            }),
          )
        } finally {
          watch?.stop()
          checkedMs = performance.now()
        }
      },
      async () => {
        ended = true
        try {
          nodes = network.nodes().map((node) => ({ name: node.name, role: node.role, implementation: node.implementation, version: network.versionOf(node.name) }))
          for (const { name } of nodes) torrcs.set(name, network.torrcOf(name))
        } finally {
          await world.close()
        }
      },
    )
  } catch (error) {
    if (!isNotReady(error)) throw error
    notReady = error
  }
  const observations = [...world.broken(), ...run.end()]
  return {
    report: {
      index: options.index,
      startedAt,
      verdict: verdictOfRun(run.results, observations, notReady === undefined),
      times: { prepareMs: preparedMs - beganMs, startMs: readyMs - preparedMs, checksMs: checkedMs - readyMs, totalMs: performance.now() - beganMs },
      stages: run.bootstrap?.stages ?? [],
      checks: run.results,
      observations,
      ...(notReady === undefined ? {} : { error: formatBootstrapError(notReady) }),
      timeline: run.timeline,
    },
    nodes,
    genesis: world.genesis,
    notReady,
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
