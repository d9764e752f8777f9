/** Circuit handshakes: known values (test/vectors/handshakes), a second implementation, and what must fail. */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ctr } from '@noble/ciphers/aes.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { sha3_256, shake256 } from '@noble/hashes/sha3.js'
import { concatBytes, hexDecode, hexEncode, utf8Encode } from '../../../../src/core/base/encoding.ts'
import { SeededRng, type Rng } from '../../../../src/core/base/rng.ts'
import { x25519KeyPair } from '../../../../src/core/crypto/x25519.ts'
import {
  decodeCircuitExtensions, decodeCircuitRequest, decodeCircuitResponse, encodeCircuitExtensions, encodeCircuitRequest, encodeCircuitResponse,
} from '../../../../src/core/proto/handshake/circuit-extensions.ts'
import { createFastClientFinish, createFastClientStart, createFastServer } from '../../../../src/core/proto/handshake/create-fast.ts'
import { ntorV3ClientFinish, ntorV3ClientStart, ntorV3ServerOpen, ntorV3ServerReply } from '../../../../src/core/proto/handshake/ntor-v3.ts'
import { ntorClientFinish, ntorClientStart, ntorServer } from '../../../../src/core/proto/handshake/ntor.ts'
import { drillMessage, expectRefused } from '../../../support/codec-drill.ts'

/** Gives out recorded bytes, in order, and throws when asked for anything else. */
function recorded(...values: string[]): Rng {
  const left = values.map((value) => hexDecode(value))
  return {
    bytes(length) {
      const next = left.shift()
      if (next?.length !== length) throw new Error(`nothing recorded for a draw of ${length} bytes`)
      return next
    },
    derive: () => {
      throw new Error('nothing recorded')
    },
  }
}

const vectors = (name: string): Record<string, string> => JSON.parse(readFileSync(new URL(`../../../vectors/handshakes/${name}.json`, import.meta.url), 'utf8')) as Record<string, string>
const field = (of: Record<string, string>, name: string): string => of[name] ?? ''
const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))
const rng = new SeededRng('handshakes')

describe('CREATE_FAST', () => {
  test('both sides derive the same, as KDF-TOR says', () => {
    const start = createFastClientStart(rng)
    const { reply, keys } = createFastServer(start.message, 72, rng)
    expect(createFastClientFinish(start.state, reply, 72)).toEqual(keys)
    // tor-spec §5.2.1 with another SHA-1.
    const blocks = [0, 1, 2, 3, 4].map((i) => sha1(concatBytes([start.message.keyMaterial, reply.keyMaterial, Uint8Array.of(i)])))
    expect(hexEncode(concatBytes([reply.derivativeKeyData, keys]))).toBe(hexEncode(concatBytes(blocks).subarray(0, 92)))
  })
  test('a reply that does not prove the keys is refused', () => {
    const start = createFastClientStart(rng)
    const { reply } = createFastServer(start.message, 72, rng)
    expectRefused(() => createFastClientFinish(start.state, { ...reply, keyMaterial: flip(reply.keyMaterial, 0) }, 72), reply.keyMaterial)
  })
})

