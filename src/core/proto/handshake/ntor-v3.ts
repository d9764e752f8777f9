/**
 * The ntor-v3 handshake (prop332): like ntor, keyed by Ed25519 identity, and it carries a message each way. The client's
 * message has no forward secrecy; the relay's has. What is in the messages is in `circuit-extensions.ts`.
 *
 *     client: NODEID 32 | KEYID 32 | X 32 | encrypted message | MAC 32          relay: Y 32 | AUTH 32 | encrypted message
 *
 * The relay answers in two steps, since its message depends on the client's: `ntorV3ServerOpen`, then `ntorV3ServerReply`.
 */

import { bytesEqual, concatBytes, utf8Encode } from '../../base/encoding.ts'
import { protocolError } from '../../base/errors.ts'
import type { Rng } from '../../base/rng.ts'
import { Writer } from '../../bytes/writer.ts'
import { AesCtrStream } from '../../crypto/aes.ts'
import { constantTimeEqual, sha3_256, shake256 } from '../../crypto/hashes.ts'
import { x25519Generate, x25519Shared, type X25519KeyPair } from '../../crypto/x25519.ts'
import { findOnionKey, type OnionKeySet } from './onion-keys.ts'

const KEY_BYTES = 32
const MAC_BYTES = 32
const CLIENT_FIXED_BYTES = 3 * KEY_BYTES + MAC_BYTES
const SERVER_FIXED_BYTES = 2 * KEY_BYTES

/** The verification string of circuit extension, which prop332 leaves to the user of the handshake; the value is C tor's. */
export const circuitExtendVerification = utf8Encode('circuit extend')

const protocolId = utf8Encode('ntor3-curve25519-sha3_256-1')
const serverWord = utf8Encode('Server')

/** ENCAP of prop332: the length in 8 bytes, then the string. */
const encapsulated = (bytes: Uint8Array): Uint8Array => new Writer(8 + bytes.length).u64(BigInt(bytes.length)).bytes(bytes).finish()
const tweak = (suffix: string): Uint8Array => encapsulated(concatBytes([protocolId, utf8Encode(suffix)]))

const tMessageKdf = tweak(':kdf_phase1')
const tMessageMac = tweak(':msg_mac')
const tKeySeed = tweak(':key_seed')
const tVerify = tweak(':verify')
const tFinal = tweak(':kdf_final')
const tAuth = tweak(':auth_final')

export interface NtorV3Target {
  /** 32 bytes. */
  readonly ed25519Identity: Uint8Array
  /** 32 bytes. */
  readonly onionKey: Uint8Array
}

export interface NtorV3ClientState {
  readonly target: NtorV3Target
  readonly ephemeral: X25519KeyPair
  readonly onionSecret: Uint8Array
  readonly mac: Uint8Array
  readonly verification: Uint8Array
}

export function ntorV3ClientStart(
  target: NtorV3Target,
  message: Uint8Array,
  verification: Uint8Array,
  rng: Rng,
): { readonly state: NtorV3ClientState; readonly handshake: Uint8Array } {
  const ephemeral = x25519Generate(rng)
  const onionSecret = x25519Shared(ephemeral.secretKey, target.onionKey)
  const keys = phase1Keys(onionSecret, target.ed25519Identity, ephemeral.publicKey, target.onionKey, verification)
  const encrypted = new AesCtrStream(keys.encryption).apply(message)
  const mac = messageMac(keys.mac, target.ed25519Identity, target.onionKey, ephemeral.publicKey, encrypted)
  return {
    state: { target, ephemeral, onionSecret, mac, verification },
    handshake: concatBytes([target.ed25519Identity, target.onionKey, ephemeral.publicKey, encrypted, mac]),
  }
}

/** A client's handshake that was opened and waits for the relay's message. */
export interface NtorV3ServerState {
  readonly identity: Uint8Array
  readonly onionKey: Uint8Array
  readonly onionSecret: Uint8Array
  readonly clientKey: Uint8Array
  readonly mac: Uint8Array
  readonly verification: Uint8Array
}

/** Opens a client's handshake. Throws `protocol` when it is malformed, not for us, degenerate or forged. */
export function ntorV3ServerOpen(
  handshake: Uint8Array,
  self: { readonly ed25519Identity: Uint8Array; readonly onionKeys: OnionKeySet },
  verification: Uint8Array,
): { readonly state: NtorV3ServerState; readonly message: Uint8Array } {
  if (handshake.length < CLIENT_FIXED_BYTES) throw protocolError(`ntor-v3 handshake of ${handshake.length} bytes`)
  const identity = handshake.slice(0, KEY_BYTES)
  const clientKey = handshake.slice(2 * KEY_BYTES, 3 * KEY_BYTES)
  const encrypted = handshake.subarray(3 * KEY_BYTES, handshake.length - MAC_BYTES)
  const mac = handshake.slice(handshake.length - MAC_BYTES)
  if (!bytesEqual(identity, self.ed25519Identity)) throw protocolError('ntor-v3 handshake for another relay')
  const onionKey = findOnionKey(self.onionKeys, handshake.subarray(KEY_BYTES, 2 * KEY_BYTES))
  if (onionKey === undefined) throw protocolError('ntor-v3 handshake for an unknown onion key')
  const onionSecret = x25519Shared(onionKey.secretKey, clientKey)
  const keys = phase1Keys(onionSecret, identity, clientKey, onionKey.publicKey, verification)
  if (!constantTimeEqual(messageMac(keys.mac, identity, onionKey.publicKey, clientKey, encrypted), mac)) {
    throw protocolError('ntor-v3 handshake is not authentic')
  }
  const message = new AesCtrStream(keys.encryption).apply(encrypted)
  return { state: { identity, onionKey: onionKey.publicKey, onionSecret, clientKey, mac, verification }, message: new Uint8Array(message) }
}

