/**
 * Messages that make, extend and end circuits and steer their flow: CREATE_FAST, CREATED_FAST, CREATE2, CREATED2 and
 * DESTROY as cells; EXTEND2, EXTENDED2, TRUNCATED, SENDME and circuit padding negotiation as relay messages (tor-spec
 * §5.1, §5.4 and §7.3, padding-spec §3). Encoders give the body without the padding of a cell; decoders of cell bodies ignore it.
 *
 * TRUNCATE, DROP, and the onion-service and conflux messages have no codec here: the first two are empty, the others
 * belong to their features.
 */

import { assert } from '../base/assert.ts'
import { protocolError } from '../base/errors.ts'
import { Reader } from '../bytes/reader.ts'
import { Writer } from '../bytes/writer.ts'
import { readLinkSpecifiers, writeLinkSpecifiers, type LinkSpecifier } from '../ident/link-specifier.ts'
import type { DestroyReason, HandshakeType } from './commands.ts'

/** Key material of CREATE_FAST and each half of CREATED_FAST: HASH_LEN. */
const FAST_BYTES = 20

/** CREATE_FAST: X, 20 bytes (tor-spec §5.1.5). */
export interface CreateFast {
  readonly keyMaterial: Uint8Array
}

export function encodeCreateFast(message: CreateFast): Uint8Array {
  assert(message.keyMaterial.length === FAST_BYTES, 'CREATE_FAST has 20 bytes of key material')
  return message.keyMaterial.slice()
}

export const decodeCreateFast = (body: Uint8Array): CreateFast => ({ keyMaterial: new Reader(body).take(FAST_BYTES, 'key material') })

/** CREATED_FAST: Y 20 | KH 20 (tor-spec §5.1.5). */
export interface CreatedFast {
  readonly keyMaterial: Uint8Array
  /** KH of tor-spec §5.2.1, which proves that the responder derived the same keys. */
  readonly derivativeKeyData: Uint8Array
}

export function encodeCreatedFast(message: CreatedFast): Uint8Array {
  assert(message.keyMaterial.length === FAST_BYTES && message.derivativeKeyData.length === FAST_BYTES, 'CREATED_FAST has two halves of 20 bytes')
  return new Writer(2 * FAST_BYTES).bytes(message.keyMaterial).bytes(message.derivativeKeyData).finish()
}

export function decodeCreatedFast(body: Uint8Array): CreatedFast {
  const reader = new Reader(body)
  return { keyMaterial: reader.take(FAST_BYTES, 'key material'), derivativeKeyData: reader.take(FAST_BYTES, 'derivative key data') }
}

/** CREATE2: type 2 | length 2 | handshake data (tor-spec §5.1). */
export interface Create2 {
  readonly handshakeType: HandshakeType
  readonly handshake: Uint8Array
}

export function encodeCreate2(message: Create2): Uint8Array {
  return new Writer(4 + message.handshake.length).u16(message.handshakeType).sized(2, (inside) => inside.bytes(message.handshake)).finish()
}

export function decodeCreate2(body: Uint8Array): Create2 {
  const reader = new Reader(body)
  return { handshakeType: reader.u16('handshake type'), handshake: reader.take(reader.u16('handshake length'), 'handshake data') }
}

/** CREATED2, and with the same content the relay message EXTENDED2: length 2 | handshake data (tor-spec §5.1, §5.1.2). */
export interface Created2 {
  readonly handshake: Uint8Array
}

export function encodeCreated2(message: Created2): Uint8Array {
  return new Writer(2 + message.handshake.length).sized(2, (inside) => inside.bytes(message.handshake)).finish()
}

export function decodeCreated2(body: Uint8Array): Created2 {
  const reader = new Reader(body)
  return { handshake: reader.take(reader.u16('handshake length'), 'handshake data') }
}

/** EXTEND2: link specifiers | type 2 | length 2 | handshake data (tor-spec §5.1.2). */
export interface Extend2 {
  readonly linkSpecifiers: readonly LinkSpecifier[]
  readonly handshakeType: HandshakeType
  readonly handshake: Uint8Array
}

export function encodeExtend2(message: Extend2): Uint8Array {
  const writer = new Writer(256)
  writeLinkSpecifiers(writer, message.linkSpecifiers)
  return writer.u16(message.handshakeType).sized(2, (inside) => inside.bytes(message.handshake)).finish()
}

/** Bytes at the end are ignored, as C tor does. */
export function decodeExtend2(data: Uint8Array): Extend2 {
  const reader = new Reader(data)
  const linkSpecifiers = readLinkSpecifiers(reader)
  return { linkSpecifiers, handshakeType: reader.u16('handshake type'), handshake: reader.take(reader.u16('handshake length'), 'handshake data') }
}

