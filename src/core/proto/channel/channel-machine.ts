/**
 * One link between two Tor nodes, without the connection: bytes and time in, outputs out (tor-spec §3 and §4). It runs
 * the handshake, then turns bytes into cells of circuits. What circuits make of their cells is not its business, nor is
 * writing once the channel is open: the driver frames cells itself.
 */

import { asRelishError, protocolError, type RelishError } from '../../base/errors.ts'
import { later, type MonotonicMs } from '../../base/time.ts'
import { isRelayBatch, type Cell } from '../../cell/cell.ts'
import { ChannelCommand } from '../../cell/commands.ts'
import { FrameDecoder } from '../../cell/frame-decoder.ts'
import { decodePaddingNegotiate } from '../../cell/link-messages.ts'
import type { ChannelNow, ChannelOptions, ChannelOutput } from './channel-types.ts'
import { HandshakeLink, type Handshake } from './handshake-link.ts'
import { InitiatorHandshake } from './initiator-handshake.ts'
import { HANDSHAKE_CELLS_MAX, HANDSHAKE_TIMEOUT } from './limits.ts'
import { ResponderHandshake } from './responder-handshake.ts'

type State =
  | { readonly kind: 'handshaking'; readonly link: HandshakeLink; readonly handshake: Handshake; readonly deadline: MonotonicMs; cells: number }
  | { readonly kind: 'open' }
  | { readonly kind: 'closed' }

export class ChannelMachine {
  readonly #initiator: boolean
  readonly #onOwnCell: ChannelOptions['onOwnCell']
  readonly #decoder: FrameDecoder
  #outputs: ChannelOutput[] = []
  #state: State

  constructor(options: ChannelOptions, now: ChannelNow) {
    this.#initiator = options.role.kind === 'initiator'
    this.#onOwnCell = options.onOwnCell
    this.#decoder = new FrameDecoder(options.space)
    const link = new HandshakeLink(options, this.#outputs, now)
    const handshake: Handshake =
      options.role.kind === 'initiator' ? new InitiatorHandshake(link, options.role) : new ResponderHandshake(link, options.role.credentials)
    this.#state = { kind: 'handshaking', link, handshake, deadline: later(now.monotonic, HANDSHAKE_TIMEOUT), cells: 0 }
    handshake.start(now)
  }

  /** `open`, `closed`, or what the handshake waits for. */
  get state(): string {
    return this.#state.kind === 'handshaking' ? `handshake: ${this.#state.handshake.waitingFor}` : this.#state.kind
  }

  /** When `handleTimeout` is due; undefined when nothing is. */
  nextTimeout(): MonotonicMs | undefined {
    return this.#state.kind === 'handshaking' ? this.#state.deadline : undefined
  }

  handleTimeout(now: ChannelNow): void {
    if (this.#state.kind !== 'handshaking' || now.monotonic < this.#state.deadline) return
    this.#close('timeout', protocolError(`link handshake timed out waiting for ${this.#state.handshake.waitingFor}`))
  }

  /** Bytes of the link, in order. `chunk` is not kept. */
  handleBytes(now: ChannelNow, chunk: Uint8Array): void {
    if (this.#state.kind === 'closed') return
    this.#decoder.push(chunk)
    try {
      for (;;) {
        const frame = this.#decoder.next()
        if (frame === undefined) return
        if (isRelayBatch(frame)) {
          if (this.#state.kind !== 'open') throw protocolError('relay cell before the link handshake was done')
          this.#outputs.push({ kind: 'relay-batch', batch: frame })
        } else if (this.#state.kind === 'handshaking') {
          this.#handleHandshakeCell(now, frame)
        } else {
          this.#handleOpenCell(frame)
        }
      }
    } catch (thrown) {
      const error = asRelishError(thrown)
      if (error.kind === 'bug') throw error
      this.#close(error.kind === 'refused' ? 'identity' : 'protocol', error)
    }
  }

  /** Everything that came out since the last call, in order. */
  takeOutputs(): readonly ChannelOutput[] {
    if (this.#outputs.length === 0) return none
    // The handshake's link holds on to the array itself, so it is emptied and not replaced.
    return this.#outputs.splice(0)
  }

  #handleHandshakeCell(now: ChannelNow, cell: Cell): void {
    const state = this.#state
    if (state.kind !== 'handshaking') return
    state.cells++
    this.#onOwnCell?.('received', cell)
    if (state.cells > HANDSHAKE_CELLS_MAX) throw protocolError('too many cells in a link handshake')
    const { link, handshake } = state
    // The log that AUTHENTICATE signs ends before that cell (tor-spec §4.4.2); everything else counts, padding too.
    if (cell.command !== ChannelCommand.AUTHENTICATE) link.note(cell)
    // tor-spec §4: VPADDING may come at any time; AUTHORIZE is reserved, and ignored as C tor does.
    if (cell.command === ChannelCommand.VPADDING || cell.command === ChannelCommand.AUTHORIZE) return
    if (cell.circuitId !== 0) throw protocolError(`${ChannelCommand.nameOf(cell.command)} cell with a circuit id`)
    // tor-spec §4.1: VERSIONS cells after the first are ignored.
    if (cell.command === ChannelCommand.VERSIONS && link.linkProtocol !== 0) return
    const open = handshake.handleCell(now, cell)
    if (cell.command === ChannelCommand.VERSIONS) this.#decoder.useLinkProtocol(link.linkProtocol)
    if (open !== undefined) {
      this.#state = { kind: 'open' }
      this.#outputs.push({ kind: 'open', open })
    }
  }

  #handleOpenCell(cell: Cell): void {
    switch (cell.command) {
      case ChannelCommand.CREATE:
      case ChannelCommand.CREATED:
      case ChannelCommand.CREATE_FAST:
      case ChannelCommand.CREATED_FAST:
      case ChannelCommand.CREATE2:
      case ChannelCommand.CREATED2:
      case ChannelCommand.DESTROY:
        // tor-spec §5.1.1: 0 is no circuit's id, so the cell is nobody's.
        if (cell.circuitId !== 0) this.#outputs.push({ kind: 'cell', cell })
        return
      case ChannelCommand.PADDING_NEGOTIATE:
        this.#onOwnCell?.('received', cell)
        // padding-spec §2.5: only initiators negotiate; a responder that does is closed.
        if (this.#initiator) throw protocolError('PADDING_NEGOTIATE from a responder')
        // Versions yet to come are ignored, as C tor does.
        if (cell.body[0] !== 0) return
        this.#outputs.push({ kind: 'padding', wanted: decodePaddingNegotiate(cell.body) })
        return
      case ChannelCommand.CERTS:
      case ChannelCommand.AUTH_CHALLENGE:
      case ChannelCommand.AUTHENTICATE:
      case ChannelCommand.NETINFO:
        throw protocolError(`${ChannelCommand.nameOf(cell.command)} cell on an open channel`)
      default:
        this.#onOwnCell?.('received', cell)
        // PADDING and VPADDING; later VERSIONS cells, which are ignored (tor-spec §4.1); and unknown commands, which are dropped (tor-spec §3).
        return
    }
  }

  #close(reason: 'protocol' | 'identity' | 'timeout', error: RelishError): void {
    this.#state = { kind: 'closed' }
    this.#outputs.push({ kind: 'close', reason, error })
  }
}

const none: readonly ChannelOutput[] = Object.freeze([])
