/** What commands that run a network themselves share: signals, the run directory, live views. */

import { resolve } from 'node:path'
import { RelishError } from '../core/base/errors.ts'
import type { RunningNetwork } from '../testnet/backend/backend.ts'
import { BootstrapError } from '../testnet/bootstrap.ts'
import { nodeCommand, prepareProcessNetwork, type ProcessNetwork } from '../testnet/backend/process.ts'
import { formatDiagnostic } from '../testnet/diagnostic.ts'
import { loadNetwork, type LoadedNetwork } from '../testnet/load-network.ts'
import { nodeEnvironment, nodeProgramFrom } from '../testnet/node-environment.ts'
import { RunDirectory, defaultRunDirectory, lockRunDirectory } from '../testnet/run-directory.ts'
import { exitCode } from './exit-codes.ts'
import type { LogLevelName } from './options.ts'
import { isUnread, unwritten, type Output } from './output.ts'
import { makeProgressView, type ProgressView } from './progress-view.ts'

export interface RunOptions {
  readonly dir?: string
  readonly logLevel?: LogLevelName
  readonly clean?: boolean
  readonly set?: readonly string[]
  /** `true`: into the run directory. */
  readonly trace?: string | true
}

/** `settings` are those of `--set`. */
export function load(nameOrPath: string, output: Output, settings: readonly string[] = []): LoadedNetwork {
  const loaded = loadNetwork(nameOrPath, process.env, settings)
  for (const warning of loaded.warnings) output.note(formatDiagnostic(warning))
  return loaded
}

export const directoryOf = (name: string, dir: string | undefined): RunDirectory => new RunDirectory(dir ?? defaultRunDirectory(name))

export async function prepare(loaded: LoadedNetwork, options: RunOptions): Promise<ProcessNetwork> {
  const directory = directoryOf(loaded.network.name, options.dir)
  if (options.clean === true) await clearIfIdle(directory)
  const nodeProgram = nodeProgramFrom(process.env['RELISH_TOR'], nodeCommand)
  return prepareProcessNetwork({
    network: loaded.network,
    directory,
    text: loaded.text,
    ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel }),
    ...(nodeProgram === undefined ? {} : { nodeProgram }),
    environment: nodeEnvironment(process.env),
    ...(options.trace === undefined ? {} : { trace: tracePath(directory, options.trace) }),
  })
}

/** Where the trace of a run goes. */
export const tracePath = (directory: RunDirectory, trace: string | true): string => (trace === true ? directory.trace : resolve(trace))

/** Takes the lock for the moment of clearing, so that a running network's files stay. */
export async function clearIfIdle(directory: RunDirectory): Promise<void> {
  const lock = await lockRunDirectory(directory)
  try {
    directory.clear()
  } finally {
    await lock.release()
  }
}

/** A view of a network's start; call `stop` when it is over. */
export function watchStart(network: RunningNetwork, output: Output): { view: ProgressView; stop: () => void } {
  const view = makeProgressView(
    output,
    () => network.nodes(),
    (node) => network.status(node),
  )
  const unsubscribe = network.onEvent((record) => view.onEvent(record))
  return {
    view,
    stop: () => {
      unsubscribe()
      view.finish()
    },
  }
}

export const isNotReady = (error: unknown): error is BootstrapError => error instanceof BootstrapError

/** The user, or whoever read the output, has had enough. */
export class Interrupted extends RelishError {
  constructor(by: string) {
    super('unavailable', `ended ${by}`)
  }
}

/**
 * Runs `work` until it is done or something ends it, and then, in every case, `cleanUp`. What ends it is a signal, a reader
 * of standard output that went away, or an error that nobody caught (checks are anybody's code). A second signal does not
 * wait for anything: the children end by themselves when this process does.
 */
export async function untilSignal<T>(work: () => Promise<T>, cleanUp: () => Promise<void>): Promise<T> {
  let end: (error: unknown) => void = () => undefined
  const ended = new Promise<never>((_, reject) => {
    end = reject
  })
  ended.catch(() => undefined)
  const stopListening = onEnds(end)
  try {
    return await Promise.race([work(), ended])
  } finally {
    await cleanUp().finally(stopListening)
  }
}

/** Calls `end` for each thing that may end a run before its time. */
function onEnds(end: (error: unknown) => void): () => void {
  let signals = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    if (++signals > 1) process.exit(exitCode.interrupted)
    end(new Interrupted(`by ${signal}`))
  }
  const onOutputError = (error: unknown): void => end(isUnread(error) ? new Interrupted('because nobody reads its output') : unwritten(error))
  const onExit = (): void => {
    if (signals > 1) return
    process.stderr.write('relish: ended by a call of process.exit, as from a check\n')
    process.exitCode = exitCode.internal
  }
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, onSignal)
  process.on('uncaughtException', end)
  process.stdout.on('error', onOutputError)
  process.on('exit', onExit)
  return () => {
    for (const name of names) process.off(name, onSignal)
    process.off('uncaughtException', end)
    process.stdout.off('error', onOutputError)
    process.off('exit', onExit)
  }
}
