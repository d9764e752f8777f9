/**
 * The part of a link handshake that both roles share: sending and noting cells, choosing the link protocol, NETINFO. The
 * roles themselves are `initiator-handshake.ts` and `responder-handshake.ts`. tor-spec §4.
 */

import { protocolError } from '../../base/errors.ts'
import { wallToSec } from '../../base/time.ts'
import { fixedCell, variableCell, type Cell } from '../../cell/cell.ts'
import { ChannelCommand } from '../../cell/commands.ts'
import { FrameWriter } from '../../cell/frame-writer.ts'
import { decodeNetinfo, decodeVersions, encodeNetinfo, encodeVersions } from '../../cell/link-messages.ts'
import { RunningDigest } from '../../crypto/hashes.ts'
import { canonicalIp } from '../../ident/address.ts'
import type { ChannelNow, ChannelOpen, ChannelOptions, ChannelOutput, PeerIdentities } from './channel-types.ts'
import { CLOCK_SKEW_HANDSHAKE_MAX } from './limits.ts'

/** Link protocols we speak, in rising order (tor-spec §4.1). 3 and its 2-byte circuit ids went with Tor 0.2.4. */
const linkProtocols: readonly number[] = Object.freeze([4, 5])

/** One role's side of the handshake. */
export interface Handshake {
  /** What it waits for, in words. */
  readonly waitingFor: string
  start(now: ChannelNow): void
  /** A cell that is no padding. Answers the open channel when this completes the handshake. Throws `protocol`. */
  handleCell(now: ChannelNow, cell: Cell): ChannelOpen | undefined
}

export class HandshakeLink {
  readonly options: ChannelOptions
  readonly #outputs: ChannelOutput[]
  readonly #writer = new FrameWriter()
  readonly #sent = new RunningDigest('sha256')
  readonly #received = new RunningDigest('sha256')
  readonly #startedAt: ChannelNow
  /** 0 until VERSIONS have been exchanged. */
  linkProtocol = 0

  constructor(options: ChannelOptions, outputs: ChannelOutput[], now: ChannelNow) {
    this.options = options
    this.#outputs = outputs
    this.#startedAt = now
  }

  /** SHA-256 of all bytes sent so far. */
  sentLog(): Uint8Array {
    return this.#sent.peek()
  }

  /** SHA-256 of all bytes noted as received so far. */
  receivedLog(): Uint8Array {
    return this.#received.peek()
  }

  /** Notes a received cell, padding included, for the log that AUTHENTICATE signs (tor-spec §4.4.2). */
  note(cell: Cell): void {
    // Framing is canonical, so the bytes that came are the bytes that would be sent.
    const writer = new FrameWriter()
    writer.useLinkProtocol(this.linkProtocol)
    writer.writeCell(cell)
    this.#received.update(writer.take())
  }

  send(cell: Cell): void {
    this.options.onOwnCell?.('sent', cell)
    this.#writer.writeCell(cell)
    const bytes = this.#writer.take()
    this.#sent.update(bytes)
    this.#outputs.push({ kind: 'write', bytes })
  }

  sendVersions(): void {
    this.send(variableCell(ChannelCommand.VERSIONS, encodeVersions(linkProtocols)))
  }

  /** tor-spec §4.1: the highest version that both sides listed, or the link is closed. */
  chooseLinkProtocol(versionsBody: Uint8Array): void {
    const theirs = decodeVersions(versionsBody)
    const common = linkProtocols.filter((version) => theirs.includes(version))
    const chosen = common.at(-1)
    if (chosen === undefined) throw protocolError(`no link protocol in common: the peer speaks ${theirs.join(', ') || 'none'}`)
    this.linkProtocol = chosen
  }

  /** Later cells are framed with the chosen link protocol. */
  useLinkProtocol(): void {
    this.#writer.useLinkProtocol(this.linkProtocol)
  }

  sendNetinfo(now: ChannelNow): void {
    const { myAddresses, sendTimestamp } = this.options
    const timestampSec = sendTimestamp ? Math.min(Math.max(wallToSec(now.wall), 0), 0xffff_ffff) : 0
    // A connection that broke early may have no address any more.
    const otherAddress = canonicalIp(this.options.peerAddress)
    this.send(fixedCell(0, ChannelCommand.NETINFO, encodeNetinfo({ timestampSec, otherAddress, myAddresses })))
  }

  /** The channel that the peer's NETINFO opens. */
  openFrom(now: ChannelNow, netinfoBody: Uint8Array, peer: PeerIdentities | undefined): ChannelOpen {
    const netinfo = decodeNetinfo(netinfoBody)
    const quick = now.monotonic - this.#startedAt.monotonic < CLOCK_SKEW_HANDSHAKE_MAX
    return {
      linkProtocol: this.linkProtocol,
      peer,
      clockSkewSec: quick && netinfo.timestampSec !== 0 ? netinfo.timestampSec - wallToSec(now.wall) : undefined,
      apparentAddress: netinfo.otherAddress,
      canonical: netinfo.myAddresses.includes(this.options.peerAddress),
    }
  }
}

/** The error for a cell that the state does not accept. */
export const unexpectedCell = (cell: Cell, waitingFor: string): Error =>
  protocolError(`${ChannelCommand.nameOf(cell.command)} cell while waiting for ${waitingFor}`)