/** DESTROY and TRUNCATED: one byte, the reason (tor-spec §5.4). */
export interface Destroy {
  readonly reason: DestroyReason
}

export const encodeDestroy = (message: Destroy): Uint8Array => Uint8Array.of(message.reason)
export const decodeDestroy = (body: Uint8Array): Destroy => ({ reason: new Reader(body).u8('reason') })

/** SENDME (tor-spec §7.3.1). A stream's is empty, which reads as version 0. */
export type Sendme =
  | { readonly version: 0 }
  /** `tag`: 20 bytes, the digest of the cell that triggered it; 16 bytes where the circuit's cipher makes shorter tags. */
  | { readonly version: 1; readonly tag: Uint8Array }

/** version 1 | length 2 | data; version 0 is sent as an empty message. */
export function encodeSendme(message: Sendme): Uint8Array {
  if (message.version === 0) return new Uint8Array(0)
  return new Writer(23).u8(1).sized(2, (inside) => inside.bytes(message.tag)).finish()
}

/** Throws `protocol` for unknown versions (tor-spec §7.3.1: the circuit is torn down). */
export function decodeSendme(data: Uint8Array): Sendme {
  if (data.length === 0) return { version: 0 }
  const reader = new Reader(data)
  const version = reader.u8('SENDME version')
  // tor-spec §7.3.1: the rest of a version 0 SENDME is ignored.
  if (version === 0) return { version: 0 }
  if (version !== 1) throw protocolError(`SENDME of version ${version}`)
  const length = reader.u16('SENDME length')
  // SPEC-DIFF: tor-spec §7.3.1 lets the data be longer than 20 bytes; C tor 0.4.9 takes exactly 20, or 16 for its newer relay encryption.
  if (length !== 20 && length !== 16) throw protocolError(`SENDME tag of ${length} bytes`)
  return { version: 1, tag: reader.take(length, 'SENDME tag') }
}

/** Circuit padding machines a client may ask for (padding-spec §3). */
export interface CircuitPaddingNegotiate {
  readonly command: 'stop' | 'start'
  readonly machineType: number
  readonly echoRequest: boolean
  /** Tells runs of one machine apart. */
  readonly machineCounter: number
}

export interface CircuitPaddingNegotiated {
  readonly command: 'stop' | 'start'
  readonly accepted: boolean
  readonly machineType: number
  readonly machineCounter: number
}

const paddingCommandCode = (command: 'stop' | 'start'): number => (command === 'stop' ? 1 : 2)

function readPaddingStart(reader: Reader): 'stop' | 'start' {
  const version = reader.u8('padding version')
  if (version !== 0) throw protocolError(`circuit padding negotiation of version ${version}`)
  const command = reader.u8('padding command')
  if (command !== 1 && command !== 2) throw protocolError(`circuit padding command ${command}`)
  return command === 1 ? 'stop' : 'start'
}

/** version 1 = 0 | command 1 | machine type 1 | echo 1 | machine counter 4 */
export function encodeCircuitPaddingNegotiate(message: CircuitPaddingNegotiate): Uint8Array {
  return new Writer(8).u8(0).u8(paddingCommandCode(message.command)).u8(message.machineType).u8(message.echoRequest ? 1 : 0).u32(message.machineCounter).finish()
}

export function decodeCircuitPaddingNegotiate(data: Uint8Array): CircuitPaddingNegotiate {
  const reader = new Reader(data)
  const command = readPaddingStart(reader)
  const machineType = reader.u8('padding machine')
  const echo = reader.u8('echo request')
  if (echo > 1) throw protocolError(`circuit padding echo request ${echo}`)
  return { command, machineType, echoRequest: echo === 1, machineCounter: reader.u32('padding machine counter') }
}

/** version 1 = 0 | command 1 | response 1 | machine type 1 | machine counter 4 */
export function encodeCircuitPaddingNegotiated(message: CircuitPaddingNegotiated): Uint8Array {
  return new Writer(8).u8(0).u8(paddingCommandCode(message.command)).u8(message.accepted ? 1 : 2).u8(message.machineType).u32(message.machineCounter).finish()
}

export function decodeCircuitPaddingNegotiated(data: Uint8Array): CircuitPaddingNegotiated {
  const reader = new Reader(data)
  const command = readPaddingStart(reader)
  const response = reader.u8('padding response')
  if (response !== 1 && response !== 2) throw protocolError(`circuit padding response ${response}`)
  return { command, accepted: response === 1, machineType: reader.u8('padding machine'), machineCounter: reader.u32('padding machine counter') }
}