describe('ntor', () => {
  const known = vectors('ntor')
  const target = { rsaIdentity: hexDecode(field(known, 'ID')), onionKey: hexDecode(field(known, 'B')) }
  const onionKeys = { current: x25519KeyPair(hexDecode(field(known, 'b'))), previous: undefined }
  const self = { rsaIdentity: target.rsaIdentity, onionKeys }

  test('known values', () => {
    const start = ntorClientStart(target, recorded(field(known, 'x')))
    expect(hexEncode(start.handshake)).toBe(field(known, 'clientHandshake'))
    const { reply, keys } = ntorServer(start.handshake, self, 72, recorded(field(known, 'y')))
    expect(hexEncode(reply)).toBe(field(known, 'serverHandshake'))
    expect(hexEncode(keys)).toBe(field(known, 'keys'))
    expect(hexEncode(ntorClientFinish(start.state, reply, 72))).toBe(field(known, 'keys'))
  })

  test('another implementation of the relay side agrees', () => {
    const start = ntorClientStart(target, rng)
    const y = rng.bytes(32)
    const clientKey = start.handshake.subarray(52)
    const serverKey = x25519.getPublicKey(y)
    const protocol = utf8Encode('ntor-curve25519-sha256-1')
    const b = hexDecode(field(known, 'b'))
    const secret = concatBytes([x25519.getSharedSecret(y, clientKey), x25519.getSharedSecret(b, clientKey), target.rsaIdentity, target.onionKey, clientKey, serverKey, protocol])
    const tag = (suffix: string): Uint8Array => concatBytes([protocol, utf8Encode(suffix)])
    const verify = hmac(sha256, tag(':verify'), secret)
    const auth = hmac(sha256, tag(':mac'), concatBytes([verify, target.rsaIdentity, target.onionKey, serverKey, clientKey, protocol, utf8Encode('Server')]))
    const keys = hkdf(sha256, secret, tag(':key_extract'), tag(':key_expand'), 92)
    expect(ntorClientFinish(start.state, concatBytes([serverKey, auth]), 92)).toEqual(keys)
  })

  test('the key before the last rotation still works; an unknown one does not', () => {
    const rotated = { current: x25519KeyPair(rng.bytes(32)), previous: onionKeys.current }
    const start = ntorClientStart(target, rng)
    const { reply, keys } = ntorServer(start.handshake, { ...self, onionKeys: rotated }, 72, rng)
    expect(ntorClientFinish(start.state, reply, 72)).toEqual(keys)
    const gone = { current: x25519KeyPair(rng.bytes(32)), previous: rotated.current }
    expectRefused((bytes) => ntorServer(bytes, { ...self, onionKeys: gone }, 72, rng), start.handshake)
  })

  test('wrong lengths, another relay, forged replies and degenerate keys are refused', () => {
    const start = ntorClientStart(target, rng)
    const { reply } = ntorServer(start.handshake, self, 72, rng)
    const server = (bytes: Uint8Array): unknown => ntorServer(bytes, self, 72, rng)
    const client = (bytes: Uint8Array): unknown => ntorClientFinish(start.state, bytes, 72)
    expectRefused(server, start.handshake.subarray(1))
    expectRefused(server, concatBytes([start.handshake, Uint8Array.of(0)]))
    expectRefused(server, flip(start.handshake, 0))
    expectRefused(server, concatBytes([start.handshake.subarray(0, 52), new Uint8Array(32)]))
    expectRefused(client, reply.subarray(1))
    for (const at of [0, 31, 32, 63]) expectRefused(client, flip(reply, at))
    expectRefused(client, concatBytes([new Uint8Array(32), reply.subarray(32)]))
  })
})

