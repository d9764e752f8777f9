/**
 * A whole circuit without links: an origin, and relays that each pass on what they put out. Cells wait in queues, one for
 * each side of each link, until the test moves them.
 */

import { SeededRng } from '../../../../src/core/base/rng.ts'
import { monotonicMs, type MonotonicMs } from '../../../../src/core/base/time.ts'
import { decodeDestroy } from '../../../../src/core/cell/circuit-messages.ts'
import { ChannelCommand, type DestroyReason } from '../../../../src/core/cell/commands.ts'
import { CELL_BODY_BYTES } from '../../../../src/core/cell/limits.ts'
import { x25519Generate } from '../../../../src/core/crypto/x25519.ts'
import { OriginCircuit, type Hop, type OriginCircuitOutput } from '../../../../src/core/proto/circuit/origin-circuit.ts'
import { RelayCircuit, type RelayCircuitOutput } from '../../../../src/core/proto/circuit/relay-circuit.ts'
import { answerCreate, type HandshakeKeys } from '../../../../src/core/proto/circuit/server-handshake.ts'
import type { AgreedCongestion, FlowParameters } from '../../../../src/core/proto/flow/circuit-flow.ts'
import type { HopKeys } from '../../../../src/core/proto/circuit/client-handshake.ts'

export interface WireCell {
  readonly command: ChannelCommand
  readonly body: Uint8Array
}

export class ChainRelay {
  readonly name: string
  readonly keys: HandshakeKeys
  readonly address: { readonly host: string; readonly port: number }
  readonly rng: SeededRng
  circuit: RelayCircuit | undefined
  /** What it put out that is not for links. */
  readonly events: RelayCircuitOutput[] = []
  /** Whether it looks for links by itself. */
  extends = true

  constructor(name: string, index: number) {
    this.name = name
    this.rng = new SeededRng(name)
    this.address = { host: `192.0.2.${index + 1}`, port: 9001 }
    this.keys = {
      rsaIdentity: this.rng.bytes(20),
      ed25519Identity: this.rng.bytes(32),
      onionKeys: { current: x25519Generate(this.rng), previous: x25519Generate(this.rng) },
    }
  }

  hop(kind: HopKeys['kind'] = 'ntor'): Hop {
    const { rsaIdentity, ed25519Identity, onionKeys } = this.keys
    const target = { rsaIdentity, ed25519Identity, addresses: [this.address] }
    const onionKey = onionKeys.current.publicKey
    if (kind === 'fast') return { target, keys: { kind } }
    return { target, keys: kind === 'ntor' ? { kind, rsaIdentity, onionKey } : { kind, ed25519Identity, onionKey } }
  }
}

export class Chain {
  now: MonotonicMs = monotonicMs(0)
  readonly origin: OriginCircuit
  readonly relays: readonly ChainRelay[]
  readonly events: OriginCircuitOutput[] = []
  /** `up[i]`: from relay i towards the client; `down[i]`: towards relay i. */
  readonly down: WireCell[][]
  readonly up: WireCell[][]
  /** Every cell that went down to relay 0, and up to the origin. */
  readonly log: { readonly link: number; readonly direction: 'down' | 'up'; readonly cell: WireCell }[] = []

  readonly #flow: FlowParameters

  /** With `flow.congestion`, the last hop is asked for congestion control. */
  constructor(length: number, seed = 'chain', flow: FlowParameters = {}) {
    this.#flow = flow
    this.origin = new OriginCircuit({ rng: new SeededRng(seed), flow })
    this.relays = Array.from({ length }, (_, index) => new ChainRelay(`relay ${index}`, index))
    this.down = this.relays.map(() => [])
    this.up = this.relays.map(() => [])
  }

  relay(index: number): ChainRelay {
    const relay = this.relays[index]
    if (relay === undefined) throw new Error(`no relay ${index}`)
    return relay
  }

  relayCircuit(index: number): RelayCircuit {
    const { circuit } = this.relay(index)
    if (circuit === undefined) throw new Error(`relay ${index} has no circuit`)
    return circuit
  }

