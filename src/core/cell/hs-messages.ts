/**
 * Relay messages between clients, onion services and the relays they meet at: ESTABLISH_INTRO, INTRO_ESTABLISHED,
 * INTRODUCE1 and INTRODUCE2, INTRODUCE_ACK, ESTABLISH_RENDEZVOUS and RENDEZVOUS1 (rend-spec-v3 §3 and §4).
 * RENDEZVOUS_ESTABLISHED is empty; RENDEZVOUS2 is the handshake of RENDEZVOUS1 as it is.
 *
 * Not here: signatures and MACs, which are `core/hs/establish-intro.ts`, and what clients encrypt for services. The forms of version 2,
 * which had RSA keys, are refused.
 *
 * Bytes behind a message are ignored, as C tor does, where the message does not go on to the end of its cell.
 */

import { assert } from '../base/assert.ts'
import { protocolError } from '../base/errors.ts'
import { wireCodes, type WireCode } from '../base/wire-code.ts'
import { Reader } from '../bytes/reader.ts'
import { Writer } from '../bytes/writer.ts'

const AUTH_KEY_BYTES = 32
const MAC_BYTES = 32
const SIGNATURE_BYTES = 64
const COOKIE_BYTES = 20
/** LEGACY_KEY_ID of INTRODUCE1: zeros. */
const LEGACY_KEY_ID_BYTES = 20
/** AUTH_KEY_TYPE: Ed25519 with SHA3-256; 0 and 1 were those of version 2. */
const AUTH_KEY_TYPE_ED25519 = 2

/** An extension field of any of these messages (rend-spec-v3 §3.1.1). Unknown types are ignored by whoever reads them. */
export interface HsExtension {
  readonly type: number
  /** At most 255 bytes. */
  readonly field: Uint8Array
}

/** N_EXTENSIONS 1, then each: type 1 | length 1 | field */
function writeExtensions(writer: Writer, extensions: readonly HsExtension[]): Writer {
  writer.u8(extensions.length)
  for (const extension of extensions) writer.u8(extension.type).sized(1, (inside) => inside.bytes(extension.field))
  return writer
}

function readExtensions(reader: Reader): HsExtension[] {
  const extensions: HsExtension[] = []
  for (let left = reader.u8('number of extensions'); left > 0; left--) {
    extensions.push({ type: reader.u8('extension type'), field: reader.take(reader.u8('extension length'), 'extension') })
  }
  return extensions
}

const writeAuthKey = (writer: Writer, authKey: Uint8Array): Writer => {
  assert(authKey.length === AUTH_KEY_BYTES, 'an introduction key has 32 bytes')
  return writer.u8(AUTH_KEY_TYPE_ED25519).sized(2, (inside) => inside.bytes(authKey))
}

function readAuthKey(reader: Reader): Uint8Array {
  const type = reader.u8('introduction key type')
  if (type !== AUTH_KEY_TYPE_ED25519) throw protocolError(`introduction key of type ${type}`)
  const length = reader.u16('introduction key length')
  if (length !== AUTH_KEY_BYTES) throw protocolError(`introduction key of ${length} bytes`)
  return reader.take(AUTH_KEY_BYTES, 'introduction key')
}

/** What ESTABLISH_INTRO's MAC covers: all in front of it. */
export interface EstablishIntroContent {
  /** KP_hs_ipt_sid: 32 bytes, Ed25519. */
  readonly authKey: Uint8Array
  readonly extensions: readonly HsExtension[]
}

