/**
 * A circuit at a relay that it passes through or ends at. Cells from the client's side lose our layer; those that are
 * ours are handled, the others go on. Cells from the other side get our layer. tor-spec §5.4–§5.6.
 *
 * The machine knows two neighbours, `previous` (towards the client) and `next`, and no links: the driver moves what it
 * puts out. At a rendezvous point `next` is another circuit's end at this relay. Whole batches pass through in one call each.
 */

import { assert } from '../../base/assert.ts'
import { asRelishError, protocolError, type RelishError } from '../../base/errors.ts'
import type { Rng } from '../../base/rng.ts'
import type { MonotonicMs } from '../../base/time.ts'
import { decodeCreated2, encodeCreate2, encodeCreated2, encodeDestroy } from '../../cell/circuit-messages.ts'
import { ChannelCommand, DestroyReason, RelayCommand } from '../../cell/commands.ts'
import { CELL_BODY_BYTES } from '../../cell/limits.ts'
import { encodeRelayMessage, type RelayMessage } from '../../cell/relay-cell.ts'
import { CircuitFlow, type AgreedCongestion, type FlowParameters } from '../flow/circuit-flow.ts'
import type { RecognizedCells, RelayLayer } from '../relaycrypt/layer.ts'
import { Edge, type EdgeOutput, type EdgePort } from '../stream/edge.ts'
import { checkExtend, type ExtendRequest, type Neighbour } from './extend-request.ts'
import { RELAY_EARLY_CELLS_MAX } from './limits.ts'
import type { RelayCellObserver } from './relay-cell-observer.ts'

export type Side = 'previous' | 'next'

export type RelayCircuitOutput =
  | EdgeOutput
  | { readonly kind: 'send-cell'; readonly side: Side; readonly command: ChannelCommand; readonly body: Uint8Array }
  /** `ours`: the cells began here, and nobody needs `payloads` when they are sent. */
  | { readonly kind: 'send-relay'; readonly side: Side; readonly command: ChannelCommand; readonly payloads: Uint8Array; readonly ours: boolean }
  /** Find a link to this relay, then call `extendReady`, or `close` when there is none. */
  | { readonly kind: 'extend'; readonly request: ExtendRequest }
  /** The circuit ends here again: forget the link to the next hop, and the search for one. */
  | { readonly kind: 'next-released' }
  /** A message that no part of a circuit handles: onion services, padding. */
  | { readonly kind: 'message'; readonly message: RelayMessage }
  /** Cells that came together with messages before the circuit was joined with another: give them to `passOn` once those are dealt with. */
  | { readonly kind: 'passing'; readonly command: ChannelCommand; readonly payloads: Uint8Array }
  /** The last output: forget the circuit. DESTROY has been put out where it is due. */
  | { readonly kind: 'closed'; readonly reason: DestroyReason; readonly error: RelishError | undefined }

export type RelayCircuitState =
  /** It ends here. */
  | 'end'
  /** EXTEND2 came; a link is sought or CREATED2 awaited. */
  | 'extending'
  | 'joined'
  | 'closed'

export interface RelayCircuitOptions {
  readonly layer: RelayLayer
  /** Made with CREATE_FAST. */
  readonly fast: boolean
  readonly self: Neighbour
  readonly previous: Neighbour
  /** Option `ExtendAllowPrivateAddresses`. */
  readonly extendAllowPrivateAddresses: boolean
  readonly flow?: FlowParameters
  /** Of the handshake that made the circuit; absent: no congestion control. */
  readonly agreed?: AgreedCongestion | undefined
  readonly rng: Rng
  readonly observer?: RelayCellObserver | undefined
}

export class RelayCircuit implements EdgePort {
  readonly edge: Edge
  readonly #options: RelayCircuitOptions
  #state: RelayCircuitState = 'end'
  #extension: ExtendRequest | undefined
  /** CREATE2 went out: a DESTROY must follow it, should we give up. */
  #createSent = false
  #relayEarlySeen = 0
  /** The command of the batch being handled. */
  #currentCommand: ChannelCommand = ChannelCommand.RELAY
  #outputs: RelayCircuitOutput[] = []

  constructor(options: RelayCircuitOptions) {
    this.#options = options
    this.edge = new Edge(this, {
      role: 'responder',
      flow: new CircuitFlow({ ...options.flow, acceptVersion0: options.fast, agreed: options.agreed }),
      rng: options.rng,
    })
  }

  get state(): RelayCircuitState {
    return this.#state
  }

  /** Drained after every call. */
  takeOutputs(now: MonotonicMs): readonly RelayCircuitOutput[] {
    this.edge.releaseHeld(now)
    const outputs = this.#outputs
    if (outputs.length > 0) this.#outputs = []
    return outputs
  }

  // From the links.

