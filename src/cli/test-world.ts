/** The world in which `relish test` runs: child processes, one process, or a simulation. One shape for all three. */

import { cpus } from 'node:os'
import { RelishError } from '../core/base/errors.ts'
import type { RunningNetwork } from '../testnet/backend/backend.ts'
import type { Genesis } from '../testnet/network-types.ts'
import type { LoadedNetwork } from '../testnet/load-network.ts'
import { mergedLogs } from '../testnet/merge-logs.ts'
import type { Observation } from '../testnet/observe/observation.ts'
import { RunDirectory } from '../testnet/run-directory.ts'
import { LocalSession } from '../testnet/session.ts'
import { clearIfIdle, directoryOf, prepare, tracePath, type RunOptions } from './run.ts'

export type WorldName = 'processes' | 'inline' | 'simulated'

export interface WorldOptions extends RunOptions {
  readonly world: WorldName
  readonly seed?: string
}

export interface TestWorld {
  readonly network: RunningNetwork
  readonly genesis: Genesis
  /** Where nodes have their files. */
  readonly directory: string | undefined
  /** Runs code that waits for the network only; in a simulation time passes meanwhile. */
  drive<T>(work: () => Promise<T>): Promise<T>
  /** All that nodes have logged, by time. */
  logs(): string
  /** What the world itself has seen go wrong, once it is closed. */
  broken(): readonly Observation[]
  close(): Promise<void>
}

export async function openTestWorld(loaded: LoadedNetwork, options: WorldOptions): Promise<TestWorld> {
  switch (options.world) {
    case 'processes':
      return processWorld(loaded, options)
    case 'inline':
      return inlineWorld(loaded, options)
    case 'simulated':
      return simulatedWorld(loaded, options)
  }
}

async function processWorld(loaded: LoadedNetwork, options: WorldOptions): Promise<TestWorld> {
  const { ControlServer } = await import('../testnet/control-socket.ts')
  const network = await prepare(loaded, options)
  // Others may ask about it while it runs.
  const control = await ControlServer.open(network.directory, new LocalSession(network), () => Promise.resolve()).catch(async (error: unknown) => {
    await network.close()
    throw error
  })
  return {
    network,
    genesis: network.genesis,
    directory: network.directory.path,
    drive: (work) => work(),
    logs: () =>
      mergedLogs(network.directory, { nodes: [], level: 'debug' })
        .map((entry) => `${entry.time} ${entry.node.padEnd(8)} [${entry.level}] ${entry.message}`)
        .join('\n'),
    broken: () => [],
    close: async () => {
      await control.close()
      await network.close()
    },
  }
}

async function inlineWorld(loaded: LoadedNetwork, options: WorldOptions): Promise<TestWorld> {
  const { prepareInlineNetwork } = await import('../testnet/backend/inline.ts')
  const outer = directoryOf(loaded.network.name, options.dir)
  // Nodes of one process have no use for what earlier ones have left, and no business with the files of a network of processes.
  const directory = new RunDirectory(outer.inline)
  await clearIfIdle(directory)
  const lines: string[] = []
  const network = await prepareInlineNetwork({
    network: loaded.network,
    directory,
    ...(options.trace === undefined ? {} : { trace: tracePath(outer, options.trace) }),
    logSink: (line) => void lines.push(`${new Date().toISOString()} ${line.node.padEnd(8)} [${line.level}] {${line.domain}} ${line.message}`),
  })
  return {
    network,
    genesis: network.genesis,
    directory: directory.path,
    drive: (work) => work(),
    logs: () => lines.join('\n'),
    broken: () => [],
    close: () => network.close(),
  }
}

async function simulatedWorld(loaded: LoadedNetwork, options: WorldOptions): Promise<TestWorld> {
  if (options.trace !== undefined) throw new RelishError('config', 'checks of a simulated network are not recorded', { hint: 'record the simulation itself: relish sim NETWORK --trace FILE' })
  const { SimulatedNetwork } = await import('../testnet/backend/simulated.ts')
  const lines: string[] = []
  const network = await SimulatedNetwork.prepare({
    network: loaded.network,
    seed: options.seed ?? '1',
    logLevel: options.logLevel ?? 'notice',
    logSink: (line) => void lines.push(`${(line.atMs / 1000).toFixed(3).padStart(10)} ${line.node.padEnd(8)} [${line.level}] {${line.domain}} ${line.message}`),
  })
  return {
    network,
    genesis: network.genesis,
    directory: undefined,
    drive: (work) => network.drive(work),
    logs: () => lines.join('\n'),
    broken: () => [
      ...network.bugs().map(({ node, error }) => ({ kind: 'internal-error', node, atMs: network.clock.now(), words: error.stack ?? error.message }) as const),
      ...network.invariants.violations.map((violation) => ({ kind: 'invariant', node: violation.node, atMs: violation.atMs, words: `${violation.invariant}: ${violation.words}` }) as const),
    ],
    close: async () => {
      await network.drive(() => network.invariants.settle(network))
      await network.close()
    },
  }
}

/** Of the machine, for reports. */
export const platformText = (): string => `${process.platform} ${process.arch}, ${cpus().length} processors`
