/** Relay encryption: a client and three relays, cell by cell against a second implementation, batches against single cells. */

import { describe, expect, test } from 'vitest'
import { ctr } from '@noble/ciphers/aes.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { sha3_256 } from '@noble/hashes/sha3.js'
import { concatBytes, hexEncode } from '../../../../src/core/base/encoding.ts'
import { randomBelow, SeededRng } from '../../../../src/core/base/rng.ts'
import { RelayCommand } from '../../../../src/core/cell/commands.ts'
import { CELL_BODY_BYTES } from '../../../../src/core/cell/limits.ts'
import { encodeRelayMessage, readRelayMessage, type RelayMessage } from '../../../../src/core/cell/relay-cell.ts'
import type { RelayLayer } from '../../../../src/core/proto/relaycrypt/layer.ts'
import { OnionLayers } from '../../../../src/core/proto/relaycrypt/onion.ts'
import { TOR1_KEY_BYTES, TOR1_ONION_SERVICE_KEY_BYTES, Tor1ClientLayer, Tor1RelayLayer } from '../../../../src/core/proto/relaycrypt/tor1.ts'

const rng = new SeededRng('relaycrypt')

function circuit(hops: number): { layers: OnionLayers; relays: RelayLayer[] } {
  const layers = new OnionLayers()
  const relays: RelayLayer[] = []
  for (let i = 0; i < hops; i++) {
    const keys = rng.bytes(TOR1_KEY_BYTES)
    layers.add(new Tor1ClientLayer(keys))
    relays.push(new Tor1RelayLayer(keys))
  }
  return { layers, relays }
}

let serial = 0
const message = (): RelayMessage => ({ command: RelayCommand.DATA, streamId: ++serial & 0xffff, data: rng.bytes(randomBelow(rng, 499)) })
/** What cells say, one by one. */
function messagesOf(cells: { readonly bodies: Uint8Array } | undefined): RelayMessage[] {
  const read: RelayMessage[] = []
  for (let at = 0; at < (cells?.bodies.length ?? 0); at += CELL_BODY_BYTES) read.push(readRelayMessage(cells?.bodies ?? new Uint8Array(0), at))
  return read
}
const bodies = (messages: readonly RelayMessage[]): Uint8Array => concatBytes(messages.map((each) => encodeRelayMessage(each, rng)))

describe('forward', () => {
  test('each cell is recognised at its hop and passes the others; tags agree', () => {
    const { layers, relays } = circuit(3)
    for (let round = 0; round < 30; round++) {
      const hop = randomBelow(rng, 3)
      const messages = Array.from({ length: 1 + randomBelow(rng, 6) }, message)
      const sent = layers.encrypt(hop, bodies(messages))
      let payloads: Uint8Array = sent.payloads
      for (let i = 0; i < hop; i++) {
        const step = relays[i]?.decryptForward(payloads)
        expect(step?.recognized).toBeUndefined()
        payloads = step?.passing ?? new Uint8Array(0)
      }
      const end = relays[hop]?.decryptForward(payloads)
      expect(end?.passing).toBeUndefined()
      expect(messagesOf(end?.recognized)).toEqual(messages)
      expect(end?.recognized?.tags).toEqual(sent.tags)
      expect(sent.tags).toHaveLength(20 * messages.length)
    }
  })

  test('a batch with cells for this relay and for others is split, in order', () => {
    const { layers, relays } = circuit(2)
    const messages = Array.from({ length: 7 }, message)
    const parts = messages.map((each, i) => layers.encrypt(i % 3 === 1 ? 0 : 1, bodies([each])).payloads)
    const first = relays[0]?.decryptForward(concatBytes(parts))
    expect(first?.recognizedAt).toEqual([1, 4])
    expect(messagesOf(first?.recognized)).toEqual([messages[1], messages[4]])
    const second = relays[1]?.decryptForward(first?.passing ?? new Uint8Array(0))
    expect(messagesOf(second?.recognized)).toEqual([0, 2, 3, 5, 6].map((i) => messages[i]))
  })

  test('the digest survives cells that only look like ours', () => {
    const keys = rng.bytes(TOR1_KEY_BYTES)
    const client = new Tor1ClientLayer(keys)
    const relay = new Tor1RelayLayer(keys)
    const forged = encodeRelayMessage(message(), undefined)
    forged.set([1, 2, 3, 4], 5)
    // "Recognized" is zero, the digest is wrong: it goes on as it is.
    const wrapped = forged.slice()
    client.encryptForward(wrapped)
    const step = relay.decryptForward(wrapped)
    expect(step.recognized).toBeUndefined()
    expect(step.passing).toEqual(forged)
    const real = message()
    expect(messagesOf(relay.decryptForward(client.originateForward(bodies([real])).payloads).recognized)).toEqual([real])
  })
})

