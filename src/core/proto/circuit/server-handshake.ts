/**
 * The relay's half of making a circuit: CREATE_FAST and CREATE2 in, the answer and the layer of encryption out. tor-spec
 * §5.1, prop332. TAP is refused: nothing speaks it any more.
 */

import { protocolError } from '../../base/errors.ts'
import type { Rng } from '../../base/rng.ts'
import { decodeCreate2, decodeCreateFast, encodeCreated2, encodeCreatedFast } from '../../cell/circuit-messages.ts'
import { ChannelCommand, HandshakeType } from '../../cell/commands.ts'
import { decodeCircuitRequest, encodeCircuitResponse } from '../handshake/circuit-extensions.ts'
import { createFastServer } from '../handshake/create-fast.ts'
import { ntorServer } from '../handshake/ntor.ts'
import { circuitExtendVerification, ntorV3ServerOpen, ntorV3ServerReply } from '../handshake/ntor-v3.ts'
import type { OnionKeySet } from '../handshake/onion-keys.ts'
import type { RelayLayer } from '../relaycrypt/layer.ts'
import { TOR1_KEY_BYTES, Tor1RelayLayer } from '../relaycrypt/tor1.ts'

/** Who a relay proves to be when circuits are made through it. */
export interface HandshakeKeys {
  /** 20 bytes. */
  readonly rsaIdentity: Uint8Array
  /** 32 bytes. */
  readonly ed25519Identity: Uint8Array
  readonly onionKeys: OnionKeySet
}

export interface CreateAnswer {
  /** CREATED_FAST or CREATED2. */
  readonly command: ChannelCommand
  readonly body: Uint8Array
  readonly layer: RelayLayer
  /** Made with CREATE_FAST: this relay is the first hop, and SENDMEs of version 0 are taken. */
  readonly fast: boolean
  /** KH, 20 bytes: known to both ends and nobody else, it ties a message to this circuit (tor-spec §5.2, rend-spec-v3 §3.1.1). */
  readonly nonce: Uint8Array
  /** Cells that a SENDME acknowledges, when the client asked for congestion control and is granted it. */
  readonly sendmeIncrement: number | undefined
}

/** tor-spec §5.2.2: KH comes behind the keys. */
const NONCE_BYTES = 20
const CREATE2_KEY_BYTES = TOR1_KEY_BYTES + NONCE_BYTES

/** Answers CREATE_FAST or CREATE2. `mayGrant`: what to grant a client that asks for congestion control; undefined: nothing. Throws `protocol`: DESTROY with reason PROTOCOL is the answer then. */
export function answerCreate(command: ChannelCommand, body: Uint8Array, keys: HandshakeKeys, mayGrant: number | undefined, rng: Rng): CreateAnswer {
  if (command === ChannelCommand.CREATE_FAST) {
    const answer = createFastServer(decodeCreateFast(body), TOR1_KEY_BYTES, rng)
    return { command: ChannelCommand.CREATED_FAST, body: encodeCreatedFast(answer.reply), layer: new Tor1RelayLayer(answer.keys), fast: true, sendmeIncrement: undefined, nonce: answer.reply.derivativeKeyData }
  }
  if (command !== ChannelCommand.CREATE2) throw protocolError(`${ChannelCommand.nameOf(command)} makes no circuit`)
  const { reply, keys: keyMaterial, sendmeIncrement } = answerCreate2(body, keys, mayGrant, rng)
  const layer = new Tor1RelayLayer(keyMaterial.subarray(0, TOR1_KEY_BYTES))
  return { command: ChannelCommand.CREATED2, body: encodeCreated2({ handshake: reply }), layer, fast: false, sendmeIncrement, nonce: keyMaterial.subarray(TOR1_KEY_BYTES) }
}

interface Create2Answer {
  readonly reply: Uint8Array
  readonly keys: Uint8Array
  readonly sendmeIncrement: number | undefined
}

function answerCreate2(body: Uint8Array, keys: HandshakeKeys, mayGrant: number | undefined, rng: Rng): Create2Answer {
  const { handshakeType, handshake } = decodeCreate2(body)
  switch (handshakeType) {
    case HandshakeType.NTOR:
      return { ...ntorServer(handshake, keys, CREATE2_KEY_BYTES, rng), sendmeIncrement: undefined }
    case HandshakeType.NTOR_V3: {
      const { state, message } = ntorV3ServerOpen(handshake, keys, circuitExtendVerification)
      // prop324 §10.3: the client takes our increment for its own.
      const sendmeIncrement = decodeCircuitRequest(message).congestionControl ? mayGrant : undefined
      return { ...ntorV3ServerReply(state, encodeCircuitResponse({ sendmeIncrement }), CREATE2_KEY_BYTES, rng), sendmeIncrement }
    }
    default:
      throw protocolError(`handshake of type ${HandshakeType.nameOf(handshakeType)}`)
  }
}
