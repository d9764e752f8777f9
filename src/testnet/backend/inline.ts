/**
 * A network whose nodes all run in this process, on real loopback sockets: up in well under a second, for test suites
 * that use a network as a fixture. Files, addresses and torrcs are as in the process world.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatAddressPort } from '../../core/ident/address.ts'
import { seconds } from '../../core/base/time.ts'
import { createHostRuntime } from '../../host/host-runtime.ts'
import type { Log, LogLevel } from '../../runtime/index.ts'
import { mergeParts } from '../../trace/merge-parts.ts'
import { PartRecorder } from '../../trace/recorder.ts'
import { claimAddressBlock, hasIpv6Loopback, type ReservedPort } from '../addresses.ts'
import { allOrNone } from '../all-or-none.ts'
import { scriptNames, startNameServer } from '../name-server.ts'
import { prepareWarmGenesis } from '../genesis/warm-genesis.ts'
import type { Genesis, ResolvedNetwork } from '../network-types.ts'
import type { NetworkPlacement, NodePlacement } from '../placement.ts'
import { hostWorkshop, keySizesOfNew, prepareKeys } from '../prepare-keys.ts'
import { renderNodeTorrc } from '../render-torrc.ts'
import { lockRunDirectory, type RunDirectory } from '../run-directory.ts'
import { CoreBuilds } from './core-build.ts'
import { refuseForeign } from './foreign-nodes.ts'
import { InProcessNetwork } from './in-process.ts'
import { checkMachine, placeNode } from './place-network.ts'

export interface InlineNetworkOptions {
  readonly network: ResolvedNetwork
  readonly directory: RunDirectory
  /** Instead of what the network file says; warm if that says nothing. */
  readonly genesis?: Genesis
  /** Nodes record, and what they have recorded is in this file once the network is closed. */
  readonly trace?: string
  /** Where nodes' log messages go; nowhere if absent. */
  readonly logSink?: (line: { readonly node: string; readonly level: LogLevel; readonly domain: string; readonly message: string }) => void
}

/** Locks the run directory, claims addresses and ports, makes keys and torrcs. Starts nothing. */
export async function prepareInlineNetwork(options: InlineNetworkOptions): Promise<InProcessNetwork> {
  const { network, directory } = options
  refuseForeign(network, 'inline')
  checkMachine(network)
  const genesis = options.genesis ?? network.genesis ?? 'warm'
  const workshop = hostWorkshop({ soon: keySizesOfNew(network.nodes, directory, genesis) })
  const cores = await CoreBuilds.load(network)
  const lock = await lockRunDirectory(directory)
  const held: { release(): unknown }[] = [lock]
  try {
    directory.make(network.nodes.map((node) => node.name))
    directory.forgetPlaces()
    const block = await claimAddressBlock()
    held.push(block)
    const nameServer = await startNameServer(block.observerHost)
    held.push({ release: () => nameServer.close() })
    scriptNames(nameServer, network)
    writeFileSync(directory.resolvConf, `nameserver ${formatAddressPort(nameServer.address)}\n`)

    if (options.trace !== undefined) rmSync(directory.traces, { recursive: true, force: true })
    const recorders = new Map<string, PartRecorder>()

    // Ports stay bound until the node that has them begins.
    const reserved = new Map<string, readonly ReservedPort[]>()
    held.push({ release: () => [...reserved.values()].flat().forEach((port) => port.release()) })
    const place = async (node: NodePlacement['node']): Promise<NodePlacement> => {
      const made = await placeNode(node, network, block, directory, {})
      reserved.set(node.name, made.reserved)
      mkdirSync(made.placement.dataDirectory, { recursive: true, mode: 0o700 })
      return made.placement
    }
    const placement: NetworkPlacement = {
      network,
      // All are waited for: the ports of each are released with those of the rest.
      nodes: await allOrNone(network.nodes.map(place), () => undefined),
      observerHost: block.observerHost,
      observerHost6: hasIpv6Loopback() ? '::1' : undefined,
      nameServer: nameServer.address,
      distinctAddresses: block.distinct,
    }
    const keys = await prepareKeys(placement.nodes, workshop)
    const torrcOf = (placed: NodePlacement): string =>
      renderNodeTorrc({ placement, authorities: keys.authorities, fingerprints: keys.fingerprints, logLevel: 'notice', resolvConfFile: directory.resolvConf }, placed)
    if (genesis === 'warm') await prepareWarmGenesis({ network, nodes: placement.nodes, workshop, torrcOf, memory: cores.ownMemory() })
    const observer = createHostRuntime({
      dataDirectory: join(directory.path, 'observer'),
      onBug: (error) => {
        throw error
      },
    })
    held.push({ release: () => observer.close() })

    const startMs = performance.now()
    return new InProcessNetwork({
      world: 'inline',
      genesis,
      clock: {
        now: () => performance.now() - startMs,
        sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        after: (ms, callback) => {
          const timer = setTimeout(callback, ms)
          return () => clearTimeout(timer)
        },
        wallNow: () => Date.now(),
      },
      observer: observer.network,
      nameServer,
      placement,
      cores,
      place,
      forget: (placed) => rmSync(placed.dataDirectory, { recursive: true, force: true }),
      torrcOf,
      files: (placed) => workshop.files(placed),
      boot: (placed, torOptions, onBug) => {
        // The node binds them again in the next turn; at addresses that only this network has, nobody comes in between.
        for (const port of reserved.get(placed.node.name) ?? []) port.release()
        reserved.delete(placed.node.name)
        const { name } = placed.node
        const trace = options.trace === undefined ? undefined : new PartRecorder(join(directory.traces, `${name}.jsonl`))
        if (trace !== undefined) recorders.set(name, trace)
        const runtime = createHostRuntime({
          dataDirectory: placed.dataDirectory,
          ...(trace === undefined ? {} : { trace }),
          log: nodeLog(placed.node.name, options.logSink),
          onBug,
          clockOffset: seconds(torOptions.TestingClockOffset),
          ...(block.distinct ? { resolverHosts: { ipv4: placed.host } } : {}),
          ...(torOptions.ServerDNSResolvConfFile === undefined ? {} : { resolvConfFile: torOptions.ServerDNSResolvConfFile }),
        })
        const end = (): void => {
          runtime.close()
          trace?.close()
        }
        return { runtime, post: (work) => void runtime.setTimer(seconds(0), work), end }
      },
      record: (node, { kind, ...details }) => recorders.get(node)?.record({ event: `node.${kind}`, ...details }),
      touch: () => undefined,
      during: (promise) => promise,
      close: async () => {
        try {
          for (const recorder of recorders.values()) recorder.close()
          if (options.trace !== undefined && recorders.size > 0) {
            const nodes = placement.nodes.map(({ node, host }) => ({ name: node.name, role: node.role, ...(placement.distinctAddresses ? { host } : {}) }))
            mergeParts({ folder: directory.traces, network: network.name, world: 'inline', nodes, output: options.trace })
          }
        } finally {
          for (const thing of held.splice(0).reverse()) await thing.release()
        }
      },
    })
  } catch (error) {
    for (const thing of held.splice(0).reverse()) await thing.release()
    throw error
  }
}

function nodeLog(node: string, sink: InlineNetworkOptions['logSink']): Log {
  return {
    enabled: (level) => sink !== undefined && level !== 'debug',
    write: (level, domain, message) => sink?.({ node, level, domain, message }),
  }
}
