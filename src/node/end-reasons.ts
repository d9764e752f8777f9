/**
 * Why a stream ended, beyond what the wire knows: reasons that only this end has, numbered above a byte as C tor does,
 * and which reasons are worth another exit.
 */

import { EndReason } from '../core/cell/commands.ts'
import { SocksStatus } from '../core/socks/message.ts'

/** Reasons of our own. They are never sent. */
export const LocalReason = Object.freeze({
  /** No circuit can ever serve the stream. */
  CANT_ATTACH: 257,
  /** The application broke its protocol. */
  SOCKSPROTOCOL: 259,
  /** A private address was asked for. */
  PRIVATE_ADDR: 262,
  /** The listener does not take such requests. */
  ENTRYPOLICY: 264,
})

/** Whether another exit may fare better (C tor's edge_reason_is_retriable). */
export function isRetriable(reason: number): boolean {
  switch (reason) {
    case EndReason.HIBERNATING:
    case EndReason.RESOURCELIMIT:
    case EndReason.EXITPOLICY:
    case EndReason.RESOLVEFAILED:
    case EndReason.MISC:
    case EndReason.NOROUTE:
      return true
    default:
      return false
  }
}

/** What a SOCKS client is told, for reasons of the wire and our own. */
export function socksStatusFor(reason: number): SocksStatus {
  return statusOfReason.get(reason) ?? SocksStatus.GENERAL_FAILURE
}

/** C tor's mapping. */
const statusOfReason: ReadonlyMap<number, SocksStatus> = new Map<number, SocksStatus>([
  [EndReason.RESOLVEFAILED, SocksStatus.HOST_UNREACHABLE],
  [EndReason.CONNECTREFUSED, SocksStatus.CONNECTION_REFUSED],
  [EndReason.EXITPOLICY, SocksStatus.NOT_ALLOWED],
  // Before CONNECTED, DONE means that the other side closed at once.
  [EndReason.DONE, SocksStatus.CONNECTION_REFUSED],
  [EndReason.TIMEOUT, SocksStatus.TTL_EXPIRED],
  [EndReason.NOROUTE, SocksStatus.HOST_UNREACHABLE],
  [EndReason.CONNRESET, SocksStatus.CONNECTION_REFUSED],
  [LocalReason.ENTRYPOLICY, SocksStatus.NOT_ALLOWED],
])
