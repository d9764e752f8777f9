/**
 * A circuit of a client that says what a test wants said: any message to any hop, and further layers of encryption, as
 * clients and onion services share them. It has no flow control and no streams.
 */

import { must } from '../../src/core/base/assert.ts'
import type { Rng } from '../../src/core/base/rng.ts'
import { seconds } from '../../src/core/base/time.ts'
import { fixedCell, relayBatch } from '../../src/core/cell/cell.ts'
import { decodeCreated2, decodeDestroy, encodeCreate2, encodeExtend2 } from '../../src/core/cell/circuit-messages.ts'
import { ChannelCommand, HandshakeType, RelayCommand, type DestroyReason } from '../../src/core/cell/commands.ts'
import { CELL_BODY_BYTES } from '../../src/core/cell/limits.ts'
import { encodeRelayMessage, readRelayMessage, type RelayMessage } from '../../src/core/cell/relay-cell.ts'
import { linkSpecifiersOf } from '../../src/core/ident/link-specifier.ts'
import { ntorClientFinish, ntorClientStart } from '../../src/core/proto/handshake/ntor.ts'
import type { ClientLayer } from '../../src/core/proto/relaycrypt/layer.ts'
import { OnionLayers } from '../../src/core/proto/relaycrypt/onion.ts'
import { TOR1_KEY_BYTES, Tor1ClientLayer } from '../../src/core/proto/relaycrypt/tor1.ts'
import type { Channel } from '../../src/node/channel.ts'
import type { ChannelManager } from '../../src/node/channel-manager.ts'
import type { HopTarget } from '../../src/node/origin-circuit.ts'
import type { CircuitWorld } from './circuit-world.ts'

const NONCE_BYTES = 20

export class RawCircuit {
  /** Messages that came, with the hop that sent them. */
  readonly received: { readonly hop: number; readonly message: RelayMessage }[] = []
  destroyed: DestroyReason | undefined
  /** KH of the last hop. */
  nonce: Uint8Array = new Uint8Array(0)
  readonly #world: CircuitWorld
  readonly #rng: Rng
  readonly #channel: Channel
  readonly #circuitId: number
  readonly #layers = new OnionLayers()
  #created: Uint8Array | undefined

  private constructor(world: CircuitWorld, rng: Rng, channel: Channel) {
    this.#world = world
    this.#rng = rng
    this.#channel = channel
    this.#circuitId = must(channel.allocateCircuitId(), 'the channel has room')
    channel.attach(this.#circuitId, {
      handleCell: (cell) => {
        if (cell.command === ChannelCommand.CREATED2) this.#created = cell.body
        else if (cell.command === ChannelCommand.DESTROY) this.destroyed = decodeDestroy(cell.body).reason
      },
      handleRelayBatch: (batch) => this.#handleRelay(batch.payloads),
      handleChannelClosed: () => {},
      handleWritable: () => {},
    })
  }

  static build(world: CircuitWorld, channels: ChannelManager, rng: Rng, path: readonly HopTarget[]): RawCircuit {
    let channel: Channel | undefined
    channels.get(must(path[0], 'a path has hops'), {
      onOpen: (opened) => { channel = opened },
      onFailed: (error) => { throw error },
    })
    world.until('a link to the first hop', () => channel !== undefined)
    const circuit = new RawCircuit(world, rng, must(channel, 'it has opened'))
    for (const hop of path) circuit.extend(hop)
    return circuit
  }

  extend(hop: HopTarget): void {
    const { state, handshake } = ntorClientStart({ rsaIdentity: hop.rsaIdentity, onionKey: must(hop.ntorOnionKey, 'the hop has an onion key') }, this.#rng)
    const first = this.#layers.length === 0
    if (first) {
      this.#channel.sendCell(fixedCell(this.#circuitId, ChannelCommand.CREATE2, encodeCreate2({ handshakeType: HandshakeType.NTOR, handshake })))
    } else {
      const data = encodeExtend2({ linkSpecifiers: linkSpecifiersOf(hop), handshakeType: HandshakeType.NTOR, handshake })
      this.sendAll([{ hop: this.#layers.length - 1, command: RelayCommand.EXTEND2, data }], ChannelCommand.RELAY_EARLY)
    }
    const answer = (): Uint8Array | undefined => (first ? this.#created : this.messages(RelayCommand.EXTENDED2)[this.#layers.length - 1])
    this.#world.until('the answer of the next hop', () => answer() !== undefined || this.destroyed !== undefined, seconds(10))
    const keys = ntorClientFinish(state, decodeCreated2(must(answer(), 'the hop has answered')).handshake, TOR1_KEY_BYTES + NONCE_BYTES)
    this.#layers.add(new Tor1ClientLayer(keys.subarray(0, TOR1_KEY_BYTES)))
    this.nonce = keys.slice(TOR1_KEY_BYTES)
  }

  /** One hop more that no relay knows of. */
  addLayer(layer: ClientLayer): void {
    this.#layers.add(layer)
  }

  get lastHop(): number {
    return this.#layers.length - 1
  }

  send(command: RelayCommand, data: Uint8Array, hop: number = this.lastHop): void {
    this.sendAll([{ hop, command, data }])
  }

  /** All in one batch. */
  sendAll(messages: readonly { readonly hop: number; readonly command: RelayCommand; readonly data: Uint8Array }[], command: ChannelCommand = ChannelCommand.RELAY): void {
    const payloads = messages.map((message) => this.#layers.encrypt(message.hop, encodeRelayMessage({ ...message, streamId: 0 }, undefined)).payloads)
    this.#channel.sendRelayBatch(relayBatch(this.#circuitId, new Uint8Array(Buffer.concat(payloads)), command))
  }

  /** What messages of a kind have said. */
  messages(command: RelayCommand): readonly Uint8Array[] {
    return this.received.filter(({ message }) => message.command === command).map(({ message }) => message.data)
  }

  close(reason: DestroyReason): void {
    this.#channel.closeCircuit(this.#circuitId, reason)
  }

  /** The cells are only lent. */
  #handleRelay(payloads: Uint8Array): void {
    for (const { hop, bodies } of must(this.#layers.decrypt(payloads.slice()), 'some hop has sent it')) {
      for (let at = 0; at < bodies.length; at += CELL_BODY_BYTES) this.received.push({ hop, message: readRelayMessage(bodies, at) })
    }
  }
}