describe('backward', () => {
  test('the client finds the hop that sent each cell, in order', () => {
    const { layers, relays } = circuit(3)
    for (let round = 0; round < 20; round++) {
      const sent: { hop: number; message: RelayMessage; tag: string }[] = []
      const parts: Uint8Array[] = []
      for (let i = 0; i < 6; i++) {
        const hop = randomBelow(rng, 3)
        const each = message()
        const originated = relays[hop]?.originateBackward(bodies([each]))
        const payloads = originated?.payloads ?? new Uint8Array(0)
        for (let at = hop - 1; at >= 0; at--) relays[at]?.encryptBackward(payloads)
        parts.push(payloads)
        sent.push({ hop, message: each, tag: hexEncode(originated?.tags ?? new Uint8Array(0)) })
      }
      const received = layers.decrypt(concatBytes(parts))
      const cells = received?.flatMap((run) => messagesOf(run).map((each, i) => ({ hop: run.hop, message: each, tag: hexEncode(run.tags.subarray(20 * i, 20 * (i + 1))) })))
      expect(cells).toEqual(sent)
    }
  })

  test('a cell that is nobody’s is found out', () => {
    const { layers } = circuit(3)
    expect(layers.decrypt(rng.bytes(CELL_BODY_BYTES))).toBeUndefined()
  })

  test('hops that were cut off are forgotten', () => {
    const { layers, relays } = circuit(3)
    layers.truncate(1)
    expect(layers.length).toBe(1)
    const each = message()
    expect(layers.decrypt(relays[0]?.originateBackward(bodies([each])).payloads ?? new Uint8Array(0))?.[0]?.hop).toBe(0)
  })
})

test('batches and single cells give the same bytes', () => {
  const keys = rng.bytes(TOR1_KEY_BYTES)
  const [a, b] = [new Tor1RelayLayer(keys), new Tor1RelayLayer(keys)]
  const messages = Array.from({ length: 9 }, message)
  const all = bodies(messages)
  const together = a.originateBackward(all.slice())
  const singles = messages.map((_, i) => b.originateBackward(all.slice(i * CELL_BODY_BYTES, (i + 1) * CELL_BODY_BYTES)))
  expect(hexEncode(together.payloads)).toBe(hexEncode(concatBytes(singles.map((each) => each.payloads))))
  expect(together.tags).toEqual(concatBytes(singles.map((each) => each.tags)))
})

/** tor-spec §5.5 and §6.1 written down a second time, with other primitives. */
function sealed(hash: (data: Uint8Array) => Uint8Array, seed: Uint8Array, key: Uint8Array, list: readonly Uint8Array[]): Uint8Array {
  let history = seed
  const out = list.map((body) => {
    history = concatBytes([history, body])
    const filled = body.slice()
    filled.set(hash(history).subarray(0, 4), 5)
    return filled
  })
  return ctr(key, new Uint8Array(16)).encrypt(concatBytes(out))
}

test('another implementation seals the same cells', () => {
  const list = Array.from({ length: 4 }, () => encodeRelayMessage(message(), rng))
  const keys = rng.bytes(TOR1_KEY_BYTES)
  const expectForward = sealed(sha1, keys.subarray(0, 20), keys.slice(40, 56), list)
  const expectBackward = sealed(sha1, keys.subarray(20, 40), keys.slice(56, 72), list)
  expect(new Tor1ClientLayer(keys).originateForward(concatBytes(list)).payloads).toEqual(expectForward)
  expect(new Tor1RelayLayer(keys).originateBackward(concatBytes(list)).payloads).toEqual(expectBackward)
  const service = rng.bytes(TOR1_ONION_SERVICE_KEY_BYTES)
  const expectService = sealed(sha3_256, service.subarray(32, 64), service.slice(96), list)
  const originated = new Tor1ClientLayer(service, true).originateForward(concatBytes(list))
  expect(originated.payloads).toEqual(expectService)
  // The client reads what the service seals, and both cut the longer digest to the length of a tag.
  const read = new Tor1ClientLayer(service).decryptBackward(originated.payloads)
  expect(read.recognized?.tags).toEqual(originated.tags)
  expect(originated.tags).toHaveLength(4 * 20)
})
