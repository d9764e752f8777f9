/** The numbers of tor-spec §3, §5 and §6 that have names: cell commands, relay commands, handshake types and reasons. */

import { wireCodes, type WireCode } from '../base/wire-code.ts'

/** Commands of channel cells (tor-spec §3). */
export type ChannelCommand = WireCode<'ChannelCommand'>
export const ChannelCommand = wireCodes('ChannelCommand')({
  PADDING: 0,
  CREATE: 1,
  CREATED: 2,
  RELAY: 3,
  DESTROY: 4,
  CREATE_FAST: 5,
  CREATED_FAST: 6,
  VERSIONS: 7,
  NETINFO: 8,
  RELAY_EARLY: 9,
  CREATE2: 10,
  CREATED2: 11,
  PADDING_NEGOTIATE: 12,
  VPADDING: 128,
  CERTS: 129,
  AUTH_CHALLENGE: 130,
  AUTHENTICATE: 131,
  AUTHORIZE: 132,
})

/** Whether cells of this command carry a length (tor-spec §3, link protocol 3 and higher). */
export const isVariableLength = (command: number): boolean => command === ChannelCommand.VERSIONS || command >= 128

export const isRelayCommand = (command: number): boolean =>
  command === ChannelCommand.RELAY || command === ChannelCommand.RELAY_EARLY

/** Commands of relay messages (tor-spec §6.1, rend-spec-v3 §3 and §4, prop324 §4, prop329 §2). EXTEND and EXTENDED are named and not handled: nothing speaks TAP any more. */
export type RelayCommand = WireCode<'RelayCommand'>
export const RelayCommand = wireCodes('RelayCommand')({
  BEGIN: 1,
  DATA: 2,
  END: 3,
  CONNECTED: 4,
  SENDME: 5,
  EXTEND: 6,
  EXTENDED: 7,
  TRUNCATE: 8,
  TRUNCATED: 9,
  DROP: 10,
  RESOLVE: 11,
  RESOLVED: 12,
  BEGIN_DIR: 13,
  EXTEND2: 14,
  EXTENDED2: 15,
  CONFLUX_LINK: 19,
  CONFLUX_LINKED: 20,
  CONFLUX_LINKED_ACK: 21,
  CONFLUX_SWITCH: 22,
  ESTABLISH_INTRO: 32,
  ESTABLISH_RENDEZVOUS: 33,
  INTRODUCE1: 34,
  INTRODUCE2: 35,
  RENDEZVOUS1: 36,
  RENDEZVOUS2: 37,
  INTRO_ESTABLISHED: 38,
  RENDEZVOUS_ESTABLISHED: 39,
  INTRODUCE_ACK: 40,
  PADDING_NEGOTIATE: 41,
  PADDING_NEGOTIATED: 42,
  XOFF: 43,
  XON: 44,
})

/** Handshake types of CREATE2 and EXTEND2 (tor-spec §5.1, prop332). */
export type HandshakeType = WireCode<'HandshakeType'>
export const HandshakeType = wireCodes('HandshakeType')({ TAP: 0, NTOR: 2, NTOR_V3: 3 })

/** Why a circuit was closed: DESTROY and TRUNCATED (tor-spec §5.4). */
export type DestroyReason = WireCode<'DestroyReason'>
export const DestroyReason = wireCodes('DestroyReason')({
  NONE: 0,
  PROTOCOL: 1,
  INTERNAL: 2,
  REQUESTED: 3,
  HIBERNATING: 4,
  RESOURCELIMIT: 5,
  CONNECTFAILED: 6,
  OR_IDENTITY: 7,
  CHANNEL_CLOSED: 8,
  FINISHED: 9,
  TIMEOUT: 10,
  DESTROYED: 11,
  NOSUCHSERVICE: 12,
})

/** Why a stream was closed: END (tor-spec §6.3). */
export type EndReason = WireCode<'EndReason'>
export const EndReason = wireCodes('EndReason')({
  MISC: 1,
  RESOLVEFAILED: 2,
  CONNECTREFUSED: 3,
  EXITPOLICY: 4,
  DESTROY: 5,
  DONE: 6,
  TIMEOUT: 7,
  NOROUTE: 8,
  HIBERNATING: 9,
  INTERNAL: 10,
  RESOURCELIMIT: 11,
  CONNRESET: 12,
  TORPROTOCOL: 13,
  NOTDIRECTORY: 14,
})
