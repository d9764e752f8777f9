/**
 * The client's half of making one hop: which handshake is used, what it sends, and the layer of encryption that comes
 * out. The cells that carry it, CREATE2 or EXTEND2, are in `origin-circuit.ts`. tor-spec §5.1, prop332.
 */

import { assert } from '../../base/assert.ts'
import { protocolError } from '../../base/errors.ts'
import type { Rng } from '../../base/rng.ts'
import { decodeCreatedFast, encodeCreateFast } from '../../cell/circuit-messages.ts'
import { HandshakeType } from '../../cell/commands.ts'
import { decodeCircuitResponse, encodeCircuitRequest } from '../handshake/circuit-extensions.ts'
import { createFastClientFinish, createFastClientStart, type CreateFastState } from '../handshake/create-fast.ts'
import { ntorClientFinish, ntorClientStart, type NtorClientState } from '../handshake/ntor.ts'
import { circuitExtendVerification, ntorV3ClientFinish, ntorV3ClientStart, type NtorV3ClientState } from '../handshake/ntor-v3.ts'
import type { AgreedCongestion } from '../flow/circuit-flow.ts'
import type { ClientLayer } from '../relaycrypt/layer.ts'
import { TOR1_KEY_BYTES, Tor1ClientLayer } from '../relaycrypt/tor1.ts'

/** How to shake hands with a relay. */
export type HopKeys =
  /** CREATE_FAST: first hops only (tor-spec §5.1.5). */
  | { readonly kind: 'fast' }
  | { readonly kind: 'ntor'; readonly rsaIdentity: Uint8Array; readonly onionKey: Uint8Array }
  | { readonly kind: 'ntor-v3'; readonly ed25519Identity: Uint8Array; readonly onionKey: Uint8Array }

type State =
  | { readonly kind: 'fast'; readonly state: CreateFastState }
  | { readonly kind: 'ntor'; readonly state: NtorClientState }
  | { readonly kind: 'ntor-v3'; readonly state: NtorV3ClientState; readonly asked: AskedCongestion | undefined }

/** Congestion control that a hop is asked for. */
export type AskedCongestion = Pick<AgreedCongestion, 'kind' | 'parameters'>

/** What comes of a handshake. */
export interface NewHop {
  readonly layer: ClientLayer
  /** Undefined: the windows of the circuit are fixed. */
  readonly agreed: AgreedCongestion | undefined
}

export class ClientHandshake {
  readonly #state: State
  /** Handshake data of CREATE2 and EXTEND2, or the body of CREATE_FAST. */
  readonly message: Uint8Array

  /** `asked`: for ntor-v3 only. */
  constructor(keys: HopKeys, asked: AskedCongestion | undefined, rng: Rng) {
    switch (keys.kind) {
      case 'fast': {
        const { state, message } = createFastClientStart(rng)
        this.#state = { kind: 'fast', state }
        this.message = encodeCreateFast(message)
        return
      }
      case 'ntor': {
        const { state, handshake } = ntorClientStart(keys, rng)
        this.#state = { kind: 'ntor', state }
        this.message = handshake
        return
      }
      case 'ntor-v3': {
        const { state, handshake } = ntorV3ClientStart(keys, encodeCircuitRequest({ congestionControl: asked !== undefined }), circuitExtendVerification, rng)
        this.#state = { kind: 'ntor-v3', state, asked }
        this.message = handshake
      }
    }
  }

  get isFast(): boolean {
    return this.#state.kind === 'fast'
  }

  get type(): HandshakeType {
    assert(this.#state.kind !== 'fast', 'CREATE_FAST has no handshake type')
    return this.#state.kind === 'ntor' ? HandshakeType.NTOR : HandshakeType.NTOR_V3
  }

  /** `reply`: the handshake data of CREATED2 or EXTENDED2, or the body of CREATED_FAST. Throws `protocol`. */
  finish(reply: Uint8Array): NewHop {
    const held = this.#state
    switch (held.kind) {
      case 'fast':
        return { layer: new Tor1ClientLayer(createFastClientFinish(held.state, decodeCreatedFast(reply), TOR1_KEY_BYTES)), agreed: undefined }
      case 'ntor':
        return { layer: new Tor1ClientLayer(ntorClientFinish(held.state, reply, TOR1_KEY_BYTES)), agreed: undefined }
      case 'ntor-v3': {
        const { message, keys } = ntorV3ClientFinish(held.state, reply, TOR1_KEY_BYTES)
        const { sendmeIncrement } = decodeCircuitResponse(message)
        return { layer: new Tor1ClientLayer(keys), agreed: sendmeIncrement === undefined ? undefined : agree(held.asked, sendmeIncrement) }
      }
    }
  }
}

/** prop324 §10.5: what a relay grants must have been asked for, and be in range. Throws `protocol`. */
function agree(asked: AskedCongestion | undefined, sendmeIncrement: number): AgreedCongestion {
  if (asked === undefined) throw protocolError('congestion control was granted and not asked for')
  // SPEC-DIFF: prop324 §10.5 lets it differ by a factor of two from what the consensus says; C tor lets it by one.
  if (sendmeIncrement === 0 || Math.abs(sendmeIncrement - asked.parameters.sendmeIncrement) > 1) throw protocolError(`SENDMEs are to come every ${sendmeIncrement} cells`)
  return { ...asked, sendmeIncrement }
}
