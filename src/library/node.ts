/** One node of a network, as those who use the library see it. */

import { RelishError } from '../core/base/errors.ts'
import type { NodeInspection } from '../runtime/events.ts'
import type { NodeStatus, RunningNetwork } from '../testnet/backend/backend.ts'
import { startUntilReady } from '../testnet/bootstrap.ts'
import type { NodeRole } from '../testnet/network-types.ts'
import { optionChanges, type OptionValues } from '../testnet/option-changes.ts'
import type { NetworkNode } from './api.ts'
import { asLaunchError } from './errors.ts'

export class LibraryNode implements NetworkNode {
  readonly name: string
  readonly role: NodeRole
  readonly host: string
  readonly orPort: number | undefined
  readonly controlPort: number | undefined
  readonly #network: RunningNetwork

  constructor(network: RunningNetwork, name: string) {
    const { node, host, orPort, controlPort } = network.placementOf(name)
    this.#network = network
    this.name = name
    this.role = node.role
    this.host = host
    this.orPort = orPort
    this.controlPort = controlPort
  }

  get torrc(): string {
    return this.#network.torrcOf(this.name)
  }

  info(): NodeStatus {
    return this.#network.status(this.name)
  }

  inspect(): Promise<NodeInspection> {
    return this.#network.inspect(this.name)
  }

  async document(name: string): Promise<string> {
    return String(await this.#network.command(this.name, { command: 'document', name }))
  }

  async buildCircuit(path: readonly string[]): Promise<number> {
    const hops = await Promise.all(path.map((name) => this.#network.inspect(name)))
    const fingerprints = hops.map((hop) => {
      if (hop.fingerprint === undefined) throw new RelishError('config', `${hop.nickname} is not a relay`)
      return hop.fingerprint
    })
    return Number(await this.#network.command(this.name, { command: 'build-circuit', path: fingerprints }))
  }

  async start(): Promise<void> {
    try {
      await startUntilReady(this.#network, [this.name])
    } catch (thrown) {
      throw asLaunchError(thrown)
    }
  }

  stop(): Promise<void> {
    return this.#network.stop([this.name])
  }

  kill(): Promise<void> {
    return this.#network.kill(this.name)
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  setOptions(options: OptionValues): Promise<void> {
    return this.#network.setOptions(this.name, optionChanges(options))
  }

  async signal(signal: 'HUP' | 'NEWNYM' | 'DUMP'): Promise<void> {
    await this.#network.command(this.name, { command: 'signal', signal })
  }
}