/** The relay's answer with its message, and `keyBytes` of key material. */
export function ntorV3ServerReply(
  state: NtorV3ServerState,
  message: Uint8Array,
  keyBytes: number,
  rng: Rng,
): { readonly reply: Uint8Array; readonly keys: Uint8Array } {
  const ephemeral = x25519Generate(rng)
  const secrets = finalSecrets(x25519Shared(ephemeral.secretKey, state.clientKey), state, ephemeral.publicKey, keyBytes)
  const encrypted = new AesCtrStream(secrets.encryption).apply(message)
  const auth = finalAuth(secrets.verify, state, ephemeral.publicKey, encrypted)
  return { reply: concatBytes([ephemeral.publicKey, auth, encrypted]), keys: secrets.keys }
}

/** The relay's message and the key material. Throws `protocol` when the relay did not prove that it holds the onion key. */
export function ntorV3ClientFinish(
  client: NtorV3ClientState,
  reply: Uint8Array,
  keyBytes: number,
): { readonly message: Uint8Array; readonly keys: Uint8Array } {
  if (reply.length < SERVER_FIXED_BYTES) throw protocolError(`ntor-v3 reply of ${reply.length} bytes`)
  const serverKey = reply.subarray(0, KEY_BYTES)
  const encrypted = reply.subarray(SERVER_FIXED_BYTES)
  const state: NtorV3ServerState = {
    identity: client.target.ed25519Identity,
    onionKey: client.target.onionKey,
    onionSecret: client.onionSecret,
    clientKey: client.ephemeral.publicKey,
    mac: client.mac,
    verification: client.verification,
  }
  const secrets = finalSecrets(x25519Shared(client.ephemeral.secretKey, serverKey), state, serverKey, keyBytes)
  if (!constantTimeEqual(finalAuth(secrets.verify, state, serverKey, encrypted), reply.subarray(KEY_BYTES, SERVER_FIXED_BYTES))) {
    throw protocolError('ntor-v3 reply is not authentic')
  }
  return { message: new Uint8Array(new AesCtrStream(secrets.encryption).apply(encrypted)), keys: secrets.keys }
}

function phase1Keys(
  onionSecret: Uint8Array,
  identity: Uint8Array,
  clientKey: Uint8Array,
  onionKey: Uint8Array,
  verification: Uint8Array,
): { encryption: Uint8Array; mac: Uint8Array } {
  const keys = shake256(2 * KEY_BYTES, tMessageKdf, onionSecret, identity, clientKey, onionKey, protocolId, encapsulated(verification))
  return { encryption: keys.subarray(0, KEY_BYTES), mac: keys.subarray(KEY_BYTES) }
}

const messageMac = (key: Uint8Array, identity: Uint8Array, onionKey: Uint8Array, clientKey: Uint8Array, encrypted: Uint8Array): Uint8Array =>
  sha3_256(tMessageMac, encapsulated(key), identity, onionKey, clientKey, encrypted)

function finalSecrets(
  ephemeralSecret: Uint8Array,
  state: NtorV3ServerState,
  serverKey: Uint8Array,
  keyBytes: number,
): { verify: Uint8Array; encryption: Uint8Array; keys: Uint8Array } {
  const { onionSecret, identity, onionKey, clientKey, verification } = state
  const secretInput = concatBytes([ephemeralSecret, onionSecret, identity, onionKey, clientKey, serverKey, protocolId, encapsulated(verification)])
  const seed = sha3_256(tKeySeed, secretInput)
  const stream = shake256(KEY_BYTES + keyBytes, tFinal, seed)
  return { verify: sha3_256(tVerify, secretInput), encryption: stream.subarray(0, KEY_BYTES), keys: stream.subarray(KEY_BYTES) }
}

const finalAuth = (verify: Uint8Array, state: NtorV3ServerState, serverKey: Uint8Array, encrypted: Uint8Array): Uint8Array =>
  sha3_256(tAuth, verify, state.identity, state.onionKey, serverKey, state.clientKey, state.mac, encapsulated(encrypted), protocolId, serverWord)