  /** Relay cells from the client's side. Outputs may be parts of the payloads, which are deciphered in place: both are lent until outputs are taken. */
  handleForward(now: MonotonicMs, command: ChannelCommand, payloads: Uint8Array): void {
    if (this.#state === 'closed') return
    this.#guarded(() => {
      if (command === ChannelCommand.RELAY_EARLY) this.#countRelayEarly(payloads.length / CELL_BODY_BYTES)
      const { recognized, passing, recognizedAt } = this.#options.layer.decryptForward(payloads)
      const joinsFirst = this.#state === 'end' && recognizedAt?.[0] === 0
      if (this.#options.observer !== undefined) this.#showForward(this.#options.observer, payloads.length / CELL_BODY_BYTES, recognized, recognizedAt)
      if (passing !== undefined && !joinsFirst) this.#passOn(command, passing)
      if (recognized !== undefined) {
        this.#currentCommand = command
        this.edge.handleCells(now, recognized)
      }
      if (passing !== undefined && joinsFirst) this.#outputs.push({ kind: 'passing', command, payloads: passing })
    })
  }

  /** Cells of an output `passing`. */
  passOn(command: ChannelCommand, payloads: Uint8Array): void {
    if (this.#state !== 'closed') this.#guarded(() => this.#passOn(command, payloads))
  }

  /** Relay cells from the next hop, likewise. */
  handleBackward(command: ChannelCommand, payloads: Uint8Array): void {
    if (this.#state === 'closed') return
    if (command === ChannelCommand.RELAY_EARLY) {
      // tor-spec §5.6: inbound RELAY_EARLY closes the circuit at once.
      this.#fail(protocolError('RELAY_EARLY towards the client'))
      return
    }
    if (this.#state !== 'joined') {
      this.#fail(protocolError('relay cells from a hop that is not there yet'))
      return
    }
    this.#options.observer?.passed('backward', payloads.length / CELL_BODY_BYTES)
    this.#options.layer.encryptBackward(payloads)
    this.#outputs.push({ kind: 'send-relay', side: 'previous', command: ChannelCommand.RELAY, payloads, ours: false })
  }

  /** CREATED2 from the relay we extended to. */
  handleCreated(command: ChannelCommand, body: Uint8Array): void {
    if (this.#state === 'closed') return
    this.#guarded(() => {
      if (this.#state !== 'extending' || !this.#createSent) throw protocolError(`${ChannelCommand.nameOf(command)} that nobody waits for`)
      if (command !== ChannelCommand.CREATED2) throw protocolError(`${ChannelCommand.nameOf(command)} in answer to CREATE2`)
      const { handshake } = decodeCreated2(body)
      this.#state = 'joined'
      this.#extension = undefined
      this.#originate(RelayCommand.EXTENDED2, encodeCreated2({ handshake }))
    })
  }

  /** DESTROY from one side: the other is told, without our reason for it (tor-spec §5.4). */
  handleDestroy(side: Side, reason: DestroyReason): void {
    this.#end(reason, undefined, side, DestroyReason.DESTROYED)
  }

  /** The link to one side is gone. */
  handleLinkClosed(side: Side): void {
    this.#end(DestroyReason.CHANNEL_CLOSED, undefined, side, DestroyReason.CHANNEL_CLOSED)
  }

  // From the driver.

  /** When `handleTimeout` is due. */
  nextTimeout(): MonotonicMs | undefined {
    return this.edge.nextTimeout()
  }

  handleTimeout(now: MonotonicMs): void {
    if (this.isOpen) this.edge.handleTimeout(now)
  }

  /** A link to the relay that EXTEND2 names is there; CREATE2 goes out on it. */
  extendReady(): void {
    const extension = this.#extension
    if (this.#state !== 'extending' || extension === undefined || this.#createSent) return
    this.#createSent = true
    this.#outputs.push({ kind: 'send-cell', side: 'next', command: ChannelCommand.CREATE2, body: encodeCreate2(extension) })
  }

  /** The circuit goes on from here to another one that ends at this relay (rend-spec-v3 §4.2): that is its `next` side now. */
  join(): void {
    assert(this.#state === 'end', 'only a circuit that ends here is joined')
    this.#state = 'joined'
  }

  /** Tears the circuit down on both sides. */
  close(reason: DestroyReason, error?: RelishError): void {
    this.#end(reason, error, undefined, reason)
  }

  /** Sends a message to the client, as the end of the circuit for it. */
  sendMessage(command: RelayCommand, data: Uint8Array): void {
    if (this.isOpen) this.#originate(command, data)
  }

  // For the edge.

  get isOpen(): boolean {
    return this.#state !== 'closed'
  }

  send(payloads: Uint8Array): Uint8Array {
    this.#options.observer?.sent('backward', payloads)
    const sealed = this.#options.layer.originateBackward(payloads)
    this.#outputs.push({ kind: 'send-relay', side: 'previous', command: ChannelCommand.RELAY, payloads: sealed.payloads, ours: true })
    return sealed.tags
  }

  emit(output: EdgeOutput): void {
    this.#outputs.push(output)
  }

  handleControl(_now: MonotonicMs, message: RelayMessage): void {
    switch (message.command) {
      case RelayCommand.EXTEND2:
        this.#handleExtend(message)
        return
      case RelayCommand.TRUNCATE:
        this.#handleTruncate(message)
        return
      case RelayCommand.DROP:
        return
      case RelayCommand.EXTEND:
        // TAP is gone; C tor 0.4.9 tears the circuit down.
        throw protocolError('EXTEND is not spoken any more')
      case RelayCommand.EXTENDED:
      case RelayCommand.EXTENDED2:
      case RelayCommand.TRUNCATED:
        // For clients only. C tor drops them at relays.
        return
      default:
        this.#outputs.push({ kind: 'message', message })
    }
  }

  // Inside.

  #handleExtend(message: RelayMessage): void {
    // C tor drops EXTEND2 with a stream id, and (tor-spec §5.6) whatever did not come in RELAY_EARLY.
    if (message.streamId !== 0 || this.#currentCommand !== ChannelCommand.RELAY_EARLY) return
    if (this.#state !== 'end') throw protocolError('EXTEND2 on a circuit that goes on already')
    const { self, previous, extendAllowPrivateAddresses } = this.#options
    const request = checkExtend(message.data, self, previous, extendAllowPrivateAddresses)
    this.#state = 'extending'
    this.#extension = request
    this.#createSent = false
    this.#outputs.push({ kind: 'extend', request })
  }

  #handleTruncate(message: RelayMessage): void {
    if (this.#state === 'joined' || (this.#state === 'extending' && this.#createSent)) {
      const reason = message.data[0]
      if (reason === undefined) throw protocolError('TRUNCATE without a reason')
      this.#sendDestroy('next', reason)
    }
    if (this.#state !== 'end') {
      this.#state = 'end'
      this.#extension = undefined
      this.#createSent = false
      this.#outputs.push({ kind: 'next-released' })
    }
    this.#originate(RelayCommand.TRUNCATED, encodeDestroy({ reason: DestroyReason.REQUESTED }))
  }

  #countRelayEarly(cells: number): void {
    this.#relayEarlySeen += cells
    if (this.#relayEarlySeen > RELAY_EARLY_CELLS_MAX) throw protocolError(`more than ${RELAY_EARLY_CELLS_MAX} RELAY_EARLY cells`)
  }

  #passOn(command: ChannelCommand, payloads: Uint8Array): void {
    // tor-spec §5.5.2.2: a cell that nobody recognises, where the circuit ends, tears it down.
    if (this.#state !== 'joined') throw protocolError('a relay cell that is not recognised at the end of its circuit')
    this.#outputs.push({ kind: 'send-relay', side: 'next', command, payloads, ours: false })
  }

  #originate(command: RelayCommand, data: Uint8Array): void {
    this.send(encodeRelayMessage({ command, streamId: 0, data }, this.#options.rng))
  }

  /** Shows the cells of a batch in their order. */
  #showForward(observer: RelayCellObserver, count: number, recognized: RecognizedCells | undefined, recognizedAt: readonly number[] | undefined): void {
    const others = (cells: number): void => {
      if (cells <= 0) return
      // Where the circuit ends, nobody is left whose they could be, unless it is extended by what came before them.
      if (this.#state === 'joined' || recognized !== undefined) observer.passed('forward', cells)
      else observer.unrecognized('forward', cells)
    }
    if (recognized === undefined) others(count)
    else if (recognizedAt === undefined) observer.received('forward', recognized.bodies)
    else {
      let next = 0
      for (const [index, place] of recognizedAt.entries()) {
        others(place - next)
        observer.received('forward', recognized.bodies.subarray(index * CELL_BODY_BYTES, (index + 1) * CELL_BODY_BYTES))
        next = place + 1
      }
      others(count - next)
    }
  }

  /** The machine's one place for errors: a breach by the peer closes the circuit, anything else is a bug and goes up. */
  #guarded(handle: () => void): void {
    try {
      handle()
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind !== 'protocol' && error.kind !== 'limit') throw error
      this.#fail(error)
    }
  }

  #fail(error: RelishError): void {
    this.#end(error.kind === 'limit' ? DestroyReason.RESOURCELIMIT : DestroyReason.PROTOCOL, error, undefined, DestroyReason.DESTROYED)
  }

  /** `gone`: the side that needs no DESTROY. `passedOn`: the reason the side away from the trouble is told. */
  #end(reason: DestroyReason, error: RelishError | undefined, gone: Side | undefined, passedOn: DestroyReason): void {
    if (this.#state === 'closed') return
    const hasNext = this.#state === 'joined' || this.#createSent
    this.#state = 'closed'
    if (hasNext && gone !== 'next') this.#sendDestroy('next', passedOn)
    if (gone !== 'previous') this.#sendDestroy('previous', gone === undefined ? reason : passedOn)
    this.edge.closeAll()
    this.#outputs.push({ kind: 'closed', reason, error })
  }

  #sendDestroy(side: Side, reason: DestroyReason): void {
    this.#outputs.push({ kind: 'send-cell', side, command: ChannelCommand.DESTROY, body: encodeDestroy({ reason }) })
  }
}
