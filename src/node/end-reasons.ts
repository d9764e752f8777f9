/**
 * Why a stream ended, beyond what the wire knows: reasons that only this end has, numbered above a byte as C tor does,
 * and what applications are told.
 */

import { EndReason } from '../core/cell/commands.ts'

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

/** SOCKS 5 reply codes (RFC 1928 §6). */
const reply = Object.freeze({ generalFailure: 1, notAllowed: 2, networkUnreachable: 3, hostUnreachable: 4, connectionRefused: 5, ttlExpired: 6 })

/** The SOCKS 5 reply for a stream that failed, as C tor chooses it. */
export function socksReplyFor(reason: number): number {
  switch (reason) {
    case EndReason.RESOLVEFAILED:
    case EndReason.NOROUTE:
      return reply.hostUnreachable
    case EndReason.CONNECTREFUSED:
    case EndReason.CONNRESET:
    // Before the stream was connected, DONE means that the other side closed it straight away.
    case EndReason.DONE:
      return reply.connectionRefused
    case EndReason.EXITPOLICY:
    case LocalReason.ENTRYPOLICY:
      return reply.notAllowed
    case EndReason.TIMEOUT:
      return reply.ttlExpired
    default:
      return reply.generalFailure
  }
}
