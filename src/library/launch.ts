/** Starting a network from a program: the file, the world, a directory, and nothing left behind when it does not come up. */

import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { stringify } from 'yaml'
import { RelishError } from '../core/base/errors.ts'
import { suggestion } from '../core/base/nearest.ts'
import type { RunningNetwork } from '../testnet/backend/backend.ts'
import { startUntilReady } from '../testnet/bootstrap.ts'
import { asReportedError } from '../testnet/file-errors.ts'
import { loadNetwork, loadNetworkText, type LoadedNetwork } from '../testnet/load-network.ts'
import type { NetworkFile } from '../testnet/network-types.ts'
import { nodeEnvironment, nodeProgramFrom } from '../testnet/node-environment.ts'
import { RunDirectory } from '../testnet/run-directory.ts'
import type { LaunchOptions, Network } from './api.ts'
import { asLaunchError } from './errors.ts'
import { LibraryNetwork, type NetworkParts } from './network.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'
import type { During } from './world-duplex.ts'

/**
 * Starts a network and waits until all of its nodes are ready.
 *
 * `network` is the name of a built-in one (`basic-min`, `basic`, …), the path of a network file, its text, or what it
 * would contain as an object. Nothing is printed, and no signal handlers are installed: when this process ends, in
 * whatever way, all of it ends.
 *
 * Throws `NetworkFileError` if the file is wrong, and `LaunchError`, which says which node waits for what, if the network
 * does not come up. Nothing is left running then.
 *
 * @example
 * ```ts
 * await using net = await launch('basic', { world: 'inline' })
 * const sink = await net.sink()
 * const response = await net.client().fetch(sink.url('/hello'))
 * ```
 */
export async function launch(network: string | NetworkFile, options: LaunchOptions = {}): Promise<Network> {
  refuseUnknown(options)
  options.signal?.throwIfAborted()
  const parts = await prepare(load(network, options), options)
  const made = new LibraryNetwork(parts)
  try {
    options.signal?.throwIfAborted()
    await untilAborted(startUntilReady(parts.network), options.signal)
    return made
  } catch (thrown) {
    await made.close()
    throw asLaunchError(thrown)
  }
}

const words: { readonly [option in 'world' | 'genesis' | 'logLevel']: readonly string[] } = Object.freeze({
  world: ['inline', 'processes', 'simulated'],
  genesis: ['warm', 'cold'],
  logLevel: ['err', 'warn', 'notice', 'info', 'debug'],
})
const otherOptions: readonly (keyof LaunchOptions)[] = ['seed', 'set', 'variables', 'dir', 'onLog', 'expectedWarnings', 'signal']

/** For those whose programs no compiler looks at. Throws `config`. */
function refuseUnknown(options: LaunchOptions): void {
  const known = [...Object.keys(words), ...otherOptions]
  for (const option of Object.keys(options)) {
    if (!known.includes(option)) throw new RelishError('config', `launch has no option "${option}"`, { hint: [...suggestion(option, known), `there are: ${known.join(', ')}`].join(' ') })
  }
  for (const [option, allowed] of Object.entries(words)) {
    const value = options[option as keyof typeof words] as string | undefined
    if (value !== undefined && !allowed.includes(value)) throw new RelishError('config', `"${value}" is no ${option}`, { hint: [...suggestion(value, allowed), `allowed: ${allowed.join(', ')}`].join(' ') })
  }
}

function load(network: string | NetworkFile, { set = {}, variables = {} }: LaunchOptions): LoadedNetwork {
  const settings = Object.entries(set).map(([name, value]) => `${name}=${String(value)}`)
  if (typeof network === 'string' && !network.includes('\n')) return loadNetwork(network, variables, settings)
  // Relative paths in it are relative to where the program runs.
  return loadNetworkText(typeof network === 'string' ? network : stringify(network), resolve('network.yaml'), variables, settings)
}

/** Addresses, keys and torrcs; nothing is started. */
async function prepare(loaded: LoadedNetwork, options: LaunchOptions): Promise<NetworkParts> {
  const { network } = loaded
  const world = options.world ?? 'inline'
  if (world !== 'simulated' && options.seed !== undefined) throw new RelishError('config', `a network in the ${world} world is not made from a seed`, { hint: "world: 'simulated'" })
  const common = { ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel }), ...(options.genesis === undefined ? {} : { genesis: options.genesis }) }
  const logSink = options.onLog
  const expectedWarnings = options.expectedWarnings ?? []
  if (world === 'simulated') {
    const { SimulatedNetwork } = await import('../testnet/backend/simulated.ts')
    const simulated = await SimulatedNetwork.prepare({ network, seed: String(options.seed ?? 'relish'), ...common, ...(logSink === undefined ? {} : { logSink: logSink }) })
    return { network: simulated, directory: undefined, during: (promise) => simulated.drive(() => promise), expectedWarnings, cleanUp: () => Promise.resolve() }
  }
  const temporary = options.dir === undefined ? makeTemporaryDirectory(world) : undefined
  const directory = new RunDirectory(temporary ?? resolve(options.dir ?? ''))
  const cleanUp = (): Promise<void> => {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })
    return Promise.resolve()
  }
  try {
    const prepared = await (world === 'inline' ? prepareInline(loaded, directory, options) : prepareProcesses(loaded, directory, common))
    return { network: prepared, directory: directory.path, during: passing, expectedWarnings, cleanUp }
  } catch (thrown) {
    await cleanUp()
    throw asReportedError(thrown)
  }
}

const passing: During = (promise) => promise

async function prepareInline({ network }: LoadedNetwork, directory: RunDirectory, { onLog, genesis }: LaunchOptions): Promise<RunningNetwork> {
  const { prepareInlineNetwork } = await import('../testnet/backend/inline.ts')
  return prepareInlineNetwork({ network, directory, ...(genesis === undefined ? {} : { genesis }), ...(onLog === undefined ? {} : { logSink: onLog }) })
}

async function prepareProcesses({ network, text }: LoadedNetwork, directory: RunDirectory, common: { logLevel?: NonNullable<LaunchOptions['logLevel']>; genesis?: 'warm' | 'cold' }): Promise<RunningNetwork> {
  const { nodeCommand, prepareProcessNetwork } = await import('../testnet/backend/process.ts')
  const program = nodeProgramFrom(process.env['RELISH_TOR'], nodeCommand)
  return prepareProcessNetwork({ network, directory, text, ...common, ...(program === undefined ? {} : { nodeProgram: program }), environment: nodeEnvironment(process.env) })
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  let onAbort: () => void = () => undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  // Whichever comes second is nobody's concern.
  work.catch(() => undefined)
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