export interface EstablishIntro extends EstablishIntroContent {
  /** HANDSHAKE_AUTH: 32 bytes. */
  readonly handshakeAuth: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** The bytes that HANDSHAKE_AUTH is the MAC of. */
export const establishIntroContentBytes = (content: EstablishIntroContent): Uint8Array =>
  writeExtensions(writeAuthKey(new Writer(64), content.authKey), content.extensions).finish()

/** type 1 | length 2 | AUTH_KEY | extensions | HANDSHAKE_AUTH 32 | length 2 | SIG (rend-spec-v3 §3.1.1). There is one way to write it, so what was signed can be made again from what was read. */
export function encodeEstablishIntro(message: EstablishIntro): Uint8Array {
  assert(message.handshakeAuth.length === MAC_BYTES && message.signature.length === SIGNATURE_BYTES, 'MAC and signature have their lengths')
  return new Writer(192).bytes(establishIntroContentBytes(message)).bytes(message.handshakeAuth).sized(2, (inside) => inside.bytes(message.signature)).finish()
}

/** Throws `protocol`: the circuit is destroyed. */
export function decodeEstablishIntro(data: Uint8Array): EstablishIntro {
  const reader = new Reader(data)
  const authKey = readAuthKey(reader)
  const extensions = readExtensions(reader)
  const handshakeAuth = reader.take(MAC_BYTES, 'handshake MAC')
  const length = reader.u16('signature length')
  if (length !== SIGNATURE_BYTES) throw protocolError(`ESTABLISH_INTRO signature of ${length} bytes`)
  return { authKey, extensions, handshakeAuth, signature: reader.take(SIGNATURE_BYTES, 'signature') }
}

/** Types of ESTABLISH_INTRO's extensions. */
export const EstablishIntroExtension = Object.freeze({ DOS_PARAMETERS: 1 })

export type IntroDosParameter = WireCode<'IntroDosParameter'>
export const IntroDosParameter = wireCodes('IntroDosParameter')({ INTRODUCE2_RATE_PER_SEC: 1, INTRODUCE2_BURST_PER_SEC: 2 })

/** How many introductions a service wants to get, as it asks its introduction point (rend-spec-v3 §3.1.1.1). */
export type IntroDosParameters = readonly { readonly type: IntroDosParameter; readonly value: bigint }[]

/** N_PARAMS 1, then each: type 1 | value 8 */
export function encodeIntroDosParameters(parameters: IntroDosParameters): Uint8Array {
  const writer = new Writer(19).u8(parameters.length)
  for (const { type, value } of parameters) writer.u8(type).u64(value)
  return writer.finish()
}

export function decodeIntroDosParameters(field: Uint8Array): IntroDosParameters {
  const reader = new Reader(field)
  return Array.from({ length: reader.u8('number of parameters') }, () => ({ type: reader.u8('parameter type'), value: reader.u64('parameter') }))
}

/** INTRO_ESTABLISHED: extensions only (rend-spec-v3 §3.1.3). */
export interface IntroEstablished {
  readonly extensions: readonly HsExtension[]
}

export const encodeIntroEstablished = (message: IntroEstablished): Uint8Array => writeExtensions(new Writer(1), message.extensions).finish()
export const decodeIntroEstablished = (data: Uint8Array): IntroEstablished => ({ extensions: readExtensions(new Reader(data)) })

/** INTRODUCE1, and with the same content INTRODUCE2 (rend-spec-v3 §3.2.1). */
export interface Introduce {
  /** KP_hs_ipt_sid: says which service is meant. */
  readonly authKey: Uint8Array
  readonly extensions: readonly HsExtension[]
  /** For the service alone. At least one byte. */
  readonly encrypted: Uint8Array
}

/** LEGACY_KEY_ID 20 | type 1 | length 2 | AUTH_KEY | extensions | ENCRYPTED */
export function encodeIntroduce(message: Introduce): Uint8Array {
  assert(message.encrypted.length > 0, 'an introduction has an encrypted part')
  const writer = new Writer(512).zeros(LEGACY_KEY_ID_BYTES)
  return writeExtensions(writeAuthKey(writer, message.authKey), message.extensions).bytes(message.encrypted).finish()
}

/** Throws `protocol`: INTRODUCE_ACK with BAD_FORMAT is the answer. */
export function decodeIntroduce(data: Uint8Array): Introduce {
  const reader = new Reader(data)
  if (reader.view(LEGACY_KEY_ID_BYTES, 'legacy key id').some((byte) => byte !== 0)) throw protocolError('INTRODUCE1 of an older version')
  const authKey = readAuthKey(reader)
  const extensions = readExtensions(reader)
  if (reader.remaining === 0) throw protocolError('INTRODUCE1 without an encrypted part')
  return { authKey, extensions, encrypted: new Uint8Array(reader.rest()) }
}

/** What became of an introduction (rend-spec-v3 §3.2.2). */
export type IntroduceStatus = WireCode<'IntroduceStatus'>
export const IntroduceStatus = wireCodes('IntroduceStatus')({ SUCCESS: 0, UNKNOWN_ID: 1, BAD_FORMAT: 2, CANNOT_RELAY: 3 })

export interface IntroduceAck {
  readonly status: IntroduceStatus
  readonly extensions: readonly HsExtension[]
}

/** status 2 | extensions */
export const encodeIntroduceAck = (message: IntroduceAck): Uint8Array => writeExtensions(new Writer(3).u16(message.status), message.extensions).finish()

export function decodeIntroduceAck(data: Uint8Array): IntroduceAck {
  const reader = new Reader(data)
  return { status: reader.u16('introduction status'), extensions: readExtensions(reader) }
}

/** ESTABLISH_RENDEZVOUS: the cookie by which the service will find the client (rend-spec-v3 §4.1). */
export interface EstablishRendezvous {
  /** 20 bytes. */
  readonly cookie: Uint8Array
}

export function encodeEstablishRendezvous(message: EstablishRendezvous): Uint8Array {
  assert(message.cookie.length === COOKIE_BYTES, 'a rendezvous cookie has 20 bytes')
  return message.cookie.slice()
}

/** SPEC-DIFF: C tor 0.4.9 destroys the circuit for extra bytes, which rend-spec-v3 §4.1 has rendezvous points ignore. We ignore them. */
export const decodeEstablishRendezvous = (data: Uint8Array): EstablishRendezvous => ({ cookie: new Reader(data).take(COOKIE_BYTES, 'rendezvous cookie') })

/** RENDEZVOUS1 (rend-spec-v3 §4.2). */
export interface Rendezvous1 {
  readonly cookie: Uint8Array
  /** HANDSHAKE_INFO, for the client: all of RENDEZVOUS2. */
  readonly handshake: Uint8Array
}

/** cookie 20 | HANDSHAKE_INFO */
export function encodeRendezvous1(message: Rendezvous1): Uint8Array {
  assert(message.cookie.length === COOKIE_BYTES, 'a rendezvous cookie has 20 bytes')
  return new Writer(COOKIE_BYTES + message.handshake.length).bytes(message.cookie).bytes(message.handshake).finish()
}

export function decodeRendezvous1(data: Uint8Array): Rendezvous1 {
  const reader = new Reader(data)
  return { cookie: reader.take(COOKIE_BYTES, 'rendezvous cookie'), handshake: new Uint8Array(reader.rest()) }
}
