/** How congestion control is agreed on when a hop is made, and a circuit that uses it from end to end. */

import { describe, expect, it } from 'vitest'
import { RelishError } from '../../../../src/core/base/errors.ts'
import { SeededRng } from '../../../../src/core/base/rng.ts'
import { monotonicMs } from '../../../../src/core/base/time.ts'
import { x25519Generate } from '../../../../src/core/crypto/x25519.ts'
import { NetworkParameters } from '../../../../src/core/netdir/parameters.ts'
import { ClientHandshake } from '../../../../src/core/proto/circuit/client-handshake.ts'
import { encodeCircuitExtensions, encodeCircuitResponse } from '../../../../src/core/proto/handshake/circuit-extensions.ts'
import { circuitExtendVerification, ntorV3ServerOpen, ntorV3ServerReply } from '../../../../src/core/proto/handshake/ntor-v3.ts'
import { TOR1_KEY_BYTES } from '../../../../src/core/proto/relaycrypt/tor1.ts'
import { congestionParameters } from '../../../../src/node/flow-parameters.ts'
import { Chain } from './chain.ts'

const rng = new SeededRng('agree')
const parameters = congestionParameters(new NetworkParameters())
const identity = rng.bytes(32)
const onionKey = x25519Generate(rng)

/** What a client makes of a relay's message, having asked or not. */
function answered(asks: boolean, message: Uint8Array): ReturnType<ClientHandshake['finish']>['agreed'] | string {
  const client = new ClientHandshake({ kind: 'ntor-v3', ed25519Identity: identity, onionKey: onionKey.publicKey }, asks ? { kind: 'exit', parameters } : undefined, rng)
  const { state } = ntorV3ServerOpen(client.message, { ed25519Identity: identity, onionKeys: { current: onionKey, previous: undefined } }, circuitExtendVerification)
  try {
    return client.finish(ntorV3ServerReply(state, message, TOR1_KEY_BYTES, rng).reply).agreed
  } catch (thrown) {
    return thrown instanceof RelishError ? thrown.kind : 'other'
  }
}

describe('a client', () => {
  it('takes the increment of the relay when it is its own, or one more or less', () => {
    for (const sendmeIncrement of [30, 31, 32]) expect(answered(true, encodeCircuitResponse({ sendmeIncrement }))).toMatchObject({ sendmeIncrement, kind: 'exit' })
    for (const sendmeIncrement of [0, 1, 29, 33, 62, 255]) expect(answered(true, encodeCircuitResponse({ sendmeIncrement }))).toBe('protocol')
  })

  it('takes no for an answer', () => {
    expect(answered(true, encodeCircuitResponse({ sendmeIncrement: undefined }))).toBeUndefined()
    expect(answered(true, encodeCircuitExtensions([{ type: 77, field: Uint8Array.of(1, 2, 3) }] as Parameters<typeof encodeCircuitExtensions>[0]))).toBeUndefined()
  })

  it('refuses what it has not asked for, and what it cannot read', () => {
    expect(answered(false, encodeCircuitResponse({ sendmeIncrement: 31 }))).toBe('protocol')
    expect(answered(true, Uint8Array.of(1, 2, 2, 31, 31))).toBe('protocol')
    expect(answered(true, Uint8Array.of(1))).toBe('protocol')
  })
})

describe('a circuit with congestion control', () => {
  it('has it with its last hop only, and carries data both ways', () => {
    const chain = new Chain(3, 'congestion', { congestion: parameters }).build()
    expect([0, 1, 2].map((hop) => chain.origin.edge(hop).flow.congestion.algorithm)).toEqual(['fixed', 'fixed', 'vegas'])
    expect([0, 1, 2].map((hop) => chain.relayCircuit(hop).edge.flow.congestion.algorithm)).toEqual(['fixed', 'fixed', 'vegas'])
    const client = chain.origin.edge().open({ kind: 'connect', host: 'example.com', port: 80, flags: 0 })
    chain.settle()
    const asked = chain.takeRelayEvents(2).find((output) => output.kind === 'stream-requested')
    if (asked === undefined) throw new Error('no stream was asked for')
    const exit = chain.relayCircuit(2).edge
    exit.accept(asked.stream)
    chain.settle()
    const bytes = rng.bytes(300_000)
    exit.write(chain.now, asked.stream, bytes.slice())
    chain.origin.edge().write(chain.now, client, bytes.slice())
    for (let turn = 0; turn < 50; turn++) {
      chain.now = monotonicMs(chain.now + 5)
      chain.settle()
    }
    const received = chain.takeEvents().flatMap((output) => (output.kind === 'stream-data' ? [output.chunk] : []))
    expect(Buffer.concat(received).equals(bytes)).toBe(true)
    const sent = chain.takeRelayEvents(2).flatMap((output) => (output.kind === 'stream-data' ? [output.chunk] : []))
    expect(Buffer.concat(sent).equals(bytes)).toBe(true)
    expect(chain.origin.isOpen).toBe(true)
  })

  it('is made without it when nobody asks', () => {
    const chain = new Chain(2, 'refused', { congestion: parameters })
    chain.origin.extend(chain.relay(0).hop())
    chain.settle()
    chain.origin.extend(chain.relay(1).hop('ntor-v3'))
    chain.settle()
    expect(chain.origin.edge(1).flow.congestion.algorithm).toBe('fixed')
    expect(chain.relayCircuit(1).edge.flow.congestion.algorithm).toBe('fixed')
  })
})