describe('ntor-v3', () => {
  const known = vectors('ntor-v3')
  const target = { ed25519Identity: hexDecode(field(known, 'ID')), onionKey: hexDecode(field(known, 'B')) }
  const self = { ed25519Identity: target.ed25519Identity, onionKeys: { current: x25519KeyPair(hexDecode(field(known, 'b'))), previous: undefined } }
  const clientMessage = hexDecode(field(known, 'CM'))
  const serverMessage = hexDecode(field(known, 'SM'))
  const verification = hexDecode(field(known, 'VER'))

  test('known values', () => {
    const start = ntorV3ClientStart(target, clientMessage, verification, recorded(field(known, 'x')))
    expect(hexEncode(start.handshake)).toBe(field(known, 'client_handshake'))
    const opened = ntorV3ServerOpen(start.handshake, self, verification)
    expect(opened.message).toEqual(clientMessage)
    const { reply, keys } = ntorV3ServerReply(opened.state, serverMessage, 256, recorded(field(known, 'y')))
    expect(hexEncode(reply)).toBe(field(known, 'server_handshake'))
    expect(hexEncode(keys)).toBe(field(known, 'KEYSTREAM'))
    const finished = ntorV3ClientFinish(start.state, reply, 256)
    expect(finished.message).toEqual(serverMessage)
    expect(hexEncode(finished.keys)).toBe(field(known, 'KEYSTREAM'))
  })

  test('another implementation reads the client’s message', () => {
    const message = rng.bytes(77)
    const start = ntorV3ClientStart(target, message, verification, rng)
    const protocol = utf8Encode('ntor3-curve25519-sha3_256-1')
    const encap = (bytes: Uint8Array): Uint8Array => concatBytes([new Uint8Array(7), Uint8Array.of(bytes.length), bytes])
    const tweak = (suffix: string): Uint8Array => encap(concatBytes([protocol, utf8Encode(suffix)]))
    const clientKey = start.handshake.subarray(64, 96)
    const shared = x25519.getSharedSecret(hexDecode(field(known, 'b')), clientKey)
    const keys = shake256(concatBytes([tweak(':kdf_phase1'), shared, target.ed25519Identity, clientKey, target.onionKey, protocol, encap(verification)]), { dkLen: 64 })
    const encrypted = start.handshake.subarray(96, start.handshake.length - 32)
    const mac = sha3_256(concatBytes([tweak(':msg_mac'), encap(keys.subarray(32)), target.ed25519Identity, target.onionKey, clientKey, encrypted]))
    expect(hexEncode(start.handshake.subarray(-32))).toBe(hexEncode(mac))
    expect(ctr(keys.subarray(0, 32), new Uint8Array(16)).decrypt(encrypted)).toEqual(message)
  })

  test('every changed byte, another verification string and another relay are refused', () => {
    const start = ntorV3ClientStart(target, clientMessage, verification, rng)
    const open = (bytes: Uint8Array): unknown => ntorV3ServerOpen(bytes, self, verification)
    for (let at = 0; at < start.handshake.length; at++) expectRefused(open, flip(start.handshake, at))
    for (let length = 0; length < start.handshake.length; length++) expectRefused(open, start.handshake.subarray(0, length))
    expectRefused((bytes) => ntorV3ServerOpen(bytes, self, utf8Encode('other')), start.handshake)
    expectRefused((bytes) => ntorV3ServerOpen(bytes, { ...self, ed25519Identity: rng.bytes(32) }, verification), start.handshake)
    const opened = ntorV3ServerOpen(start.handshake, self, verification)
    const { reply } = ntorV3ServerReply(opened.state, serverMessage, 72, rng)
    const finish = (bytes: Uint8Array): unknown => ntorV3ClientFinish(start.state, bytes, 72)
    for (let at = 0; at < reply.length; at++) expectRefused(finish, flip(reply, at))
    for (let length = 0; length < reply.length; length++) expectRefused(finish, reply.subarray(0, length))
  })
})

describe('circuit extensions', () => {
  drillMessage('extensions', { encode: encodeCircuitExtensions, decode: decodeCircuitExtensions }, [
    { label: 'none', value: [], bytes: Uint8Array.of(0) },
    {
      value: [{ type: 1, field: new Uint8Array(0) }, { type: 9, field: Uint8Array.of(1, 2, 3) }],
      bytes: Uint8Array.of(2, 1, 0, 9, 3, 1, 2, 3),
      lengthFields: [{ offset: 0, size: 1 }, { offset: 2, size: 1 }, { offset: 4, size: 1 }],
    },
  ])
  test('of a type that comes twice the first counts', () => {
    expect(decodeCircuitExtensions(Uint8Array.of(2, 2, 1, 31, 2, 1, 99))).toEqual([{ type: 2, field: Uint8Array.of(31) }])
  })
  test('congestion control is asked for and granted', () => {
    for (const congestionControl of [true, false]) expect(decodeCircuitRequest(encodeCircuitRequest({ congestionControl }))).toEqual({ congestionControl })
    for (const sendmeIncrement of [31, undefined]) expect(decodeCircuitResponse(encodeCircuitResponse({ sendmeIncrement }))).toEqual({ sendmeIncrement })
    expectRefused(decodeCircuitResponse, Uint8Array.of(1, 2, 2, 0, 31))
  })
})