  /** Extends through all relays; the first hop's handshake may be another. */
  build(first: HopKeys['kind'] = 'ntor', others: HopKeys['kind'] = 'ntor'): this {
    this.relays.forEach((relay, index) => {
      if (index === this.relays.length - 1 && this.#flow.congestion !== undefined) this.origin.extend({ ...relay.hop('ntor-v3'), congestion: 'exit' })
      else this.origin.extend(relay.hop(index === 0 ? first : others))
      this.settle()
    })
    return this
  }

  settle(): void {
    for (let moved = true; moved; ) {
      this.drain()
      moved = false
      this.relays.forEach((_, link) => {
        for (let cell = this.down[link]?.shift(); cell !== undefined; cell = this.down[link]?.shift()) {
          moved = true
          this.log.push({ link, direction: 'down', cell })
          this.#deliverDown(link, cell)
          this.drain()
        }
        for (let cell = this.up[link]?.shift(); cell !== undefined; cell = this.up[link]?.shift()) {
          moved = true
          this.log.push({ link, direction: 'up', cell })
          this.#deliverUp(link, cell)
          this.drain()
        }
      })
    }
  }

  /** Moves outputs into the queues and the event lists. */
  drain(): void {
    for (const output of this.origin.takeOutputs(this.now)) {
      if (output.kind === 'send-cell') this.down[0]?.push({ command: output.command, body: output.body })
      else if (output.kind === 'send-relay') this.down[0]?.push({ command: output.command, body: output.payloads })
      else this.events.push(output)
    }
    this.relays.forEach((relay, index) => {
      for (const output of relay.circuit?.takeOutputs(this.now) ?? []) {
        if (output.kind === 'send-cell' || output.kind === 'send-relay') {
          const queue = output.side === 'previous' ? this.up[index] : this.down[index + 1]
          queue?.push({ command: output.command, body: output.kind === 'send-cell' ? output.body : output.payloads })
        } else {
          relay.events.push(output)
          if (output.kind === 'extend' && relay.extends) relay.circuit?.extendReady()
        }
      }
    })
  }

  takeEvents(): OriginCircuitOutput[] {
    return this.events.splice(0)
  }

  takeRelayEvents(index: number): RelayCircuitOutput[] {
    return this.relay(index).events.splice(0)
  }

  #deliverDown(link: number, cell: WireCell): void {
    const relay = this.relay(link)
    switch (cell.command) {
      case ChannelCommand.CREATE2:
      case ChannelCommand.CREATE_FAST: {
        const answer = answerCreate(cell.command, cell.body, relay.keys, this.#flow.congestion?.sendmeIncrement, relay.rng)
        relay.circuit = new RelayCircuit({
          layer: answer.layer,
          fast: answer.fast,
          self: relay.keys,
          previous: link === 0 ? {} : this.relay(link - 1).keys,
          extendAllowPrivateAddresses: true,
          flow: this.#flow,
          agreed: agreedOf(this.#flow, answer.sendmeIncrement),
          rng: relay.rng,
        })
        this.up[link]?.push({ command: answer.command, body: answer.body })
        return
      }
      case ChannelCommand.DESTROY:
        relay.circuit?.handleDestroy('previous', reasonOf(cell))
        return
      default:
        relay.circuit?.handleForward(this.now, cell.command, cell.body)
    }
  }

  #deliverUp(link: number, cell: WireCell): void {
    const before = link === 0 ? undefined : this.relay(link - 1).circuit
    switch (cell.command) {
      case ChannelCommand.CREATED2:
      case ChannelCommand.CREATED_FAST:
        if (link === 0) this.origin.handleCreated(this.now, cell.command, cell.body)
        else before?.handleCreated(cell.command, cell.body)
        return
      case ChannelCommand.DESTROY:
        if (link === 0) this.origin.handleDestroy(reasonOf(cell))
        else before?.handleDestroy('next', reasonOf(cell))
        return
      default:
        if (link === 0) this.origin.handleRelay(this.now, cell.command, cell.body)
        else before?.handleBackward(cell.command, cell.body)
    }
  }
}

const agreedOf = ({ congestion }: FlowParameters, sendmeIncrement: number | undefined): AgreedCongestion | undefined =>
  congestion === undefined || sendmeIncrement === undefined ? undefined : { parameters: congestion, kind: 'exit', sendmeIncrement }

const reasonOf = (cell: WireCell): DestroyReason => decodeDestroy(cell.body).reason

/** Relay cells in a batch. */
export const cellCount = (cell: WireCell): number => cell.body.length / CELL_BODY_BYTES
