/**
 * The circuits of others at this relay: answers CREATE cells and keeps the circuits that come of them. What one of them
 * does is `relay-circuit-driver.ts`; streams that leave the network here are `exit-service.ts`. tor-spec §5.1, §5.3.
 */

import { asRelishError } from '../core/base/errors.ts'
import { fixedCell, type Cell } from '../core/cell/cell.ts'
import { encodeDestroy } from '../core/cell/circuit-messages.ts'
import { ChannelCommand, DestroyReason } from '../core/cell/commands.ts'
import { answerCreate, type HandshakeKeys } from '../core/proto/circuit/server-handshake.ts'
import type { AgreedCongestion, FlowParameters } from '../core/proto/flow/circuit-flow.ts'
import type { CircuitInspection } from '../runtime/events.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Channel, Channels } from './channel.ts'
import { RELAY_CIRCUITS_MAX } from './limits.ts'
import { RelayCircuitDriver, type CircuitMessageService, type StreamService } from './relay-circuit-driver.ts'

export interface RelayCircuitsOptions {
  readonly runtime: Runtime
  /** For extending. May be given late, since channels want `handleCreate` first. */
  readonly channels: () => Channels
  /** As of now: onion keys rotate. */
  readonly keys: () => HandshakeKeys
  /** What is done with streams that end here. */
  readonly streams: StreamService
  /** What is done with messages of onion services that end here; undefined: nothing. */
  readonly messages?: CircuitMessageService
  /** `ExtendAllowPrivateAddresses`. */
  readonly extendAllowPrivateAddresses: () => boolean
  /** Consensus parameters, as of now. */
  readonly flow?: () => FlowParameters
  /** A circuit was made over a link that somebody else dialled: our OR port can be reached. */
  readonly onReached?: (channel: Channel) => void
}

export class RelayCircuits {
  readonly #options: RelayCircuitsOptions
  readonly #circuits = new Map<number, RelayCircuitDriver>()
  /** Downwards: a node's own circuits count upwards, so that each circuit of a node has a number of its own. */
  #nextId = -1
  #stopped = false

  constructor(options: RelayCircuitsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#circuits.size
  }

  /** For the channel manager: CREATE, CREATE_FAST and CREATE2 for new circuit ids. */
  handleCreate(channel: Channel, cell: Cell): void {
    if (this.#stopped || this.#circuits.size >= RELAY_CIRCUITS_MAX) {
      refuse(channel, cell, this.#stopped ? DestroyReason.HIBERNATING : DestroyReason.RESOURCELIMIT)
      return
    }
    const { runtime, keys, onReached } = this.#options
    const id = this.#nextId--
    const rng = runtime.rng('relay-circuits').derive(`circuit ${id}`)
    const flow = this.#options.flow?.() ?? {}
    let answer
    try {
      answer = answerCreate(cell.command, cell.body, keys(), flow.congestion?.sendmeIncrement, rng)
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind !== 'protocol') throw error
      runtime.log.write('info', 'circ', `Refused ${ChannelCommand.nameOf(cell.command)} from ${channel.peer.address.host}: ${error.message}`)
      refuse(channel, cell, DestroyReason.PROTOCOL)
      return
    }
    const circuit = new RelayCircuitDriver({
      id,
      runtime,
      channels: this.#options.channels(),
      previous: channel,
      circuitId: cell.circuitId,
      layer: answer.layer,
      fast: answer.fast,
      nonce: answer.nonce,
      self: keys(),
      extendAllowPrivateAddresses: this.#options.extendAllowPrivateAddresses(),
      streams: this.#options.streams,
      messages: this.#options.messages,
      flow,
      agreed: agreedCongestion(flow, answer.sendmeIncrement),
      rng,
      onGone: () => this.#circuits.delete(id),
    })
    this.#circuits.set(id, circuit)
    circuit.start(answer.command, answer.body)
    if (!channel.peer.initiator && channel.peer.authenticated) onReached?.(channel)
  }

  inspect(): readonly CircuitInspection[] {
    return [...this.#circuits.values()].map((circuit) => circuit.inspect())
  }

  /** Destroys all circuits and takes no more. */
  closeAll(): void {
    this.#stopped = true
    for (const circuit of [...this.#circuits.values()]) circuit.close(DestroyReason.HIBERNATING)
  }
}

/** What a circuit was granted when it was made. */
function agreedCongestion(flow: FlowParameters, sendmeIncrement: number | undefined): AgreedCongestion | undefined {
  if (flow.congestion === undefined || sendmeIncrement === undefined) return undefined
  return { parameters: flow.congestion, kind: flow.endingKind ?? 'exit', sendmeIncrement }
}

function refuse(channel: Channel, cell: Cell, reason: DestroyReason): void {
  channel.sendCell(fixedCell(cell.circuitId, ChannelCommand.DESTROY, encodeDestroy({ reason })))
}
